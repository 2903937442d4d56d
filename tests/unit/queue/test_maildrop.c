/* The maildrop's files: what is written is read as it was; what cannot be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/maildrop.h"

static void what_is_written_is_read(void **state)
{
	const struct msg_mail mail = { .sender = VIEW("alice@a.test"),
				       .flags = MAIL_FLAG_SMTPUTF8,
				       .body = BODY_8BITMIME,
				       .ret = RET_HDRS,
				       .envid = VIEW("a b") };
	struct maildrop_head head = { 0 };
	struct str text = STR_EMPTY;
	struct view rest, line, rcpt;

	(void)state;
	assert_int_equal(maildrop_put_mail(&text, &mail), 0);
	assert_int_equal(maildrop_put_rcpt(&text, VIEW("bob jones@b.test"), NOTIFY_DELAY), 0);
	rest = str_view(&text);
	while (!head.has_rcpt) {
		assert_true(view_next(&rest, '\n', &line));
		assert_true(maildrop_head_take(&head, line, &rcpt) <= MAILDROP_RCPT);
	}
	assert_true(view_is(str_view(&head.sender), "alice@a.test"));
	assert_true(view_is(str_view(&head.envid), "a b"));
	assert_true(view_is(rcpt, "bob jones@b.test"));
	assert_int_equal(head.notify, NOTIFY_DELAY);
	assert_int_equal(head.body, BODY_8BITMIME);
	assert_int_equal(head.ret, RET_HDRS);
	assert_true(head.utf8);
	assert_int_equal(maildrop_head_take(&head, VIEW(""), &rcpt), MAILDROP_CONTENT);
	maildrop_head_free(&head);
	str_free(&text);
}

/* Else a sender's name could add recipients, or end the head. */
static void a_line_end_in_an_address_is_refused(void **state)
{
	struct str text = STR_EMPTY;

	(void)state;
	assert_true(maildrop_put_mail(&text, &(struct msg_mail){ .sender = VIEW("a\nrcpt 0 b") }) <
		    0);
	assert_true(maildrop_put_mail(&text, &(struct msg_mail){ .envid = VIEW("a\n") }) < 0);
	assert_true(maildrop_put_rcpt(&text, VIEW("a\n\nb"), 0) < 0);
	assert_true(maildrop_put_rcpt(&text, VIEW(""), 0) < 0);
	assert_int_equal(text.len, 0);
	str_free(&text);
}

static void what_cannot_be_is_refused(void **state)
{
	static const char *const files[] = {
		"posta-maildrop 2\n",
		"sender a@b\n",
		"posta-maildrop 1\n\n",
		"posta-maildrop 1\nrcpt 0 a@b\n",
		"posta-maildrop 1\nsender a@b\nrcpt 0 a@b\n",
		"posta-maildrop 1\nsender a@b\nsender c@d\n",
		"posta-maildrop 1\nsender a@b\nbody 9bit\n",
		"posta-maildrop 1\nsender a@b\nbody 7bit\nrcpt 16 a@b\n",
		"posta-maildrop 1\nsender a@b\nbody 7bit\nrcpt 0 \n",
		"posta-maildrop 1\nsender a@b\nbody 7bit\nrcpt a@b\n",
		"posta-maildrop 1\nsender a@b\nbody 7bit\nrcpt 0 a@b\nutf8 1\n",
		"posta-maildrop 1\nsender a@b\nbody 7bit\nuid 0\n",
		"posta-maildrop 1\nsender a\x01@b\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct maildrop_head head = { 0 };
		struct view rest = view_of(files[i]), line, rcpt;
		enum maildrop_line kind = MAILDROP_MAIL;

		while (rest.len > 0 && kind != MAILDROP_BAD && view_next(&rest, '\n', &line))
			kind = maildrop_head_take(&head, line, &rcpt);
		if (kind != MAILDROP_BAD)
			fail_msg("taken: %s", files[i]);
		maildrop_head_free(&head);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_line_end_in_an_address_is_refused),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Templates of questions and results, as mysql_table(5) and ldap_table(5) describe them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "expand.h"

/* Doubles quotes; nothing with a NUL can be said. */
static int quote(void *unused, struct view text, struct str *out)
{
	(void)unused;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\0')
			return -EILSEQ;
		if (text.data[i] == '\'')
			str_append_byte(out, '\'');
		str_append_byte(out, text.data[i]);
	}
	return 0;
}

static const struct {
	const char *template, *key, *wanted; /* NULL: nothing is asked */
} questions[] = {
	{ "x='%s'", "a@b.example", "x='a@b.example'" },
	{ "x='%s'", "it's", "x='it''s'" },
	{ "%u at %d", "a@b.example", "a at b.example" },
	{ "%U at %D of %S", "a@b.example", "a at b.example of a@b.example" },
	{ "%u", "alone", "alone" },
	{ "%u", "a@b@c.example", "a@b" },
	{ "%u", "@c.example", NULL },
	{ "%d", "alone", NULL },
	{ "%d", "a@", NULL },
	{ "%1.%2.%3", "a@x.y.z", "z.y.x" },
	{ "%4", "a@x.y.z", NULL },
	{ "%2", "a@z", NULL },
	{ "%1", "alone", NULL },
	{ "100%%", "a", "100%" },
	{ "%s", "%u", "%u" },
	{ "%s in enable%\001%\002", "a@b\001imap secured", "a@b in enableimapsecured" },
	{ "%u of %d, disable%\001", "a@b\001pop3", "a of b, disablepop3" },
	{ "enable%\001%\002", "a@b", "enable" },
	{ "%1", "a@b.c\001x.y", "c" },
};

static void test_questions(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;
		int r = expand_question(view_of(questions[i].template), view_of(questions[i].key),
					quote, NULL, &out);

		print_message("%s of %s\n", questions[i].template, questions[i].key);
		assert_int_equal(r, questions[i].wanted != NULL);
		if (r == 1)
			assert_string_equal(str_cstr(&out), questions[i].wanted);
	}
}

static void test_what_cannot_be_said(void **unused)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)unused;
	assert_int_equal(expand_question(VIEW("%s"), view_make("a\0b", 3), quote, NULL, &out),
			 -EILSEQ);
}

static void test_results(void **unused)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct view key = VIEW("k@key.example");

	(void)unused;
	assert_int_equal(expand_result(VIEW("%s"), key, VIEW("one"), &out), 1);
	assert_int_equal(expand_result(VIEW("%s"), key, VIEW(""), &out), 0);
	assert_int_equal(expand_result(VIEW("%s"), key, VIEW("two@x.example"), &out), 1);
	assert_int_equal(expand_result(VIEW("%d"), key, VIEW("nowhere"), &out), 0);
	assert_int_equal(expand_result(VIEW("%u=%d=%U=%D=%1"), key, VIEW("v@val.test"), &out), 1);
	assert_string_equal(str_cstr(&out), "one,two@x.example,v=val.test=k=key.example=example");
}

static void test_check(void **unused)
{
	(void)unused;
	assert_int_equal(expand_check(VIEW("%s %% %u %9")), 0);
	assert_int_equal(expand_check(VIEW("%\001%\002")), 0);
	assert_int_equal(expand_check(VIEW("%")), -EINVAL);
	assert_int_equal(expand_check(VIEW("%x")), -EINVAL);
	assert_int_equal(expand_check(VIEW("%0")), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_what_cannot_be_said),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

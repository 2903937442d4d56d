/* header_checks and kin: every action, and which table is asked for which line. */
#include "helper.h"

struct check_case {
	const char *settings, *input;
	const char *content; /* after the Received field; NULL: refused */
	uint32_t code;	     /* of the verdict */
	const char *text;    /* in it */
	const char *recipients;
};

#define HEADERS(rule) "header_checks = regexp:{ {" rule "} }\n"
#define BODIES(rule)  "body_checks = regexp:{ {" rule "} }\n"
#define MESSAGE	      "Subject: spam\r\nTo: a\r\n\r\nline one\r\nline two\r\n"
#define RECIPIENT     "u@example.test<u@example.test "
#define MIXED                                                                                      \
	"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nintro\r\n--b\r\n"          \
	"Content-Type: text/plain\r\nX-Part: 1\r\n\r\ntext\r\n--b\r\nContent-Type: "               \
	"message/rfc822\r\n\r\n"                                                                   \
	"Subject: inner\r\nMIME-Version: 1.0\r\n\r\ninner text\r\n--b--\r\nend\r\n"

static const struct check_case cases[] = {
	{ HEADERS("/^Subject: spam/ REJECT"), MESSAGE, NULL, 550, "message content rejected",
	  NULL },
	{ HEADERS("/^Subject: (sp)am/ REJECT no $$1"), MESSAGE, NULL, 550, "no sp", NULL },
	{ HEADERS("/^Subject: spam/ REJECT 5.6.9 no"), MESSAGE, NULL, 550, "no", NULL },
	{ HEADERS("/^Subject: spam/ DISCARD"), MESSAGE, NULL, 250, "Ok: queued as ", NULL },
	{ HEADERS("/^Subject: spam/ WARN x"), MESSAGE, MESSAGE, 250, "", RECIPIENT },
	{ HEADERS("/^Subject: spam/ IGNORE"), MESSAGE, "To: a\r\n\r\nline one\r\nline two\r\n", 250,
	  "", RECIPIENT },
	{ HEADERS("/^Subject: spam/ STRIP"), MESSAGE, "To: a\r\n\r\nline one\r\nline two\r\n", 250,
	  "", RECIPIENT },
	{ HEADERS("/^Subject: spam/ REPLACE Subject: ham"), MESSAGE,
	  "Subject: ham\r\nTo: a\r\n\r\nline one\r\nline two\r\n", 250, "", RECIPIENT },
	{ HEADERS("/^Subject: spam/ REPLACE no field"), MESSAGE, NULL, 451, "", NULL },
	{ HEADERS("/^To:/ PREPEND X-Seen: yes"), MESSAGE,
	  "Subject: spam\r\nX-Seen: yes\r\nTo: a\r\n\r\nline one\r\nline two\r\n", 250, "",
	  RECIPIENT },
	{ HEADERS("/^To:/ BCC spy@example.test"), MESSAGE, MESSAGE, 250, "",
	  RECIPIENT "spy@example.test<spy@example.test " },
	{ HEADERS("/^To:/ REDIRECT other@example.test"), MESSAGE, MESSAGE, 250, "",
	  "other@example.test<other@example.test " },
	{ HEADERS("/^To:/ FILTER smtp:x"), MESSAGE, MESSAGE, 250, "", RECIPIENT "|smtp:x" },
	{ HEADERS("/^To:/ FILTER smtp"), MESSAGE, NULL, 451, "", NULL },
	{ HEADERS("/^To:/ FILTER smtp:x} {/^Subject:/ REDIRECT other@example.test"), MESSAGE,
	  MESSAGE, 250, "", "other@example.test<other@example.test " },
	{ BODIES("/two/ FILTER scan:[127.0.0.1]:10024"), MESSAGE, MESSAGE, 250, "",
	  RECIPIENT "|scan:[127.0.0.1]:10024" },
	{ HEADERS("/^To:/ NONSENSE"), MESSAGE, NULL, 451, "", NULL },
	{ HEADERS("/^Subject:/ PASS} {/^To:/ REJECT"), MESSAGE, MESSAGE, 250, "", RECIPIENT },
	{ HEADERS("if /^Subject:/} {/spam/ REJECT} {endif"), MESSAGE, NULL, 550, "", NULL },
	{ HEADERS("if /^To:/} {/spam/ REJECT} {endif"), MESSAGE, MESSAGE, 250, "", RECIPIENT },
	/* A folded field is one, and what its length or a NUL hides is seen all the same. */
	{ HEADERS("/one.*two/ REJECT"), "Subject: one\r\n two\r\n\r\n", NULL, 550, "", NULL },
	{ BODIES("/two/ REJECT 5.7.0 body"), MESSAGE, NULL, 550, "body", NULL },
	{ BODIES("/two/ IGNORE"), MESSAGE, "Subject: spam\r\nTo: a\r\n\r\nline one\r\n", 250, "",
	  RECIPIENT },
	{ BODIES("/two/ REPLACE three"), MESSAGE,
	  "Subject: spam\r\nTo: a\r\n\r\nline one\r\nthree\r\n", 250, "", RECIPIENT },
	{ BODIES("/two/ PREPEND three"), MESSAGE,
	  "Subject: spam\r\nTo: a\r\n\r\nline one\r\nthree\r\nline two\r\n", 250, "", RECIPIENT },
	{ BODIES("/two/ BCC spy@example.test"), MESSAGE, MESSAGE, 250, "",
	  RECIPIENT "spy@example.test<spy@example.test " },
	{ BODIES("/two/ REDIRECT other@example.test"), MESSAGE, MESSAGE, 250, "",
	  "other@example.test<other@example.test " },
	{ BODIES("/two/ DISCARD"), MESSAGE, NULL, 250, "Ok: queued as ", NULL },
	{ BODIES("/Subject/ REJECT"), MESSAGE, MESSAGE, 250, "", RECIPIENT },
	{ BODIES("/two/ REJECT") "body_checks_size_limit = 10\n", MESSAGE, MESSAGE, 250, "",
	  RECIPIENT },
	/* Bytes that go by before anything looks. */
	{ "message_strip_characters = x\\001\\200\n",
	  "Sub\001ject: s\r\nX-\200A: b\r\n\r\nox\001\r\n", "Subject: s\r\nX-A: b\r\n\r\no\r\n",
	  250, "", RECIPIENT },
	{ "message_reject_characters = \\1\n", "Subject: s\r\n\r\n\001\r\n", NULL, 550,
	  "Error: disallowed character", NULL },
	{ "message_reject_characters = \\1\n", MESSAGE, MESSAGE, 250, "", RECIPIENT },
	/* Which table. */
	{ "mime_header_checks = regexp:{ {/./ IGNORE} }\n", MIXED,
	  "Subject: s\r\n\r\nintro\r\n--b\r\n\r\ntext\r\n--b\r\n\r\nSubject: inner\r\n\r\ninner "
	  "text\r\n--b--\r\nend\r\n",
	  250, "", RECIPIENT },
	{ "nested_header_checks = regexp:{ {/./ IGNORE} }\n", MIXED,
	  "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nintro\r\n--b\r\n"
	  "Content-Type: text/plain\r\nX-Part: 1\r\n\r\ntext\r\n--b\r\nContent-Type: "
	  "message/rfc822\r\n\r\n"
	  "MIME-Version: 1.0\r\n\r\ninner text\r\n--b--\r\nend\r\n",
	  250, "", RECIPIENT },
	{ "mime_header_checks =\nnested_header_checks =\n" HEADERS("/./ IGNORE"), MIXED,
	  "Content-Type: multipart/mixed; boundary=b\r\n\r\nintro\r\n--b\r\n"
	  "Content-Type: text/plain\r\nX-Part: 1\r\n\r\ntext\r\n--b\r\nContent-Type: "
	  "message/rfc822\r\n\r\n"
	  "Subject: inner\r\nMIME-Version: 1.0\r\n\r\ninner text\r\n--b--\r\nend\r\n",
	  250, "", RECIPIENT },
	{ BODIES("/./ IGNORE"), MIXED,
	  "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	  "Content-Type: text/plain\r\nX-Part: 1\r\n\r\nContent-Type: message/rfc822\r\n\r\n"
	  "Subject: inner\r\nMIME-Version: 1.0\r\n\r\n",
	  250, "", RECIPIENT },
	{ BODIES("/nothing/ REJECT"), MIXED, MIXED, 250, "", RECIPIENT },
};

static const struct check_case *current;
static size_t piece_size;

static void one_case(struct ipc *client)
{
	const struct check_case *c = current;
	_cleanup_(str_free) struct str id = STR_EMPTY, got = STR_EMPTY;
	struct view rest = view_of(c->input);
	struct header_field received;
	struct message m;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("s@example.com"),
					       .flags = MAIL_FLAG_REMOTE,
					       .client_address = VIEW("192.0.2.1") });
	test_rcpt(client, "u@example.test");
	while (rest.len > 0) {
		struct view piece = view_first(rest, piece_size);

		assert_int_equal(ipc_send(client, data, .bytes = piece), 0);
		rest = view_from(rest, piece.len);
	}
	assert_int_equal(ipc_send(client, data_end), 0);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	if (m.verdict.code != c->code ||
	    view_find(m.verdict.text, view_of(c->text)) == VIEW_NOT_FOUND)
		fail_msg("%s: %u %.*s", c->settings, m.verdict.code, VIEW_ARG(m.verdict.text));
	str_set(&id, m.verdict.queue_id);
	if (c->content == NULL) {
		struct queue_file *f;
		struct error err = ERROR_NONE;

		assert_true(queue_file_open(cleanup.queue, str_view(&id), NULL, 0, &f, &err) < 0);
		return;
	}
	test_read_content(str_view(&id), &got);
	rest = str_view(&got);
	assert_int_equal(header_next(&rest, &received), 1);
	if (!view_is(rest, c->content))
		fail_msg("%s: got\n%.*s", c->settings, VIEW_ARG(rest));
	test_read_recipients(str_view(&id), &got);
	assert_string_equal(str_cstr(&got), c->recipients);
}

static void all_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		current = &cases[i];
		for (piece_size = 1; piece_size < 2000; piece_size += 998)
			test_with_cleanup("private/cleanup", cases[i].settings, one_case);
	}
}

/* Larger than the buffer: what late recipients make anew is the same message. */
static void large(struct ipc *client)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, got = STR_EMPTY, body = STR_EMPTY;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("s@example.com"),
					       .flags = MAIL_FLAG_REMOTE });
	test_rcpt(client, "u@example.test");
	str_append_cstr(&body, "Subject: x\r\n\r\n");
	for (int i = 0; i < 6000; i++)
		str_printf(&body, "line %d of a long message\r\n", i);
	str_append_cstr(&body, "the end\r\n");
	for (struct view rest = str_view(&body); rest.len > 0; rest = view_from(rest, 50000))
		assert_int_equal(ipc_send(client, data, .bytes = view_first(rest, 50000)), 0);
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), &got);
	assert_true(view_ends(str_view(&got), str_view(&body)));
	test_read_recipients(str_view(&id), &got);
	assert_string_equal(str_cstr(&got), RECIPIENT "spy@example.test<spy@example.test ");
}

static void large_test(void **state)
{
	(void)state;
	test_with_cleanup(
		"private/cleanup",
		BODIES("/the end/ BCC spy@example.test") "body_checks_size_limit = 1000000\n",
		large);
}

/* Neither length nor NUL hides a field or a line. */
static void hidden(struct ipc *client)
{
	for (int i = 0; i < 3; i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		str_append_cstr(&text, "Subject: ");
		for (int k = 0; k < (i == 0 ? 5000 : 1); k++)
			str_append_byte(&text, 'x');
		if (i == 1)
			str_append_byte(&text, '\0');
		str_append_cstr(&text, i == 2 ? "\r\n\r\na\0b evil\r\n" : " evil\r\n\r\n");
		if (i == 2)
			str_append(&text, VIEW("\0 evil\r\n"));
		test_begin(client, &(struct msg_mail){ .sender = VIEW("s@example.com"),
						       .flags = MAIL_FLAG_REMOTE });
		test_rcpt(client, "u@example.test");
		assert_int_equal(ipc_send(client, data, .bytes = str_view(&text)), 0);
		assert_int_equal(test_end(client, NULL), 550);
	}
}

static void hidden_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", HEADERS("/evil/ REJECT") BODIES("/evil/ REJECT"),
			  hidden);
}

/* The suite's own reports are not looked at. */
static void internal(struct ipc *client)
{
	test_begin(client, &(struct msg_mail){ .flags = MAIL_FLAG_INTERNAL });
	test_rcpt(client, "u@example.test");
	assert_int_equal(ipc_send(client, data, .bytes = VIEW("Subject: evil\r\n\r\n")), 0);
	assert_int_equal(test_end(client, NULL), 250);
}

static void internal_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", HEADERS("/evil/ REJECT"), internal);
}

/* But those of the classes that are to be. */
static void internal_classes(struct ipc *client)
{
	static const struct {
		uint8_t kind;
		unsigned code;
	} rows[] = { { INTERNAL_BOUNCE, 550 }, { INTERNAL_NOTIFY, 250 }, { INTERNAL_OTHER, 250 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_begin(client,
			   &(struct msg_mail){ .flags = MAIL_FLAG_INTERNAL, .kind = rows[i].kind });
		test_rcpt(client, "u@example.test");
		assert_int_equal(ipc_send(client, data, .bytes = VIEW("Subject: evil\r\n\r\n")), 0);
		assert_int_equal(test_end(client, NULL), rows[i].code);
	}
}

static void internal_classes_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup",
			  HEADERS("/evil/ REJECT") "internal_mail_filter_classes = bounce\n",
			  internal_classes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases),
		cmocka_unit_test(large_test),
		cmocka_unit_test(hidden_test),
		cmocka_unit_test(internal_test),
		cmocka_unit_test(internal_classes_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ENVELOPE, BODY and BODYSTRUCTURE, RFC 3501 7.4.2 and its examples. */
#include "fixture.h"

#include "store/render.h"

static void assert_envelope(const char *header, const char *expected)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	render_envelope(&out, view_of(header));
	assert_string_equal(str_cstr(&out), expected);
}

static void assert_body(const char *content, bool extended, const char *expected)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct mime_tree tree;

	mime_tree_parse(view_of(content), &tree);
	render_body(&out, view_of(content), &tree, extended);
	mime_tree_free(&tree);
	assert_string_equal(str_cstr(&out), expected);
}

static void the_example_of_the_rfc(void **state)
{
	(void)state;
	assert_envelope(
		"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
		"From: Terry Gray <gray@cac.washington.edu>\r\n"
		"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
		"To: imap@cac.washington.edu\r\n"
		"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
		"Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n",
		"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and "
		"minutes\" "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((NIL NIL \"imap\" \"cac.washington.edu\")) "
		"((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" "
		"\"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.edu>\")");
}

static void what_is_absent_is_nil(void **state)
{
	(void)state;
	assert_envelope("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	assert_envelope("Subject:\r\nDate: \r\n\r\n",
			"(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	assert_envelope("Sender: s@x\r\nReply-To:\r\nFrom: f@x\r\n\r\n",
			"(NIL NIL ((NIL NIL \"f\" \"x\")) ((NIL NIL \"s\" \"x\")) "
			"((NIL NIL \"f\" \"x\")) NIL NIL NIL NIL NIL)");
	/* A name without an address is shown all the same. */
	assert_envelope(
		"From: John Doe\r\nTo: \"Doe, J.\" <>, x@y, Nobody\r\nCc: <>\r\n\r\n",
		"(NIL NIL ((\"John Doe\" NIL \"\" \"\")) ((\"John Doe\" NIL \"\" \"\")) "
		"((\"John Doe\" NIL \"\" \"\")) ((\"Doe, J.\" NIL \"\" \"\")(NIL NIL \"x\" \"y\")"
		"(NIL NIL \"Nobody\" \"\")) NIL NIL NIL NIL)");
	/* Two fields of a name are one list. */
	assert_envelope("From: f@x\r\nTo: a@x\r\nSubject: s\r\nTo: b@x\r\n\r\n",
			"(NIL \"s\" ((NIL NIL \"f\" \"x\")) ((NIL NIL \"f\" \"x\")) "
			"((NIL NIL \"f\" \"x\")) ((NIL NIL \"a\" \"x\")(NIL NIL \"b\" \"x\")) "
			"NIL NIL NIL NIL)");
}

static void strings(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "plain", "\"plain\"" },
		{ "", "\"\"" },
		{ "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
		{ "gr\xc3\xbc\xc3\x9f", "{6}\r\ngr\xc3\xbc\xc3\x9f" },
		{ "a\tb\r\nc", "\"a b  c\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		render_string(&out, view_of(table[i].in));
		assert_string_equal(str_cstr(&out), table[i].out);
	}

	_cleanup_(str_free) struct str out = STR_EMPTY;

	render_string(&out, VIEW("a\0b"));
	assert_string_equal(str_cstr(&out), "\"a b\"");
}

static void addresses(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "a@b", "((NIL NIL \"a\" \"b\"))" },
		{ "", "NIL" },
		{ "\"Doe, John\" <j@d>", "((\"Doe, John\" NIL \"j\" \"d\"))" },
		{ "\"a \\\"q\\\" b\" <j@d>", "((\"a \\\"q\\\" b\" NIL \"j\" \"d\"))" },
		{ "john@d (John Doe)", "((\"John Doe\" NIL \"john\" \"d\"))" },
		{ "A  B\r\n C <x@y>", "((\"A B C\" NIL \"x\" \"y\"))" },
		{ "=?utf-8?q?J=C3=B6rg?= <x@y>", "((\"=?utf-8?q?J=C3=B6rg?=\" NIL \"x\" \"y\"))" },
		{ "<@a,@b:c@d>", "((NIL \"@a,@b\" \"c\" \"d\"))" },
		{ "\"we ird\"@x", "((NIL NIL \"we ird\" \"x\"))" },
		{ "Friends: a@b, C <c@d>;", "((NIL NIL \"Friends\" NIL)(NIL NIL \"a\" \"b\")(\"C\" "
					    "NIL \"c\" \"d\")(NIL NIL NIL "
					    "NIL))" },
		{ "undisclosed-recipients:;",
		  "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))" },
		/* A host that is NIL would be a group. */
		{ "root", "((NIL NIL \"root\" \"\"))" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		render_addresses(&out, view_of(table[i].in));
		assert_string_equal(str_cstr(&out), table[i].out);
	}
}

static void single_parts(void **state)
{
	(void)state;
	assert_body("Subject: x\r\n\r\none\r\ntwo\r\n", false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)");
	assert_body(
		"Subject: x\r\n\r\none\r\ntwo\r\n", true,
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL "
		"NIL)");
	assert_body(
		"Content-Type: text/HTML; charset=UTF-8\r\nContent-Transfer-Encoding: BASE64\r\n"
		"Content-ID: <a@b>\r\nContent-Description: d\r\n"
		"Content-Disposition: attachment; filename=\"x y.txt\"\r\n"
		"Content-Language: en, de\r\nContent-Location: http://x/\r\nContent-MD5: abc=\r\n"
		"\r\naGk=\r\n",
		true,
		"(\"text\" \"html\" (\"charset\" \"UTF-8\") \"<a@b>\" \"d\" \"BASE64\" 6 1 "
		"\"abc=\" "
		"(\"attachment\" (\"filename\" \"x y.txt\")) (\"en\" \"de\") \"http://x/\")");
	assert_body("Content-Type: image/png; name=a.png\r\n\r\nxx", false,
		    "(\"image\" \"png\" (\"name\" \"a.png\") NIL NIL \"7bit\" 2)");
	/* Nothing, nonsense, and a multipart that is none. */
	assert_body("", false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
	assert_body("Content-Type: nonsense\r\n\r\nx\r\n", false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1)");
	assert_body("Content-Type: multipart/mixed\r\n\r\nx\r\n", false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1)");
}

static void multiparts(void **state)
{
	(void)state;
	assert_body("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		    "--b\r\n\r\ntext\r\n--b\r\n"
		    "Content-Type: multipart/alternative; boundary=c\r\n\r\n"
		    "--c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n"
		    "--b--\r\n",
		    false,
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0)"
		    "((\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0) \"alternative\") \"mixed\")");
	assert_body(
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n",
		true,
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL "
		"NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
	/* Never without a part. */
	assert_body(
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n", false,
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")");
}

static void enclosed_messages(void **state)
{
	(void)state;
	assert_body(
		"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n", false,
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 21 (NIL \"in\" NIL NIL NIL NIL NIL "
		"NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 1) "
		"3)");
	/* Encoded, so nobody knows what it is like inside. */
	assert_body(
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nxx\r\n",
		false, "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)");
}

static void as_deep_as_it_gets(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, out = STR_EMPTY;
	struct mime_tree tree;
	size_t open = 0, close = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		str_printf(&text,
			   "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i,
			   i);
	mime_tree_parse(str_view(&text), &tree);
	render_body(&out, str_view(&text), &tree, true);
	mime_tree_free(&tree);
	for (size_t i = 0; i < out.len; i++) {
		open += out.data[i] == '(';
		close += out.data[i] == ')';
	}
	assert_int_equal(open, close);
	assert_true(open > 40);
}

static void kept_in_the_index(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str first = STR_EMPTY, again = STR_EMPTY, header = STR_EMPTY;
	struct view names[] = { VIEW("subject"), VIEW("FROM") }, other = VIEW("X-Other");
	struct copy_result result;
	struct mailbox *box;
	uint32_t seq = 1;

	fixture_deliver(f, "INBOX", "X-Other: y\r\nSubject: s\r\nFrom: a@b\r\n\r\nbody\r\n");
	assert_int_equal(store_create(f->store, VIEW("Other"), 0, NULL), 0);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_header(box, 1, names, 2, &header), 0);
	assert_string_equal(str_cstr(&header), "Subject: s\r\nFrom: a@b\r\n");
	str_clear(&header);
	assert_int_equal(mailbox_header(box, 1, &other, 1, &header), 0);
	assert_string_equal(str_cstr(&header), "X-Other: y\r\nSubject: s\r\nFrom: a@b\r\n");
	assert_int_equal(mailbox_cached(box, 1, CACHED_ENVELOPE, &first), 0);
	assert_int_equal(mailbox_cached(box, 1, CACHED_BODYSTRUCTURE, &first), 0);
	assert_int_equal(mailbox_copy(box, &seq, 1, VIEW("Other"), true, &result), 0);
	copy_result_free(&result);
	mailbox_close(box);
	fixture_reopen(f);

	/* From the index alone: the file is not asked any more. */
	box = fixture_mailbox(f, "Other");
	fixture_settle(f);

	_cleanup_(str_free) struct str command = STR_EMPTY;

	str_printf(&command, "rm %s/.Other/cur/*", f->path);
	assert_int_equal(system(str_cstr(&command)), 0);
	assert_int_equal(mailbox_cached(box, 1, CACHED_ENVELOPE, &again), 0);
	assert_int_equal(mailbox_cached(box, 1, CACHED_BODYSTRUCTURE, &again), 0);
	assert_string_equal(str_cstr(&first), str_cstr(&again));
	mailbox_close(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc),
		cmocka_unit_test(what_is_absent_is_nil),
		cmocka_unit_test(strings),
		cmocka_unit_test(addresses),
		cmocka_unit_test(single_parts),
		cmocka_unit_test(multiparts),
		cmocka_unit_test(enclosed_messages),
		cmocka_unit_test(as_deep_as_it_gets),
		cmocka_unit_test_setup_teardown(kept_in_the_index, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

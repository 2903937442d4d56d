/* FETCH: sections as RFC 3501 6.4.5 numbers them, pieces, \Seen, order, what is malformed. */
#include "client.h"

/* The example of RFC 3501 6.4.5, in which each part says what it is. */
static const char example[] = "Subject: top\n"
			      "MIME-Version: 1.0\n"
			      "Content-Type: multipart/mixed; boundary=a\n"
			      "\n"
			      "preamble\n"
			      "--a\n"
			      "Content-Type: text/plain\n"
			      "\n"
			      "part 1\n"
			      "--a\n"
			      "Content-Type: application/octet-stream\n"
			      "\n"
			      "part 2\n"
			      "--a\n"
			      "Content-Type: message/rfc822\n"
			      "\n"
			      "Subject: three\n"
			      "Content-Type: multipart/mixed; boundary=b\n"
			      "\n"
			      "--b\n"
			      "\n"
			      "part 3.1\n"
			      "--b\n"
			      "Content-Type: application/octet-stream\n"
			      "\n"
			      "part 3.2\n"
			      "--b--\n"
			      "\n"
			      "--a\n"
			      "Content-Type: multipart/mixed; boundary=c\n"
			      "\n"
			      "--c\n"
			      "Content-Type: image/gif\n"
			      "\n"
			      "part 4.1\n"
			      "--c\n"
			      "Content-Type: message/rfc822\n"
			      "\n"
			      "Subject: four two\n"
			      "Content-Type: multipart/mixed; boundary=d\n"
			      "\n"
			      "--d\n"
			      "\n"
			      "part 4.2.1\n"
			      "--d\n"
			      "Content-Type: multipart/alternative; boundary=e\n"
			      "\n"
			      "--e\n"
			      "\n"
			      "part 4.2.2.1\n"
			      "--e\n"
			      "Content-Type: text/richtext\n"
			      "\n"
			      "part 4.2.2.2\n"
			      "--e--\n"
			      "--d--\n"
			      "--c--\n"
			      "--a--\n";

static void expect_section(struct imap_client *c, const char *section, const char *content)
{
	struct str command = STR_EMPTY, answer = STR_EMPTY;
	size_t size = 0;

	for (const char *p = content; p != NULL && *p != '\0'; p++)
		size += *p == '\n' ? 2 : 1;
	str_printf(&command, "a FETCH 1 BODY.PEEK[%s]\r\n", section);
	if (content != NULL)
		str_printf(&answer, "* 1 FETCH (BODY[%s] {%zu}\n%s)\na OK Fetch completed.\n",
			   section, size, content);
	else
		str_printf(&answer, "* 1 FETCH (BODY[%s] NIL)\na OK Fetch completed.\n", section);
	client_expect(c, str_cstr(&command), str_cstr(&answer));
	str_free(&command);
	str_free(&answer);
}

static void sections(struct imap_client *c)
{
	static const struct {
		const char *section, *content;
	} rows[] = {
		{ "HEADER", "Subject: top\nMIME-Version: 1.0\n"
			    "Content-Type: multipart/mixed; boundary=a\n\n" },
		{ "HEADER.FIELDS (subject x)", "Subject: top\n\n" },
		{ "HEADER.FIELDS.NOT (SUBJECT content-type)", "MIME-Version: 1.0\n\n" },
		{ "1", "part 1" },
		{ "1.MIME", "Content-Type: text/plain\n\n" },
		{ "1.HEADER", NULL },
		{ "1.TEXT", NULL },
		{ "1.1", NULL },
		{ "2", "part 2" },
		{ "3.HEADER", "Subject: three\nContent-Type: multipart/mixed; boundary=b\n\n" },
		{ "3.MIME", "Content-Type: message/rfc822\n\n" },
		{ "3.HEADER.FIELDS (Subject)", "Subject: three\n\n" },
		{ "3.TEXT", "--b\n\npart 3.1\n--b\nContent-Type: application/octet-stream\n\n"
			    "part 3.2\n--b--\n" },
		{ "3.1", "part 3.1" },
		{ "3.2", "part 3.2" },
		{ "3.3", NULL },
		{ "4.1", "part 4.1" },
		{ "4.1.MIME", "Content-Type: image/gif\n\n" },
		{ "4.2.HEADER", "Subject: four two\n"
				"Content-Type: multipart/mixed; boundary=d\n\n" },
		{ "4.2.1", "part 4.2.1" },
		{ "4.2.2.1", "part 4.2.2.1" },
		{ "4.2.2.1.MIME", "\n" },
		{ "4.2.2.2", "part 4.2.2.2" },
		{ "4.2.2.2.MIME", "Content-Type: text/richtext\n\n" },
		{ "4.2.2.3", NULL },
		{ "5", NULL },
		{ "9.9.9", NULL },
		{ "4.HEADER", NULL },
	};

	client_append(c, "INBOX", "", example);
	client_ask(c, "s EXAMINE INBOX\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_section(c, rows[i].section, rows[i].content);
	expect_section(c, "", example);
	expect_section(c, "TEXT", strstr(example, "preamble"));
	client_expect_has(c, "b FETCH 1 BODYSTRUCTURE\r\n", "(\"image\" \"gif\" ");
	client_expect_has(c, "c FETCH 1 FULL\r\n", " BODY ((\"text\"");
	client_expect_has(c, "c FETCH 1 FULL\r\n",
			  "ENVELOPE (NIL \"top\" NIL NIL NIL NIL NIL NIL NIL NIL)");
}

static void plain_message(struct imap_client *c)
{
	client_append(c, "INBOX", "", "Subject: x\n\nbody\n");
	client_append(c, "INBOX", "", "Subject: only a header\n");
	client_append(c, "INBOX", "", "\nonly a body\n");
	client_ask(c, "s EXAMINE INBOX\r\n");
	expect_section(c, "1", "body\n");
	expect_section(c, "1.MIME", "Subject: x\n\n");
	expect_section(c, "2", NULL);
	expect_section(c, "1.1", NULL);
	expect_section(c, "TEXT", "body\n");
	client_expect_has(c, "a FETCH 2 (BODY.PEEK[HEADER] BODY.PEEK[TEXT])\r\n",
			  "BODY[HEADER] {24}\nSubject: only a header\n BODY[TEXT] {0}\n)");
	client_expect_has(c, "b FETCH 3 (RFC822.HEADER RFC822.TEXT)\r\n",
			  "(RFC822.HEADER {2}\n\n RFC822.TEXT {13}\nonly a body\n)");
	client_expect_has(c, "c FETCH 3 BODY.PEEK[HEADER.FIELDS (Subject)]\r\n",
			  "BODY[HEADER.FIELDS (Subject)] {2}\n\n)");
}

static void pieces(struct imap_client *c)
{
	client_append(c, "INBOX", "", "Subject: x\n\n0123456789\n");
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect_has(c, "a FETCH 1 BODY.PEEK[]<0.7>\r\n", "BODY[]<0> {7}\nSubject)");
	client_expect_has(c, "b FETCH 1 BODY.PEEK[TEXT]<8.10>\r\n", "BODY[TEXT]<8> {4}\n89\n)");
	client_expect_has(c, "c FETCH 1 BODY.PEEK[]<99999.10>\r\n", "BODY[]<99999> {0}\n)");
	client_expect_has(c, "d FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<9.100>\r\n",
			  "<9> {5}\nx\n\n)");
	client_expect_has(c, "e FETCH 1 BODY.PEEK[]<0.9223372036854775807>\r\n", "<0> {26}\n");
	client_expect_has(c, "f FETCH 1 BODY.PEEK[]<9223372036854775807.1>\r\n", " {0}\n)");
	client_expect_has(c, "g FETCH 1 BODY[]<1.0>\r\n", "g BAD");
	client_expect_has(c, "g FETCH 1 BODY[]<1>\r\n", "g BAD");
	client_expect_has(c, "g FETCH 1 BODY[]<9999999999999999999999.1>\r\n", "g BAD");
}

static void seen(struct imap_client *c)
{
	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "", "Subject: x\n\nx\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a FETCH 1:2 BODY[TEXT]\r\n",
		      "* 1 FETCH (BODY[TEXT] {3}\nx\n FLAGS (\\Seen))\n"
		      "* 2 FETCH (BODY[TEXT] {3}\nx\n FLAGS (\\Seen))\n"
		      "a OK Fetch completed.\n");
	client_expect(c, "b FETCH 1:2 RFC822.TEXT\r\n",
		      "* 1 FETCH (RFC822.TEXT {3}\nx\n)\n* 2 FETCH (RFC822.TEXT {3}\nx\n)\n"
		      "b OK Fetch completed.\n");
	client_expect_lacks(c, "c FETCH 3 (RFC822.HEADER FLAGS)\r\n", "\\Seen");
	client_expect(c, "d UID FETCH 3 (FLAGS BODY[]<0.1>)\r\n",
		      "* 3 FETCH (UID 3 FLAGS (\\Seen) BODY[]<0> {1}\nS)\nd OK Fetch completed.\n");
	client_expect_has(c, "e STATUS INBOX (UNSEEN)\r\n", "(UNSEEN 0)");
}

static void malformed(struct imap_client *c)
{
	static const char *const bad[] = {
		"FETCH",
		"FETCH 1",
		"FETCH 1 ",
		"FETCH 1 ()",
		"FETCH abc FLAGS",
		"FETCH 1 BODY[",
		"FETCH 1 (FLAGS",
		"FETCH 1 FLAGS)",
		"FETCH 1 FLAGS UID",
		"FETCH 1 BODY[1.2.3.4",
		"FETCH 1 BODY[0]",
		"FETCH 1 BODY[1.0]",
		"FETCH 1 BODY[MIME]",
		"FETCH 1 BODY[1.X]",
		"FETCH 1 BODY[HEADER.FIELDS]",
		"FETCH 1 BODY[HEADER.FIELDS ()]",
		"FETCH 1 BODY[HEADER.FIELDS (\"\")]",
		"FETCH 1 BODY[HEADER.FIELDS (a b]",
		"FETCH 1 RFC822.NOPE",
		"FETCH 1 BODY.PEEK",
		"UID FETCH *:* BODY[HEADER.FIELDS ()]",
	};
	struct str command = STR_EMPTY;

	client_append(c, "INBOX", "", "\n");
	client_ask(c, "s SELECT INBOX\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		str_clear(&command);
		str_printf(&command, "x %s\r\n", bad[i]);
		client_expect_has(c, str_cstr(&command), "x BAD ");
		client_ask(c, "n NOOP\r\n");
	}
	str_set(&command, VIEW("x FETCH 1 ("));
	for (int i = 0; i < 200; i++)
		str_append_cstr(&command, "BODY[TEXT] ");
	str_append_cstr(&command, "UID)\r\n");
	client_expect_has(c, str_cstr(&command), "x BAD Too many FETCH items.");
	str_set(&command, VIEW("x FETCH 1 BODY["));
	for (int i = 0; i < 200; i++)
		str_append_cstr(&command, "1.");
	str_append_cstr(&command, "1]\r\n");
	client_expect_has(c, str_cstr(&command), ".1.1] NIL");
	str_set(&command, VIEW("x FETCH 1"));
	for (int i = 0; i < 5000; i++)
		str_append_cstr(&command, ",1");
	str_append_cstr(&command, " UID\r\n");
	client_expect_has(c, str_cstr(&command), "* 1 FETCH (UID 1)\nx OK");
	str_free(&command);
}

/* A client that asks for much and reads slowly does not keep another one of the same user waiting. */
static void large(struct imap_client *c)
{
	struct imap_client other;
	struct str text = STR_EMPTY;
	struct view bytes;
	bool ended = false;

	str_append_cstr(&text, "Subject: large\n\n");
	while (text.len < 3000000)
		str_append_cstr(&text,
				"0123456789012345678901234567890123456789012345678901234567890\n");
	client_append(c, "INBOX", "", str_cstr(&text));
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_send(&other, "a FETCH 1 BODY.PEEK[]\r\n");
	client_expect(c, "n NOOP\r\n", "n OK NOOP completed.\n");
	while (!ended) {
		assert_int_equal(stream_peek(other.io, &bytes), 0);
		ended = view_ends(bytes, VIEW("a OK Fetch completed.\r\n"));
		stream_consume(other.io, bytes.len);
	}
	client_disconnect(&other);
	str_free(&text);
}

/* RFC 3501 4.3.1: a literal has no NUL, which must not change a length either. */
static void nul(struct imap_client *c)
{
	static const char message[] = "Subject: a\0b\n\nbody\0\n";
	char path[128];
	FILE *file;

	client_append(c, "INBOX", "", "Subject: x\n\nx\n");
	snprintf(path, sizeof(path), "%s/new/1.nul.host", c->maildir);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(message, 1, sizeof(message) - 1, file);
	fclose(file);
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect_has(c, "a FETCH 2 (RFC822.SIZE BODY.PEEK[])\r\n",
			  "(RFC822.SIZE 23 BODY[] {23}\nSubject: a\x80"
			  "b\n\nbody\x80\n)");
	client_expect_has(c, "b FETCH 2 BODY.PEEK[TEXT]<4.1>\r\n", "<4> {1}\n\x80)");
	client_expect_has(c, "c FETCH 2 BODY.PEEK[HEADER.FIELDS (Subject)]\r\n",
			  "Subject: a\x80"
			  "b\n");
	client_expect_has(c, "d FETCH 2 ENVELOPE\r\n", "(NIL \"a b\" NIL");
}

/* The structure and the part agree, whatever is missing. */
static void multipart_without_parts(struct imap_client *c)
{
	client_append(c, "INBOX", "", "Content-Type: multipart/mixed; boundary=b\n\nnothing\n");
	client_append(
		c, "INBOX", "",
		"Content-Type: multipart/mixed; boundary=b\n\n--b junk\n\none\n--b-- more\nx\n");
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect_has(c, "a FETCH 1 BODY\r\n",
			  "BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
			  "0 0) \"mixed\")");
	expect_section(c, "1", "");
	expect_section(c, "2", NULL);
	client_expect_has(c, "b FETCH 2 BODY.PEEK[1]\r\n", "BODY[1] {3}\none)");
}

/* A header ends at its empty line, in everything that is told of it. */
static void lines_that_are_no_fields(struct imap_client *c)
{
	client_append(c, "INBOX", "",
		      "From bob Mon Sep 17 00:00:00 2001\n"
		      "From: Alice <alice@example.test>\n"
		      "Broken Name: x\n"
		      "gr\xc3\xbc\xc3\x9f: y\n"
		      "Subject: after the junk\n"
		      "no field\n"
		      "Content-Type: text/plain; charset=utf-8\n"
		      "\n"
		      "Body.\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a FETCH 1 ENVELOPE\r\n", "NIL \"after the junk\" ((\"Alice\" NIL");
	client_expect_has(c, "b FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]\r\n",
			  "{27}\nSubject: after the junk\n\n)");
	client_expect_has(c, "c FETCH 1 BODYSTRUCTURE\r\n", "(\"charset\" \"utf-8\")");
	client_expect_has(c, "d FETCH 1 BODY.PEEK[1]\r\n", "BODY[1] {7}\nBody.\n)");
	client_expect_has(c, "e FETCH 1 BODY.PEEK[TEXT]\r\n", "BODY[TEXT] {7}\nBody.\n)");
	client_expect(c, "f SEARCH SUBJECT \"after the\"\r\n",
		      "* SEARCH 1\nf OK Search completed.\n");
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run(name);                                                                  \
	}
TEST(sections)
TEST(plain_message)
TEST(pieces)
TEST(seen)
TEST(malformed)
TEST(large)
TEST(nul)
TEST(multipart_without_parts)
TEST(lines_that_are_no_fields)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_plain_message),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_multipart_without_parts),
		cmocka_unit_test(test_lines_that_are_no_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

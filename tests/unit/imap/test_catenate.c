/* CATENATE (RFC 4469) with the RFC's examples, whole and byte by byte. */
#include "client.h"

#include <stdlib.h>

#include "conf/conf.h"

#define BOUNDARY "--------------030308070208000400050907"
#define DRAFT                                                                                      \
	"From: Bob Ar <bar@example.org>\n"                                                         \
	"Subject: Catenate \n"                                                                     \
	"MIME-Version: 1.0\n"                                                                      \
	"Content-Type: multipart/mixed; boundary=------------030308070208000400050907\n"           \
	"\n"                                                                                       \
	"\n" BOUNDARY "\n"                                                                         \
	"Content-Type: text/plain; format=flowed\n"                                                \
	"\n"                                                                                       \
	"Good morning.\n" BOUNDARY "\n"                                                            \
	"Content-Type: image/x\n"                                                                  \
	"\n"                                                                                       \
	"old\n" BOUNDARY "--\n"
#define ATTACHMENT "Content-Type: text/x-new\n\nnew\n"

static const char *format(const char *form, ...)
{
	static char texts[2][4096];
	static size_t turn;
	char *text = texts[++turn % 2];
	va_list args;

	va_start(args, form);
	vsnprintf(text, sizeof(texts[0]), form, args);
	va_end(args);
	return text;
}

static unsigned validity_of(struct imap_client *c, const char *folder)
{
	const char *answer = client_ask(c, format("v STATUS %s (UIDVALIDITY)\r\n", folder));
	const char *at = strstr(answer, "UIDVALIDITY ");

	assert_non_null(at);
	return (unsigned)strtoul(at + strlen("UIDVALIDITY "), NULL, 10);
}

/* The message at the end of Drafts. */
static void expect_message(struct imap_client *c, const char *content)
{
	client_ask(c, "s SELECT Drafts\r\n");
	client_expect_has(c, "f FETCH * BODY.PEEK[]\r\n", format("{%zu}", strlen(content)));
}

static void fill(struct imap_client *c)
{
	client_ask(c, "c CREATE Drafts\r\n");
	client_append(c, "Drafts", "", DRAFT);
	client_append(c, "Drafts", "", ATTACHMENT);
}

/* The second part of a draft is replaced. */
static void an_attachment_is_replaced(struct imap_client *c)
{
	unsigned v;
	const char *answer;

	fill(c);
	v = validity_of(c, "Drafts");
	client_send(c, format("A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL "
			      "\"/Drafts;UIDVALIDITY=%u/;UID=1/;section=HEADER\" TEXT {42}\r\n",
			      v));
	client_read_until(c, "+");
	client_send(c, "\r\n" BOUNDARY "\r\n");
	client_send(c, format(" URL \"/Drafts;UIDVALIDITY=%u/;UID=1/;section=1.MIME\" URL "
			      "\"/Drafts;UIDVALIDITY=%u/;UID=1/;section=1\" TEXT {42}\r\n",
			      v, v));
	client_read_until(c, "+");
	client_send(c, "\r\n" BOUNDARY "\r\n");
	client_send(c, format(" URL \"/Drafts;UIDVALIDITY=%u/;UID=2\" TEXT {44}\r\n", v));
	client_read_until(c, "+");
	client_send(c, "\r\n" BOUNDARY "--\r\n)\r\n");
	answer = client_read_until(c, "A003 ");
	if (strstr(answer, "A003 OK [APPENDUID") == NULL)
		fail_msg("%s", answer);
	client_ask(c, "s SELECT Drafts\r\n");
	answer = client_ask(c, "f FETCH 3 (FLAGS BODY.PEEK[])\r\n");
	if (strstr(answer, "Subject: Catenate \r\n") == NULL &&
	    strstr(answer, "Subject: Catenate \n") == NULL)
		fail_msg("%s", answer);
	assert_non_null(strstr(answer, "\\Seen"));
	assert_non_null(strstr(answer, "$MDNSent"));
	assert_non_null(strstr(answer,
			       "\n\n\n" BOUNDARY "\nContent-Type: text/plain; format=flowed\n\n"
			       "Good morning.\n" BOUNDARY
			       "\nContent-Type: text/x-new\n\nnew\n\n" BOUNDARY "--\n"));
	assert_null(strstr(answer, "image/x"));
	client_expect_has(c, "g FETCH 3 BODYSTRUCTURE\r\n", "\"text\" \"x-new\"");
}

/* A URL that leads to nothing: the rest is read, nothing is stored. */
static void bad_urls(struct imap_client *c)
{
	static const char *const urls[] = {
		"/INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9",
		"/INBOX;UIDVALIDITY=1/;UID=1",
		"/Drafts;UID=1/;SECTION=7",
		"/Drafts;UID=1/;SECTION=1.HEADER",
		"/Drafts;UID=1/;SECTION=MIME",
		"/Drafts;UID=1/;SECTION=0",
		"/Drafts;UID=0",
		"/Drafts;UID=1/;SECTION=%zz",
		"/Drafts;UID=1/;URLAUTH=x",
		"/Nowhere;UID=1",
		"/..;UID=1",
		"/%00;UID=1",
		"/Drafts",
		";UID=1",
		"//other.example/Drafts;UID=1",
		"imap://bob@other.example/Drafts;UID=1",
		"",
	};

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		client_expect_has(
			c,
			format("u APPEND Drafts CATENATE (TEXT {3+}\r\na\r\n URL \"%s\" TEXT "
			       "{3+}\r\nb\r\n)\r\n",
			       urls[i]),
			i + 1 < ARRAY_SIZE(urls) ? format("u NO [BADURL \"%s\"]", urls[i])
						 : "u NO [BADURL");
	client_expect_has(c, "v STATUS Drafts (MESSAGES)\r\n", "MESSAGES 2");
	/* It ends no response code. */
	client_expect_has(c, "w APPEND Drafts CATENATE (URL \"/a]b;UID=1\")\r\n",
			  "w NO [BADURL \"/a?b;UID=1\"]");
	client_expect_has(c, "x APPEND Drafts CATENATE (TEXT \"a\")\r\n", "x BAD");
	client_expect_has(c, "y APPEND Drafts CATENATE ()\r\n", "y BAD");
	client_expect_has(c, "z APPEND Drafts CATENATE (FILE \"/etc/passwd\")\r\n", "z BAD");
}

/* Names as URLs have them, the selected mailbox, pieces, several messages in a command, the limit. */
static void urls(struct imap_client *c)
{
	int64_t before = param.message_size_limit;

	fill(c);
	client_ask(c, "a CREATE Entw&APw-rfe\r\n");
	client_append(c, "Entw&APw-rfe", "", "Subject: x\n\n0123456789\n");
	client_expect_has(c,
			  "b APPEND Drafts CATENATE (URL "
			  "\"/Entw%C3%BCrfe;UID=1/;SECTION=TEXT/;PARTIAL=2.3\")\r\n",
			  "b OK");
	expect_message(c, "234");
	client_expect_has(c,
			  "d APPEND Drafts CATENATE (URL "
			  "\"/Entw%c3%bcrfe/;UID=1/;SECTION=TEXT/;PARTIAL=9\" URL "
			  "\";UID=3\")\r\n",
			  "d OK");
	expect_message(c, "9\r\n234");
	client_expect_has(c,
			  "e APPEND Drafts CATENATE (URL \"/Drafts;UID=3/;PARTIAL=50\") (\\Seen) "
			  "CATENATE (URL "
			  "\"/Drafts;UID=3\") {1+}\r\nx\r\n",
			  "e OK [APPENDUID");
	client_expect_has(c, "f STATUS Drafts (MESSAGES)\r\n", "MESSAGES 7");
	client_expect_has(
		c, "g UID REPLACE 7 Drafts CATENATE (TEXT {2+}\r\nyy URL \"/Drafts;UID=3\")\r\n",
		"g OK");
	expect_message(c, "yy234");
	/* A message cannot be made larger than one that is sent. */
	param.message_size_limit = 40;
	client_expect_has(c,
			  "h APPEND Drafts CATENATE (TEXT {3+}\r\na\r\n URL \"/Drafts;UID=1\")\r\n",
			  "h NO [TOOBIG]");
	client_expect_has(c,
			  "i APPEND Drafts CATENATE (TEXT {30+}\r\n123456789012345678901234567890 "
			  "TEXT {30+}\r\n"
			  "123456789012345678901234567890)\r\n",
			  "i NO [LIMIT]");
	param.message_size_limit = before;
	client_expect_has(c, "j STATUS Drafts (MESSAGES)\r\n", "MESSAGES 7");
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(an_attachment_is_replaced)
TEST(bad_urls)
TEST(urls)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_attachment_is_replaced),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

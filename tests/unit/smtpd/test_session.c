/* Conversations with smtpd, and what it hands to cleanup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fakes.h"
#include "ipc/ipc.h"
#include "task/task.h"

#define PIECES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define EHLO	    "EHLO x\r\n"
#define EHLO_REPLY                                                                                 \
	"250-mx.test\n250-PIPELINING\n250-SIZE "                                                   \
	"10240000\n250-VRFY\n250-ETRN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n250-"       \
	"SMTPUTF8\n250 "                                                                           \
	"CHUNKING\n"
#define GREETING   "220 mx.test ESMTP Posta\n"
#define FROM	   "MAIL FROM:<a@b.test>\r\n"
#define TO	   "RCPT TO:<bob@local.test>\r\n"
#define DATA_REPLY "354 End data with <CR><LF>.<CR><LF>\n"

static void expect(const char *const *pieces, const char *expected)
{
	_cleanup_(str_free) struct str got = STR_EMPTY;

	fakes_script(pieces, &got);
	if (strcmp(str_cstr(&got), expected) != 0)
		fail_msg("got:\n%s\ninstead of:\n%s", str_cstr(&got), expected);
}

static int begin(void **state)
{
	(void)state;
	fakes_open("");
	return 0;
}

static int end(void **state)
{
	(void)state;
	fakes_close();
	return 0;
}

static void a_message(void **state)
{
	(void)state;
	expect(PIECES(EHLO, "mail from:<A@B.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=q+2B1\r\n",
		      "RCPT TO:<bob@LOCAL.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40c\r\n",
		      "RCPT TO:<nobody@local.test>\r\n", "RCPT TO:<x@other.test>\r\n", "DATA\r\n",
		      "Subject: s\r\n\r\n..a\r\n.\r\n", "QUIT\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n"
				   "550 5.1.1 <nobody@local.test>: Recipient address rejected: "
				   "User unknown in local recipient table\n"
				   "454 4.7.1 <x@other.test>: Relay access denied\n" DATA_REPLY
				   "250 2.0.0 Ok: queued as ID1\n221 2.0.0 Bye\n");
	assert_string_equal(str_cstr(&fakes.last.sender), "A@B.test");
	assert_string_equal(str_cstr(&fakes.last.recipients), "bob@LOCAL.test/rfc822;b@c ");
	assert_string_equal(str_cstr(&fakes.last.content), "Subject: s\r\n\r\n.a\r\n");
	assert_string_equal(str_cstr(&fakes.last.protocol), "ESMTP");
	assert_int_equal(fakes.last.flags, MAIL_FLAG_REMOTE);
	assert_int_equal(fakes.committed, 1);
	assert_int_equal(fakes.aborted, 0);
}

static void pipelining(void **state)
{
	(void)state;
	expect(PIECES(EHLO, "5:RSET\r\n" FROM TO "RCPT TO:<carol@local.test>\r\nDATA\r\n",
		      "+x\r\n.\r\n" FROM TO "QUIT\r\n"),
	       GREETING EHLO_REPLY
	       "250 2.0.0 Ok\n250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
	       "250 2.0.0 Ok: queued as ID1\n250 2.1.0 Ok\n250 2.1.5 Ok\n221 2.0.0 Bye\n");
	assert_int_equal(fakes.committed, 1);
	assert_int_equal(fakes.begun, 1);
	assert_int_equal(fakes.aborted, 0);
}

static void improper_pipelining(void **state)
{
	(void)state;
	expect(PIECES("+" EHLO FROM), GREETING "554 5.5.0 Error: SMTP protocol synchronization\n");
	expect(PIECES("HELO x\r\n", "+" FROM TO),
	       GREETING "250 mx.test\n554 5.5.0 Error: SMTP protocol synchronization\n");
	expect(PIECES(EHLO, "+" FROM TO "DATA\r\nx\r\n.\r\n"), GREETING EHLO_REPLY
	       "250 2.1.0 Ok\n250 2.1.5 Ok\n554 5.5.0 Error: SMTP protocol synchronization\n");
	assert_int_equal(fakes.committed, 0);
}

static void wrong_syntax(void **state)
{
	static const struct {
		const char *line, *reply;
	} lines[] = {
		{ "MAIL\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM <a@b>\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>" },
		{ "MAIL FROM:<a@b> FOO=1\r\n", "555 5.5.4 Unsupported option of MAIL: FOO" },
		{ "MAIL FROM:<a@b> SIZE\r\n", "501 5.5.4 Error: bad parameter syntax" },
		{ "MAIL FROM:<a@b> SIZE=x\r\n", "501 5.5.4 Bad message size syntax" },
		{ "MAIL FROM:<a@b> SIZE=1 size=1 BODY=7BIT body=7bit\r\n", "250 2.1.0 Ok" },
		{ "MAIL FROM:<a@b> SIZE=1 SIZE=2\r\n",
		  "501 5.5.4 Error: the same parameter twice" },
		{ "MAIL FROM:<a@b> SIZE=10240001\r\n",
		  "552 5.3.4 Message size exceeds fixed limit" },
		{ "MAIL FROM:<a@b> SIZE=99999999999999999999\r\n",
		  "552 5.3.4 Message size exceeds fixed limit" },
		{ "MAIL FROM:<a@b> BODY=9BIT\r\n",
		  "501 5.5.4 Bad BODY parameter: expected 7BIT or 8BITMIME" },
		{ "MAIL FROM:<a@b> RET=ALL\r\n",
		  "501 5.5.4 Bad RET parameter: expected FULL or HDRS" },
		{ "MAIL FROM:<a@b> ENVID=+00\r\n", "501 5.5.4 Bad ENVID parameter syntax" },
		{ "MAIL FROM:<a@b> ENVID=+0A\r\n", "501 5.5.4 Bad ENVID parameter syntax" },
		{ "MAIL FROM:<a@b> AUTH=<>\r\n", "503 5.5.4 Error: authentication disabled" },
		{ "MAIL FROM:<a@b> SMTPUTF8=1\r\n", "501 5.5.4 Error: bad parameter syntax" },
		{ "MAIL FROM:<\xc3\xa4@b>\r\n",
		  "501 5.1.7 Bad sender address syntax: non-ASCII address without SMTPUTF8" },
		{ "MAIL FROM:<a@b@c>\r\n", "501 5.1.7 Bad sender address syntax: bad domain" },
		{ "RCPT TO:<bob@local.test>\r\n", "503 5.5.1 Error: need MAIL command" },
		{ "DATA\r\n", "503 5.5.1 Error: need RCPT command" },
		{ "DATA x\r\n", "503 5.5.1 Error: need RCPT command" },
		{ "EHLO\r\n", "501 5.5.4 Syntax: EHLO hostname" },
		{ "XYZZY\r\n", "502 5.5.2 Error: command not recognized" },
		{ "\r\n", "500 5.5.2 Error: bad syntax" },
		{ "\xff\r\n", "500 5.5.2 Error: bad UTF-8 or control characters" },
		{ "NOOP \x01\r\n", "500 5.5.2 Error: bad UTF-8 or control characters" },
		{ "AUTH PLAIN\r\n", "503 5.5.1 Error: authentication not enabled" },
		{ "STARTTLS\r\n", "502 5.5.1 Error: command not implemented" },
		{ "STARTTLS x\r\n", "501 5.5.4 Syntax: STARTTLS" },
		{ "RSET x\r\n", "501 5.5.4 Syntax: RSET" },
		{ "VRFY\r\n", "501 5.5.4 Syntax: VRFY address [SMTPUTF8]" },
		{ "VRFY bob@local.test\r\n", "252 2.0.0 bob@local.test" },
		{ "VRFY x@other.test\r\n", "454 4.7.1 <x@other.test>: Relay access denied" },
		{ "VRFY \xc3\xa4@local.test SMTPUTF8\r\n",
		  "550 5.1.1 <\xc3\xa4@local.test>: Recipient address rejected: User unknown in "
		  "local recipient table" },
	};
	static const char *recipients[][2] = {
		{ "RCPT\r\n", "501 5.5.4 Syntax: RCPT TO:<address>" },
		{ "RCPT TO:<>\r\n", "501 5.1.3 Bad recipient address syntax: empty address" },
		{ "RCPT TO:<bob@local.test> NOTIFY=NEVER,DELAY\r\n",
		  "501 5.5.4 Bad NOTIFY parameter" },
		{ "RCPT TO:<bob@local.test> NOTIFY=\r\n", "501 5.5.4 Bad NOTIFY parameter" },
		{ "RCPT TO:<bob@local.test> ORCPT=x\r\n", "501 5.5.4 Bad ORCPT parameter syntax" },
		{ "RCPT TO:<bob@local.test> ORCPT=rfc822;a+0Ab\r\n",
		  "501 5.5.4 Bad ORCPT parameter syntax" },
		{ "MAIL FROM:<c@d>\r\n", "503 5.5.1 Error: nested MAIL command" },
		{ "DATA\r\n", "554 5.5.1 Error: no valid recipients" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(str_free) struct str expected = STR_EMPTY;

		str_printf(&expected, GREETING EHLO_REPLY "%s\n221 2.0.0 Bye\n", lines[i].reply);
		expect(PIECES(EHLO, lines[i].line, "QUIT\r\n"), str_cstr(&expected));
	}
	for (size_t i = 0; i < ARRAY_SIZE(recipients); i++) {
		_cleanup_(str_free) struct str expected = STR_EMPTY;

		str_printf(&expected, GREETING EHLO_REPLY "250 2.1.0 Ok\n%s\n221 2.0.0 Bye\n",
			   recipients[i][1]);
		expect(PIECES(EHLO, FROM, recipients[i][0], "QUIT\r\n"), str_cstr(&expected));
	}
	assert_int_equal(fakes.begun, 0);
}

static void smtputf8(void **state)
{
	(void)state;
	expect(PIECES(EHLO, "MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8\r\n", TO, "DATA\r\n", ".\r\n",
		      "QUIT\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				   "250 2.0.0 Ok: queued as ID1\n221 2.0.0 Bye\n");
	assert_string_equal(str_cstr(&fakes.last.protocol), "UTF8SMTP");
	assert_int_equal(fakes.last.flags, MAIL_FLAG_REMOTE | MAIL_FLAG_SMTPUTF8);
	assert_string_equal(str_cstr(&fakes.last.content), "");
}

static void other_protocols(void **state)
{
	(void)state;
	expect(PIECES("+GET / HTTP/1.1\r\nHost: x\r\n\r\n" FROM TO),
	       GREETING "221 2.7.0 Error: I can break rules, too. Goodbye.\n");
	expect(PIECES("+PUT /x HTTP/1.1\r\n" FROM),
	       GREETING "221 2.7.0 Error: I can break rules, too. Goodbye.\n");
	expect(PIECES("+{\"json\": 1}\r\n"),
	       GREETING "221 2.7.0 Error: I can break rules, too. Goodbye.\n");
}

static void long_lines(void **state)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 100000; i++)
		str_append_byte(&line, 'A');
	str_append_cstr(&line, "\r\n");
	expect(PIECES(EHLO, str_cstr(&line), "NOOP\r\n"),
	       GREETING EHLO_REPLY "500 5.5.2 Error: line too long\n250 2.0.0 Ok\n");
}

static void cleanup_fails(void **state)
{
	(void)state;
	fakes.no_cleanup = true;
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", "x\r\n.\r\n", "QUIT\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				   "451 4.3.0 Error: queue file write error\n221 2.0.0 Bye\n");
	fakes_forget();
	/* cleanup dies at the second of so many recipients that they were sent ahead */
	expect(PIECES(EHLO, FROM, TO, "RCPT TO:<lost@local.test>\r\n", "DATA\r\n", FROM),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n"
				   "451 4.3.0 Error: queue file write error\n250 2.1.0 Ok\n");
	assert_int_equal(fakes.aborted, 1);
	fakes_forget();
	fakes.dies_at_data = true;
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", "x\r\n.\r\n", "NOOP\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				   "451 4.3.0 Error: queue file write error\n250 2.0.0 Ok\n");
	fakes_forget();
	fakes.dies_at_end = true;
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", "x\r\n.\r\n", "NOOP\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				   "451 4.3.0 Error: queue file write error\n250 2.0.0 Ok\n");
	fakes_forget();
	fakes.refuses_end = true;
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", "x\r\n.\r\n", TO), GREETING EHLO_REPLY
	       "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
	       "550 5.4.6 Error: too many hops\n503 5.5.1 Error: need MAIL command\n");
}

static void disconnects(void **state)
{
	(void)state;
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", "+x\r\n."),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY);
	assert_int_equal(fakes.committed, 0);
	assert_int_equal(fakes.aborted, 1);
	expect(PIECES(EHLO, FROM, TO), GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n");
	assert_int_equal(fakes.begun, 1);
}

#define CHUNKS GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n"

/* BDAT, RFC 3030: chunks in any pieces, no dots, line ends made CR LF all the same. */
static void chunks(void **state)
{
	(void)state;
	expect(PIECES(EHLO, FROM, TO, "BDAT 12\r\nSubject: s\r\n", "bdat 6 last\r\n\r\n.\r\n\n",
		      "NOOP\r\n"),
	       CHUNKS "250 2.0.0 Ok: 12 bytes\n250 2.0.0 Ok: queued as ID1\n250 2.0.0 Ok\n");
	assert_string_equal(str_cstr(&fakes.last.content), "Subject: s\r\n\r\n.\r\n\r\n");
	/* All of it at once, a chunk of nothing at the end, and the next message. */
	expect(PIECES(EHLO, "5:" FROM TO "BDAT 3\r\na\rbBDAT 1\r\n\nBDAT 0 LAST\r\n",
		      "3:" FROM TO "BDAT 5 LAST\r\nx\ny\r\n"),
	       CHUNKS "250 2.0.0 Ok: 3 bytes\n250 2.0.0 Ok: 1 bytes\n"
		      "250 2.0.0 Ok: queued as ID2\n250 2.1.0 Ok\n250 2.1.5 Ok\n"
		      "250 2.0.0 Ok: queued as ID3\n");
	assert_string_equal(str_cstr(&fakes.last.content), "x\r\ny\r\n");
	assert_int_equal(fakes.committed, 3);
}

/* The bytes of a chunk are never commands, whatever is wrong with the command before them. */
static void refused_chunks(void **state)
{
	(void)state;
	expect(PIECES(EHLO, "BDAT 6\r\nRSET\r\n", FROM, "BDAT 6 LAST\r\nRSET\r\n", FROM,
		      "RCPT TO:<nobody@local.test>\r\n"),
	       GREETING EHLO_REPLY "503 5.5.1 Error: need RCPT command\n250 2.1.0 Ok\n"
				   "554 5.5.1 Error: no valid recipients\n250 2.1.0 Ok\n"
				   "550 5.1.1 <nobody@local.test>: Recipient address rejected: "
				   "User unknown in local recipient table\n");
	/* Between chunks nothing but chunks, RSET and such. */
	expect(PIECES(EHLO, FROM, TO, "BDAT 1\r\nx", TO, "DATA\r\n", FROM, "RSET\r\n",
		      "BDAT 1 LAST\r\nx", FROM),
	       CHUNKS "250 2.0.0 Ok: 1 bytes\n503 5.5.1 Error: need MAIL command\n"
		      "503 5.5.1 Error: need RCPT command\n503 5.5.1 Error: nested MAIL command\n"
		      "250 2.0.0 Ok\n503 5.5.1 Error: need RCPT command\n250 2.1.0 Ok\n");
	assert_int_equal(fakes.committed, 0);
	assert_int_equal(fakes.aborted, 1);
	expect(PIECES(EHLO, FROM, TO, "BDAT x\r\n"),
	       CHUNKS "521 5.5.4 Syntax: BDAT count [LAST]\n");
	expect(PIECES(EHLO, FROM, TO, "BDAT 1 FIRST\r\n"),
	       CHUNKS "521 5.5.4 Syntax: BDAT count [LAST]\n");
	expect(PIECES(EHLO, FROM, TO, "BDAT 99999999999 LAST\r\n"),
	       CHUNKS "552 5.3.4 Error: message file too big\n");
	/* Gone in the middle of one. */
	expect(PIECES(EHLO, FROM, TO, "+BDAT 10 LAST\r\nx"), CHUNKS);
	assert_int_equal(fakes.committed, 0);
	fakes_forget();
	fakes.dies_at_data = true;
	expect(PIECES(EHLO, FROM, TO, "BDAT 1\r\nx", "BDAT 1 LAST\r\nx", "NOOP\r\n"),
	       CHUNKS "451 4.3.0 Error: queue file write error\n"
		      "503 5.5.1 Error: need RCPT command\n250 2.0.0 Ok\n");
}

/* What looks like more than an address is shown in quotes, so that it cannot be read as more. */
static void quoted_addresses(void **state)
{
	(void)state;
	expect(PIECES(EHLO, "MAIL FROM:<\"a b\"@b.test>\r\n",
		      "RCPT TO:<\"x>, status=sent (250 ok) y=<z\"@local.test>\r\n",
		      "RCPT TO:<\"x>, z=<\"@other.test>\r\n"),
	       GREETING EHLO_REPLY
	       "250 2.1.0 Ok\n550 5.1.1 <\"x>, status=sent (250 ok) y=<z\"@local.test>: Recipient "
	       "address rejected: User unknown in local recipient table\n"
	       "454 4.7.1 <\"x>, z=<\"@other.test>: Relay access denied\n");
}

/* Settings of their own. */
struct setting_case {
	const char *settings;
	const char *const *pieces;
	const char *expected;
};

static void settings(void **state)
{
	const struct setting_case cases[] = {
		{ "smtpd_hard_error_limit = 3", PIECES("X\r\n", "X\r\n", "+X\r\nNOOP\r\n"),
		  GREETING "502 5.5.2 Error: command not recognized\n502 5.5.2 Error: command not "
			   "recognized\n"
			   "502 5.5.2 Error: command not recognized\n421 4.7.0 mx.test Error: too "
			   "many errors\n" },
		{ "smtpd_junk_command_limit = 1\nsmtpd_hard_error_limit = 2",
		  PIECES(EHLO, "NOOP\r\n", "RSET\r\n", "NOOP\r\n", "NOOP\r\n"),
		  GREETING EHLO_REPLY "250 2.0.0 Ok\n250 2.0.0 Ok\n250 2.0.0 Ok\n421 4.7.0 mx.test "
				      "Error: too many errors\n" },
		{ "smtpd_forbidden_commands = VRFY CONNECT",
		  PIECES("NOOP\r\n", "vrfy x\r\n", "NOOP\r\n"),
		  GREETING "250 2.0.0 Ok\n221 2.7.0 Error: I can break rules, too. Goodbye.\n" },
		{ "smtpd_helo_required = yes", PIECES(FROM),
		  GREETING "503 5.5.1 Error: send HELO/EHLO first\n" },
		{ "disable_vrfy_command = yes\nsmtpd_discard_ehlo_keywords = dsn, pipelining, "
		  "chunking, etrn, smtputf8, enhancedstatuscodes, 8bitmime, size",
		  PIECES(EHLO, "VRFY x\r\n", "MAIL FROM:<a@b> RET=FULL\r\n"),
		  GREETING "250 mx.test\n502 5.5.1 VRFY command is disabled\n501 5.7.1 DSN support "
			   "is disabled\n" },
		{ "smtpd_discard_ehlo_keywords = dsn\nsmtpd_discard_ehlo_keyword_address_maps = "
		  "cidr:{ {192.0.2.0/24 pipelining, chunking, etrn, smtputf8, vrfy, size} }",
		  PIECES(EHLO, "MAIL FROM:<a@b> RET=FULL\r\n"),
		  GREETING "250-mx.test\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250 DSN\n"
			   "250 2.1.0 Ok\n" },
		{ "smtpd_discard_ehlo_keywords = pipelining, chunking, etrn, smtputf8, vrfy, size\n"
		  "smtpd_discard_ehlo_keyword_address_maps = cidr:{ {192.0.3.0/24 dsn} }",
		  PIECES(EHLO),
		  GREETING "250-mx.test\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250 DSN\n" },
		{ "smtpd_recipient_limit = 1", PIECES(EHLO, FROM, TO, TO, "DATA\r\n", ".\r\n"),
		  GREETING EHLO_REPLY
		  "250 2.1.0 Ok\n250 2.1.5 Ok\n452 4.5.3 Error: too many recipients\n" DATA_REPLY
		  "250 2.0.0 Ok: queued as ID1\n" },
		{ "message_size_limit = 10",
		  PIECES(EHLO, FROM, TO, "DATA\r\n", "01234567890\r\n.\r\n", "NOOP\r\n"),
		  GREETING
		  "250-mx.test\n250-PIPELINING\n250-SIZE "
		  "10\n250-VRFY\n250-ETRN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n250-"
		  "SMTPUTF8\n250 CHUNKING\n"
		  "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
		  "552 5.3.4 Error: message file too big\n250 2.0.0 Ok\n" },
		{ "smtpd_forbid_bare_newline = reject",
		  PIECES(EHLO, FROM, TO, "DATA\r\n", "a\nb\r\n.\r\n", "+NOOP\n"),
		  GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				      "550 5.5.2 Error: bare <LF> received\n521 5.5.2 mx.test "
				      "Error: bare <LF> received\n" },
		{ "soft_bounce = yes",
		  PIECES("HELO x\r\n", FROM, "RCPT TO:<nobody@local.test>\r\n", "X\r\n"),
		  GREETING "250 mx.test\n250 2.1.0 Ok\n450 4.1.1 <nobody@local.test>: Recipient "
			   "address rejected: User unknown in local recipient table\n"
			   "402 4.5.2 Error: command not recognized\n" },
		{ "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject",
		  PIECES(EHLO, "QUIT\r\n"),
		  "554 5.7.1 <client.test[192.0.2.1]>: Client host rejected: Access denied\n"
		  "503 5.7.0 Error: access denied for client.test[192.0.2.1]\n221 2.0.0 Bye\n" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = "
		  "reject_invalid_helo_hostname\nsmtpd_helo_required = yes",
		  PIECES("EHLO a..b\r\n", FROM),
		  GREETING "501 5.5.2 <a..b>: Helo command rejected: Invalid name\n503 5.5.1 "
			   "Error: send HELO/EHLO first\n" },
		{ "smtpd_delay_reject = no\nsmtpd_sender_restrictions = inline:{ b.test=REJECT }",
		  PIECES(EHLO, FROM, TO),
		  GREETING EHLO_REPLY "554 5.7.1 <a@b.test>: Sender address rejected: Access "
				      "denied\n503 5.5.1 Error: need MAIL command\n" },
		{ "smtpd_data_restrictions = reject", PIECES(EHLO, FROM, TO, "DATA\r\n"),
		  GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n554 5.7.1 <DATA>: Data command "
				      "rejected: Access denied\n" },
		{ "smtpd_data_restrictions = reject",
		  PIECES(EHLO, FROM, TO, "BDAT 6 LAST\r\nRSET\r\n"),
		  CHUNKS "554 5.7.1 <DATA>: Data command rejected: Access denied\n" },
		{ "smtpd_discard_ehlo_keywords = chunking",
		  PIECES(EHLO, FROM, TO, "BDAT 6 LAST\r\nRSET\r\n", "NOOP\r\n"),
		  GREETING "250-mx.test\n250-PIPELINING\n250-SIZE 10240000\n250-VRFY\n250-ETRN\n"
			   "250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n250 SMTPUTF8\n"
			   "250 2.1.0 Ok\n250 2.1.5 Ok\n502 5.5.1 Error: command not implemented\n"
			   "250 2.0.0 Ok\n" },
		{ "smtpd_forbid_bare_newline = reject",
		  PIECES(EHLO, FROM, TO, "BDAT 3 LAST\r\na\nb"),
		  CHUNKS "550 5.5.2 Error: bare <LF> received\n" },
		{ "message_size_limit = 10",
		  PIECES("EHLO x\r\n", FROM, TO, "BDAT 11\r\n01234567890"),
		  GREETING "250-mx.test\n250-PIPELINING\n250-SIZE "
			   "10\n250-VRFY\n250-ETRN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-"
			   "DSN\n250-SMTPUTF8\n"
			   "250 CHUNKING\n250 2.1.0 Ok\n250 2.1.5 Ok\n"
			   "552 5.3.4 Error: message file too big\n" },
		{ "smtpd_end_of_data_restrictions = defer",
		  PIECES(EHLO, FROM, TO, "DATA\r\n", ".\r\n", TO),
		  GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
				      "450 4.3.2 <END-OF-MESSAGE>: End-of-data rejected: Try again "
				      "later\n503 5.5.1 Error: need MAIL command\n" },
		{ "smtpd_recipient_restrictions = inline:{ {bob@local.test=521 gone} }",
		  PIECES(EHLO, FROM, TO, "NOOP\r\n"),
		  GREETING EHLO_REPLY
		  "250 2.1.0 Ok\n521 5.7.1 <bob@local.test>: Recipient address rejected: gone\n" },
		{ "smtpd_sasl_auth_enable = yes", PIECES(EHLO, "AUTH PLAIN\r\n"),
		  GREETING EHLO_REPLY
		  "538 5.7.11 Encryption required for requested authentication mechanism\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fakes_open(cases[i].settings);
		expect(cases[i].pieces, cases[i].expected);
		fakes_close();
	}
}

static void rates(void **state)
{
	(void)state;
	fakes_open("smtpd_client_message_rate_limit = 5");
	fakes.connections = 51;
	expect(PIECES(EHLO), "421 4.7.0 mx.test Error: too many connections from 192.0.2.1\n");
	fakes.connections = 50;
	fakes.rate = 6;
	expect(PIECES(EHLO, FROM),
	       GREETING EHLO_REPLY "450 4.7.1 Error: too much mail from 192.0.2.1\n");
	fakes_close();
}

/* local_header_rewrite_clients: cleanup completes the header of these clients' mail. */
static void whose_header(void **state)
{
	static const struct {
		const char *settings;
		bool rewritten;
	} cases[] = {
		{ "", false },
		{ "local_header_rewrite_clients = permit_mynetworks\nmynetworks = 192.0.2.0/24",
		  true },
		{ "local_header_rewrite_clients = check_address_map inline:{192.0.2.1=x}", true },
		{ "local_header_rewrite_clients = inline:{192.0.2.2=x}", false },
		{ "local_header_rewrite_clients = permit_sasl_authenticated", false },
		{ "inet_interfaces = 192.0.2.1", true },
		{ "inet_interfaces = 192.0.2.1\nlocal_header_rewrite_clients =", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fakes_open(cases[i].settings);
		expect(PIECES(EHLO, FROM, TO, "DATA\r\n", ".\r\n"),
		       CHUNKS DATA_REPLY "250 2.0.0 Ok: queued as ID1\n");
		assert_int_equal(fakes.last.flags, cases[i].rewritten ? 0 : MAIL_FLAG_REMOTE);
		fakes_close();
	}
}

static void blind_copy(void **state)
{
	(void)state;
	fakes_open("smtpd_sender_restrictions = inline:{ { b.test = BCC spy@local.test } }");
	expect(PIECES(EHLO, FROM, TO, "RCPT TO:<carol@local.test>\r\n", "DATA\r\n", ".\r\n"),
	       CHUNKS "250 2.1.5 Ok\n" DATA_REPLY "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.recipients),
			    "bob@local.test carol@local.test spy@local.test ");
	fakes_close();
}

/* Silence, in the middle of a line; and a stop of the program. */
static void say_half(struct stream *io, void *argument)
{
	fakes_read_reply(io, argument);
	stream_write(io, VIEW("EHL"));
	stream_flush(io);
	while (fakes_read_reply(io, argument) >= 0)
		;
}

static void stop_the_program(struct stream *io, void *argument)
{
	fakes_read_reply(io, argument);
	stream_finish_first(io, true);
	task_shut_down();
	while (fakes_read_reply(io, argument) >= 0)
		;
}

static void goodbyes(void **state)
{
	_cleanup_(str_free) struct str got = STR_EMPTY;

	(void)state;
	fakes_open("smtpd_timeout = 1s");
	fakes_converse(say_half, &got);
	assert_string_equal(str_cstr(&got), GREETING "421 4.4.2 mx.test Error: timeout exceeded\n");
	str_clear(&got);
	fakes_converse(stop_the_program, &got);
	assert_string_equal(str_cstr(&got), GREETING "421 4.3.2 mx.test Service shutting down\n");
	fakes_close();
}

#define AUTH_EHLO_REPLY                                                                            \
	"250-mx.test\n250-PIPELINING\n250-SIZE 10240000\n250-VRFY\n250-ETRN\n250-AUTH PLAIN "      \
	"LOGIN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n250-SMTPUTF8\n250 CHUNKING\n"

static void authentication(void **state)
{
	(void)state;
	fakes_open("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no");
	expect(PIECES(EHLO, "AUTH\r\n", "AUTH FOO\r\n", "AUTH F@O\r\n", "AUTH PLAIN x y\r\n",
		      "AUTH PLAIN !!!!\r\n", "AUTH PLAIN =\r\n", "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
		      "AUTH LOGIN\r\n", "*\r\n", "AUTH LOGIN\r\n", "!\r\n", "AUTH LOGIN\r\n",
		      "YWxpY2U=\r\n", "c2VjcmV0\r\n", "AUTH PLAIN\r\n", FROM,
		      "RCPT TO:<x@other.test>\r\n", "AUTH PLAIN\r\n", "DATA\r\n", ".\r\n"),
	       GREETING AUTH_EHLO_REPLY
	       "501 5.5.4 Syntax: AUTH mechanism [initial-response]\n"
	       "504 5.5.4 Error: authentication mechanism not supported\n"
	       "501 5.5.4 Syntax: AUTH mechanism [initial-response]\n"
	       "501 5.5.4 Syntax: AUTH mechanism [initial-response]\n"
	       "501 5.5.2 Error: invalid base64 data\n"
	       "535 5.7.8 Error: authentication failed\n535 5.7.8 Error: authentication failed\n"
	       "334 VXNlcm5hbWU6\n501 5.7.0 Authentication aborted\n"
	       "334 VXNlcm5hbWU6\n501 5.5.2 Error: invalid base64 data\n"
	       "334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n235 2.7.0 Authentication successful\n"
	       "503 5.5.1 Error: already authenticated\n250 2.1.0 Ok\n250 2.1.5 Ok\n"
	       "503 5.5.1 Error: MAIL transaction in progress\n" DATA_REPLY
	       "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.login), "alice");
	assert_string_equal(str_cstr(&fakes.last.protocol), "ESMTPA");
	expect(PIECES(EHLO, "AUTH PLAIN\r\n", "AGFsaWNlAHNlY3JldA==\r\n"),
	       GREETING AUTH_EHLO_REPLY "334 \n235 2.7.0 Authentication successful\n");
	expect(PIECES("HELO x\r\n", "AUTH PLAIN\r\n"),
	       GREETING "250 mx.test\n503 5.5.1 Error: send EHLO first\n");
	fakes_close();
}

/* A login that sends too much: its mail is held, it and the postmaster are told once. */
static void stopped_logins(void **state)
{
	const char *const *pieces =
		PIECES(EHLO, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", FROM, TO, "DATA\r\n", ".\r\n");

	(void)state;
	fakes_open("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no");
	for (int i = ANVIL_SENDER_FREE; i <= ANVIL_SENDER_STOPS; i++) {
		fakes_forget();
		fakes.sender_state = i;
		expect(pieces, GREETING AUTH_EHLO_REPLY "235 2.7.0 Authentication successful\n250 "
							"2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
							"250 2.0.0 Ok: queued as ID1\n");
		assert_int_equal(fakes.last.flags & MAIL_FLAG_HOLD,
				 i == ANVIL_SENDER_FREE ? 0 : MAIL_FLAG_HOLD);
		assert_int_equal(fakes.notices, i);
		assert_int_equal(fakes.sent_messages, 1);
		assert_int_equal(fakes.sent_recipients, 1);
	}
	fakes_forget();
	fakes.sender_state = ANVIL_SENDER_STOPPED;
	expect(PIECES(EHLO, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"), GREETING AUTH_EHLO_REPLY
	       "454 4.7.0 Error: sending is stopped for this account, ask your postmaster\n");
	/* Nobody who has not logged in is asked about. */
	expect(PIECES(EHLO, FROM, TO, "DATA\r\n", ".\r\n"), GREETING AUTH_EHLO_REPLY
	       "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY "250 2.0.0 Ok: queued as ID1\n");
	assert_int_equal(fakes.last.flags & MAIL_FLAG_HOLD, 0);
	assert_int_equal(fakes.notices, 0);
	fakes_close();
	/* A filter in front of the queue would let it go. */
	fakes_open("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\n"
		   "smtpd_proxy_filter = 127.0.0.1:9");
	fakes.sender_state = ANVIL_SENDER_STOPS;
	expect(pieces, GREETING AUTH_EHLO_REPLY
	       "235 2.7.0 Authentication successful\n250 2.1.0 Ok\n250 2.1.5 Ok\n"
	       "451 4.7.1 Error: sending is stopped for this account, ask your postmaster\n"
	       "221 2.7.0 Error: I can break rules, too. Goodbye.\n");
	fakes_close();
	fakes_open("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\n"
		   "smtpd_login_limit_exceptions = news, alice");
	fakes.sender_state = ANVIL_SENDER_STOPPED;
	expect(pieces, GREETING AUTH_EHLO_REPLY
	       "235 2.7.0 Authentication successful\n250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
	       "250 2.0.0 Ok: queued as ID1\n");
	assert_int_equal(fakes.last.flags & MAIL_FLAG_HOLD, 0);
	fakes_close();
}

#define ACCESS(value) "smtpd_sender_restrictions = inline:{ { b.test = " value " } }"

static void access_actions(void **state)
{
	const char *const *pieces = PIECES(EHLO, FROM, TO, "RCPT TO:<carol@local.test>\r\n",
					   "DATA\r\n", "A: b\r\n\r\n.\r\n");

	(void)state;
	fakes_open(ACCESS("PREPEND X-Seen: yes"));
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.content), "X-Seen: yes\r\nA: b\r\n\r\n");
	fakes_close();
	fakes_open(ACCESS("REDIRECT c@d.test"));
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.recipients), "c@d.test ");
	fakes_close();
	fakes_open(ACCESS("HOLD"));
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as ID1\n");
	assert_int_equal(fakes.last.flags, MAIL_FLAG_REMOTE | MAIL_FLAG_HOLD);
	fakes_close();
	fakes_open(ACCESS("DISCARD"));
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as DISCARD\n");
	assert_int_equal(fakes.begun, 0);
	fakes_close();
	/* the second recipient's rule redirects the whole message */
	fakes_open("smtpd_recipient_restrictions = inline:{ { carol@local.test = REDIRECT c@d.test "
		   "} }");
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.recipients), "c@d.test ");
	fakes_close();
	fakes_open("smtpd_data_restrictions = check_sender_access inline:{ b.test=HOLD }");
	expect(pieces, GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					   "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.recipients), "bob@local.test carol@local.test ");
	fakes_close();
}

/* A client that says it in its own way. */
static void command_filter(void **state)
{
	(void)state;
	fakes_open("smtpd_command_filter = regexp:{ {/^HALLO (.*)$$/ EHLO $$1} {/^(MAIL "
		   "FROM:<[^>]*>).*/ $$1} }");
	expect(PIECES("HALLO x\r\n", "MAIL FROM:<a@b.test> FOO=bar\r\n", TO),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n");
	fakes_close();
}

#define MESSAGE	   FROM, TO, "DATA\r\n", "x\r\n.\r\n"
#define TAKEN(id)  "250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY "250 2.0.0 Ok: queued as " id "\n"
#define FORWARDING "250-CHUNKING\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\n"

/* What a filter says of the client that it had: for one transaction, and only from whom it may come. */
static void xforward(void **state)
{
	_cleanup_(str_free) struct str expected = STR_EMPTY;

	(void)state;
	fakes_open("smtpd_authorized_xforward_hosts = 192.0.2.0/24");
	str_append_cstr(&expected, GREETING EHLO_REPLY);
	str_truncate(&expected, expected.len - strlen("250 CHUNKING\n"));
	str_append_cstr(&expected, FORWARDING "250 2.0.0 Ok\n250 2.0.0 Ok\n" TAKEN("ID1")
					   TAKEN("ID2") "501 5.5.4 Bad "
							"XFORWARD attribute\n501 5.5.4 Bad "
							"XFORWARD attribute\n501 5.5.4 Bad "
							"XFORWARD attribute\n250 2.1.0 Ok\n503 "
							"5.5.1 Error: MAIL transaction in "
							"progress\n");
	expect(PIECES(EHLO, "XFORWARD NAME=far.test ADDR=IPV6:2001:db8::1 IDENT=4zA\r\n",
		      "XFORWARD PROTO=ESMTP HELO=a+2Bb SOURCE=REMOTE\r\n", MESSAGE, MESSAGE,
		      "XFORWARD ADDR=nonsense\r\n", "XFORWARD NAME\r\n", "XFORWARD LOGIN=alice\r\n",
		      FROM, "XFORWARD NAME=x.test\r\n"),
	       str_cstr(&expected));
	assert_string_equal(str_cstr(&fakes.last.origin), "[]  ");
	fakes_close();
	fakes_open("smtpd_authorized_xforward_hosts = client.test");
	expect(PIECES(EHLO, "XFORWARD NAME=far.test ADDR=203.0.113.9 HELO=a+2Bb PROTO=SMTP\r\n",
		      "XFORWARD IDENT=4zA\r\n", MESSAGE),
	       (str_clear(&expected), str_append_cstr(&expected, GREETING EHLO_REPLY),
		str_truncate(&expected, expected.len - strlen("250 CHUNKING\n")),
		str_append_cstr(&expected, FORWARDING "250 2.0.0 Ok\n250 2.0.0 Ok\n" TAKEN("ID1")),
		str_cstr(&expected)));
	assert_string_equal(str_cstr(&fakes.last.origin), "far.test[203.0.113.9] a+b SMTP queued");
	assert_string_equal(str_cstr(&fakes.last.client), "client.test[192.0.2.1]");
	fakes_close();
	/* A filter at an address of ours hands on a stranger's mail. */
	fakes_open("smtpd_authorized_xforward_hosts = client.test\ninet_interfaces = 192.0.2.1");
	str_clear(&expected);
	str_append_cstr(&expected, GREETING EHLO_REPLY);
	str_truncate(&expected, expected.len - strlen("250 CHUNKING\n"));
	str_append_cstr(&expected, FORWARDING "250 2.0.0 Ok\n" TAKEN("ID1"));
	expect(PIECES(EHLO, "XFORWARD SOURCE=REMOTE\r\n", MESSAGE), str_cstr(&expected));
	assert_int_equal(fakes.last.flags, MAIL_FLAG_REMOTE);
	assert_string_equal(str_cstr(&fakes.last.origin), "unknown[]  ");
	fakes_close();
	fakes_open("");
	expect(PIECES(EHLO, "XFORWARD NAME=far.test\r\n", "XCLIENT NAME=far.test\r\n"),
	       GREETING EHLO_REPLY "550 5.7.0 Error: insufficient authorization\n"
				   "550 5.7.0 Error: insufficient authorization\n");
	fakes_close();
}

/* The other client's session, with what it may: it begins with the banner. */
static void xclient(void **state)
{
	(void)state;
	fakes_open("smtpd_authorized_xclient_hosts = 192.0.2.1\nsmtpd_delay_reject = no\n"
		   "smtpd_client_restrictions = check_client_access inline:{ bad.test=REJECT }\n"
		   "smtpd_discard_ehlo_keywords = xclient");
	expect(PIECES(EHLO, "XCLIENT NAME=ours.test ADDR=192.0.2.200\r\n", "HELO x\r\n", FROM,
		      "RCPT TO:<x@other.test>\r\n", "DATA\r\n", "x\r\n.\r\n"),
	       GREETING EHLO_REPLY GREETING "250 mx.test\n250 2.1.0 Ok\n250 2.1.5 Ok\n" DATA_REPLY
					    "250 2.0.0 Ok: queued as ID1\n");
	assert_string_equal(str_cstr(&fakes.last.client), "ours.test[192.0.2.200]");
	expect(PIECES(EHLO, "XCLIENT LOGIN=alice HELO=h.test PROTO=ESMTP\r\n", EHLO, MESSAGE),
	       GREETING EHLO_REPLY GREETING EHLO_REPLY TAKEN("ID2"));
	assert_string_equal(str_cstr(&fakes.last.login), "alice");
	/* An address that the proxy does not know is not the proxy's. */
	expect(PIECES(EHLO, "XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]\r\n", EHLO, MESSAGE),
	       GREETING EHLO_REPLY GREETING EHLO_REPLY TAKEN("ID3"));
	assert_string_equal(str_cstr(&fakes.last.client), "unknown[unknown]");
	expect(PIECES(EHLO, "XCLIENT NAME=bad.test\r\n", FROM),
	       GREETING EHLO_REPLY "554 5.7.1 <bad.test[192.0.2.1]>: Client host rejected: Access "
				   "denied\n503 5.7.0 Error: access denied for "
				   "bad.test[192.0.2.1]\n");
	fakes_close();
}

/* Where mail goes first: of the service, of an access map; what is redirected goes nowhere before. */
static void content_filters(void **state)
{
	static const char *const rows[][2] = {
		{ "content_filter = scan:[127.0.0.1]:10024", "scan:[127.0.0.1]:10024" },
		{ "content_filter = scan:a\nsmtpd_sender_restrictions = inline:{ { b.test = FILTER "
		  "other:x } }",
		  "other:x" },
		{ "content_filter = scan:a\nsmtpd_sender_restrictions = inline:{ { b.test = "
		  "REDIRECT c@d.test } }",
		  "" },
		{ "content_filter = scan:a\nsmtpd_end_of_data_restrictions = check_sender_access "
		  "inline:{ { b.test = FILTER late:x } }",
		  "late:x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fakes_open(rows[i][0]);
		expect(PIECES(EHLO, MESSAGE), GREETING EHLO_REPLY TAKEN("ID1"));
		assert_string_equal(str_cstr(&fakes.last.filter), rows[i][1]);
		fakes_close();
	}
	fakes_open("smtpd_sender_restrictions = inline:{ { b.test = FILTER nonsense } }");
	expect(PIECES(EHLO, FROM, TO),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n451 4.3.5 Server configuration error\n");
	fakes_close();
	fakes_open("receive_override_options = no_unknown_recipient_checks");
	expect(PIECES(EHLO, FROM, "RCPT TO:<nobody@local.test>\r\n"),
	       GREETING EHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n");
	fakes_close();
}

#define REFUSED                                                                                    \
	"550 5.1.1 <x@local.test>: Recipient address rejected: User unknown in local "             \
	"recipient table"

/* smtpd_reject_footer: after every refusal, a line of its own for each line of it. */
static void footers(void **state)
{
	static const struct {
		const char *settings, *expected;
	} rows[] = {
		{ "smtpd_reject_footer = call $client_name about $recipient",
		  "550-5.1.1 <x@local.test>: Recipient address rejected: User unknown in local "
		  "recipient table\n550 5.1.1 call client.test about x@local.test\n" },
		{ "smtpd_reject_footer = \\c; see us",
		  "550 5.1.1 <x@local.test>: Recipient address rejected: User unknown in local "
		  "recipient table; see us\n" },
		{ "smtpd_reject_footer = one\\ntwo\nsoft_bounce = yes",
		  "450-4.1.1 <x@local.test>: Recipient address rejected: User unknown in local "
		  "recipient table\n450-4.1.1 one\n450 4.1.1 two\n" },
		{ "smtpd_reject_footer_maps = inline:{ {" REFUSED "= mapped } }\n"
		  "smtpd_reject_footer = default",
		  "550-5.1.1 <x@local.test>: Recipient address rejected: User unknown in local "
		  "recipient table\n550 5.1.1 mapped\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str expected = STR_EMPTY;

		fakes_open(rows[i].settings);
		str_printf(&expected, "%s%s250 2.1.0 Ok\n%s221 2.0.0 Bye\n", GREETING, EHLO_REPLY,
			   rows[i].expected);
		expect(PIECES(EHLO, FROM, "RCPT TO:<x@local.test>\r\n", "QUIT\r\n"),
		       str_cstr(&expected));
		fakes_close();
	}
}

/* ---- LMTP ---- */

#define LMTP_SETTINGS "smtpd_protocol = lmtp\nmessage_size_limit = 100\nrecipient_delimiter = +\n"
#define LHLO_REPLY                                                                                 \
	"250-mx.test\n250-PIPELINING\n250-SIZE 100\n250-VRFY\n250-ETRN\n250-"                      \
	"ENHANCEDSTATUSCODES\n250-8BITMIME\n250-DSN\n250-SMTPUTF8\n250 CHUNKING\n"
#define LMTP_BEGIN "LHLO x\r\n", FROM, TO, "RCPT TO:<carol@local.test>\r\n"
#define LMTP_BEGUN GREETING LHLO_REPLY "250 2.1.0 Ok\n250 2.1.5 Ok\n250 2.1.5 Ok\n"
#define BYE	   "221 2.0.0 Bye\n"

#define AWAITED(to, what, dsn, why)                                                                \
	{                                                                                          \
		.address = VIEW(to), .outcome = what, .status = VIEW(dsn), .text = VIEW(why)       \
	}

static void lmtp_reopen(void)
{
	fakes_close();
	fakes_open(LMTP_SETTINGS);
}

static void lmtp_answers_for_each(void **state)
{
	static const struct msg_awaited results[] = {
		AWAITED("carol@local.test", OUTCOME_FAILED, "5.2.2", "no room"),
		AWAITED("somebody@else.test", OUTCOME_DEFERRED, "4.4.1", "x"),
		AWAITED("BOB@local.test", OUTCOME_DELIVERED, "2.0.0", "in\nmaildir"),
	};

	(void)state;
	lmtp_reopen();
	fakes.full = "carol@local.test";
	expect(PIECES("EHLO x\r\n", "HELO x\r\n", "LHLO x\r\n", FROM, "RCPT TO:<x@other.test>\r\n",
		      "RCPT TO:<nobody@local.test>\r\n", "RCPT TO:<carol+x@local.test>\r\n",
		      "DATA\r\n", "QUIT\r\n"),
	       GREETING "502 5.5.2 Error: command not recognized\n"
			"502 5.5.2 Error: command not recognized\n" LHLO_REPLY "250 2.1.0 Ok\n"
			"550 5.7.1 Error: there are no mailboxes of this domain here\n"
			"550 5.1.1 <nobody@local.test>: Recipient address rejected: User unknown "
			"in local recipient table\n"
			"552 5.2.2 <carol+x@local.test>: Recipient address rejected: Quota "
			"exceeded (mailbox for user is full)\n"
			"554 5.5.1 Error: no valid recipients\n" BYE);
	fakes.full = NULL;
	fakes.awaited = results;
	fakes.awaited_count = ARRAY_SIZE(results);
	expect(PIECES(LMTP_BEGIN, "DATA\r\n", "2:a\r\n.\r\n", "QUIT\r\n"),
	       LMTP_BEGUN DATA_REPLY "250 2.0.0 <BOB@local.test> in?maildir\n"
				     "552 5.2.2 <carol@local.test> no room\n" BYE);
	assert_string_equal(str_cstr(&fakes.last.protocol), "LMTP");
	/* In chunks too, where only the last one has so many answers. */
	expect(PIECES(LMTP_BEGIN, "BDAT 2\r\na\n", "2:BDAT 1 LAST\r\nb", "QUIT\r\n"),
	       LMTP_BEGUN "250 2.0.0 Ok: 2 bytes\n250 2.0.0 <BOB@local.test> in?maildir\n"
			  "552 5.2.2 <carol@local.test> no room\n" BYE);
}

/* A failure is the client's whatever was told before; on hold it is the queue's at once. */
static void lmtp_failure_counts(void **state)
{
	static const struct msg_awaited results[] = {
		AWAITED("bob@local.test", OUTCOME_DELIVERED, "2.0.0", "an alias's other one"),
		AWAITED("bob@local.test", OUTCOME_FAILED, "5.2.2", "no room"),
		AWAITED("bob@local.test", OUTCOME_DELIVERED, "2.0.0", "one more"),
		AWAITED("", OUTCOME_EXPANDED, "", ""),
	};
	_cleanup_(str_free) struct str got = STR_EMPTY;

	(void)state;
	lmtp_reopen();
	fakes.awaited = results;
	fakes.awaited_count = ARRAY_SIZE(results);
	fakes_script(PIECES(LMTP_BEGIN, "DATA\r\n", "2:a\r\n.\r\n", "QUIT\r\n"), &got);
	assert_non_null(strstr(str_cstr(&got),
			       "\n552 5.2.2 <bob@local.test> no room\n250 2.0.0 Ok: "
			       "queued as "));
	assert_false(fakes.await_ended);
}

/* What is not known in time is in the queue; where nobody knows whether it is, the client tries again. */
static void lmtp_without_results(void **state)
{
	static const struct msg_awaited results[] = {
		AWAITED("carol@local.test", OUTCOME_DEFERRED, "4.3.0", "disk"),
	};
	_cleanup_(str_free) struct str got = STR_EMPTY;

	(void)state;
	lmtp_reopen();
	fakes.awaited = results;
	fakes.awaited_count = ARRAY_SIZE(results);
	fakes_script(PIECES(LMTP_BEGIN, "DATA\r\n", "2:a\r\n.\r\n", "QUIT\r\n"), &got);
	assert_non_null(strstr(str_cstr(&got), "\n250 2.0.0 Ok: queued as "));
	assert_non_null(strstr(str_cstr(&got), "\n450 4.3.0 <carol@local.test> disk\n221"));
	fakes.await_breaks = true;
	expect(PIECES(LMTP_BEGIN, "DATA\r\n", "2:a\r\n.\r\n", "QUIT\r\n"),
	       LMTP_BEGUN DATA_REPLY "451 4.3.0 Error: what became of it is not known\n"
				     "450 4.3.0 <carol@local.test> disk\n" BYE);
}

/* What refuses the message refuses it for all. */
static void lmtp_refuses_for_each(void **state)
{
	(void)state;
	lmtp_reopen();
	expect(PIECES(LMTP_BEGIN, "DATA\r\n",
		      "2:0123456789012345678901234567890123456789012345678901234567890123456789"
		      "01234567890123456789012345678901234567890\r\n.\r\n",
		      "QUIT\r\n"),
	       LMTP_BEGUN DATA_REPLY "552 5.3.4 Error: message file too big\n"
				     "552 5.3.4 Error: message file too big\n" BYE);
	fakes.refuses_end = true;
	expect(PIECES(LMTP_BEGIN, "DATA\r\n", "2:a\r\n.\r\n", FROM, "QUIT\r\n"),
	       LMTP_BEGUN DATA_REPLY "550 5.4.6 Error: too many hops\n"
				     "550 5.4.6 Error: too many hops\n"
				     "250 2.1.0 Ok\n" BYE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message, begin, end),
		cmocka_unit_test_setup_teardown(chunks, begin, end),
		cmocka_unit_test_setup_teardown(quoted_addresses, begin, end),
		cmocka_unit_test(whose_header),
		cmocka_unit_test(blind_copy),
		cmocka_unit_test_setup_teardown(refused_chunks, begin, end),
		cmocka_unit_test_setup_teardown(pipelining, begin, end),
		cmocka_unit_test_setup_teardown(improper_pipelining, begin, end),
		cmocka_unit_test_setup_teardown(wrong_syntax, begin, end),
		cmocka_unit_test_setup_teardown(smtputf8, begin, end),
		cmocka_unit_test_setup_teardown(other_protocols, begin, end),
		cmocka_unit_test_setup_teardown(long_lines, begin, end),
		cmocka_unit_test_setup_teardown(cleanup_fails, begin, end),
		cmocka_unit_test_setup_teardown(disconnects, begin, end),
		cmocka_unit_test_setup_teardown(lmtp_answers_for_each, begin, end),
		cmocka_unit_test_setup_teardown(lmtp_failure_counts, begin, end),
		cmocka_unit_test_setup_teardown(lmtp_without_results, begin, end),
		cmocka_unit_test_setup_teardown(lmtp_refuses_for_each, begin, end),
		cmocka_unit_test(settings),
		cmocka_unit_test(rates),
		cmocka_unit_test(goodbyes),
		cmocka_unit_test(authentication),
		cmocka_unit_test(stopped_logins),
		cmocka_unit_test(access_actions),
		cmocka_unit_test(footers),
		cmocka_unit_test(command_filter),
		cmocka_unit_test(xforward),
		cmocka_unit_test(xclient),
		cmocka_unit_test(content_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

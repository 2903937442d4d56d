/* Which parts of a mail are reports, and what an abuse report says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/feedback.h"

#define XML(id)                                                                                    \
	"<feedback><report_metadata><report_id>" id                                                \
	"</report_id></report_metadata><policy_published><domain>d.test</domain>"                  \
	"</policy_published></feedback>"

static int aggregate_note(void *argument, const struct aggregate_report *report)
{
	str_printf(argument, "dmarc %s|", str_cstr(&report->id));
	return 0;
}

static int feedback_note(void *argument, const struct feedback_report *r)
{
	str_printf(argument, "%s by %s: %s for %s, %s, %s %s login=%s|", str_cstr(&r->type),
		   str_cstr(&r->reporter), str_cstr(&r->mail_from), str_cstr(&r->recipient),
		   str_cstr(&r->domain), str_cstr(&r->author), str_cstr(&r->message_id),
		   str_cstr(&r->login));
	return 0;
}

static void expect(const char *mail, int result, const char *expected)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;
	const struct report_reader reader = { aggregate_note, feedback_note, &found,
					      VIEW("mx.two.test") };
	struct error err = ERROR_NONE;

	assert_int_equal(report_mail_read(view_of(mail), &reader, &err), result);
	assert_string_equal(result < 0 ? err.text : str_cstr(&found), expected);
}

static void test_dmarc(void **state)
{
	expect(XML("file"), 1, "dmarc file|");
	expect("Content-Type: text/xml\r\n\r\n" XML("plain"), 1, "dmarc plain|");
	expect("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n"
	       "Content-Type: application/octet-stream; name=x\r\n\r\n" XML(
		       "one") "\r\n--b\r\n"
			      "Content-Type: text/xml\r\nContent-Transfer-Encoding: "
			      "quoted-printable\r\n\r\n"
			      "<?xml version=3D\"1.0\"?>" XML(
				      "two") "\r\n--b\r\n"
					     "Content-Type: "
					     "application/octet-stream\r\n\r\nsomething "
					     "else\r\n--b--\r\n",
	       2, "dmarc one|dmarc two|");
	expect("Subject: hello\r\n\r\n" XML("text"), 0, "");
	/* One that is enclosed was sent to somebody else. */
	expect("Content-Type: message/rfc822\r\n\r\nContent-Type: text/xml\r\n\r\n" XML("in"), 0,
	       "");
	expect("Content-Type: text/xml\r\n\r\n<?xml version='1.0'?><html/>", -EBADMSG,
	       "it is no DMARC report");
	(void)state;
}

#define ARF(fields, message)                                                                       \
	"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n"   \
	"\r\nThis is an abuse report.\r\n--b\r\nContent-Type: "                                    \
	"message/feedback-report\r\n\r\n" fields                                                   \
	"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" message "\r\n--b--\r\n"

static void test_feedback(void **state)
{
	/* RFC 5965 appendix B. */
	expect(ARF("Feedback-Type: abuse\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n"
		   "Original-Mail-From: <somespammer@example.net>\r\n"
		   "Original-Rcpt-To: <user@example.com>\r\nSource-IP: 192.0.2.2\r\n"
		   "Reported-Domain: example.net\r\n",
		   "From: <somespammer@example.net>\r\nMessage-ID: "
		   "8787KJKJ3K4J3K4J3K4J3.mail@example.net\r\n"
		   "\r\nSpam Spam Spam\r\n"),
	       1,
	       "abuse by SomeGenerator/1.0: somespammer@example.net for user@example.com, "
	       "example.net, "
	       "somespammer@example.net 8787KJKJ3K4J3K4J3K4J3.mail@example.net login=|");
	/* Who had logged in, in our own field only. */
	expect(ARF("Feedback-Type: abuse\r\nOriginal-Rcpt-To: rfc822; x@y.test\r\n",
		   "Return-Path: <alice@two.test>\r\n"
		   "Received: from a by evil.test (Authenticated sender: bob@two.test) id 1\r\n"
		   "Received: from [192.0.2.9] (unknown [192.0.2.9])\r\n"
		   "\t(Authenticated sender: alice@two.test)\r\n\tby mx.two.test (Posta) with "
		   "ESMTPSA id 1\r\n"
		   "From: Alice <Alice@Two.test>\r\n\r\n"),
	       1,
	       "abuse by : alice@two.test for x@y.test, two.test, Alice@two.test  "
	       "login=alice@two.test|");
	expect(ARF("User-Agent: x\r\n", "From: a@b.test\r\n\r\n"), 0, "");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmarc),
		cmocka_unit_test(test_feedback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

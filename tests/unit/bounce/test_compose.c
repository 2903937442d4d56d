/* Reports, from a queue file with results in it: their parts, fields, limits. */
#include "helper.h"

#include <errno.h>

#include "base/io.h"
#include "compose.h"
#include "conf/conf.h"
#include "mail/header.h"
#include "template.h"

static void load_parameters(const char *directory)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, report = STR_EMPTY;

	str_printf(&path, "%s/main.cf", directory);
	assert_int_equal(
		io_replace_file(str_cstr(&path),
				VIEW("myhostname = mx.example.test\n"
				     "myorigin = example.test\nbounce_size_limit = 1000\n"),
				0600, NULL),
		0);
	assert_int_equal(conf_load(directory, NULL, 0, &report), 0);
}

static int collect(void *argument, struct view bytes)
{
	str_append(argument, bytes);
	return 0;
}

struct fate {
	const char *address, *original, *orcpt;
	uint8_t notify, outcome;
	const char *status, *remote, *diagnostic;
};

/* A message whose recipients met these fates. */
static struct queue_file *message(struct test_queue *t, struct queue_envelope envelope,
				  const char *content, const struct fate *fates, size_t count)
{
	struct queue_writer *w = queue_writer_new(t->queue, &envelope);
	struct queue_file *f;
	struct error err = ERROR_NONE;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	for (size_t i = 0; i < count; i++)
		queue_writer_recipient(w, view_of(fates[i].address), view_of(fates[i].original),
				       view_of(fates[i].orcpt), fates[i].notify);
	queue_writer_content(w, view_of(content));
	assert_int_equal(queue_writer_commit(w, &err), 0);
	assert_int_equal(queue_file_open(t->queue, view_of(queue_writer_id(w)), NULL, 0, &f, &err),
			 0);
	queue_writer_free(w);
	for (size_t i = 0; i < count; i++) {
		struct queue_reason reason = { view_of(fates[i].status), view_of(fates[i].remote),
					       view_of(fates[i].diagnostic) };
		uint64_t place;

		assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
		assert_int_equal(queue_file_add_reason(f, &reason, &place), 0);
		assert_int_equal(queue_file_set_result(f, r.position, fates[i].outcome, false,
						       1795305600, place),
				 0);
	}
	return f;
}

static bool has(const struct str *text, const char *what)
{
	return view_find(str_view(text), view_of(what)) != VIEW_NOT_FOUND;
}

static void expect(const struct str *text, const char *what)
{
	if (!has(text, what))
		fail_msg("no \"%s\" in:\n%s", what, str_cstr(text));
}

static const struct fate fates[] = {
	{ "nobody@example.com", "alias@example.test", "rfc822;alias@example.test", 0,
	  OUTCOME_FAILED, "5.1.1", "mx.example.com[192.0.2.1]:25",
	  "host mx.example.com[192.0.2.1] said: 550 5.1.1 <nobody@example.com>: unknown "
	  "(in reply to RCPT TO command)" },
	{ "full@example.test", "full@example.test", NULL, 0, OUTCOME_FAILED, "5.2.2", NULL,
	  "mailbox is full\r\nInjected: x" },
	{ "quiet@example.test", "quiet@example.test", NULL, NOTIFY_NEVER, OUTCOME_FAILED, "5.2.2",
	  NULL, "secret" },
	{ "later@example.test", "later@example.test", NULL, 0, OUTCOME_DEFERRED, "4.4.1", NULL,
	  "no route" },
	{ "there@example.test", "there@example.test", NULL, NOTIFY_SUCCESS, OUTCOME_RELAYED,
	  "2.0.0", "mx[192.0.2.1]:25", "250 ok" },
};

static const struct queue_envelope envelope = { .sender = VIEW("odd name@example.test"),
						.envid = VIEW("QQ1"),
						.arrival = 1795305501000000 };

static void compose(struct queue_file *f, uint8_t kind, struct str *out)
{
	struct report report = { .kind = kind, .file = f, .write = collect, .argument = out };

	assert_true(report_is_needed(&report));
	assert_int_equal(report_compose(&report), 0);
	assert_false(report.more);
}

static void failure(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(queue_file_closep) struct queue_file *f =
		message(t, envelope, "Subject: hello\r\n\r\nbody\r\n", fates, ARRAY_SIZE(fates));

	load_parameters(t->directory);
	compose(f, REPORT_FAILURE, &text);
	expect(&text, "From: Mail Delivery System <MAILER-DAEMON@example.test>\r\n");
	expect(&text, "To: <\"odd name\"@example.test>\r\n");
	expect(&text, "Auto-Submitted: auto-replied\r\n");
	expect(&text, "Content-Type: multipart/report; report-type=delivery-status;");
	expect(&text, "This is the mail system at host mx.example.test.");
	expect(&text, "<nobody@example.com> (given as <alias@example.test>): host");
	expect(&text, "\r\nReporting-MTA: dns; mx.example.test\r\n"
		      "Original-Envelope-Id: QQ1\r\nArrival-Date: ");
	expect(&text, "\r\n\r\nOriginal-Recipient: rfc822;alias@example.test\r\n"
		      "Final-Recipient: rfc822; nobody@example.com\r\nAction: failed\r\n"
		      "Status: 5.1.1\r\nRemote-MTA: dns; mx.example.com\r\n"
		      "Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.com>: unknown\r\n"
		      "Last-Attempt-Date: ");
	expect(&text,
	       "Final-Recipient: rfc822; full@example.test\r\nAction: failed\r\n"
	       "Status: 5.2.2\r\nDiagnostic-Code: X-Posta; mailbox is full??Injected: x\r\n");
	expect(&text, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		      "Subject: hello\r\n\r\nbody\r\n\r\n--");
	assert_false(has(&text, "secret"));
	assert_false(has(&text, "no route"));
	assert_false(has(&text, "\nInjected"));
}

static void delay_and_success(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(queue_file_closep) struct queue_file *f = message(
		t, envelope, "Subject: h\xc3\xa9llo\r\n\r\nbody\r\n", fates, ARRAY_SIZE(fates));

	load_parameters(t->directory);
	compose(f, REPORT_DELAY, &text);
	expect(&text, "Action: delayed\r\nStatus: 4.4.1\r\n");
	expect(&text, "Will-Retry-Until: ");
	expect(&text, "Content-Type: text/rfc822-headers; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\n"
		      "Subject: h\xc3\xa9llo\r\n\r\n--");
	assert_false(has(&text, "body"));
	assert_false(has(&text, "nobody"));
	str_clear(&text);
	compose(f, REPORT_SUCCESS, &text);
	expect(&text, "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx\r\n");
}

/* ---- what is not ASCII ---- */

static const struct fate foreign[] = {
	{ "j\xc3\xb6rg+x\\@example.test", "j\xc3\xb6rg@example.test",
	  "rfc822;\xf0\x9f\x93\xae@example.test", 0, OUTCOME_FAILED, "5.1.1", "mx[192.0.2.1]:25",
	  "host mx[192.0.2.1] said: 550 kein B\xc3\xbcrger (in reply to RCPT TO command)" },
	{ "x>, status=sent (y@example.test", "a b@example.test", "x-other;\xc3\xa9", 0,
	  OUTCOME_FAILED, "5.1.1", NULL, "bad bytes \xff\xfe" },
	{ "plain@example.test", NULL, "utf-8;\\x{E9}@example.test", 0, OUTCOME_FAILED, "5.1.1",
	  NULL, "no" },
};

/* The part between two headings, without the first. */
static struct view part(const struct str *text, const char *type)
{
	struct view rest = str_view(text);
	size_t at = view_find(rest, view_of(type));

	assert_int_not_equal(at, VIEW_NOT_FOUND);
	rest = view_from(rest, at);
	return view_first(rest, view_find(rest, VIEW("\r\n--")));
}

/* RFC 3464: the fields are ASCII; the text says all, and what it is. */
static void foreign_words(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(queue_file_closep) struct queue_file *f = message(
		t, envelope, "Subject: hello\r\n\r\nbody\r\n", foreign, ARRAY_SIZE(foreign));

	load_parameters(t->directory);
	compose(f, REPORT_FAILURE, &text);
	struct report report = { .kind = REPORT_FAILURE, .file = f };

	assert_int_equal(report_needs_8bit(&report), 1);
	assert_true(view_is_ascii(part(&text, "From:")));
	assert_true(view_is_ascii(part(&text, "Content-Type: message/delivery-status")));
	assert_true(view_is_utf8(str_view(&text)));
	expect(&text, "\tboundary=");
	expect(&text, "\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nThis is a report");
	expect(&text, "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\n");
	expect(&text, "550 kein B\xc3\xbcrger");
	expect(&text, "<\"x>, status=sent (y\"@example.test> (given as <\"a b\"@example.test>)");
	expect(&text, "Content-Type: message/delivery-status\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n\r\nReporting-MTA: ");
	expect(&text,
	       "Original-Recipient: utf-8; \\x{1F4EE}@example.test\r\n"
	       "Final-Recipient: utf-8; \"j\\x{F6}rg\\x{2B}x\\x{5C}\\x{5C}\"@example.test\r\n");
	expect(&text, "Diagnostic-Code: smtp; 550 kein B?rger\r\n");
	expect(&text, "Original-Recipient: x-other;?\r\n"
		      "Final-Recipient: rfc822; \"x>, status=sent (y\"@example.test\r\n");
	expect(&text, "Original-Recipient: utf-8;\\x{E9}@example.test\r\n");
	expect(&text, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n");
}

/* RFC 6533: the fields are UTF-8, addresses as they are. */
static void foreign_message(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct queue_envelope utf8 = envelope;

	load_parameters(t->directory);
	for (int round = 0; round < 2; round++) {
		utf8.flags = round ? 0 : MAIL_FLAG_SMTPUTF8;
		utf8.sender = round ? VIEW("\xc3\xa9@example.test") : envelope.sender;
		_cleanup_(queue_file_closep) struct queue_file *f =
			message(t, utf8, "Subject: hello\r\n\r\n", foreign, ARRAY_SIZE(foreign));

		str_clear(&text);
		compose(f, REPORT_FAILURE, &text);
		expect(&text, "Content-Type: message/global-delivery-status\r\n"
			      "Content-Transfer-Encoding: 8bit\r\n\r\nReporting-MTA: ");
		expect(&text, "Original-Recipient: utf-8; \xf0\x9f\x93\xae@example.test\r\n"
			      "Final-Recipient: utf-8; \"j\xc3\xb6rg+x\\\\\"@example.test\r\n");
		expect(&text, "Diagnostic-Code: smtp; 550 kein B\xc3\xbcrger\r\n");
		expect(&text, "Final-Recipient: rfc822; plain@example.test\r\n");
		expect(&text,
		       "Content-Type: message/global\r\nContent-Transfer-Encoding: 7bit\r\n");
		assert_true(view_is_utf8(str_view(&text)));
	}
}

/* The header alone: what its bytes are is said. */
static void foreign_header(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(queue_file_closep) struct queue_file *f =
		message(t, envelope, "Subject: h\xe9llo\r\n\r\n", fates, ARRAY_SIZE(fates));

	load_parameters(t->directory);
	compose(f, REPORT_DELAY, &text);
	expect(&text, "Content-Type: text/rfc822-headers; charset=unknown-8bit\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: h\xe9llo");
	expect(&text, "Content-Type: text/plain; charset=us-ascii\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n\r\n");
}

/* No line is longer than it may be, and no character is cut in two. */
static void long_words(struct test_queue *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, reason = STR_EMPTY;
	struct queue_envelope utf8 = envelope;
	struct view rest, line;

	for (int i = 0; i < 650; i++)
		str_append(&reason, i % 7 ? VIEW("\xe2\x82\xac") : VIEW("e"));
	const struct fate fate = { "a@example.test", NULL,    NULL, 0,
				   OUTCOME_FAILED,   "5.0.0", NULL, str_cstr(&reason) };

	utf8.flags = MAIL_FLAG_SMTPUTF8;
	load_parameters(t->directory);
	_cleanup_(queue_file_closep) struct queue_file *f =
		message(t, utf8, "A: b\r\n\r\n", &fate, 1);

	compose(f, REPORT_FAILURE, &text);
	rest = str_view(&text);
	assert_true(has(&text, "\xe2\x82\xac"));
	while (view_next(&rest, '\n', &line)) {
		assert_true(view_is_utf8(line));
		assert_in_range(line.len, 0, 999);
	}
}

/* RET=HDRS, and messages over bounce_size_limit: the header alone. */
static void header_only(struct test_queue *t)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct queue_envelope hdrs = envelope;

	load_parameters(t->directory);
	hdrs.ret = RET_HDRS;
	str_append(&content, VIEW("Subject: hello\r\n\r\ncontent"));
	for (int round = 0; round < 2; round++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		_cleanup_(queue_file_closep) struct queue_file *f =
			message(t, round ? envelope : hdrs, str_cstr(&content), fates, 1);

		compose(f, REPORT_FAILURE, &text);
		expect(&text, "Content-Type: text/rfc822-headers; charset=us-ascii\r\n"
			      "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: hello\r\n\r\n--");
		assert_false(has(&text, "content\r\n"));
		for (int i = 0; i < 200; i++)
			str_append(&content, VIEW("0123456789\r\n"));
	}
}

/* Everybody is told about, in reports of a bounded size. */
static void many_recipients(struct test_queue *t)
{
	enum { COUNT = REPORT_RECIPIENTS_MAX + 10 };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_free_ struct fate *many = mem_new_array(struct fate, COUNT);

	load_parameters(t->directory);
	for (size_t i = 0; i < COUNT; i++)
		many[i] = fates[1];
	_cleanup_(queue_file_closep) struct queue_file *f =
		message(t, envelope, "A: b\r\n\r\n", many, COUNT);
	struct report report = {
		.kind = REPORT_FAILURE, .file = f, .write = collect, .argument = &text
	};

	assert_int_equal(report_compose(&report), 0);
	assert_true(report.more);
	report.from = report.next;
	str_clear(&text);
	assert_int_equal(report_compose(&report), 0);
	assert_false(report.more);
	size_t told = 0;

	for (struct view rest = str_view(&text); (rest = view_from(rest, 1)).len > 0;)
		told += view_starts(rest, VIEW("Final-Recipient:"));
	assert_int_equal(told, 10);
}

static void failure_test(void **state)
{
	(void)state;
	test_with_queue(failure);
}
static void delay_test(void **state)
{
	(void)state;
	test_with_queue(delay_and_success);
}
static void words_test(void **state)
{
	(void)state;
	test_with_queue(foreign_words);
	test_with_queue(foreign_message);
	test_with_queue(foreign_header);
	test_with_queue(long_words);
}
static void header_test(void **state)
{
	(void)state;
	test_with_queue(header_only);
}
static void many_test(void **state)
{
	(void)state;
	test_with_queue(many_recipients);
}

/* ---- templates ---- */

static void compose_with(struct test_queue *t, const char *text, struct str *out)
{
	_cleanup_(queue_file_closep) struct queue_file *f =
		message(t, envelope, "Subject: x\r\n\r\nbody\r\n", fates, 1);

	templates_read(view_of(text), "file");
	compose(f, REPORT_FAILURE, out);
	templates_forget();
}

static void templates_good(struct test_queue *t)
{
	_cleanup_(str_free) struct str good = STR_EMPTY, latin = STR_EMPTY;

	load_parameters(t->directory);
	compose_with(t,
		     "# ours\n\nfailure_template = <<EOF\nCharset: us-ascii\n"
		     "From: MAILER-DAEMON (Mail at $myhostname)\nSubject: Nothing came of it\n"
		     "Postmaster-Subject: copy\n\nThis is $myhostname: $$5 after "
		     "${maximal_queue_lifetime_days} days, $delay_warning_time_hours "
		     "h.\n\nRegards\nEOF\n"
		     "verify_template = <<X\nanything\nX\n",
		     &good);
	expect(&good, "From: MAILER-DAEMON@example.test (Mail at mx.example.test)\r\n"
		      "Subject: Nothing came of it\r\n");
	expect(&good,
	       "\r\n\r\nThis is mx.example.test: $5 after 5 days, 0 h.\r\n\r\nRegards\r\n\r\n"
	       "    <");
	assert_false(has(&good, "This is the mail system"));
	compose_with(t,
		     "failure_template = <<EOF\nCharset: iso-8859-1\nFrom: x@y.test\n"
		     "Subject: =?utf-8?q?=C3=BC?=\n\nK\366nnen\nEOF\n",
		     &latin);
	expect(&latin, "charset=utf-8");
	expect(&latin, "\r\nK\303\266nnen\r\n");
}

/* Where it makes no sense our own words stand. */
static void templates_bad(struct test_queue *t)
{
	static const char *const bad[] = {
		"failure_template = <<EOF\nSubject: x\n\nbody\nEOF\n",
		"failure_template = <<EOF\nFrom: x@y\nSubject: x\n\nb\366dy\nEOF\n",
		"failure_template = <<EOF\nFrom: x@y\nSubject: x\nReply-To: z\n\nbody\nEOF\n",
		"failure_template = <<EOF\nCharset: klingon\nFrom: x@y\nSubject: x\n\nbody\nEOF\n",
		"failure_template = <<EOF\nFrom: x@y\nSubject: x\n\nbody\n",
		"failure_template = text\n",
		"success_template = <<EOF\nFrom: x@y\nSubject: x\n\nbody\nEOF\n",
	};

	load_parameters(t->directory);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		compose_with(t, bad[i], &out);
		expect(&out, "Subject: Undelivered mail returned to sender\r\n");
		expect(&out, "This is the mail system at host mx.example.test.");
	}
}

static void templates_test(void **state)
{
	(void)state;
	test_with_queue(templates_good);
	test_with_queue(templates_bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_test), cmocka_unit_test(delay_test),
		cmocka_unit_test(header_test),	cmocka_unit_test(words_test),
		cmocka_unit_test(many_test),	cmocka_unit_test(templates_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

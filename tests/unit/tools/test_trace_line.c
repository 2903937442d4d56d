/* Lines of the log in all their forms, and what they say of other messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tools/trace_line.h"

/* time|host|program|pid|level|id|text, or "no". */
static const struct {
	const char *line, *expected;
} lines[] = {
	{ "Nov  1 23:58:21 mx posta/smtpd[123]: 4jZVqp5rzGz: client=a[1.2.3.4]",
	  "Nov  1 23:58:21|mx|posta/smtpd|123||4jZVqp5rzGz|client=a[1.2.3.4]" },
	{ "2026-11-21T23:58:21.123456+01:00 mx posta/qmgr[1]: 4jZVqp5rzGz: removed",
	  "2026-11-21T23:58:21.123456+01:00|mx|posta/qmgr|1||4jZVqp5rzGz|removed" },
	/* As it is on its way to a syslog daemon: without a host. */
	{ "<22>Nov 25 19:34:33 posta/qmgr[1]: 4jZVqp5rzGz: removed",
	  "<22>Nov 25 19:34:33||posta/qmgr|1||4jZVqp5rzGz|removed" },
	{ "Nov 21 23:58:21 mx posta/qmgr[1]: warning: 4jZVqp5rzGz: [2]: odd: x",
	  "Nov 21 23:58:21|mx|posta/qmgr|1|warning|4jZVqp5rzGz|[2]: odd: x" },
	{ "Nov 21 23:58:21 mx posta/smtpd[1]: connect from a[::1]",
	  "Nov 21 23:58:21|mx|posta/smtpd|1|||connect from a[::1]" },
	{ "Nov 21 23:58:21 mx posta/smtpd[1]: NOQUEUE: reject: RCPT",
	  "Nov 21 23:58:21|mx|posta/smtpd|1|||NOQUEUE: reject: RCPT" },
	{ "Nov 21 23:58:21 mx kernel: a line of another program", "no" },
	{ "", "no" },
	{ "[1]: ", "no" },
	{ "]: [", "no" },
	{ "{\"time\":\"2026-11-21T22:58:21.123456Z\",\"host\":\"mx\",\"program\":\"posta/smtpd\","
	  "\"pid\":7,\"level\":\"info\",\"id\":\"4jZVqp5rzGz\","
	  "\"message\":\"4jZVqp5rzGz: helo=<\\\"a\\\\b\\\">\"}",
	  "2026-11-21T22:58:21.123456Z|mx|posta/smtpd|7|info|4jZVqp5rzGz|helo=<\"a\\b\">" },
	{ "{\"time\":\"x\",\"host\":\"mx\",\"program\":\"p\",\"pid\":7,\"level\":\"warning\","
	  "\"message\":\"[9]: x\"}",
	  "x|mx|p|7|warning||[9]: x" },
	{ "Nov 21 23:58:21 mx posta/smtpd[7]: "
	  "{\"time\":\"x\",\"host\":\"mx\",\"program\":\"p\",\"pid\":7,"
	  "\"level\":\"info\",\"message\":\"4jZVqp5rzGz: removed\"}",
	  "x|mx|p|7|info|4jZVqp5rzGz|removed" },
	{ "{\"time\":\"x\",\"host\":\"mx", "no" },
	/* What a stranger says is no JSON of ours. */
	{ "Nov 21 23:58:21 mx posta/smtpd[1]: x helo=<{\"time\":\"t\",\"host\":\"h\",\"program\":"
	  "\"p\",\"pid\":7,\"level\":\"info\",\"message\":\"4jZVqp5rzGz: removed\"}>",
	  "Nov 21 23:58:21|mx|posta/smtpd|1|||x helo=<{\"time\":\"t\",\"host\":\"h\",\"program\":"
	  "\"p\",\"pid\":7,\"level\":\"info\",\"message\":\"4jZVqp5rzGz: removed\"}>" },
};

static void test_lines(void **state)
{
	struct trace_line line = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(str_free) struct str got = STR_EMPTY;

		if (trace_line_parse(view_of(lines[i].line), &line))
			str_printf(&got, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", VIEW_ARG(line.time),
				   VIEW_ARG(line.host), VIEW_ARG(line.program), VIEW_ARG(line.pid),
				   VIEW_ARG(line.level), VIEW_ARG(line.id), VIEW_ARG(line.text));
		else
			str_append_cstr(&got, "no");
		assert_string_equal(str_cstr(&got), lines[i].expected);
	}
	trace_line_free(&line);
}

/* No byte after the end is looked at: each piece is in memory of just its size. */
static void test_pieces(void **state)
{
	struct trace_line line = { 0 };
	const char *how;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		size_t len = strlen(lines[i].line);

		for (size_t from = 0; from < len; from += 1 + len / 20)
			for (size_t to = from; to <= len; to++) {
				struct view piece = view_make(lines[i].line + from, to - from);
				_cleanup_free_ char *copy = mem_resize(NULL, MAX(piece.len, 1u), 1);

				memcpy(copy, piece.data, piece.len);
				piece.data = copy;
				if (trace_line_parse(piece, &line))
					(void)trace_line_leads_to(&line, &how);
			}
	}
	trace_line_free(&line);
}

static const struct {
	const char *text, *id, *how;
} links[] = {
	{ "local[1]: 4aaaaaaa: to=<a@b>, status=sent (forwarded as 4bbbbbbb)", "4bbbbbbb",
	  "forwarded from" },
	{ "bounce[1]: 4aaaaaaa: sender non-delivery notification: 4bbbbbbb", "4bbbbbbb",
	  "non-delivery notification about" },
	{ "bounce[1]: 4aaaaaaa: sender delay notification: 4bbbbbbb", "4bbbbbbb",
	  "delay notification about" },
	{ "bounce[1]: 4aaaaaaa: sender delivery status notification: 4bbbbbbb", "4bbbbbbb",
	  "delivery status notification about" },
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, status=sent (250 2.0.0 Ok: queued as 4bbbbbbb)", "4bbbbbbb",
	  "passed on from" },
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, status=sent (250 2.0.0 Ok)", "", NULL },
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, status=sent (250 2.0.0 Ok: queued as 4aaaaaaa)", "", NULL },
	{ "smtp[1]: queued as 4bbbbbbb", "", NULL },
	{ "smtp[1]: 4aaaaaaa: queued as ", "", NULL },
};

static void test_links(void **state)
{
	struct trace_line line = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		const char *how = NULL;
		struct view id;

		str_printf(&text, "Nov 21 23:58:21 mx posta/%s", links[i].text);
		assert_true(trace_line_parse(str_view(&text), &line));
		id = trace_line_leads_to(&line, &how);
		assert_true(view_is(id, links[i].id));
		if (links[i].how != NULL)
			assert_string_equal(how, links[i].how);
	}
	trace_line_free(&line);
}

static const struct {
	const char *text, *recipient, *status;
} results[] = {
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, relay=none, dsn=5.0.0, status=bounced (x)", "a@b",
	  "bounced" },
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, orig_to=<c@d>, status=deferred (says, status=sent (x))",
	  "a@b", "deferred" },
	{ "smtp[1]: 4aaaaaaa: to=<\"x>, status=sent (y\"@b>, status=bounced (x)",
	  "\"x>, status=sent (y\"@b", "bounced" },
	{ "smtp[1]: 4aaaaaaa: to=<\"x\\\">, status=sent (y\"@b>, status=bounced (x)",
	  "\"x\\\">, status=sent (y\"@b", "bounced" },
	{ "smtp[1]: 4aaaaaaa: to=<a@b>, relay=none (no, status=sent)", NULL, NULL },
	{ "qmgr[1]: 4aaaaaaa: from=<a@b>, status=expired, returned to sender", NULL, NULL },
	{ "smtp[1]: to=<a@b>, status=sent (x)", NULL, NULL },
	{ "smtp[1]: 4aaaaaaa: to=<a@b", NULL, NULL },
};

static void test_results(void **state)
{
	struct trace_line line = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct view recipient, status;

		str_printf(&text, "Nov 21 23:58:21 mx posta/%s", results[i].text);
		assert_true(trace_line_parse(str_view(&text), &line));
		assert_int_equal(trace_line_result(&line, &recipient, &status),
				 results[i].status != NULL);
		if (results[i].status != NULL) {
			assert_true(view_is(recipient, results[i].recipient));
			assert_true(view_is(status, results[i].status));
		}
	}
	trace_line_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What IMAP servers answer: RFC 9051's examples, and what no server should say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "imap/response.h"
#include "task/task.h"

/* All values of one response, as text: "FETCH 12: ( UID 5 FLAGS ( \Seen ) )". */
static int describe(struct imap_response *p, struct str *out)
{
	struct imap_answer answer;
	int r = imap_response_begin(p, &answer);

	if (r < 0)
		return r;
	str_printf(out, "%s%s%s", answer.kind == IMAP_TAGGED ? answer.tag : "",
		   answer.kind == IMAP_CONTINUATION ? "+" : " ", answer.name);
	if (answer.has_number)
		str_printf(out, " %u", answer.number);
	str_append_byte(out, ':');
	if (answer.kind != IMAP_UNTAGGED || strcmp(answer.name, "OK") == 0) {
		str_append_byte(out, ' ');
		str_append(out, imap_response_text(p));
		return imap_response_end(p);
	}
	while (r == 0 && imap_response_has_more(p)) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		bool is_nil = false;

		if (imap_response_take(p, '(')) {
			str_append_cstr(out, " (");
		} else if (imap_response_take(p, ')')) {
			str_append_cstr(out, " )");
		} else {
			r = imap_response_string(p, 1000, &text, &is_nil);
			str_append_byte(out, ' ');
			str_append(out, is_nil ? VIEW("nil") : str_view(&text));
		}
	}
	return r < 0 ? r : imap_response_end(p);
}

struct run {
	const char *input;
	struct str out;
	int result;
	void (*read)(struct run *run, struct imap_response *p);
};

static void run_task(void *argument)
{
	struct run *run = argument;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], run->input, strlen(run->input)), (int)strlen(run->input));
	close(pair[1]);

	_cleanup_(stream_freep) struct stream *io = stream_new(pair[0]);
	_cleanup_(imap_response_freep) struct imap_response *p = imap_response_new(io);

	if (run->read != NULL)
		run->read(run, p);
	else
		run->result = describe(p, &run->out);
}

static void responses_are_read(void **state)
{
	static const char *const rows[][2] = {
		{ "* 12 FETCH (UID 5 FLAGS (\\Seen $Forwarded))\r\n",
		  " FETCH 12: ( UID 5 FLAGS ( \\Seen $Forwarded ) )" },
		{ "* list (\\Noselect) \"/\" foo/bar\r\n", " LIST: ( \\Noselect ) / foo/bar" },
		{ "* LIST () NIL {3}\r\nA\"b\r\n", " LIST: ( ) nil A\"b" },
		{ "* LIST () \".\" \"a\\\"b\\\\\"\r\n", " LIST: ( ) . a\"b\\" },
		{ "* 1 FETCH (BODY[HEADER.FIELDS (A B)]<0> ~{2}\r\nxy UID 3)\r\n",
		  " FETCH 1: ( BODY[HEADER.FIELDS (A B)]<0> xy UID 3 )" },
		{ "* OK [UIDNEXT 4] x {3}\r\n", " OK: [UIDNEXT 4] x {3}" },
		{ "a1 OK [ALERT] done\r\n", "A1 OK: [ALERT] done" },
		{ "+ go on {5}\r\n", "+: go on {5}" },
		{ "+\r\n", "+:" },
		{ "* SEARCH\r\n", " SEARCH:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run run = { .input = rows[i][0] };

		assert_int_equal(task_run(run_task, &run), 0);
		assert_int_equal(run.result, 0);
		/* A continuation's text follows a blank. */
		if (strcmp(rows[i][1], "+:") == 0)
			assert_memory_equal(run.out.data, "+:", 2);
		else
			assert_string_equal(str_cstr(&run.out), rows[i][1]);
		str_free(&run.out);
	}
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *input;
		int result;
	} rows[] = {
		{ "\r\n", -EBADMSG },
		{ "*\r\n", -EBADMSG },
		{ "* 12\r\n", -EBADMSG },
		{ "* 1 FETCH (\"x)\r\n", -EBADMSG },
		{ "* LIST () {5\r\n", -EBADMSG },
		{ "* LIST () {99999999999999999999}\r\n", -EBADMSG },
		{ "* LIST () {1001}\r\n", -EMSGSIZE },
		{ "* LIST () {5}\r\nab", -ENODATA },
		{ "* 1 FETCH BODY[HEADER\r\n", -EBADMSG },
		{ "* AVERYLONGNAMETHATNOSERVERSENDSATALL x\r\n", -EBADMSG },
		{ "* LIST", -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run run = { .input = rows[i].input };

		assert_int_equal(task_run(run_task, &run), 0);
		if (run.result != rows[i].result)
			fail_msg("%s: %d", rows[i].input, run.result);
		str_free(&run.out);
	}
}

/* Values that nobody wants, in any form, and literals up to the end. */
static void skip_read(struct run *run, struct imap_response *p)
{
	struct imap_answer answer;
	struct view item;

	run->result = imap_response_begin(p, &answer);
	assert_true(imap_response_take(p, '('));
	for (int i = 0; i < 4 && run->result == 0; i++)
		run->result = imap_response_skip(p);
	if (run->result == 0 && imap_response_item(p, &item) == 0)
		str_append(&run->out, item);
	if (run->result == 0)
		run->result = imap_response_end(p);
	/* The next one is not swallowed. */
	if (run->result == 0)
		run->result = describe(p, &run->out);
}

static void what_nobody_wants_is_passed_over(void **state)
{
	struct run run = { .input = "* 1 FETCH (A (1 ({3}\r\n)(x \"))\") NIL) {2}\r\n)) B UID here "
				    "{3}\r\nabc ({1}\r\n)))\r\n* SEARCH 1\r\n",
			   .read = skip_read };
	struct str deep = STR_EMPTY;

	(void)state;
	assert_int_equal(task_run(run_task, &run), 0);
	assert_int_equal(run.result, 0);
	assert_string_equal(str_cstr(&run.out), "UID SEARCH: 1");
	str_free(&run.out);
	str_append_cstr(&deep, "* 1 FETCH (");
	for (int i = 0; i < IMAP_RESPONSE_DEPTH_MAX + 1; i++)
		str_append_byte(&deep, '(');
	str_append_cstr(&deep, "\r\n");
	run = (struct run){ .input = str_cstr(&deep), .read = skip_read };
	assert_int_equal(task_run(run_task, &run), 0);
	assert_int_equal(run.result, -EMSGSIZE);
	str_free(&deep);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_are_read),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(what_nobody_wants_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

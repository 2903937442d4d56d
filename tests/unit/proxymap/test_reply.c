/* Which answers of socketmap and tcp servers count, and how questions are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "reply.h"

#define S TABLE_SERVER_SOCKETMAP
#define T TABLE_SERVER_TCP
#define M TABLE_SERVER_MEMCACHE

static const struct {
	enum table_protocol protocol;
	const char *bytes;
	int expected;
	uint8_t outcome;
	const char *text;
} answers[] = {
	{ S, "5:OK bo,", 1, TABLE_FOUND, "bo" },
	{ S, "3:OK ,", 1, TABLE_FOUND, "" },
	{ S, "9:NOTFOUND ,", 1, TABLE_NOT_FOUND, "" },
	{ S, "8:NOTFOUND,", 1, TABLE_NOT_FOUND, "" },
	{ S, "9:TEMP busy,", 1, TABLE_FAILED, "TEMP busy" },
	{ S, "13:TIMEOUT a\nb c,", 1, TABLE_FAILED, "TIMEOUT a?b c" },
	{ S, "5:PERM ,", 1, TABLE_FAILED, "PERM " },
	{ S, "5:OK b", 0, 0, "" },
	{ S, "5:OK bo", 0, 0, "" },
	{ S, "4:OK bo,", -EBADMSG, 0, "" },
	{ S, "05:OK bo,", -EBADMSG, 0, "" },
	{ S, ":OK bo,", -EBADMSG, 0, "" },
	{ S, "-5:OK bo,", -EBADMSG, 0, "" },
	{ S, "0:,", -EBADMSG, 0, "" },
	{ S, "2:OK,", -EBADMSG, 0, "" },
	{ S, "5:ok bo,", -EBADMSG, 0, "" },
	{ S, "6:OK b\nc,", -EBADMSG, 0, "" },
	{ S, "100001:OK bo", -EBADMSG, 0, "" },
	{ S, "99999999999999999999999:OK bo", -EBADMSG, 0, "" },
	{ S, "200 bob\n", -EBADMSG, 0, "" },
	{ T, "200 bob\n", 1, TABLE_FOUND, "bob" },
	{ T, "200 b%20%6Fb%25\n", 1, TABLE_FOUND, "b ob%" },
	{ T, "500 no\n", 1, TABLE_NOT_FOUND, "" },
	{ T, "400 not%20now\n", 1, TABLE_FAILED, "not now" },
	{ T, "200 bob", 0, 0, "" },
	{ T, "200 b%0Ab\n", -EBADMSG, 0, "" },
	{ T, "200 b%2\n", -EBADMSG, 0, "" },
	{ T, "200 b%zz\n", -EBADMSG, 0, "" },
	{ T, "200bob\n", -EBADMSG, 0, "" },
	{ T, "300 bob\n", -EBADMSG, 0, "" },
	{ T, "500\n", -EBADMSG, 0, "" },
	{ T, "\n", -EBADMSG, 0, "" },
	{ T, "5:OK bo,\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0 3\r\nbob\r\nEND\r\n", 1, TABLE_FOUND, "bob" },
	{ M, "VALUE key 7 0 99\r\n\r\nEND\r\n", 1, TABLE_FOUND, "" },
	{ M, "END\r\n", 1, TABLE_NOT_FOUND, "" },
	{ M, "STORED\r\n", 1, TABLE_FOUND, "" },
	{ M, "NOT_STORED\r\n", 1, TABLE_NOT_FOUND, "" },
	{ M, "ERROR\r\n", 1, TABLE_FAILED, "ERROR" },
	{ M, "SERVER_ERROR out of memory\r\n", 1, TABLE_FAILED, "SERVER_ERROR out of memory" },
	{ M, "VALUE key 0 3\r\nbob\r\n", 0, 0, "bob" },
	{ M, "VALUE key 0 3\r\nbobby\r\nEND\r\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0 3\r\nb\tb\r\nEND\r\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0 3\r\nbob\r\nSTORED\r\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0 100001\r\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0 -3\r\n", -EBADMSG, 0, "" },
	{ M, "VALUE key 0\r\n", -EBADMSG, 0, "" },
	{ M, "END\n", -EBADMSG, 0, "" },
	{ M, "200 bob\r\n", -EBADMSG, 0, "" },
};

static void check_answer(size_t i, size_t piece)
{
	struct table_reply reply = { 0 };
	struct view rest = view_of(answers[i].bytes), text;
	int r = 0;

	while (r == 0 && rest.len > 0) {
		size_t used;

		r = table_reply_feed(&reply, answers[i].protocol, view_first(rest, piece), &used);
		rest = view_from(rest, used);
	}
	text = str_view(reply.outcome == TABLE_FAILED ? &reply.text : &reply.value);
	if (r != answers[i].expected ||
	    (r > 0 && (reply.outcome != answers[i].outcome || !view_is(text, answers[i].text))))
		fail_msg("%s: %d, %d, %.*s", answers[i].bytes, r, reply.outcome, VIEW_ARG(text));
	table_reply_free(&reply);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		check_answer(i, 1);
		check_answer(i, 1000);
	}
}

/* What comes after the answer is left: it belongs to nobody. */
static void test_rest(void **state)
{
	struct table_reply reply = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(table_reply_feed(&reply, S, VIEW("5:OK bo,9:NOTFOUND ,"), &used), 1);
	assert_int_equal(used, 8);
	table_reply_free(&reply);
}

static void test_endless_line(void **state)
{
	struct table_reply reply = { 0 };
	size_t used;
	int r = 0;

	(void)state;
	for (int i = 0; r == 0 && i < 10000; i++)
		r = table_reply_feed(&reply, T, VIEW("200 xxxxxxxxxxxxxxxx"), &used);
	assert_int_equal(r, -EBADMSG);
	assert_true(reply.bytes.len < TCP_TABLE_LINE_MAX);
	table_reply_free(&reply);
}

static void test_questions(void **state)
{
	struct error err = ERROR_NONE;
	struct table_server server;
	struct str out = STR_EMPTY, longest = STR_EMPTY;

	(void)state;
	assert_int_equal(table_server_parse(VIEW("socketmap:unix:/run/s:virtual"), &server, &err),
			 0);
	assert_true(view_is(server.endpoint, "unix:/run/s"));
	assert_int_equal(table_question_append(&out, &server, VIEW("a b,c")), 0);
	assert_string_equal(str_cstr(&out), "13:virtual a b,c,");
	str_clear(&out);
	assert_int_equal(table_server_parse(VIEW("tcp:[::1]:99"), &server, &err), 0);
	assert_int_equal(table_question_append(&out, &server, VIEW("a b%\n")), 0);
	assert_string_equal(str_cstr(&out), "get a%20b%25%0A\n");
	for (size_t i = 0; i < TCP_TABLE_LINE_MAX; i++)
		str_append_byte(&longest, 'x');
	assert_int_equal(table_question_append(&out, &server, str_view(&longest)), -EMSGSIZE);
	str_free(&out);
	str_free(&longest);
}

static void test_names(void **state)
{
	static const char *const wrong[] = { "tcp:",	      "tcp:host",
					     "tcp:host:",     "socketmap:inet:host",
					     "socketmap:",    "socketmap:unix:/path",
					     "socketmap:x:y", "socketmap:inet:host:1:",
					     "tcp::25",	      "socketmap:inet:host:1:a b" };
	struct table_server server;
	struct error err = ERROR_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (table_server_parse(view_of(wrong[i]), &server, &err) == 0)
			fail_msg("%s", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	     cmocka_unit_test(test_rest),
		cmocka_unit_test(test_endless_line), cmocka_unit_test(test_questions),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "base/mem.h"
#include "reply.h"

/* Lines separated by '|'; the result as "code status text", or an error. */
static void check(const char *lines, const char *expected)
{
	_cleanup_(reply_free) struct reply reply = { 0 };
	_cleanup_(str_free) struct str result = STR_EMPTY;
	struct view rest = view_of(lines), line;
	int r = 0;

	if (rest.len == 0)
		r = reply_add_line(&reply, VIEW(""));
	while (r == 0 && view_next(&rest, '|', &line))
		r = reply_add_line(&reply, line);
	if (r < 0)
		str_append_cstr(&result, r == -EBADMSG ? "bad" : "?");
	else if (r == 0)
		str_append_cstr(&result, "more");
	else
		str_printf(&result, "%d %s <%s>", reply.code, reply.status, str_cstr(&reply.text));
	if (!view_is(str_view(&result), expected))
		fail_msg("%s: %s", lines, str_cstr(&result));
}

static void test_good(void **state)
{
	check("250 Ok", "250 2.0.0 <250 Ok>");
	check("250", "250 2.0.0 <250>");
	check("250 ", "250 2.0.0 <250>");
	check("250 2.1.5 Ok", "250 2.1.5 <250 2.1.5 Ok>");
	check("554 5.7.2", "554 5.7.2 <554 5.7.2>");
	check("354 go", "354 3.0.0 <354 go>");
	check("550-5.1.1 No|550 5.1.1 such user", "550 5.1.1 <550 5.1.1 No 5.1.1 such user>");
	check("550-|550-x|550", "550 5.0.0 <550 x>");
	check("220-mx|", "bad");
	check("220-mx", "more");
	(void)state;
}

static void test_malformed(void **state)
{
	static const char *const bad[] = { "",	     "2",      "25",	"250Ok", "250\tOk",
					   "25a Ok", "x50 k",  "099 x", "150 x", "650 x",
					   "2500",   " 250 x", "-",	"250_x", "\xb2\x35\x30 x",
					   "250\001" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(bad[i], "bad");
	check("250-a|251 b", "bad");
	check("250-a|550 b", "bad");
	check("250-a|x", "bad");
	(void)state;
}

/* A status of another class than the code, or none, is not believed. */
static void test_status(void **state)
{
	check("550 4.1.1 x", "550 5.0.0 <550 4.1.1 x>");
	check("450 5.1.1 x", "450 4.0.0 <450 5.1.1 x>");
	check("550 5.1 x", "550 5.0.0 <550 5.1 x>");
	check("550 5.1.1.1 x", "550 5.0.0 <550 5.1.1.1 x>");
	check("550 5.1111.1 x", "550 5.0.0 <550 5.1111.1 x>");
	check("550 5.123.456 x", "550 5.123.456 <550 5.123.456 x>");
	check("550 5..1 x", "550 5.0.0 <550 5..1 x>");
	check("550 5.1.", "550 5.0.0 <550 5.1.>");
	check("550 5.1.1x", "550 5.0.0 <550 5.1.1x>");
	check("550 5.1.1", "550 5.1.1 <550 5.1.1>");
	(void)state;
}

static void test_bytes_are_made_printable(void **state)
{
	_cleanup_(reply_free) struct reply reply = { 0 };
	char line[] = "550 a\0b\x1b[1m\x7f\xff";

	assert_int_equal(reply_add_line(&reply, view_make(line, sizeof(line) - 1)), 1);
	assert_string_equal(str_cstr(&reply.text), "550 a?b?[1m??");
	assert_false(view_has_control(str_view(&reply.text)));
	(void)state;
}

static void test_bounds(void **state)
{
	_cleanup_(reply_free) struct reply reply = { 0 };
	char line[REPLY_LINE_MAX];
	int r = 0;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	for (size_t i = 0; i < REPLY_LINES_MAX; i++)
		assert_int_equal(reply_add_line(&reply, view_make(line, sizeof(line))), 0);
	assert_true(reply.text.len <= REPLY_TEXT_MAX + 1);
	r = reply_add_line(&reply, VIEW("250 end"));
	assert_int_equal(r, -EBADMSG);
	reply_clear(&reply);
	assert_int_equal(reply_add_line(&reply, VIEW("421 4.3.2 x")), 1);
	assert_string_equal(str_cstr(&reply.text), "421 4.3.2 x");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_status), cmocka_unit_test(test_bytes_are_made_printable),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

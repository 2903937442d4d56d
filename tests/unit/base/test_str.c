#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static void test_append(void **state)
{
	_cleanup_(str_free) struct str s = STR_EMPTY;

	(void)state;
	assert_string_equal(str_cstr(&s), "");
	str_append(&s, VIEW("ab"));
	str_append(&s, VIEW_NONE);
	str_append_byte(&s, 'c');
	str_append_cstr(&s, "de");
	str_append_lower(&s, VIEW("FG\xc4"));
	assert_string_equal(str_cstr(&s), "abcdefg\xc4");
	assert_int_equal(s.len, 8);
	for (int i = 0; i < 10000; i++)
		str_append(&s, VIEW("0123456789"));
	assert_int_equal(s.len, 100008);
	assert_int_equal(s.data[s.len], '\0');
	str_set(&s, VIEW("x\0y"));
	assert_int_equal(s.len, 3);
	assert_string_equal(str_cstr(&s), "x");
}

static void test_printf(void **state)
{
	_cleanup_(str_free) struct str s = STR_EMPTY;

	(void)state;
	str_printf(&s, "%s", "");
	assert_string_equal(str_cstr(&s), "");
	/* Around the room that is tried first. */
	for (int len = 126; len <= 130; len++) {
		str_clear(&s);
		str_printf(&s, "%0*d", len, 7);
		assert_int_equal(s.len, len);
		assert_int_equal(s.data[len - 1], '7');
		assert_int_equal(s.data[len], '\0');
	}
	str_clear(&s);
	str_printf(&s, "a%d", 1);
	str_printf(&s, "b%.*s", VIEW_ARG(VIEW("xyz")));
	str_printf(&s, "%.*s", VIEW_ARG(VIEW_NONE));
	assert_string_equal(str_cstr(&s), "a1bxyz");
}

static void test_shorten(void **state)
{
	_cleanup_(str_free) struct str s = STR_EMPTY;

	(void)state;
	str_truncate(&s, 0);
	str_consume(&s, 3);
	str_clear(&s);
	str_append(&s, VIEW("abcdef"));
	str_truncate(&s, 99);
	assert_int_equal(s.len, 6);
	str_truncate(&s, 4);
	str_consume(&s, 1);
	assert_string_equal(str_cstr(&s), "bcd");
	str_consume(&s, 99);
	assert_string_equal(str_cstr(&s), "");
}

static void test_take(void **state)
{
	struct str s = STR_EMPTY;
	char *text = str_take(&s);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	str_append(&s, VIEW("mine"));
	text = str_take(&s);
	assert_string_equal(text, "mine");
	assert_null(s.data);
	free(text);
}

static void test_printable(void **state)
{
	static const struct {
		struct view in;
		const char *out;
	} cases[] = {
		{ VIEW("plain text"), "plain text" },
		{ VIEW("a\r\nb\0c\x7f"), "a??b?c?" },
		{ VIEW("\xc3\xa4"), "\xc3\xa4" },
		{ VIEW("\xe4 \x1b[2J"), "? ?[2J" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str s = STR_EMPTY;

		str_append_printable(&s, cases[i].in);
		assert_string_equal(str_cstr(&s), cases[i].out);
	}
}

static void test_reserve(void **state)
{
	_cleanup_(str_free) struct str s = STR_EMPTY;

	(void)state;
	/* Nothing was put there: an empty text, not what the memory had before. */
	str_reserve(&s, 100);
	assert_string_equal(str_cstr(&s), "");
	memset(str_reserve(&s, 1000), 'x', 1000);
	assert_int_equal(s.len, 0);
	str_grow(&s, 1000);
	assert_int_equal(s.len, 1000);
	assert_int_equal(s.data[1000], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),	  cmocka_unit_test(test_printf),
		cmocka_unit_test(test_shorten),	  cmocka_unit_test(test_take),
		cmocka_unit_test(test_printable), cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/view.h"

static void test_parts(void **state)
{
	struct view v = VIEW("hello");

	(void)state;
	assert_true(view_is(view_from(v, 2), "llo"));
	assert_true(view_is(view_from(v, 5), ""));
	assert_true(view_is(view_from(v, 99), ""));
	assert_int_equal(view_from(VIEW_NONE, 3).len, 0);
	assert_true(view_is(view_first(v, 2), "he"));
	assert_true(view_is(view_first(v, 99), "hello"));
	assert_true(view_is(view_trim(VIEW(" \t\r\n a b \n")), "a b"));
	assert_true(view_is(view_trim(VIEW(" \t ")), ""));
	assert_int_equal(view_of(NULL).len, 0);
}

static void test_compare(void **state)
{
	(void)state;
	assert_true(view_eq(VIEW_NONE, VIEW("")));
	assert_false(view_eq(VIEW("a"), VIEW("a\0")));
	assert_true(view_eq(VIEW("a\0b"), VIEW("a\0b")));
	assert_true(view_eq_nocase(VIEW("MaIl.1"), VIEW("mAiL.1")));
	/* Case is ASCII's alone: 0xc4 and 0xe4 differ in the same bit. */
	assert_false(view_eq_nocase(VIEW("\xc4"), VIEW("\xe4")));
	assert_false(view_eq_nocase(VIEW("@"), VIEW("`")));
	assert_true(view_starts(VIEW("abc"), VIEW("ab")));
	assert_true(view_starts(VIEW("abc"), VIEW("")));
	assert_false(view_starts(VIEW("ab"), VIEW("abc")));
	assert_true(view_starts_nocase(VIEW("ABC"), VIEW("ab")));
	assert_true(view_ends(VIEW("abc"), VIEW("bc")));
	assert_false(view_ends(VIEW("bc"), VIEW("abc")));
	assert_true(view_ends_nocase(VIEW("aBC"), VIEW("bc")));
	assert_true(view_compare(VIEW("a"), VIEW("b")) < 0);
	assert_true(view_compare(VIEW("ab"), VIEW("a")) > 0);
	assert_true(view_compare(VIEW("\x7f"), VIEW("\x80")) < 0);
	assert_int_equal(view_compare(VIEW_NONE, VIEW("")), 0);
}

static void test_find(void **state)
{
	struct view v = VIEW("a\0bAb");

	(void)state;
	assert_int_equal(view_find_byte(v, 'b'), 2);
	assert_int_equal(view_find_byte(v, '\0'), 1);
	assert_int_equal(view_find_byte(v, 'x'), VIEW_NOT_FOUND);
	assert_int_equal(view_find_byte(VIEW_NONE, 'x'), VIEW_NOT_FOUND);
	assert_int_equal(view_find_last_byte(v, 'b'), 4);
	assert_int_equal(view_find_last_byte(VIEW_NONE, 'b'), VIEW_NOT_FOUND);
	assert_int_equal(view_find(v, VIEW("bA")), 2);
	assert_int_equal(view_find(v, VIEW("ba")), VIEW_NOT_FOUND);
	assert_int_equal(view_find(VIEW("a"), VIEW("ab")), VIEW_NOT_FOUND);
	assert_int_equal(view_find(VIEW_NONE, VIEW("")), 0);
	assert_int_equal(view_find_nocase(v, VIEW("BAB")), 2);
	assert_int_equal(view_find_nocase(VIEW("ab"), VIEW("abc")), VIEW_NOT_FOUND);
}

static void expect_pieces(struct view rest, const char *const *expected)
{
	struct view piece;
	size_t i = 0;

	for (; view_next(&rest, ',', &piece); i++) {
		assert_non_null(expected[i]);
		assert_true(view_is(piece, expected[i]));
	}
	assert_null(expected[i]);
}

static void test_pieces(void **state)
{
	struct view rest = VIEW(" , a,\tbc , "), word;

	(void)state;
	expect_pieces(VIEW("a,,b"), (const char *const[]){ "a", "", "b", NULL });
	expect_pieces(VIEW("a,"), (const char *const[]){ "a", "", NULL });
	expect_pieces(VIEW(""), (const char *const[]){ "", NULL });
	expect_pieces(VIEW_NONE, (const char *const[]){ NULL });
	assert_true(view_next_word(&rest, ", \t", &word));
	assert_true(view_is(word, "a"));
	assert_true(view_next_word(&rest, ", \t", &word));
	assert_true(view_is(word, "bc"));
	assert_false(view_next_word(&rest, ", \t", &word));
	/* NUL separates nothing. */
	rest = VIEW("a\0b c");
	assert_true(view_next_word(&rest, " ", &word));
	assert_true(view_eq(word, VIEW("a\0b")));
}

static void test_numbers(void **state)
{
	static const struct {
		struct view text;
		uint64_t max;
		int result;
		uint64_t value;
	} cases[] = {
		{ VIEW("0"), 10, 0, 0 },
		{ VIEW("007"), 10, 0, 7 },
		{ VIEW("10"), 10, 0, 10 },
		{ VIEW("11"), 10, -ERANGE, 0 },
		{ VIEW("18446744073709551615"), UINT64_MAX, 0, UINT64_MAX },
		{ VIEW("18446744073709551616"), UINT64_MAX, -ERANGE, 0 },
		{ VIEW("99999999999999999999999999"), UINT64_MAX, -ERANGE, 0 },
		{ VIEW(""), 10, -EINVAL, 0 },
		{ VIEW("-1"), 10, -EINVAL, 0 },
		{ VIEW("+1"), 10, -EINVAL, 0 },
		{ VIEW(" 1"), 10, -EINVAL, 0 },
		{ VIEW("1\0"), 10, -EINVAL, 0 },
		{ VIEW("0x1"), 10, -EINVAL, 0 },
	};
	uint32_t narrow;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;

		assert_int_equal(view_parse_u64(cases[i].text, cases[i].max, &value),
				 cases[i].result);
		assert_int_equal(value, cases[i].value);
	}
	assert_int_equal(view_parse_u32(VIEW("4294967295"), UINT32_MAX, &narrow), 0);
	assert_int_equal(narrow, UINT32_MAX);
	assert_int_equal(view_parse_u32(VIEW("4294967296"), UINT32_MAX, &narrow), -ERANGE);
}

static void test_utf8(void **state)
{
	static const struct {
		struct view text;
		bool fine;
	} cases[] = {
		{ VIEW(""), true },
		{ VIEW("plain"), true },
		{ VIEW("\xc3\xa4"), true },
		{ VIEW("\xe2\x82\xac"), true },
		{ VIEW("\xf0\x9f\x93\xa7"), true },
		{ VIEW("\xf4\x8f\xbf\xbf"), true },
		{ VIEW("\xf4\x90\x80\x80"), false }, /* beyond U+10FFFF */
		{ VIEW("\xc0\xaf"), false },	     /* "/" in two bytes */
		{ VIEW("\xe0\x80\xaf"), false },
		{ VIEW("\xf0\x80\x80\xaf"), false },
		{ VIEW("\xed\xa0\x80"), false }, /* a surrogate */
		{ VIEW("\xed\x9f\xbf"), true },
		{ VIEW("\xc3"), false },
		{ VIEW("\xe2\x82"), false },
		{ VIEW("\x80"), false },
		{ VIEW("\xff"), false },
		{ VIEW("\xc3z"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(view_is_utf8(cases[i].text), cases[i].fine);
	assert_true(view_is_ascii(VIEW("a\0\x7f")));
	assert_false(view_is_ascii(VIEW("\x80")));
	assert_true(view_has_control(VIEW("a\nb")));
	assert_true(view_has_control(VIEW("a\0")));
	assert_true(view_has_control(VIEW("\x7f")));
	assert_false(view_has_control(VIEW("a b\xc3\xa4")));
}

static void test_distance(void **state)
{
	char far[VIEW_DISTANCE_MAX + 50];

	(void)state;
	memset(far, 'x', sizeof(far));
	assert_int_equal(view_distance(VIEW(""), VIEW("abc")), 3);
	assert_int_equal(view_distance(VIEW("permit"), VIEW("PERMIT")), 0);
	assert_int_equal(view_distance(VIEW("premit"), VIEW("permit")), 1);
	assert_int_equal(view_distance(VIEW("rejct"), VIEW("reject")), 1);
	assert_int_equal(view_distance(VIEW("kitten"), VIEW("sitting")), 3);
	assert_int_equal(view_distance(view_make(far, sizeof(far)), VIEW("")), VIEW_DISTANCE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),	 cmocka_unit_test(test_compare),
		cmocka_unit_test(test_find),	 cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

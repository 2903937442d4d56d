/* Sequence sets and the patterns of LIST, against models that are too simple to be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/mem.h"
#include "imap/parser.h"

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* ---- sets ---- */

static void test_set_syntax(void **state)
{
	static const char *const bad[] = { "",		 ",",	  "0",	"1,,2", "1:",
					   ":1",	 "1:2:3", "*1", "1*",	"-1",
					   "4294967296", "1,0",	  "**", " 1",	"1 " };
	struct imap_set set;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(imap_set_parse(view_of(bad[i]), &set), -EINVAL);
}

static void test_set_too_many(void **state)
{
	struct str text = STR_EMPTY;
	struct imap_set set;

	(void)state;
	str_append_cstr(&text, "1");
	for (int i = 1; i < IMAP_RANGES_MAX; i++)
		str_append_cstr(&text, ",1");
	assert_int_equal(imap_set_parse(str_view(&text), &set), 0);
	imap_set_resolve(&set, 5);
	assert_int_equal(set.count, 1);
	imap_set_free(&set);
	str_append_cstr(&text, ",1");
	assert_int_equal(imap_set_parse(str_view(&text), &set), -E2BIG);
	str_free(&text);
}

#define LARGEST 20

static uint32_t append_number(struct str *text)
{
	uint32_t n = any(30);

	if (n == 0)
		str_append_byte(text, '*');
	else
		str_printf(text, "%u", n);
	return n == 0 ? LARGEST : n;
}

static void test_set_against_model(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct str text = STR_EMPTY;
		struct imap_set set;
		bool model[31] = { false };

		for (uint32_t pieces = 1 + any(6); pieces > 0; pieces--) {
			uint32_t a = append_number(&text), b = a;

			if (any(2)) {
				str_append_byte(&text, ':');
				b = append_number(&text);
			}
			for (uint32_t n = MIN(a, b); n <= MAX(a, b); n++)
				model[n] = true;
			str_append_cstr(&text, pieces > 1 ? "," : "");
		}
		assert_int_equal(imap_set_parse(str_view(&text), &set), 0);
		imap_set_resolve(&set, LARGEST);
		for (uint32_t n = 0; n <= 30; n++)
			if (imap_set_contains(&set, n) != model[n])
				fail_msg("%s: %u", str_cstr(&text), n);
		for (size_t i = 1; i < set.count; i++)
			assert_true(set.ranges[i].first > set.ranges[i - 1].last + 1);
		imap_set_free(&set);
		str_free(&text);
	}
}

static void test_set_extremes(void **state)
{
	struct imap_set set;

	(void)state;
	/* The largest number is no star. */
	assert_int_equal(imap_set_parse(VIEW("4294967295"), &set), 0);
	imap_set_resolve(&set, 7);
	assert_false(imap_set_contains(&set, 7));
	assert_true(imap_set_contains(&set, UINT32_MAX));
	imap_set_free(&set);
	assert_int_equal(imap_set_parse(VIEW("4294967295:*,1:4294967295"), &set), 0);
	imap_set_resolve(&set, 7);
	assert_int_equal(set.count, 1);
	assert_true(imap_set_contains(&set, 1));
	imap_set_free(&set);
	/* Nothing is in an empty mailbox. */
	assert_int_equal(imap_set_parse(VIEW("*"), &set), 0);
	imap_set_resolve(&set, 0);
	assert_false(imap_set_contains(&set, 1));
	imap_set_free(&set);
}

/* ---- patterns ---- */

static bool model_matches(const char *pattern, const char *name)
{
	if (*pattern == '\0')
		return *name == '\0';
	if (*pattern == '*' || *pattern == '%')
		return model_matches(pattern + 1, name) ||
		       (*name != '\0' && (*pattern == '*' || *name != '.') &&
			model_matches(pattern, name + 1));
	return *pattern == *name && model_matches(pattern + 1, name + 1);
}

static void random_text(char *text, uint32_t max, const char *alphabet)
{
	uint32_t len = any(max + 1), i;

	for (i = 0; i < len; i++)
		text[i] = alphabet[any((uint32_t)strlen(alphabet))];
	text[i] = '\0';
}

static void test_patterns_against_model(void **state)
{
	(void)state;
	for (int round = 0; round < 200000; round++) {
		char pattern[10], name[12];

		random_text(pattern, 8, "ab.*%*%");
		random_text(name, 10, "aab.");
		if (imap_pattern_matches(view_of(pattern), view_of(name)) !=
		    model_matches(pattern, name))
			fail_msg("pattern %s, name %s", pattern, name);
	}
}

static void test_pattern_is_not_slow(void **state)
{
	struct str pattern = STR_EMPTY, name = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 500; i++)
		str_append_cstr(&pattern, "%*");
	for (int i = 0; i < 240; i++)
		str_append_cstr(&name, "a");
	str_append_byte(&pattern, 'x');
	assert_false(imap_pattern_matches(str_view(&pattern), str_view(&name)));
	str_free(&pattern);
	str_free(&name);
}

/* What is wrong before the end is tried at each place of the name: the product, not its square. */
static void test_pattern_with_many_ways(void **state)
{
	struct str pattern = STR_EMPTY, name = STR_EMPTY;

	(void)state;
	str_append_cstr(&pattern, "*a%");
	for (int i = 0; i < 80; i++)
		str_append_byte(&pattern, 'a');
	for (int i = 0; i < 240; i++)
		str_append_cstr(&name, "a");
	str_append_byte(&pattern, 'x');
	alarm(60);
	for (int i = 0; i < 20000; i++)
		assert_false(imap_pattern_matches(str_view(&pattern), str_view(&name)));
	alarm(0);
	str_truncate(&pattern, pattern.len - 1);
	assert_true(imap_pattern_matches(str_view(&pattern), str_view(&name)));
	str_free(&pattern);
	str_free(&name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_syntax),
		cmocka_unit_test(test_set_too_many),
		cmocka_unit_test(test_set_against_model),
		cmocka_unit_test(test_set_extremes),
		cmocka_unit_test(test_patterns_against_model),
		cmocka_unit_test(test_pattern_is_not_slow),
		cmocka_unit_test(test_pattern_with_many_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

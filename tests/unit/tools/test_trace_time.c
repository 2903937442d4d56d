/* Times of log lines in their forms, and the times that people give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tools/trace_time.h"

#define NOW INT64_C(1796004000) /* 2026-11-30 02:00:00 UTC */

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void times_of_lines(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ "Nov 29 02:00:00", NOW - 86400 },
		{ "Nov  9 02:00:00", NOW - 21 * 86400 },
		{ "Nov 30 02:00:01", NOW + 1 },
		{ "Dec 31 23:59:59", NOW - 333 * 86400 - 7201 }, /* of last year */
		{ "2026-11-30T02:00:00.123456Z", NOW },
		{ "2026-11-30T03:00:00.123456+01:00", NOW },
		{ "2026-11-29T20:30:00-0530", NOW },
		{ "2026-11-30T02:00:00", NOW },
	};
	static const char *const none[] = {
		"", "yesterday", "Nov 29", "2026-11-30", "2026-11-30T02:00:00 x", "29 Nov 02:00:00"
	};
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(trace_time_of_line(view_of(cases[i].text), NOW, &seconds));
		if (seconds != cases[i].seconds)
			fail_msg("%s: %lld, not %lld", cases[i].text, (long long)seconds,
				 (long long)cases[i].seconds);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(trace_time_of_line(view_of(none[i]), NOW, &seconds));
}

static void times_that_people_give(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ "2h", NOW - 7200 },
		{ "30m", NOW - 1800 },
		{ "1d", NOW - 86400 },
		{ "2026-11-29", NOW - 93600 },
		{ "2026-11-30 01:00", NOW - 3600 },
		{ "2026-11-30T01:00:30", NOW - 3570 },
		{ "01:30", NOW - 1800 },
		{ "01:30:30", NOW - 1770 },
	};
	static const char *const none[] = { "", "soon", "25:00", "2026-13-01", "-1h" };
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(trace_time_given(cases[i].text, NOW, &seconds));
		if (seconds != cases[i].seconds)
			fail_msg("%s: %lld, not %lld", cases[i].text, (long long)seconds,
				 (long long)cases[i].seconds);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(trace_time_given(none[i], NOW, &seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_lines),
		cmocka_unit_test(times_that_people_give),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

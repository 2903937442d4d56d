#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/mem.h"
#include "mail/date.h"

static void written(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	date_append_rfc5322(&out, 1795305501);
	assert_string_equal(str_cstr(&out), "Sat, 21 Nov 2026 23:58:21 +0000 (UTC)");
	str_clear(&out);
	date_append_imap(&out, 1795305501);
	assert_string_equal(str_cstr(&out), "21-Nov-2026 23:58:21 +0000");
	setenv("TZ", "NST3:30", 1);
	tzset();
	str_clear(&out);
	date_append_rfc5322(&out, 0);
	assert_string_equal(str_cstr(&out), "Wed, 31 Dec 1969 20:30:00 -0330 (NST)");
	str_clear(&out);
	date_append_imap(&out, INT64_MAX);
	assert_true(out.len > 0);
}

static const struct {
	const char *in;
	int64_t time; /* -1: refused */
	int zone;
} cases[] = {
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
	{ " Sat, 21 Nov 2026 23:58:21 +0000 (UTC)", 1795305501, 0 },
	{ "21 Nov 2026 23:58 +0000", 1795305480, 0 },
	{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n   -0330 "
	  "(Newfoundland Time)",
	  -27723480, -210 },
	{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
	{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", -1, 0 },
	{ "21 Nov 97 09:55:06 EST", 880124106, -300 },
	{ "Sat Nov 21 23:58:21 2026", 1795305501, 0 },
	{ "Sat, 21 Nov 2026 23:58:60 +0000", 1795305539, 0 },
	{ "29 Feb 2024 00:00:00 +0000", 1709164800, 0 },
	{ "29 Feb 2023 00:00:00 +0000", -1, 0 },
	{ "31 Apr 2023 00:00:00 +0000", -1, 0 },
	{ "0 Apr 2023 00:00:00 +0000", -1, 0 },
	{ "1 Foo 2023 00:00:00 +0000", -1, 0 },
	{ "1 Apr 2023 24:00:00 +0000", -1, 0 },
	{ "1 Apr 2023", -1, 0 },
	{ "", -1, 0 },
	{ "Sat, 21 Nov 99999 23:58:21 +0000", -1, 0 },
};

static void parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t time = 0;
		int zone = 0;
		int r = date_parse_rfc5322(view_of(cases[i].in), &time, &zone);

		if (cases[i].time == -1 ? r == 0
					: r < 0 || time != cases[i].time || zone != cases[i].zone)
			fail_msg("%s: %d, %lld, %d", cases[i].in, r, (long long)time, zone);
	}
}

static void imap(void **state)
{
	int64_t t;

	(void)state;
	assert_int_equal(date_parse_imap(VIEW("17-Jul-1996 02:44:25 -0700"), &t), 0);
	assert_int_equal(t, 837596665);
	assert_int_equal(date_parse_imap(VIEW(" 1-Feb-1994 21:52:25 +0000"), &t), 0);
	assert_int_equal(t, 760139545);
	assert_true(date_parse_imap(VIEW("17-Jul-1996 02:44:25"), &t) < 0);
	assert_true(date_parse_imap(VIEW("17-Jul-1996 02:44:25 -0700 x"), &t) < 0);
	assert_true(date_parse_imap(VIEW("17 Jul 1996 02:44:25 -0700"), &t) < 0);
	assert_true(date_parse_imap(VIEW("32-Jul-1996 02:44:25 -0700"), &t) < 0);
	assert_int_equal(date_parse_imap_day(VIEW("1-Feb-1994"), &t), 0);
	assert_int_equal(t, 8797);
	assert_true(date_parse_imap_day(VIEW("1-Feb-94"), &t) < 0);
	assert_true(date_parse_imap_day(VIEW("1-Feb"), &t) < 0);
}

/* Every day of eight centuries through both directions. */
static void the_calendar(void **state)
{
	setenv("TZ", "UTC", 1);
	tzset();
	(void)state;
	for (int64_t day = -25567; day < 265000; day += 13) {
		_cleanup_(str_free) struct str out = STR_EMPTY;
		int64_t back;

		date_append_rfc5322(&out, day * 86400 + 12345);
		assert_int_equal(date_parse_rfc5322(str_view(&out), &back, NULL), 0);
		assert_int_equal(back, day * 86400 + 12345);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(parsed),
		cmocka_unit_test(imap),
		cmocka_unit_test(the_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is known of an address: how it is written, how long it counts, when it is asked for again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "verify.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 24 * HOUR };

static void there_and_back(void **state)
{
	(void)state;
	_cleanup_(verify_record_free) struct verify_record in = { VERIFY_UNDELIVERABLE, 5, NOW,
								  STR_EMPTY },
							   out;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append(&in.text, VIEW("host mx said: 550 5.1.1 no: here"));
	verify_record_encode(&in, &text);
	assert_int_equal(verify_record_decode(str_view(&text), &out), 0);
	assert_int_equal(out.state, VERIFY_UNDELIVERABLE);
	assert_int_equal(out.probed, 5);
	assert_int_equal(out.updated, NOW);
	assert_string_equal(str_cstr(&out.text), "host mx said: 550 5.1.1 no: here");
}

static void nonsense_is_refused(void **state)
{
	static const char *const values[] = { "",	 "1",	    "1:2",	"1:2:3",
					      "9:1:1:x", "1:x:1:x", "1:1:-1:x", "1:99999999999:1:x",
					      ":::" };
	_cleanup_(verify_record_free) struct verify_record out = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_true(verify_record_decode(view_of(values[i]), &out) < 0);
	assert_int_equal(verify_record_decode(VIEW("1:1:1:"), &out), 0);
}

static void how_long_it_counts(void **state)
{
	struct verify_record good = { VERIFY_DELIVERABLE, 0, NOW, STR_EMPTY },
			     bad = { VERIFY_UNDELIVERABLE, 0, NOW, STR_EMPTY },
			     later = { VERIFY_DEFERRED, 0, NOW, STR_EMPTY },
			     asked = { VERIFY_UNKNOWN, NOW, 0, STR_EMPTY }, none = { 0 };

	(void)state;
	assert_int_equal(verify_record_expires(&good), NOW + 31 * DAY);
	assert_int_equal(verify_record_expires(&bad), NOW + 3 * DAY);
	assert_int_equal(verify_record_expires(&later), NOW + 3 * DAY);
	assert_int_equal(verify_record_expires(&asked), NOW + PROBE_LIFETIME);

	assert_false(verify_record_wants_probe(&good, NOW + 7 * DAY));
	assert_true(verify_record_wants_probe(&good, NOW + 7 * DAY + 1));
	assert_false(verify_record_wants_probe(&bad, NOW + 3 * HOUR));
	assert_true(verify_record_wants_probe(&bad, NOW + 3 * HOUR + 1));
	assert_true(verify_record_wants_probe(&later, NOW + 3 * HOUR + 1));
	assert_true(verify_record_wants_probe(&none, NOW));
	/* One is under way; its result may still come. Or the clock has gone back since. */
	assert_false(verify_record_wants_probe(&asked, NOW + PROBE_LIFETIME - 1));
	assert_true(verify_record_wants_probe(&asked, NOW + PROBE_LIFETIME));
	assert_true(verify_record_wants_probe(&asked, NOW - 10));
	good.probed = NOW + 8 * DAY;
	assert_false(verify_record_wants_probe(&good, NOW + 8 * DAY + 10));
}

static void a_bad_day_changes_nothing(void **state)
{
	_cleanup_(verify_record_free) struct verify_record r = { 0 };

	(void)state;
	assert_true(verify_record_update(&r, VERIFY_DEFERRED, VIEW("timed out"), NOW));
	assert_true(verify_record_update(&r, VERIFY_UNDELIVERABLE, VIEW("550"), NOW + 1));
	assert_true(verify_record_update(&r, VERIFY_DELIVERABLE, VIEW("250"), NOW + 2));
	r.probed = NOW + 3;
	assert_false(verify_record_update(&r, VERIFY_UNDELIVERABLE, VIEW("550"), NOW + 4));
	assert_int_equal(r.state, VERIFY_DELIVERABLE);
	assert_int_equal(r.updated, NOW + 2);
	assert_int_equal(r.probed, 0);
	assert_string_equal(str_cstr(&r.text), "250");
	assert_true(verify_record_update(&r, VERIFY_DELIVERABLE, VIEW("250"), NOW + 5));
	assert_int_equal(r.updated, NOW + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(how_long_it_counts),
		cmocka_unit_test(a_bad_day_changes_nothing),
	};

	_cleanup_(str_free) struct str report = STR_EMPTY;

	if (conf_load_text(VIEW(""), "/etc/posta", NULL, 0, &report) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

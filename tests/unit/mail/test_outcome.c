/* Outcomes: what is kept, what is made temporary, and which status goes with which kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/outcome.h"

static void test_setting(void **state)
{
	struct outcome o = OUTCOME_NONE, copy = OUTCOME_NONE;

	(void)state;
	assert_false(outcome_is_set(&o));
	outcome_set(&o, OUTCOME_FAILED, "5.7.1", VIEW("mx.test[192.0.2.1]:25"), "said\r\n%s", "no");
	o.cause = CAUSE_LOOP;
	o.code = 550;
	outcome_copy(&copy, &o);
	assert_true(outcome_is_final_failure(&copy));
	assert_int_equal(copy.cause, CAUSE_LOOP);
	assert_int_equal(copy.code, 550);
	assert_string_equal(str_cstr(&copy.text), "said??no");
	assert_string_equal(str_cstr(&copy.remote), "mx.test[192.0.2.1]:25");
	/* A new reason has nothing of the one before, but may be said in its words. */
	outcome_set(&o, OUTCOME_DEFERRED, "4.4.1", VIEW_NONE, "again: %s", str_cstr(&o.text));
	assert_string_equal(str_cstr(&o.text), "again: said??no");
	assert_int_equal(o.cause, CAUSE_OTHER);
	assert_int_equal(o.code, 0);
	assert_int_equal(o.remote.len, 0);
	outcome_soften(&copy);
	assert_int_equal(copy.kind, OUTCOME_DEFERRED);
	assert_string_equal(copy.status, "4.7.1");
	outcome_free(&o);
	outcome_free(&copy);
	assert_false(outcome_is_set(&copy));
}

static void test_status(void **state)
{
	static const struct {
		const char *status;
		uint8_t kind;
		bool valid;
	} cases[] = {
		{ "2.0.0", OUTCOME_DELIVERED, true },  { "2.6.0", OUTCOME_EXPANDED, true },
		{ "4.4.1", OUTCOME_DEFERRED, true },   { "5.1.1", OUTCOME_FAILED, true },
		{ "5.999.999", OUTCOME_FAILED, true }, { "5.1.1", OUTCOME_DEFERRED, false },
		{ "4.4.1", OUTCOME_FAILED, false },    { "5.1", OUTCOME_FAILED, false },
		{ "5.1.1.1", OUTCOME_FAILED, false },  { "5.1000.1", OUTCOME_FAILED, false },
		{ "55.1.1", OUTCOME_FAILED, false },   { "", OUTCOME_FAILED, false },
		{ "5.1.x", OUTCOME_FAILED, false },    { "5..1", OUTCOME_FAILED, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (outcome_status_is_valid(view_of(cases[i].status), cases[i].kind) !=
		    cases[i].valid)
			fail_msg("%s with kind %d", cases[i].status, cases[i].kind);
	assert_string_equal(outcome_word(OUTCOME_EXPANDED), "sent");
	assert_string_equal(outcome_word(OUTCOME_FAILED), "bounced");
	assert_string_equal(outcome_word(OUTCOME_PENDING), "deferred");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setting),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* junk_score_weights: what they may say, and what is added up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/score.h"
#include "table_dns.h"

static void what_may_be_said(void **state)
{
	static const char *const good[] = {
		"",
		"dmarc:fail=3",
		"SPF:Pass:Bulk.example=-4, dkim:none=0",
		"dnsbl:list.example=5",
		"arc:temperror=1 iprev:permerror=1000",
	};
	static const char *const bad[] = {
		"dmarc:fail",	    "dmarc=3",	      "dmarc:bad=3",	 "dmarc:fail=",
		"dmarc:fail=x",	    "dmarc:fail=--1", "dmarc:fail=1001", "spf:fail:=1",
		"spf:fail:a b=1",   "dnsbl:=1",	      "dnsbl:a..b=1",	 "rbl:list.example=1",
		"spf:fail:x=y.z=1",
	};
	struct score_weights weights;
	struct error err = ERROR_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (score_weights_parse(view_of(good[i]), &weights, &err) < 0)
			fail_msg("%s: %s", good[i], err.text);
		score_weights_free(&weights);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (score_weights_parse(view_of(bad[i]), &weights, &err) == 0)
			fail_msg("%s", bad[i]);
		score_weights_free(&weights);
	}
}

static void bounds(void **state)
{
	_cleanup_(str_free) struct str many = STR_EMPTY, lists = STR_EMPTY;
	struct score_weights weights;
	struct error err = ERROR_NONE;

	(void)state;
	for (int i = 0; i < SCORE_WEIGHTS_MAX; i++)
		str_append_cstr(&many, "spf:fail=1 ");
	assert_int_equal(score_weights_parse(str_view(&many), &weights, &err), 0);
	score_weights_free(&weights);
	str_append_cstr(&many, "spf:fail=1 ");
	assert_true(score_weights_parse(str_view(&many), &weights, &err) < 0);
	score_weights_free(&weights);
	for (int i = 0; i <= SCORE_LISTS_MAX; i++)
		str_printf(&lists, "dnsbl:list%d.example=1 ", i);
	assert_true(score_weights_parse(str_view(&lists), &weights, &err) < 0);
	score_weights_free(&weights);
}

static void the_sum(void **state)
{
	static const struct table_row rows[] = {
		{ "7.2.0.192.listed.example", RECORD_A, "127.0.0.4" },
		{ "7.2.0.192.refuses.example", RECORD_A, "127.255.255.254" },
		{ "7.2.0.192.wrong.example", RECORD_A, "192.0.2.1" },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.listed.example",
		  RECORD_A, "127.0.0.2" },
		{ 0 },
	};
	struct table_dns table = { .rows = rows };
	const struct dns_source dns = table_source(&table);
	struct score_weights weights;
	struct error err = ERROR_NONE;
	_cleanup_(score_free) struct score score = { 0 }, six = { 0 };

	(void)state;
	assert_int_equal(score_weights_parse(
				 VIEW("dmarc:fail=3 spf:fail=2 spf:fail:Bad.example=10 spf:pass=-1 "
				      "dnsbl:listed.example=5 dnsbl:refuses.example=100 "
				      "dnsbl:wrong.example=100 dnsbl:unlisted.example=100"),
				 &weights, &err),
			 0);
	score_add(&score, &weights, "dmarc", PROOF_FAIL, VIEW_NONE);
	score_add(&score, &weights, "dmarc", PROOF_FAIL, VIEW("other.example"));
	score_add(&score, &weights, "spf", PROOF_FAIL, VIEW_NONE);
	score_add(&score, &weights, "spf", PROOF_FAIL, VIEW_NONE);
	score_add(&score, &weights, "spf", PROOF_FAIL, VIEW("BAD.example"));
	score_add_lists(&score, &weights, VIEW("192.0.2.7"), &dns);
	assert_int_equal(score.points, 20);
	assert_string_equal(
		str_cstr(&score.why),
		"dmarc:fail=3 spf:fail=2 spf:fail:bad.example=10 dnsbl:listed.example=5");
	score_add_lists(&six, &weights, VIEW("2001:db8::1"), &dns);
	assert_int_equal(six.points, 5);
	score_add_lists(&six, &weights, VIEW("unknown"), &dns);
	assert_int_equal(six.points, 5);
	score_weights_free(&weights);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_said),
		cmocka_unit_test(bounds),
		cmocka_unit_test(the_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

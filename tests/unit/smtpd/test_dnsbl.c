/* What postscreen_dnsbl_sites may say of a list: domain, filter of its answers, weight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "screen.h"

static void sites(void **state)
{
	static const struct {
		const char *text, *domain, *filter;
		int64_t weight;
	} good[] = {
		{ "bl.test", "bl.test", "", 1 },
		{ "bl.test*3", "bl.test", "", 3 },
		{ "bl.test*+3", "bl.test", "", 3 },
		{ "wl.test*-12", "wl.test", "", -12 },
		{ "bl.test*0", "bl.test", "", 0 },
		{ "bl.test=127.0.0.[2;4..8]", "bl.test", "127.0.0.[2;4..8]", 1 },
		{ "bl.test=127.0.0.2*-1000000", "bl.test", "127.0.0.2", -1000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct dnsbl_site site;

		if (!dnsbl_parse(view_of(good[i].text), &site) ||
		    !view_is(site.domain, good[i].domain) ||
		    !view_is(site.filter, good[i].filter) || site.weight != good[i].weight)
			fail_msg("%s", good[i].text);
	}
}

static void mistakes(void **state)
{
	static const char *const bad[] = {
		"",	     "*2",	    "=127.0.0.2",  "bl.test*",	      "bl.test*x",
		"bl.test*-", "bl.test*--2", "bl.test*+-2", "bl.test*1000001", "bl.test*2*3",
		"bl.test=",  "bl.test=*2",  "bl..test",	   "bl test"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dnsbl_site site;

		if (dnsbl_parse(view_of(bad[i]), &site))
			fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whom reports about a domain go to: what its record may name, and who has to agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "reporter.h"
#include "table_dns.h"

static const struct table_row rows[] = {
	{ "_dmarc.one.test", RECORD_TXT, "v=DMARC1; p=none" },
	{ "_dmarc.two.test", RECORD_TXT, "v=DMARC1; p=none" },
	{ "one.test._report._dmarc.two.test", RECORD_TXT, "v=DMARC1" },
	{ "one.test._report._dmarc.moved.test", RECORD_TXT,
	  "v=DMARC1; rua=mailto:other@moved.test!5k" },
	{ "one.test._report._dmarc.away.test", RECORD_TXT,
	  "v=DMARC1; rua=mailto:victim@victim.test" },
	{ "one.test._report._dmarc.spf.test", RECORD_TXT, "v=spf1 -all" },
	{ "one.test._report._dmarc.broken.test", RECORD_TXT, "FAIL" },
	{ NULL, 0, NULL },
};

/* "a@one.test b@two.test=1024" */
static void expect(const char *rua, const char *expected, bool unsure)
{
	_cleanup_(destinations_free) struct destinations found;
	_cleanup_(str_free) struct str record = STR_EMPTY, text = STR_EMPTY;
	struct table_dns table = { .rows = rows };
	struct dns_source dns = table_source(&table);

	str_printf(&record, "v=DMARC1; p=reject; rua=%s", rua);
	destinations_find(VIEW("one.test"), str_view(&record), &dns, MSEC_FOREVER, &found);
	for (size_t i = 0; i < found.count; i++) {
		str_printf(&text, "%s%s", i > 0 ? " " : "", str_cstr(&found.items[i].address));
		if (found.items[i].limit != UINT64_MAX)
			str_printf(&text, "=%llu", (unsigned long long)found.items[i].limit);
	}
	assert_string_equal(str_cstr(&text), expected);
	assert_int_equal(found.unsure, unsure);
	assert_int_equal(destination_is_named(str_view(&record)), expected[0] != '\0' || unsure);
}

static void test_uris(void **state)
{
	expect("mailto:a@one.test", "a@one.test", false);
	expect("MAILTO:a@one.test!10k, mailto:b@sub.one.test!2M",
	       "a@one.test=10240 b@sub.one.test=2097152", false);
	expect("mailto:a%2Bb@one.test?subject=x", "a+b@one.test", false);
	expect("mailto:a@one.test,mailto:A@one.test", "a@one.test", false);
	/* What is no address, or would be another in a header. */
	expect("https://one.test/report", "", false);
	expect("mailto:", "", false);
	expect("mailto:one.test", "", false);
	expect("mailto:a@one.test!10q", "", false);
	expect("mailto:a@one.test!", "", false);
	expect("mailto:a@one.test!99999999999999999999g", "", false);
	expect("mailto:a%0d%0aBcc:x@one.test", "", false);
	expect("mailto:a%00@one.test", "", false);
	expect("mailto:a%4@one.test", "", false);
	expect("mailto:a@one.test%2Cb@two.test", "", false);
	expect("mailto:a@[192.0.2.1]", "", false);
	(void)state;
}

static void test_many(void **state)
{
	expect("mailto:1@one.test,mailto:2@one.test,mailto:3@one.test,mailto:4@one.test,"
	       "mailto:5@one.test,mailto:6@one.test",
	       "1@one.test 2@one.test 3@one.test 4@one.test 5@one.test", false);
	(void)state;
}

/* Who is not of the domain's organization has to want them. */
static void test_external(void **state)
{
	_cleanup_(destinations_free) struct destinations found;
	struct table_dns table = { .rows = rows };
	struct dns_source dns = table_source(&table);

	expect("mailto:a@two.test", "a@two.test", false);
	expect("mailto:a@moved.test", "other@moved.test=5120", false);
	expect("mailto:a@moved.test!1k", "other@moved.test=1024", false);
	/* It may not send them on to somebody else. */
	expect("mailto:a@away.test", "a@away.test", false);
	expect("mailto:a@broken.test,mailto:b@one.test", "b@one.test", true);
	destinations_find(VIEW("one.test"),
			  VIEW("v=DMARC1; rua=mailto:victim@victim.test,mailto:a@spf.test"), &dns,
			  MSEC_FOREVER, &found);
	assert_int_equal(found.count, 0);
	assert_false(found.unsure);
	(void)state;
}

/* Who waits for a domain's name servers is bounded: it is asked no more, and what needs no question stays. */
static void test_late(void **state)
{
	_cleanup_(destinations_free) struct destinations found;
	struct table_dns table = { .rows = rows };
	struct dns_source dns = table_source(&table);

	destinations_find(VIEW("one.test"),
			  VIEW("v=DMARC1; rua=mailto:a@two.test,mailto:b@one.test"), &dns,
			  clock_now(), &found);
	assert_int_equal(table.asked, 0);
	assert_int_equal(found.count, 1);
	assert_string_equal(str_cstr(&found.items[0].address), "b@one.test");
	assert_true(found.unsure);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uris),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

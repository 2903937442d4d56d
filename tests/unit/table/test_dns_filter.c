/* Records of the DNS that a table takes out of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "services/clients.h"
#include "table/dns_filter.h"

static struct dns_answer answer_of(uint32_t count)
{
	struct dns_answer answer = { .outcome = RESOLVE_OK, .ttl = 300, .count = count };

	answer.records = mem_new_array(struct dns_record, count);
	return answer;
}

static void answer_check(struct dns_answer *answer, const char *name, uint32_t type,
			 const char *expected)
{
	_cleanup_(str_free) struct str left = STR_EMPTY;

	dns_filter_apply(view_of(name), type, answer);
	for (size_t i = 0; i < answer->count; i++)
		str_printf(&left, "%s ",
			   answer->records[i].name != NULL ? answer->records[i].name : "?");
	if (answer->outcome != RESOLVE_OK)
		str_printf(&left, "%u %s", answer->outcome, str_cstr(&answer->reason));
	assert_string_equal(str_cstr(&left), expected);
	dns_answer_free(answer);
}

static void mx_check(const char *first, const char *second, const char *expected)
{
	struct dns_answer answer = answer_of(2);

	answer.records[0] = (struct dns_record){ .preference = 10, .name = mem_strdup(first) };
	answer.records[1] = (struct dns_record){ .preference = 20, .name = mem_strdup(second) };
	answer_check(&answer, "one.test", DNS_MX, expected);
}

static void address_check(uint32_t type, const char *address, const char *canonical,
			  const char *expected)
{
	struct dns_answer answer = answer_of(1);

	answer.records[0].name = mem_strdup(address);
	str_append_cstr(&answer.canonical, canonical);
	answer_check(&answer, "one.test", type, expected);
}

static void test_filter(void **state)
{
	struct dns_answer tlsa = answer_of(1), text = answer_of(1);
	struct error err = ERROR_NONE;

	(void)state;
	/* Nothing is in force yet. */
	mx_check("bad.test", "good.test", "bad.test good.test ");
	assert_int_equal(dns_filter_open("test_filter", "", &err), 0);
	mx_check("bad.test", "good.test", "bad.test good.test ");
	assert_true(dns_filter_open("test_filter", "regexp:{ nonsense }", &err) < 0);
	assert_int_equal(
		dns_filter_open(
			"test_filter",
			"regexp:{ {/^one\\.test\\. 300 IN MX 10 bad\\.test\\.$/ ignore} "
			"{/ IN AAAA / IGNORE} {/^alias\\.test\\. .* 192\\.0\\.2\\.1$/ IGNORE} "
			"{/ IN TLSA 3 1 1 00FF$/ IGNORE} {/ IN TXT hello$/ IGNORE} "
			"{/192\\.0\\.2\\.9/ BOUNCE} }",
			&err),
		0);
	mx_check("bad.test", "good.test", "good.test ");
	mx_check("good.test", "bad.test", "good.test bad.test ");
	address_check(DNS_A, "192.0.2.1", "", "192.0.2.1 ");
	address_check(DNS_A, "192.0.2.1", "alias.test", "3 DNS reply filter drops all results");
	address_check(DNS_AAAA, "2001:db8::1", "", "3 DNS reply filter drops all results");
	/* What nobody understands is no answer at all. */
	address_check(DNS_A, "192.0.2.9", "", "3 the DNS reply filter cannot answer now");
	str_append(&tlsa.records[0].data, view_make("\3\1\1\0\377", 5));
	answer_check(&tlsa, "_25._tcp.one.test", DNS_TLSA, "3 DNS reply filter drops all results");
	str_append_cstr(&text.records[0].data, "hello");
	answer_check(&text, "one.test", DNS_TXT, "3 DNS reply filter drops all results");
	dns_filter_use(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_filter) };

	log_set_level(LOG_FATAL_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

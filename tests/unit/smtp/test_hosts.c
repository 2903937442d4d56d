/* Which addresses are tried, with a DNS made of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "hosts.h"
#include "names.h"
#include "services/clients.h"
#include "settings.h"

/* value: for MX "preference name"; NULL: the outcome alone. */
static const struct {
	const char *name;
	uint32_t type;
	const char *value;
	uint8_t outcome;
} zone[] = {
	{ "one.test", DNS_MX, "10 mx.one.test", 0 },
	{ "mx.one.test", DNS_A, "192.0.2.1", 0 },
	{ "mx.one.test", DNS_AAAA, "2001:db8::1", 0 },
	{ "order.test", DNS_MX, "30 c.test", 0 },
	{ "order.test", DNS_MX, "10 a.test", 0 },
	{ "order.test", DNS_MX, "20 b.test", 0 },
	{ "a.test", DNS_A, "192.0.2.11", 0 },
	{ "b.test", DNS_A, "192.0.2.12", 0 },
	{ "c.test", DNS_A, "192.0.2.13", 0 },
	{ "equal.test", DNS_MX, "10 a.test", 0 },
	{ "equal.test", DNS_MX, "10 b.test", 0 },
	{ "equal.test", DNS_MX, "10 c.test", 0 },
	{ "same.test", DNS_MX, "10 a.test", 0 },
	{ "same.test", DNS_MX, "20 a.test", 0 },
	{ "doubt.test", DNS_MX, NULL, RESOLVE_TEMPORARY },
	{ "doubt.test", DNS_A, "192.0.2.41", 0 },
	{ "dual.test", DNS_MX, "10 four.test", 0 },
	{ "dual.test", DNS_MX, "20 six.test", 0 },
	{ "four.test", DNS_A, "192.0.2.31", 0 },
	{ "four.test", DNS_A, "192.0.2.32", 0 },
	{ "four.test", DNS_A, "192.0.2.33", 0 },
	{ "six.test", DNS_AAAA, "2001:db8::31", 0 },
	{ "six.test", DNS_AAAA, "2001:db8::32", 0 },
	{ "both.test", DNS_MX, "10 a.test", 0 },
	{ "null.test", DNS_MX, "0 .", 0 },
	{ "odd.test", DNS_MX, "0 .", 0 },
	{ "odd.test", DNS_MX, "5 192.0.2.99", 0 },
	{ "odd.test", DNS_MX, "5 bad\\046name.test", 0 },
	{ "odd.test", DNS_MX, "10 a.test", 0 },
	{ "numeric.test", DNS_MX, "10 192.0.2.99", 0 },
	{ "malformed.test", DNS_MX, "10 a..b", 0 },
	{ "half-us.test", DNS_MX, "5 nowhere.test", 0 },
	{ "half-us.test", DNS_MX, "10 us.test", 0 },
	{ "plain.test", DNS_MX, NULL, RESOLVE_NODATA },
	{ "plain.test", DNS_A, "192.0.2.20", 0 },
	{ "us-first.test", DNS_MX, "10 us.test", 0 },
	{ "us-first.test", DNS_MX, "20 a.test", 0 },
	{ "us-equal.test", DNS_MX, "5 a.test", 0 },
	{ "us-equal.test", DNS_MX, "10 us.test", 0 },
	{ "us-equal.test", DNS_MX, "10 b.test", 0 },
	{ "us-equal.test", DNS_MX, "20 c.test", 0 },
	{ "us-later.test", DNS_MX, "5 broken.test", 0 },
	{ "us-later.test", DNS_MX, "10 us.test", 0 },
	{ "us.test", DNS_A, "203.0.113.5", 0 },
	{ "broken.test", DNS_MX, NULL, RESOLVE_TEMPORARY },
	{ "broken.test", DNS_A, NULL, RESOLVE_TEMPORARY },
	{ "bogus.test", DNS_MX, NULL, RESOLVE_BOGUS },
	{ "lost.test", DNS_MX, "10 nowhere.test", 0 },
	{ "half.test", DNS_MX, "10 broken.test", 0 },
	{ "half.test", DNS_MX, "20 a.test", 0 },
	{ "down.test", DNS_MX, "10 broken.test", 0 },
};

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	bool exists = false;

	*answer = (struct dns_answer){ .outcome = RESOLVE_NODATA };
	if (view_is(name, "noresolver.test"))
		return -ECONNREFUSED;
	for (size_t i = 0; i < ARRAY_SIZE(zone); i++) {
		if (!view_is(name, zone[i].name))
			continue;
		exists = true;
		if (zone[i].type != type)
			continue;
		answer->outcome = zone[i].outcome;
		if (zone[i].value == NULL)
			continue;

		struct dns_record *record;
		const char *value = zone[i].value;

		answer->records = mem_resize(answer->records, answer->count + 1, sizeof(*record));
		record = &answer->records[answer->count++];
		*record = (struct dns_record){ 0 };
		if (type == DNS_MX) {
			struct view rest = view_of(value), number;

			view_next(&rest, ' ', &number);
			view_parse_u32(number, 65535, &record->preference);
			value = rest.data;
		}
		record->name = mem_strdup(value);
	}
	if (!exists)
		answer->outcome = RESOLVE_NXDOMAIN;
	return 0;
}

void dns_answer_free(struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->records[i].name);
	free(answer->records);
	str_free(&answer->reason);
}

static void prepare(void)
{
	param = (struct params){ .inet_interfaces = "203.0.113.5",
				 .proxy_interfaces = "",
				 .inet_protocols = "all",
				 .queue_directory = "/queue",
				 .myhostname = "mx.us.test",
				 .smtp_dns_support_level = "",
				 .lmtp_dns_support_level = "",
				 .smtp_host_lookup = "dns",
				 .lmtp_host_lookup = "dns",
				 .smtp_address_preference = "ipv4",
				 .smtp_randomize_addresses = true,
				 .smtp_balance_inet_protocols = true,
				 .lmtp_address_preference = "any" };
	settings_choose(false);
}

/* The addresses as "name[address] ...", or "status". */
static void find(bool lmtp, const char *nexthop, size_t limit, struct str *result)
{
	struct destinations list = { .count = 0 };
	struct own_addresses *own = own_addresses_load(NULL);
	struct outcome failure = { 0 };
	struct hosts hosts;

	assert_int_equal(destinations_parse(view_of(nexthop), lmtp, 25, &list, NULL), 0);
	if (hosts_find(&list.items[0], own, limit, &hosts, &failure) < 0) {
		str_printf(result, "%s %s",
			   outcome_is_final_failure(&failure) ? "permanent" : "temporary",
			   failure.status);
		assert_true(failure.text.len > 0);
	}
	for (size_t i = 0; i < hosts.count; i++)
		str_printf(result, "%s%s[%s]", i > 0 ? " " : "", str_cstr(&hosts.items[i].name),
			   hosts.items[i].text);
	hosts_free(&hosts);
	outcome_free(&failure);
	own_addresses_free(own);
	destinations_free(&list);
}

/* Why it cannot be delivered. */
static void find_failure(const char *nexthop, struct outcome *failure)
{
	struct destinations list = { .count = 0 };
	struct own_addresses *own = own_addresses_load(NULL);
	struct hosts hosts;

	assert_int_equal(destinations_parse(view_of(nexthop), false, 25, &list, NULL), 0);
	assert_int_equal(hosts_find(&list.items[0], own, 0, &hosts, failure), -1);
	own_addresses_free(own);
	destinations_free(&list);
}

static void test_lookups(void **state)
{
	static const struct {
		const char *nexthop, *expected;
	} rows[] = {
		{ "one.test", "mx.one.test[192.0.2.1] mx.one.test[2001:db8::1]" },
		{ "order.test", "a.test[192.0.2.11] b.test[192.0.2.12] c.test[192.0.2.13]" },
		{ "same.test", "a.test[192.0.2.11]" },
		{ "plain.test", "plain.test[192.0.2.20]" },
		{ "odd.test", "192.0.2.99[192.0.2.99] a.test[192.0.2.11]" },
		{ "numeric.test", "192.0.2.99[192.0.2.99]" },
		{ "null.test", "permanent 5.1.10" },
		{ "nowhere.test", "permanent 5.4.4" },
		{ "lost.test", "permanent 5.4.4" },
		{ "broken.test", "temporary 4.4.3" },
		{ "bogus.test", "temporary 4.4.3" },
		{ "down.test", "temporary 4.4.3" },
		{ "half.test", "a.test[192.0.2.11]" },
		{ "noresolver.test", "temporary 4.4.3" },
		{ "us-first.test", "permanent 5.4.6" },
		{ "us-equal.test", "a.test[192.0.2.11]" },
		{ "us-later.test", "temporary 4.4.3" },
		{ "us-first.test:587", "us.test[203.0.113.5] a.test[192.0.2.11]" },
		{ "[a.test]", "a.test[192.0.2.11]" },
		{ "[one.test]", "permanent 5.4.4" },
		{ "[192.0.2.77]", "192.0.2.77[192.0.2.77]" },
		{ "192.0.2.77", "192.0.2.77[192.0.2.77]" },
		{ "[203.0.113.5]", "permanent 5.4.6" },
		{ "[203.0.113.5]:10025", "203.0.113.5[203.0.113.5]" },
		{ "[us.test]", "permanent 5.4.6" },
		{ "[localhost]:26", "localhost[127.0.0.1] localhost[::1]" },
	};

	prepare();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str result = STR_EMPTY;

		find(false, rows[i].nexthop, 0, &result);
		if (!view_is(str_view(&result), rows[i].expected))
			fail_msg("%s: %s", rows[i].nexthop, str_cstr(&result));
	}
	(void)state;
}

/* The reason names the look-up that failed, so that it points to the cause. */
static void test_reasons(void **state)
{
#define NAME_SERVICE "Host or domain name not found. Name service error for name="
	static const struct {
		const char *nexthop, *status, *text;
	} rows[] = {
		{ "nowhere.test", "5.4.4", NAME_SERVICE "nowhere.test type=MX: Host not found" },
		{ "lost.test", "5.4.4", NAME_SERVICE "nowhere.test type=A: Host not found" },
		{ "malformed.test", "5.4.4",
		  NAME_SERVICE
		  "malformed.test type=MX: Malformed or unexpected name server reply" },
		{ "[one.test]", "5.4.4",
		  NAME_SERVICE "one.test type=A: Host found but no data record of requested type" },
		{ "broken.test", "4.4.3",
		  NAME_SERVICE "broken.test type=MX: Host not found, try again" },
		{ "down.test", "4.4.3",
		  NAME_SERVICE "broken.test type=A: Host not found, try again" },
		{ "null.test", "5.1.10", "Domain null.test does not accept mail (nullMX)" },
		{ "us-first.test", "5.4.6", "mail for us-first.test loops back to myself" },
		{ "half-us.test", "4.4.4", "unable to find primary relay for half-us.test" },
	};

	prepare();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome failure = { 0 };

		find_failure(rows[i].nexthop, &failure);
		if (strcmp(str_cstr(&failure.text), rows[i].text) != 0 ||
		    strcmp(failure.status, rows[i].status) != 0)
			fail_msg("%s: %s %s", rows[i].nexthop, failure.status,
				 str_cstr(&failure.text));
		outcome_free(&failure);
	}
	param.smtp_defer_if_no_mx_address_found = true;
	settings_choose(false);

	struct outcome failure = { 0 };

	find_failure("lost.test", &failure);
	assert_string_equal(failure.status, "4.4.4");
	assert_int_equal(failure.kind, OUTCOME_DEFERRED);
	outcome_free(&failure);
	(void)state;
}

static void test_limit_and_protocols(void **state)
{
	_cleanup_(str_free) struct str result = STR_EMPTY;

	prepare();
	find(false, "order.test", 2, &result);
	assert_string_equal(str_cstr(&result), "a.test[192.0.2.11] b.test[192.0.2.12]");
	str_clear(&result);
	param.smtp_address_preference = "ipv6";
	settings_choose(false);
	find(false, "one.test", 1, &result);
	assert_string_equal(str_cstr(&result), "mx.one.test[2001:db8::1]");
	str_clear(&result);
	param.inet_protocols = "ipv4";
	find(false, "one.test", 0, &result);
	assert_string_equal(str_cstr(&result), "mx.one.test[192.0.2.1]");
	(void)state;
}

/* Each of three equal exchangers comes first now and then (all but once in 10^10 runs). */
static void test_equal_preference_is_shuffled(void **state)
{
	bool first[3] = { false, false, false };

	prepare();
	for (int i = 0; i < 60; i++) {
		_cleanup_(str_free) struct str result = STR_EMPTY;

		find(false, "equal.test", 0, &result);
		assert_int_equal(result.len, strlen("a.test[192.0.2.11]") * 3 + 2);
		first[str_cstr(&result)[0] - 'a'] = true;
	}
	assert_true(first[0] && first[1] && first[2]);
	(void)state;
}

/* A host, of which the file knows more than the DNS; a domain's exchangers do not count. */
static void test_without_dns(void **state)
{
	static const struct {
		const char *level;
		bool disabled;
		const char *nexthop, *expected;
		const char *lookup;
	} rows[] = {
		{ "disabled", false, "Named.test",
		  "named.test[192.0.2.50] named.test[2001:db8::50]", "dns" },
		{ "disabled", false, "[alias]", "alias[192.0.2.50]", "dns" },
		{ "disabled", false, "one.test", "permanent 5.4.4", "dns" },
		{ "disabled", false, "b.test", "b.test[192.0.2.12]", "dns" },
		{ "disabled", false, "commented.test", "permanent 5.4.4", "dns" },
		{ "", true, "alias", "alias[192.0.2.50]", "dns" },
		{ "", false, "alias", "permanent 5.4.4", "dns" },
		{ "enabled", true, "order.test:26",
		  "a.test[192.0.2.11] b.test[192.0.2.12] c.test[192.0.2.13]", "dns" },
		{ "dnssec", true, "alias", "permanent 5.4.4", "dns" },
		/* The file first, then the DNS; of mail exchangers, too. */
		{ "", false, "alias", "alias[192.0.2.50]", "native" },
		{ "", false, "both.test", "a.test[192.0.2.51]", "native" },
		{ "", false, "gone.test", "permanent 5.4.4", "native" },
		{ "", false, "[b.test]", "b.test[192.0.2.12]", "native" },
		{ "", false, "[gone.test]", "permanent 5.4.4", "native" },
		/* The DNS first, in whatever order they stand; the file for what it does not have. */
		{ "", false, "both.test", "a.test[192.0.2.11]", "native, dns" },
		{ "", false, "[alias]", "alias[192.0.2.50]", "dns, native" },
		{ "", false, "alias", "alias[192.0.2.50]", "dns, native" },
		{ "", false, "lost.test", "nowhere.test[192.0.2.52]", "dns, native" },
		{ "", false, "[broken.test]", "temporary 4.4.3", "dns, native" },
		{ "", false, "[gone.test]", "permanent 5.4.4", "dns, native" },
		/* Not in force without the DNS. */
		{ "disabled", false, "alias", "alias[192.0.2.50]", "dns" },
	};
	char path[] = "/tmp/test_hosts.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_true(
		dprintf(fd,
			"# commented.test\n192.0.2.50\tNAMED.test alias # commented.test\n"
			"2001:db8::50 named.test\nnonsense commented.test\n"
			"192.0.2.51 a.test\n192.0.2.52 nowhere.test\n192.0.2.53 broken.test\n") >
		0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str result = STR_EMPTY;

		prepare();
		param.smtp_dns_support_level = rows[i].level;
		param.disable_dns_lookups = rows[i].disabled;
		param.smtp_host_lookup = rows[i].lookup;
		settings_choose(false);
		assert_int_equal(names_prepare(path, NULL), 0);
		find(false, rows[i].nexthop, 0, &result);
		names_forget();
		if (!view_is(str_view(&result), rows[i].expected))
			fail_msg("%zu: %s: %s", i, rows[i].nexthop, str_cstr(&result));
	}
	unlink(path);
	(void)state;
}

/* Of the few that are tried one is of the other family, where there is one. */
static void test_balance(void **state)
{
	static const struct {
		const char *nexthop;
		size_t limit;
		bool balance;
		const char *expected;
	} rows[] = {
		{ "dual.test", 2, true, "four.test[192.0.2.31] six.test[2001:db8::31]" },
		{ "dual.test", 2, false, "four.test[192.0.2.31] four.test[192.0.2.32]" },
		{ "dual.test", 1, true, "four.test[192.0.2.31]" },
		{ "dual.test", 4, true,
		  "four.test[192.0.2.31] four.test[192.0.2.32] four.test[192.0.2.33] "
		  "six.test[2001:db8::31]" },
		{ "four.test", 2, true, "four.test[192.0.2.31] four.test[192.0.2.32]" },
		{ "one.test", 2, true, "mx.one.test[192.0.2.1] mx.one.test[2001:db8::1]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str result = STR_EMPTY;

		prepare();
		param.smtp_randomize_addresses = false;
		param.smtp_balance_inet_protocols = rows[i].balance;
		settings_choose(false);
		find(false, rows[i].nexthop, rows[i].limit, &result);
		if (!view_is(str_view(&result), rows[i].expected))
			fail_msg("%zu: %s: %s", i, rows[i].nexthop, str_cstr(&result));
	}
	(void)state;
}

static void test_ignored_mx_error(void **state)
{
	_cleanup_(str_free) struct str result = STR_EMPTY, other = STR_EMPTY;

	prepare();
	find(false, "doubt.test", 0, &other);
	assert_string_equal(str_cstr(&other), "temporary 4.4.3");
	param.ignore_mx_lookup_error = true;
	settings_choose(false);
	find(false, "doubt.test", 0, &result);
	assert_string_equal(str_cstr(&result), "doubt.test[192.0.2.41]");
	(void)state;
}

static void test_paths(void **state)
{
	_cleanup_(str_free) struct str result = STR_EMPTY;

	prepare();
	find(true, "unix:private/lmtp", 0, &result);
	assert_string_equal(str_cstr(&result), "mx.us.test[]");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_limit_and_protocols),
		cmocka_unit_test(test_equal_preference_is_shuffled),
		cmocka_unit_test(test_without_dns),
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_ignored_mx_error),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

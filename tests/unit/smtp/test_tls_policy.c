/* Which TLS a destination gets: rows of smtp_tls_policy_maps, and what TLSA records make of dane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "session.h"
#include "settings.h"

/* ---- a DNS of TLSA records ---- */

static const struct {
	const char *name;
	struct view data; /* usage, selector, matching type, the rest; empty: none */
	uint8_t outcome;
	bool secure;
} zone[] = {
	{ "_25._tcp.good.test", { "\3\1\1xxxx", 7 }, RESOLVE_OK, true },
	{ "_25._tcp.pkix.test", { "\1\1\1xxxx", 7 }, RESOLVE_OK, true },
	{ "_25._tcp.short.test", { "\3\1\1", 3 }, RESOLVE_OK, true },
	{ "_25._tcp.unsigned.test", { "\3\1\1xxxx", 7 }, RESOLVE_OK, false },
	{ "_25._tcp.target.test", { "\3\1\1xxxx", 7 }, RESOLVE_OK, true },
	{ "_25._tcp.none.test", { NULL, 0 }, RESOLVE_NODATA, true },
	{ "_25._tcp.bogus.test", { NULL, 0 }, RESOLVE_BOGUS, false },
	{ "_25._tcp.broken.test", { NULL, 0 }, RESOLVE_TEMPORARY, false },
};
static size_t questions;

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	*answer = (struct dns_answer){ .outcome = RESOLVE_NXDOMAIN };
	assert_int_equal(type, DNS_TLSA);
	questions++;
	for (size_t i = 0; i < ARRAY_SIZE(zone); i++) {
		if (!view_is(name, zone[i].name))
			continue;
		answer->outcome = zone[i].outcome;
		answer->secure = zone[i].secure;
		if (zone[i].data.len == 0)
			continue;
		answer->count = 1;
		answer->records = mem_new(struct dns_record);
		answer->records[0].name = mem_strdup("");
		str_append(&answer->records[0].data, zone[i].data);
	}
	return 0;
}

void dns_answer_free(struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->records[i].name);
		str_free(&answer->records[i].data);
	}
	free(answer->records);
	*answer = (struct dns_answer){ 0 };
}

/* ---- rows ---- */

static void load(const char *settings_text)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_printf(&text, "myhostname = mx.us.test\n%s\n", settings_text);
	if (conf_load_text(str_view(&text), "/etc/posta", NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	settings_choose(false);
	if (tls_policy_prepare(&err) < 0)
		fail_msg("%s", err.text);
}

static const char *const level_names[] = { "none",   "may",    "encrypt", "fingerprint",
					   "verify", "secure", "dane",	  "dane-only" };

/* "level protocols|match|servername", or the failure's status. */
static void find(const char *nexthop, struct str *got, struct str *ciphers)
{
	_cleanup_(tls_policy_free) struct tls_policy policy = { 0 };
	struct destinations list = { .count = 0 };
	struct outcome failure = { 0 };

	str_clear(got);
	assert_int_equal(destinations_parse(view_of(nexthop), false, 25, &list, NULL), 0);
	if (tls_policy_find(&list.items[0], &policy, &failure) < 0)
		str_append_cstr(got, failure.status);
	else
		str_printf(got, "%s %s|%s|%s", level_names[policy.level],
			   str_cstr(&policy.protocols), str_cstr(&policy.match),
			   str_cstr(&policy.servername));
	str_set(ciphers, str_view(&policy.ciphers));
	outcome_free(&failure);
	destinations_free(&list);
}

#define ROWS                                                                                       \
	"smtp_tls_security_level = may\nsmtp_tls_protocols = >=TLSv1.2\n"                          \
	"smtp_tls_mandatory_protocols = >=TLSv1.3\nsmtp_tls_verify_cert_match = hostname\n"        \
	"smtp_tls_secure_cert_match = nexthop, dot-nexthop\n"                                      \
	"smtp_tls_exclude_ciphers = MD5\nsmtp_tls_mandatory_exclude_ciphers = RC4\n"               \
	"tls_medium_cipherlist = MEDIUM\ntls_high_cipherlist = HIGH\n"                             \
	"smtp_tls_policy_maps = inline:{ { one.test = encrypt }, { [two.test]:587 = secure "       \
	"match=a.test:.b.test servername=two.test }, { .below.test = verify protocols=TLSv1.2 "    \
	"ciphers=high exclude=SHA }, { three.test = fingerprint match=AA:BB match=CC:DD }, "       \
	"{ plain.test = none }, { dane.test = dane-only }, { bad1.test = sometimes }, "            \
	"{ bad2.test = encrypt what=x }, { bad3.test = encrypt ciphers=x }, "                      \
	"{ bad4.test = fingerprint } }"

static void rows(void **state)
{
	static const char *const cases[][3] = {
		{ "other.test", "may >=TLSv1.2||", "MEDIUM:!MD5" },
		{ "one.test", "encrypt >=TLSv1.3||", "MEDIUM:!MD5:!RC4" },
		{ "one.test:26", "may >=TLSv1.2||", "MEDIUM:!MD5" },
		{ "[two.test]:587", "secure >=TLSv1.3|a.test:.b.test|two.test",
		  "MEDIUM:!MD5:!RC4" },
		{ "[two.test]", "may >=TLSv1.2||", "MEDIUM:!MD5" },
		{ "far.below.test", "verify TLSv1.2|hostname|", "HIGH:!SHA" },
		{ "below.test", "may >=TLSv1.2||", "MEDIUM:!MD5" },
		{ "three.test", "fingerprint >=TLSv1.3|AA:BB|CC:DD|", "MEDIUM:!MD5:!RC4" },
		{ "plain.test", "none >=TLSv1.2||", "MEDIUM:!MD5" },
		{ "dane.test", "dane-only >=TLSv1.3||", "MEDIUM:!MD5:!RC4" },
		/* nothing goes out with less than is wanted */
		{ "bad1.test", "4.7.5", NULL },
		{ "bad2.test", "4.7.5", NULL },
		{ "bad3.test", "4.7.5", NULL },
		{ "bad4.test", "4.7.5", NULL },
	};
	_cleanup_(str_free) struct str got = STR_EMPTY, ciphers = STR_EMPTY;

	(void)state;
	load(ROWS);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		find(cases[i][0], &got, &ciphers);
		if (strcmp(str_cstr(&got), cases[i][1]) != 0)
			fail_msg("%s: %s", cases[i][0], str_cstr(&got));
		if (cases[i][2] != NULL)
			assert_string_equal(str_cstr(&ciphers), cases[i][2]);
	}
	conf_unload();
	load("smtp_tls_policy_maps = fail:x");
	find("one.test", &got, &ciphers);
	assert_string_equal(str_cstr(&got), "4.7.5");
	conf_unload();
}

/* ---- dane ---- */

/* Of a host, "host>what its alias leads to": the level that it comes to, "+tlsa" where records decide, or the failure's status. */
static void choose(enum tls_level level, const char *names, bool secure, bool secure_mx,
		   struct str *got)
{
	struct view name = view_of(names);
	size_t arrow = view_find_byte(name, '>');
	struct tls_policy policy = { .level = level };
	struct destination destination = { .port = 25 };
	struct session_wish wish = { .destination = &destination, .policy = &policy };
	struct host host = { .secure = secure, .secure_mx = secure_mx };
	struct session *s = mem_new(struct session);
	struct outcome failure = { 0 };

	str_clear(got);
	str_append(&host.name, view_first(name, arrow));
	str_append(&host.canonical, view_from(name, MIN(arrow, name.len - 1) + 1));
	if (session_choose_level(s, &host, &wish, &failure) < 0)
		str_append_cstr(got, failure.status);
	else
		str_printf(got, "%s%s", level_names[s->level], s->tlsa.count > 0 ? "+tlsa" : "");
	if (host.canonical.len > 0)
		str_printf(got, " %s", str_cstr(&s->tlsa_base));
	str_free(&host.name);
	str_free(&host.canonical);
	outcome_free(&failure);
	session_free(s);
}

static void dane(void **state)
{
	static const struct {
		const char *host;
		bool secure, secure_mx;
		const char *dane, *only;
	} cases[] = {
		{ "good.test", true, true, "dane+tlsa", "dane+tlsa" },
		/* Addresses that nobody vouches for: not even asked. */
		{ "good.test", false, true, "may", "4.7.5" },
		/* MX records that nobody vouches for. */
		{ "good.test", true, false, "dane+tlsa", "4.7.5" },
		{ "pkix.test", true, true, "encrypt", "4.7.5" },
		{ "short.test", true, true, "encrypt", "4.7.5" },
		{ "unsigned.test", true, true, "may", "4.7.5" },
		/* Records of what an alias leads to, before those of its own name. */
		{ "good.test>target.test", true, true, "dane+tlsa target.test",
		  "dane+tlsa target.test" },
		{ "good.test>nowhere.test", true, true, "dane+tlsa good.test",
		  "dane+tlsa good.test" },
		{ "good.test>broken.test", true, true, "4.7.5 ", "4.7.5 " },
		{ "none.test", true, true, "may", "4.7.5" },
		{ "nowhere.test", true, true, "may", "4.7.5" },
		/* What cannot be asked is never taken for none. */
		{ "bogus.test", true, true, "4.7.5", "4.7.5" },
		{ "broken.test", true, true, "4.7.5", "4.7.5" },
	};
	_cleanup_(str_free) struct str got = STR_EMPTY;

	(void)state;
	load("smtp_tls_security_level = dane");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		choose(TLS_DANE, cases[i].host, cases[i].secure, cases[i].secure_mx, &got);
		if (strcmp(str_cstr(&got), cases[i].dane) != 0)
			fail_msg("%s (%zu): dane is %s", cases[i].host, i, str_cstr(&got));
		choose(TLS_DANE_ONLY, cases[i].host, cases[i].secure, cases[i].secure_mx, &got);
		if (strcmp(str_cstr(&got), cases[i].only) != 0)
			fail_msg("%s (%zu): dane-only is %s", cases[i].host, i, str_cstr(&got));
	}
	conf_unload();
	load("smtp_tls_security_level = dane\nsmtp_tls_force_insecure_host_tlsa_lookup = yes");
	choose(TLS_DANE, "good.test", false, true, &got);
	assert_string_equal(str_cstr(&got), "dane+tlsa");
	conf_unload();
	load("smtp_tls_security_level = may");
	choose(TLS_DANE, "good.test", true, false, &got);
	assert_string_equal(str_cstr(&got), "may");
	questions = 0;
	choose(TLS_SECURE, "good.test", true, true, &got);
	assert_string_equal(str_cstr(&got), "secure");
	assert_int_equal(questions, 0);
	conf_unload();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(dane),
	};

	log_set_level(LOG_FATAL_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the official cases of SPF do not have: bounds, other families, hostile records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/spf.h"
#include "table_dns.h"

static const struct table_row zone[] = {
	{ "plain.test", RECORD_TXT, "v=spf1 ip4:192.0.2.0/24 -all" },
	{ "mapped.test", RECORD_TXT, "v=spf1 ip4:192.0.2.7 -all" },
	{ "six.test", RECORD_TXT, "v=spf1 a/24//64 -all" },
	{ "six.test", RECORD_AAAA, "2001:db8::1" },
	{ "local.test", RECORD_TXT, "v=spf1 exists:%{l}.ok.test -all" },
	{ "any.ok.test", RECORD_A, "127.0.0.2" },
	{ "xn--bcher-kva.test", RECORD_TXT, "v=spf1 +all" },
	{ "tab.test", RECORD_TXT, "v=spf1\tall" },
	{ "tab2.test", RECORD_TXT, "v=spf1 ip4:192.0.2.1\t-all" },
	{ "two.test", RECORD_TXT, "v=spf1 -all" },
	{ "two.test", RECORD_TXT, "v=spf1 -all" },
	{ "ten.test", RECORD_TXT, "v=spf10 -all" },
	/* Hosts of an mx that have no address of this family are not void (pyspf#44). */
	{ "mx.test", RECORD_TXT, "v=spf1 mx -all" },
	{ "mx.test", RECORD_MX, "a.mx.test" },
	{ "mx.test", RECORD_MX, "b.mx.test" },
	{ "mx.test", RECORD_MX, "c.mx.test" },
	{ "mx.test", RECORD_MX, "d.mx.test" },
	{ "d.mx.test", RECORD_AAAA, "2001:db8::d" },
	/* Redirect after include (mail-auth 0.7.3), its exp and not the include's. */
	{ "redirect.test", RECORD_TXT, "v=spf1 include:plain.test redirect=target.test" },
	{ "target.test", RECORD_TXT, "v=spf1 exp=why.test -all" },
	{ "why.test", RECORD_TXT, "%{d} says no to %{i}" },
	{ "noinclude.test", RECORD_TXT, "v=spf1 include:nothing.test +all" },
	{ "noinclude.test", RECORD_A, "192.0.2.1" },
	{ "nothing.test", RECORD_A, "192.0.2.1" },
	{ "temporary.test", RECORD_TXT, "v=spf1 include:down.test +all" },
	{ "down.test", RECORD_TXT, "FAIL" },
	{ "broad.test", RECORD_TXT, "v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all" },
	{ "zero.test", RECORD_TXT, "v=spf1 a:%{d0}.test +all" },
	{ "large.test", RECORD_TXT, "v=spf1 a:%{d99999999999}.test +all" },
	{ "control.test", RECORD_TXT, "v=spf1 exp=control.why.test -all" },
	{ "control.why.test", RECORD_TXT, "one\r\nX-Two: three" },
	{ 0 },
};

static void spf_ask_zone(const struct table_row *rows, const char *ip, const char *sender,
			 struct spf_answer *answer, unsigned *asked)
{
	struct table_dns table = { .rows = rows };
	struct dns_source dns = table_source(&table);
	struct spf_question question = {
		.ip = view_of(ip),
		.helo = VIEW("mail.test"),
		.sender = view_of(sender),
		.dns = &dns,
	};

	spf_check(&question, answer);
	if (asked != NULL)
		*asked = table.asked;
}

static void spf_expect(const char *ip, const char *sender, const char *result,
		       const char *explanation)
{
	struct spf_answer answer;

	spf_ask_zone(zone, ip, sender, &answer, NULL);
	if (strcmp(proof_word(answer.result), result) != 0)
		print_error("%s from %s\n%s", sender, ip, str_cstr(&answer.steps));
	assert_string_equal(proof_word(answer.result), result);
	if (explanation != NULL)
		assert_string_equal(str_cstr(&answer.explanation), explanation);
	spf_answer_free(&answer);
}

static void test_results(void **state)
{
	spf_expect("192.0.2.9", "x@plain.test", "pass", NULL);
	spf_expect("192.0.3.9", "x@plain.test", "fail",
		   "plain.test does not let 192.0.3.9 send its mail");
	spf_expect("::ffff:192.0.2.7", "x@mapped.test", "pass", NULL);
	spf_expect("2001:db8::ffff:1", "x@six.test", "pass", NULL);
	spf_expect("2001:db8:0:1::1", "x@six.test", "fail", NULL);
	spf_expect("192.0.2.1", "any@local.test", "pass", NULL);
	spf_expect("192.0.2.1", "\303\244ny@local.test", "fail", NULL);
	spf_expect("192.0.2.1", "x@b\303\274cher.test", "pass", NULL);
	spf_expect("192.0.2.1", "x@tab.test", "none", NULL);
	spf_expect("192.0.2.1", "x@tab2.test", "permerror", NULL);
	spf_expect("192.0.2.1", "x@two.test", "permerror", NULL);
	spf_expect("192.0.2.1", "x@ten.test", "none", NULL);
	spf_expect("192.0.2.1", "x@mx.test", "fail", NULL);
	spf_expect("2001:db8::d", "x@mx.test", "pass", NULL);
	spf_expect("198.51.100.1", "x@redirect.test", "fail",
		   "target.test says no to 198.51.100.1");
	spf_expect("192.0.2.1", "x@noinclude.test", "permerror", NULL);
	spf_expect("192.0.2.1", "x@temporary.test", "temperror", NULL);
	spf_expect("192.0.2.1", "x@broad.test", "pass", NULL);
	spf_expect("192.0.2.1", "x@zero.test", "permerror", NULL);
	spf_expect("192.0.2.1", "x@large.test", "pass", NULL);
	spf_expect("192.0.2.1", "x@nosuch.plain.test", "none", NULL);
	spf_expect("192.0.2.1", "x@[192.0.2.1]", "none", NULL);
	spf_expect("not an address", "x@plain.test", "none", NULL);
	(void)state;
}

/* What a domain wants to be said ends in replies and headers. */
static void test_explanation_is_one_line(void **state)
{
	struct spf_answer answer;

	spf_ask_zone(zone, "192.0.2.1", "x@control.test", &answer, NULL);
	assert_int_equal(answer.result, PROOF_FAIL);
	assert_false(answer.explained);
	assert_false(view_has_control(str_view(&answer.explanation)));
	spf_answer_free(&answer);
	(void)state;
}

#define BOMB_ROWS 200

/* Every term that asks, each with as many hosts as may be: a bounded number of questions. */
static void test_bombs(void **state)
{
	static struct table_row rows[BOMB_ROWS];
	static char names[BOMB_ROWS][32];
	size_t count = 0;
	unsigned asked;
	struct spf_answer answer;

	rows[count++] = (struct table_row){ "bomb.test", RECORD_TXT,
					    "v=spf1 mx:m0.test mx:m1.test mx:m2.test mx:m3.test "
					    "mx:m4.test mx:m5.test mx:m6.test mx:m7.test "
					    "mx:m8.test mx:m9.test mx:m9.test +all" };
	for (unsigned i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "m%u.test", i);
		for (unsigned host = 0; host < 10; host++)
			rows[count++] = (struct table_row){ names[i], RECORD_MX, "host.test" };
	}
	rows[count++] = (struct table_row){ "host.test", RECORD_A, "198.51.100.1" };
	/* Terms that come to nothing. */
	rows[count++] = (struct table_row){ "void.test", RECORD_TXT,
					    "v=spf1 a:n1.test a:n2.test a:n3.test +all" };
	/* A record that includes itself, and one that redirects to itself. */
	rows[count++] = (struct table_row){ "loop.test", RECORD_TXT, "v=spf1 include:loop.test" };
	rows[count++] =
		(struct table_row){ "again.test", RECORD_TXT, "v=spf1 redirect=again.test" };
	rows[count++] = (struct table_row){ "over.test", RECORD_TXT, "v=spf1 mx:eleven.test +all" };
	for (unsigned host = 0; host < 11; host++)
		rows[count++] = (struct table_row){ "eleven.test", RECORD_MX, "host.test" };
	assert_true(count < BOMB_ROWS);

	spf_ask_zone(rows, "192.0.2.1", "x@bomb.test", &answer, &asked);
	assert_int_equal(answer.result, PROOF_PERMERROR);
	assert_true(asked <= 1 + SPF_LOOKUPS_MAX * (1 + SPF_HOSTS_MAX));
	spf_answer_free(&answer);
	spf_ask_zone(rows, "192.0.2.1", "x@void.test", &answer, &asked);
	assert_int_equal(answer.result, PROOF_PERMERROR);
	assert_int_equal(asked, 4);
	spf_answer_free(&answer);
	spf_ask_zone(rows, "192.0.2.1", "x@loop.test", &answer, &asked);
	assert_int_equal(answer.result, PROOF_PERMERROR);
	assert_int_equal(asked, 1 + SPF_LOOKUPS_MAX);
	spf_answer_free(&answer);
	spf_ask_zone(rows, "192.0.2.1", "x@again.test", &answer, &asked);
	assert_int_equal(answer.result, PROOF_PERMERROR);
	assert_int_equal(asked, 1 + SPF_LOOKUPS_MAX);
	spf_answer_free(&answer);
	spf_ask_zone(rows, "192.0.2.1", "x@over.test", &answer, &asked);
	assert_int_equal(answer.result, PROOF_PERMERROR);
	assert_int_equal(asked, 2);
	spf_answer_free(&answer);
	(void)state;
}

/* A record is right as a whole, or wrong. */
static void test_long_records(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct spf_record record;
	struct view problem;

	str_append_cstr(&text, "v=spf1");
	while (text.len < SPF_RECORD_MAX - 32)
		str_append_cstr(&text, " ip4:192.0.2.1");
	assert_int_equal(spf_record_parse(str_view(&text), &record, &problem), 0);
	spf_record_free(&record);
	str_append_cstr(&text, " ip4:192.0.2.1 ip4:192.0.2.1 ip4:192.0.2.1");
	assert_true(spf_record_parse(str_view(&text), &record, &problem) < 0);
	spf_record_free(&record);
	assert_true(spf_record_parse(VIEW("v=spf1 \0all"), &record, &problem) < 0);
	spf_record_free(&record);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_explanation_is_one_line),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_long_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

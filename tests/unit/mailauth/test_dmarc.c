/* DMARC: records, the tree walk (RFC 9989 sections 4.10 and appendix B), alignment, verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/check.h"
#include "table_dns.h"

static void test_records(void **state)
{
	static const struct {
		const char *text;
		bool good;
		enum dmarc_policy p, sp, np;
	} records[] = {
		{ "v=DMARC1; p=reject", true, DMARC_P_REJECT, 0, 0 },
		{ "v=DMARC1;p=NONE;sp=quarantine;np=reject;", true, DMARC_P_NONE,
		  DMARC_P_QUARANTINE, DMARC_P_REJECT },
		{ "v = DMARC1 ; p = reject", true, DMARC_P_REJECT, 0, 0 },
		{ "v=DMARC1; x=y; rua=; p=quarantine; pct=0; junk; p=reject", true,
		  DMARC_P_QUARANTINE, 0, 0 },
		{ "v=dmarc1; p=reject", false, 0, 0, 0 },
		{ "p=reject; v=DMARC1", false, 0, 0, 0 },
		{ "v=DMARC10; p=reject", false, 0, 0, 0 },
		{ "v=DMARC1", false, 0, 0, 0 },
		{ "v=DMARC1; p=rejct", false, 0, 0, 0 },
		{ "v=DMARC1; p=rejct; rua=mailto:a@b.test", true, DMARC_P_NONE, 0, 0 },
		{ "v=DMARC1; p=rejct; sp=reject; rua=ftp://b.test", false, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		struct dmarc_record record;

		assert_int_equal(dmarc_record_parse(view_of(records[i].text), &record),
				 records[i].good);
		if (records[i].good) {
			assert_int_equal(record.p, records[i].p);
			assert_int_equal(record.sp, records[i].sp);
			assert_int_equal(record.np, records[i].np);
		}
		dmarc_record_free(&record);
	}
	(void)state;
}

static const struct table_row zone[] = {
	{ "_dmarc.example.com", RECORD_TXT, "v=DMARC1; p=reject; sp=quarantine; np=none" },
	{ "example.com", RECORD_A, "192.0.2.1" },
	{ "a.b.example.com", RECORD_A, "192.0.2.1" },
	{ "_dmarc.own.example.com", RECORD_TXT, "v=DMARC1; p=none; aspf=s; adkim=s" },
	{ "_dmarc.unit.example.com", RECORD_TXT, "v=DMARC1; p=reject; psd=n" },
	/* A public suffix with a policy of its own. */
	{ "_dmarc.suffix.test", RECORD_TXT, "v=DMARC1; p=none; np=reject; psd=y" },
	{ "_dmarc.with.suffix.test", RECORD_TXT, "v=DMARC1; p=quarantine" },
	{ "none.suffix.test", RECORD_A, "192.0.2.1" },
	/* Two records are none. */
	{ "_dmarc.two.test", RECORD_TXT, "v=DMARC1; p=reject" },
	{ "_dmarc.two.test", RECORD_TXT, "v=DMARC1; p=none" },
	{ "_dmarc.two.test", RECORD_TXT, "v=spf1 -all" },
	{ "_dmarc.down.test", RECORD_TXT, "FAIL" },
	{ "_dmarc.testing.test", RECORD_TXT, "v=DMARC1; p=reject; t=y" },
	{ "_dmarc.deep.test", RECORD_TXT, "v=DMARC1; p=reject" },
	{ "_dmarc.mail.deep.test", RECORD_TXT, "v=DMARC1; p=none" },
	{ 0 },
};

static void expect_walk(const char *name, const char *organization, const char *owner,
			unsigned questions)
{
	struct table_dns table = { .rows = zone };
	struct dns_source dns = table_source(&table);
	struct dmarc_tree tree = { .dns = &dns };
	struct dmarc_walk walk;

	dmarc_tree_walk(&tree, view_of(name), &walk);
	assert_string_equal(str_cstr(&walk.organization), organization);
	assert_string_equal(walk.record != NULL ? str_cstr(&walk.owner) : "", owner);
	assert_int_equal(table.asked, questions);
	dmarc_walk_free(&walk);
	/* Each name is asked for once. */
	dmarc_tree_walk(&tree, view_of(name), &walk);
	assert_int_equal(table.asked, questions);
	dmarc_walk_free(&walk);
	dmarc_tree_free(&tree);
}

static void test_walks(void **state)
{
	expect_walk("example.com", "example.com", "example.com", 2);
	expect_walk("a.b.example.com", "example.com", "example.com", 4);
	expect_walk("own.example.com", "example.com", "own.example.com", 3);
	expect_walk("x.unit.example.com", "unit.example.com", "unit.example.com", 2);
	expect_walk("nothing.test", "nothing.test", "", 2);
	expect_walk("a.with.suffix.test", "with.suffix.test", "with.suffix.test", 3);
	expect_walk("a.none.suffix.test", "none.suffix.test", "suffix.test", 3);
	expect_walk("suffix.test", "suffix.test", "suffix.test", 1);
	expect_walk("a.two.test", "a.two.test", "", 3);
	expect_walk("x.mail.deep.test", "deep.test", "deep.test", 4);
	/* RFC 9989 4.10: the name itself, then its last seven labels and up. */
	expect_walk("a.b.c.d.e.f.g.h.i.j.mail.deep.test", "deep.test", "deep.test", 8);
	(void)state;
}

/* ---- verdicts ---- */

struct expected {
	const char *from, *mailfrom;
	const char *result, *policy, *disposition;
};

/* SPF passes for MAIL FROM of any domain; there is no DKIM. */
static void spf_of(const char *mailfrom, struct spf_answer *spf)
{
	*spf = (struct spf_answer){ .result = PROOF_PASS };
	str_append_cstr(&spf->identity_domain, mailfrom);
}

static void expect_verdict(const struct expected *e)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct table_dns table = { .rows = zone };
	struct dns_source dns = table_source(&table);
	struct author author;
	struct spf_answer spf;
	struct dmarc_question question = { .author = &author, .spf = &spf, .dns = &dns };
	struct dmarc_answer answer;

	spf_of(e->mailfrom, &spf);
	str_printf(&header, "From: %s\r\n", e->from);
	author_read(str_view(&header), &author);
	dmarc_check(&question, &answer);
	if (strcmp(proof_word(answer.result), e->result) != 0 ||
	    strcmp(dmarc_policy_word(answer.policy), e->policy) != 0 ||
	    strcmp(dmarc_policy_word(answer.disposition), e->disposition) != 0)
		fail_msg("%s by %s: %s %s %s\n%s", e->from, e->mailfrom, proof_word(answer.result),
			 dmarc_policy_word(answer.policy), dmarc_policy_word(answer.disposition),
			 str_cstr(&answer.steps));
	dmarc_answer_free(&answer);
	spf_answer_free(&spf);
	author_free(&author);
}

static void test_verdicts(void **state)
{
	static const struct expected table[] = {
		{ "x@example.com", "example.com", "pass", "reject", "none" },
		{ "x@example.com", "bounce.example.com", "pass", "reject", "none" },
		{ "x@a.b.example.com", "c.example.com", "pass", "quarantine", "none" },
		{ "x@example.com", "other.test", "fail", "reject", "reject" },
		{ "x@a.b.example.com", "other.test", "fail", "quarantine", "quarantine" },
		{ "x@nosuch.example.com", "other.test", "fail", "none", "none" },
		{ "x@own.example.com", "example.com", "fail", "none", "none" },
		{ "x@own.example.com", "own.example.com", "pass", "none", "none" },
		/* psd=n: another organization than the one above it (OpenDMARC#433). */
		{ "x@unit.example.com", "example.com", "fail", "reject", "reject" },
		{ "x@example.com", "unit.example.com", "fail", "reject", "reject" },
		{ "x@none.suffix.test", "other.suffix.test", "fail", "none", "none" },
		{ "x@nosuch.suffix.test", "other.suffix.test", "fail", "reject", "reject" },
		{ "x@nothing.test", "nothing.test", "none", "none", "none" },
		{ "x@two.test", "other.test", "none", "none", "none" },
		{ "x@down.test", "other.test", "temperror", "none", "none" },
		/* A stranger's name server that does not answer makes nothing unsure. */
		{ "x@example.com", "down.test", "fail", "reject", "reject" },
		{ "x@example.com", "notexample.com", "fail", "reject", "reject" },
		{ "x@testing.test", "other.test", "fail", "reject", "quarantine" },
		/* Several authors: the strictest of those that are not proven. */
		{ "x@other.test, y@example.com", "other.test", "fail", "reject", "reject" },
		{ "x@example.com, y@deep.test", "example.com", "fail", "reject", "reject" },
		{ "x@own.example.com, y@example.com", "example.com", "fail", "none", "none" },
		/* Nothing is proven of what can be read in two ways. */
		{ "<x@example.com>y@other.test", "example.com", "fail", "reject", "reject" },
		{ "<x@nothing.test>y@other.test", "nothing.test", "permerror", "none", "none" },
		{ "Joe", "example.com", "permerror", "none", "none" },
		/* Nobody hides after more domains than are looked at. */
		{ "x@a.test, x@b.test, x@c.test, x@d.test, x@e.test, x@example.com", "a.test",
		  "fail", "none", "reject" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect_verdict(&table[i]);
	(void)state;
}

/* Of HELO nothing counts, and nothing of what did not pass (CVE-2019-20790). */
static void test_spf_that_does_not_count(void **state)
{
	struct table_dns table = { .rows = zone };
	struct dns_source dns = table_source(&table);
	struct mail_question question = {
		.ip = VIEW("192.0.2.1"),
		.helo = VIEW("example.com"),
		.sender = VIEW("x@other.test"),
		.dns = &dns,
	};
	struct mail_check *check = mail_check_new(&question, VIEW("From: x@example.com\r\n"));

	mail_check_finish(check);
	assert_int_equal(check->dmarc.result, PROOF_FAIL);
	mail_check_free(check);
	(void)state;
}

static void test_suffix_list(void **state)
{
	struct suffix_list *list = suffix_list_new();

	assert_non_null(list);
	assert_true(
		view_is(suffix_list_registered(list, VIEW("a.b.example.co.uk")), "example.co.uk"));
	assert_true(view_is(suffix_list_registered(list, VIEW("a.example.com")), "example.com"));
	assert_true(view_is(suffix_list_registered(list, VIEW("co.uk")), "co.uk"));
	suffix_list_free(list);
	(void)state;
}

/* Many signatures of many deep domains: a bounded number of questions. */
static void test_bounds(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct table_dns table = { .rows = zone };
	struct dns_source dns = table_source(&table);
	struct mail_question question = { .ip = VIEW("192.0.2.1"),
					  .sender = VIEW("x@y.test"),
					  .dns = &dns };
	struct mail_check *check;

	for (int i = 0; i < 500; i++)
		str_printf(&header,
			   "DKIM-Signature: v=1; a=rsa-sha256; d=a.b.c.d.e.f.g%d.h.i.j.test; s=x; "
			   "h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; "
			   "c=relaxed/relaxed; "
			   "b=AAAA\r\n",
			   i);
	str_append_cstr(&header, "From: ");
	for (int i = 0; i < 100; i++)
		str_printf(&header, "%sx@a.b.c.d.e.f.g.h%d.test", i > 0 ? "," : "", i);
	str_append_cstr(&header, "\r\n");
	check = mail_check_new(&question, str_view(&header));
	mail_check_finish(check);
	assert_true(table.asked <= MAIL_CHECK_QUESTIONS);
	assert_int_equal(check->author.state, AUTHOR_MALFORMED);
	mail_check_free(check);
	(void)state;
}

struct asked {
	struct table_dns table;
	struct str names; /* a line each */
};

static void ask_and_note(void *context, struct view name, enum record_type type,
			 struct records *records)
{
	struct asked *asked = context;

	str_append(&asked->names, name);
	str_append_byte(&asked->names, '\n');
	table_ask(&asked->table, name, type, records);
}

/* What DMARC needs is asked first, the author's keys before others': the rest may be slow. */
static void test_order_of_questions(void **state)
{
	static const char header[] =
		"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; "
		"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\r\n"
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; "
		"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\r\n"
		"From: <x@first.test>, <x@example.com>\r\n";
	struct asked asked = { .table = { .rows = zone } };
	struct dns_source dns = { ask_and_note, &asked };
	struct mail_question question = { .ip = VIEW("192.0.2.1"),
					  .helo = VIEW("helo.test"),
					  .sender = VIEW("x@y.test"),
					  .dns = &dns };
	struct mail_check *check = mail_check_new(&question, view_of(header));

	mail_check_finish(check);
	assert_string_equal(str_cstr(&asked.names), "y.test\n"
						    "x._domainkey.example.com\n"
						    "x._domainkey.other.test\n"
						    "_dmarc.first.test\n"
						    "_dmarc.test\n"
						    "_dmarc.example.com\n"
						    "_dmarc.com\n"
						    "192.0.2.1\n"
						    "helo.test\n");
	mail_check_free(check);
	str_free(&asked.names);
	(void)state;
}

/* A DNS where each question costs so many seconds of a message's time. */
struct slow {
	struct table_dns table;
	struct mail_check *check;
	msec_t cost;
};

static void ask_slowly(void *context, struct view name, enum record_type type,
		       struct records *records)
{
	struct slow *slow = context;

	slow->check->deadline -= slow->cost;
	table_ask(&slow->table, name, type, records);
}

/* Slow name servers of a stranger's take the time of their own message, and end there. */
static void test_slow(void **state)
{
	static const char header[] =
		"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; "
		"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\r\n"
		"From: <x@example.com>\r\n";
	static const struct {
		msec_t cost;
		unsigned asked;
		enum proof dmarc;
	} rows[] = {
		/* SPF and DKIM have all the time there is before the policy; that is asked for all the same. */
		{ MAIL_CHECK_TIME - MAIL_CHECK_POLICY_TIME + 1, 2, PROOF_TEMPERROR },
		{ MAIL_CHECK_TIME + 1, 1, PROOF_TEMPERROR },
		{ MAIL_CHECK_TIME / 10, 10, PROOF_FAIL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct slow slow = { .table = { .rows = zone }, .cost = rows[i].cost };
		struct dns_source dns = { ask_slowly, &slow };
		struct mail_question question = { .ip = VIEW("192.0.2.1"),
						  .helo = VIEW("helo.test"),
						  .sender = VIEW("x@y.test"),
						  .dns = &dns };

		slow.check = mail_check_new(&question, view_of(header));
		mail_check_finish(slow.check);
		if (slow.table.asked > rows[i].asked || slow.table.asked == 0)
			fail_msg("%zu: %u questions", i, slow.table.asked);
		assert_int_equal(slow.check->dmarc.result, rows[i].dmarc);
		mail_check_free(slow.check);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_spf_that_does_not_count),
		cmocka_unit_test(test_suffix_list),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_order_of_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

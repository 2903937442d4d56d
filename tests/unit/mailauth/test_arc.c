/* ARC: chains of our own seals, and what breaks them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/arc.h"
#include "table_dns.h"

/* The Ed25519 key of RFC 8463 appendix A. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			      "-----END PRIVATE KEY-----\n";
static const struct table_row keys[] = {
	{ "s._domainkey.sealer.test", RECORD_TXT,
	  "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" },
	{ 0 },
};
static const struct table_row *answers = keys;
#define FIELDS "From: a@legit.test\r\nTo: b@other.test\r\nSubject: hello\r\n"
#define BODY   "text\r\n"

/* Puts one more set in front of the header. */
static int seal(struct str *header, const char *body, enum proof chain)
{
	_cleanup_(private_key_freep) struct private_key *key =
		private_key_read(view_of(key_pem), NULL);
	_cleanup_(field_set_freep) struct field_set *fields = field_set_new(str_view(header));
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct canon_bodies bodies = { 0 };
	struct canon_body *hashed = canon_bodies_need(&bodies, CANON_RELAXED, UINT64_MAX);
	struct signing signing = {
		.domain = VIEW("sealer.test"),
		.selector = VIEW("s"),
		.algorithm = ALGORITHM_ED25519_SHA256,
		.time = 1700000000,
		.make = private_key_sign,
		.context = key,
	};
	int r;

	canon_bodies_feed(&bodies, view_of(body));
	canon_bodies_end(&bodies);
	r = arc_seal(&signing, fields, canon_body_digest(hashed), VIEW("mx.test; dmarc=pass"),
		     chain, &out);
	canon_bodies_free(&bodies);
	str_append(&out, str_view(header));
	str_set(header, str_view(&out));
	return r;
}

static void expect_chain(struct view header, const char *body, enum proof result, uint32_t oldest,
			 const char *reason)
{
	_cleanup_(field_set_freep) struct field_set *fields = field_set_new(header);
	struct table_dns table = { .rows = answers };
	struct dns_source dns = table_source(&table);
	struct canon_bodies bodies = { 0 };
	struct arc_check *check = arc_check_new(fields, &bodies);
	_cleanup_(str_free) struct str why = STR_EMPTY;

	canon_bodies_feed(&bodies, view_of(body));
	canon_bodies_end(&bodies);
	arc_check_finish(check, &dns, 1700000000);
	str_append(&why, arc_check_reason(check));
	if (arc_check_result(check) != result || strstr(str_cstr(&why), reason) == NULL)
		fail_msg("%d, %s\n%.*s", (int)arc_check_result(check), str_cstr(&why),
			 VIEW_ARG(header));
	if (result == PROOF_PASS)
		assert_int_equal(arc_check_oldest_pass(check), oldest);
	arc_check_free(check);
	canon_bodies_free(&bodies);
}

static void test_chain(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;

	str_append_cstr(&header, FIELDS);
	expect_chain(str_view(&header), BODY, PROOF_NONE, 0, "");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(seal(&header, BODY, i == 0 ? PROOF_NONE : PROOF_PASS), 0);
		expect_chain(str_view(&header), BODY, PROOF_PASS, 0, "");
	}
	expect_chain(str_view(&header), "other\r\n", PROOF_FAIL, 0, "body");
	(void)state;
}

/* Changed between two seals: the chain holds, the older signature does not. */
static void test_oldest(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;

	str_append_cstr(&header, FIELDS);
	seal(&header, BODY, PROOF_NONE);
	seal(&header, BODY "footer\r\n", PROOF_PASS);
	expect_chain(str_view(&header), BODY "footer\r\n", PROOF_PASS, 2, "");
	(void)state;
}

static void test_broken(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY, again = STR_EMPTY;

	str_append_cstr(&header, FIELDS);
	seal(&header, BODY, PROOF_NONE);
	seal(&header, BODY, PROOF_FAIL);
	expect_chain(str_view(&header), BODY, PROOF_FAIL, 0, "cv=fail");
	/* Nobody seals on top of it. */
	assert_true(seal(&header, BODY, PROOF_FAIL) < 0);
	/* A chain that begins with pass, and one whose second says none. */
	str_append_cstr(&again, FIELDS);
	seal(&again, BODY, PROOF_PASS);
	expect_chain(str_view(&again), BODY, PROOF_FAIL, 0, "cv=");
	str_set(&again, VIEW(FIELDS));
	seal(&again, BODY, PROOF_NONE);
	seal(&again, BODY, PROOF_NONE);
	expect_chain(str_view(&again), BODY, PROOF_FAIL, 0, "cv=");
	(void)state;
}

/* `from` in a chain of two becomes `to`, in its first place. */
static void test_edits(void **state)
{
	static const struct {
		const char *from, *to, *reason;
	} edits[] = {
		{ "ARC-Seal: i=2", "ARC-Seal: i=3", "numbered" },
		{ "ARC-Seal: i=2", "ARC-Seal: i=1", "numbered" },
		{ "ARC-Seal: i=2", "ARC-Seal: i=0", "numbered" },
		{ "ARC-Seal: i=2", "X-Seal: i=2", "complete" },
		{ "ARC-Message-Signature: i=2", "X-Signature: i=2", "complete" },
		{ "ARC-Authentication-Results: i=2", "X-Results: i=2", "complete" },
		{ "ARC-Authentication-Results: i=2", "ARC-Authentication-Results: i=1",
		  "numbered" },
		{ "ARC-Authentication-Results: i=2; mx.test; dmarc=pass",
		  "ARC-Authentication-Results: i=2; mx.test; dmarc=fail", "seal 2" },
		{ "ARC-Authentication-Results: i=1; mx.test; dmarc=pass",
		  "ARC-Authentication-Results: i=1; mx.test; dmarc=fail", "seal 2" },
		{ "Subject: hello", "Subject: other", "signature 2" },
		{ "a=ed25519-sha256; t=", "t=", "a=" },
		{ "cv=pass;", "cv=pass; cv=pass;", "numbered" },
		{ "cv=pass;", "cv=pass; h=from;", "h=" },
		{ "cv=pass;", "", "cv=" },
		{ "\tb=", "\tb=; x=", "b=" },
		{ "h=from:", "h=arc-seal:from:", "ARC" },
	};
	_cleanup_(str_free) struct str header = STR_EMPTY;

	str_append_cstr(&header, FIELDS);
	seal(&header, BODY, PROOF_NONE);
	seal(&header, BODY, PROOF_PASS);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		_cleanup_(str_free) struct str changed = STR_EMPTY;
		size_t at = view_find(str_view(&header), view_of(edits[i].from));

		assert_true(at != VIEW_NOT_FOUND);
		str_append(&changed, view_first(str_view(&header), at));
		str_append_cstr(&changed, edits[i].to);
		str_append(&changed, view_from(str_view(&header), at + strlen(edits[i].from)));
		expect_chain(str_view(&changed), BODY, PROOF_FAIL, 0, edits[i].reason);
	}
	(void)state;
}

static void test_many_sets(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;

	for (int i = 1; i <= 60; i++)
		str_printf(&header,
			   "ARC-Seal: i=%d; cv=none\r\nARC-Message-Signature: i=%d\r\n"
			   "ARC-Authentication-Results: i=%d; x; none\r\n",
			   i, i, i);
	expect_chain(str_view(&header), BODY, PROOF_FAIL, 0, "more than 50");
	str_set(&header, VIEW(FIELDS));
	for (int i = 0; i < ARC_SETS_MAX; i++)
		assert_int_equal(seal(&header, BODY, i == 0 ? PROOF_NONE : PROOF_PASS), 0);
	expect_chain(str_view(&header), BODY, PROOF_PASS, 0, "");
	assert_true(seal(&header, BODY, PROOF_PASS) < 0);
	(void)state;
}

/* What the DNS does not answer is no broken chain, and nobody seals it as one. */
static void test_no_answer(void **state)
{
	static const struct table_row down[] = {
		{ "s._domainkey.sealer.test", RECORD_TXT, "FAIL" },
		{ 0 },
	};
	_cleanup_(str_free) struct str header = STR_EMPTY;

	str_append_cstr(&header, FIELDS);
	assert_int_equal(seal(&header, BODY, PROOF_NONE), 0);
	answers = down;
	expect_chain(str_view(&header), BODY, PROOF_TEMPERROR, 0, "signature 1");
	/* A body that is another one is known without the DNS. */
	expect_chain(str_view(&header), "other\r\n", PROOF_FAIL, 0, "body");
	answers = keys;
	assert_int_equal(seal(&header, BODY, PROOF_TEMPERROR), -EAGAIN);
	expect_chain(str_view(&header), BODY, PROOF_PASS, 0, "");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),	  cmocka_unit_test(test_oldest),
		cmocka_unit_test(test_no_answer), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_edits),	  cmocka_unit_test(test_many_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

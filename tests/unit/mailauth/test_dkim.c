/* DKIM: the RFCs' examples, what must not pass, and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/dkim.h"
#include "table_dns.h"

/* RFC 8463 appendix A */
#define SIGNED_TIME 1528637909
#define FIRST_FIELD                                                                                \
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"                            \
	" d=football.example.com; i=@football.example.com;\r\n"                                    \
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"                                  \
	" subject : date : message-id : from : subject : date;\r\n"                                \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                    \
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"                          \
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
#define SECOND_FIELD                                                                               \
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"                                \
	" d=football.example.com; i=@football.example.com;\r\n"                                    \
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"                            \
	" date : message-id : from : subject : date;\r\n"                                          \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                    \
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"                          \
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"                          \
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
#define FIELDS                                                                                     \
	"From: Joe SixPack <joe@football.example.com>\r\n"                                         \
	"To: Suzie Q <suzie@shopping.example.net>\r\n"                                             \
	"Subject: Is dinner ready?\r\n"                                                            \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                          \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
#define BODY	       "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
#define ED25519_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RSA_RECORD                                                                                 \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08"   \
	"a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM"  \
	"3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

static const struct table_row keys[] = {
	{ "brisbane._domainkey.football.example.com", RECORD_TXT, ED25519_RECORD },
	{ "test._domainkey.football.example.com", RECORD_TXT, RSA_RECORD },
	{ 0 },
};

/* A message verified: the results of its signatures. */
struct verified {
	struct field_set *fields;
	struct canon_bodies bodies;
	struct dkim_check *check;
	unsigned asked;
};

static void verify(struct verified *v, struct view header, struct view body,
		   const struct table_row *rows, int64_t now)
{
	static const struct author author = {
		.domains = { { .data = (char *)"football.example.com", .len = 20 } },
		.count = 1,
	};
	struct table_dns table = { .rows = rows };
	struct dns_source dns = table_source(&table);

	*v = (struct verified){ .fields = field_set_new(header) };
	v->check = dkim_check_new(v->fields, &author, &v->bodies);
	canon_bodies_feed(&v->bodies, body);
	canon_bodies_end(&v->bodies);
	dkim_check_finish(v->check, &dns, now);
	v->asked = table.asked;
}

static void verified_free(struct verified *v)
{
	dkim_check_free(v->check);
	canon_bodies_free(&v->bodies);
	field_set_free(v->fields);
}

/* The result of the first signature. */
static void verify_expect(struct view header, struct view body, const struct table_row *rows,
			  int64_t now, const char *result, const char *reason)
{
	struct verified v;
	const struct signature *s;

	verify(&v, header, body, rows, now);
	assert_true(dkim_check_count(v.check) > 0);
	s = dkim_check_at(v.check, 0);
	if (strcmp(proof_word(s->result), result) != 0 ||
	    strstr(str_cstr(&s->reason), reason) == NULL)
		fail_msg("expected %s, %s; got %s, %s\n%.*s", result, reason, proof_word(s->result),
			 str_cstr(&s->reason), VIEW_ARG(header));
	verified_free(&v);
}

static void test_examples(void **state)
{
	struct verified v;

	verify(&v, VIEW(FIRST_FIELD SECOND_FIELD FIELDS "\r\n"), VIEW(BODY), keys, SIGNED_TIME);
	assert_int_equal(dkim_check_count(v.check), 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(dkim_check_at(v.check, i)->result, PROOF_PASS);
	assert_int_equal(dkim_check_at(v.check, 1)->key_bits, 1024);
	assert_string_equal(str_cstr(&dkim_check_at(v.check, 0)->domain), "football.example.com");
	assert_int_equal(v.bodies.count, 1);
	verified_free(&v);
	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY "more\r\n"), keys, SIGNED_TIME,
		      "fail", "body");
	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY "\r\n\r\n"), keys, SIGNED_TIME,
		      "pass", "");
	(void)state;
}

/* `from` in the example's first signature becomes `to`. */
static void expect_edited(const char *from, struct view to, const char *result, const char *reason)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct view text = VIEW(FIRST_FIELD FIELDS "\r\n");
	size_t at = view_find(text, view_of(from));

	assert_true(at != VIEW_NOT_FOUND);
	str_append(&header, view_first(text, at));
	str_append(&header, to);
	str_append(&header, view_from(text, at + strlen(from)));
	verify_expect(str_view(&header), VIEW(BODY), keys, SIGNED_TIME, result, reason);
}

static void test_tags(void **state)
{
	static const struct {
		const char *from, *to, *result, *reason;
	} edits[] = {
		{ "v=1;", "v=2;", "permerror", "v=" },
		{ "v=1;", "", "permerror", "v= is missing" },
		{ "v=1;", "v=1; v=1;", "permerror", "twice" },
		{ "a=ed25519-sha256", "a=rsa-sha1", "permerror", "8301" },
		{ "a=ed25519-sha256", "a=ed25519-sha512", "permerror", "a=" },
		{ "a=ed25519-sha256", "a=rsa-sha256", "permerror", "not for rsa-sha256" },
		{ "c=relaxed/relaxed", "c=loose", "permerror", "c=" },
		{ "c=relaxed/relaxed", "c=relaxed", "fail", "body" },
		{ " d=football.example.com;", " ", "permerror", "d= is missing" },
		{ " d=football.example.com;", " d=example.com'a.test;", "permerror", "d=" },
		{ " d=football.example.com;", " d=-;", "permerror", "" },
		{ "i=@football.example.com", "i=@example.com", "permerror", "i=" },
		{ "i=@football.example.com", "i=@evilfootball.example.com", "permerror", "i=" },
		{ "i=@football.example.com", "i=x@FOOTBALL.example.com", "fail", "match" },
		{ "q=dns/txt", "q=carrier/pigeon", "permerror", "q=" },
		{ "q=dns/txt", "l=10", "fail", "body" },
		{ "q=dns/txt", "l=9999", "permerror", "l=" },
		{ "q=dns/txt", "l=-1", "permerror", "l=" },
		{ "q=dns/txt", "x=1528637909", "permerror", "x=" },
		{ "q=dns/txt", "unknown=tag", "fail", "match" },
		{ "s=brisbane", "s=nosuch", "permerror", "no key" },
		{ "s=brisbane", "s=a b", "permerror", "s=" },
		{ "s=brisbane", "s=..", "permerror", "s=" },
		{ "h=from : to", "h=x : to", "fail", "match" },
		{ "message-id : from : subject", "message-id : : subject", "permerror", "h=" },
		{ "bh=2jUSOH9N", "bh=3jUSOH9N", "fail", "body" },
		{ "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "bh=2jUSOH9N", "permerror",
		  "bh=" },
		{ "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "bh=", "permerror", "bh=" },
		{ "b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus", "b=/", "permerror",
		  "b=" },
		{ "b=/gCrinp", "b=AgCrinp", "fail", "match" },
		{ "From: Joe", "From: Jim", "fail", "match" },
		{ "From: Joe", "FROM:   Joe", "pass", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(edits); i++)
		expect_edited(edits[i].from, view_of(edits[i].to), edits[i].result,
			      edits[i].reason);
	/* A NUL in a name for the DNS (espoofer a3). */
	expect_edited("s=brisbane", VIEW("s=brisbane\0.x"), "permerror", "bytes");
	(void)state;
}

static void test_time(void **state)
{
	static const char expiring[] = "q=dns/txt; x=1528637999";

	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), keys, SIGNED_TIME - 301,
		      "neutral", "future");
	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), keys, SIGNED_TIME - 300, "pass",
		      "");
	expect_edited("q=dns/txt", view_of(expiring), "fail", "match");
	(void)state;
}

/* ---- keys ---- */

static void expect_key(const char *record, const char *result, const char *reason)
{
	const struct table_row rows[] = {
		{ "brisbane._domainkey.football.example.com", RECORD_TXT, record },
		{ 0 },
	};

	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), rows, SIGNED_TIME, result,
		      reason);
}

static void test_keys(void **state)
{
	static const struct table_row two[] = {
		{ "brisbane._domainkey.football.example.com", RECORD_TXT, ED25519_RECORD },
		{ "brisbane._domainkey.football.example.com", RECORD_TXT, ED25519_RECORD },
		{ 0 },
	};
	static const char p[] = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	static const struct {
		const char *front, *result, *reason;
	} records[] = {
		{ "k=ed25519; ", "pass", "" },
		{ "v=DKIM1;; k=ed25519; h=sha1:sha256; s=x:email; n=note; g=x; ", "pass", "" },
		{ "k=ed25519; s=*:foo; t=y; ", "pass", "" },
		{ "", "permerror", "" },
		{ "k=ed25519; v=DKIM1; ", "permerror", "DKIM1" },
		{ "v=DKIM2; k=ed25519; ", "permerror", "DKIM1" },
		{ "k=ed25519; h=sha1; ", "permerror", "sha256" },
		{ "k=ed25519; s=web; ", "permerror", "mail" },
		{ "k=dsa; ", "permerror", "unknown" },
		{ "k=ed25519; t=s; ", "pass", "" },
		{ "v=DKIM1; k=ed25519; k=rsa; ", "permerror", "tags" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		char text[256];

		snprintf(text, sizeof(text), "%s%s", records[i].front, p);
		expect_key(text, records[i].result, records[i].reason);
	}
	expect_key("v=DKIM1; k=ed25519; p=", "permerror", "revoked");
	expect_key("v=DKIM1; k=ed25519", "permerror", "p=");
	expect_key("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7Ty WQHOg7hcvPapi\r\n\tMlrwIaaPcHURo=",
		   "pass", "");
	expect_key("v=DKIM1; k=ed25519; p=AAAA", "permerror", "p=");
	expect_key("", "permerror", "");
	expect_key("FAIL", "temperror", "DNS");
	verify_expect(VIEW(FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), two, SIGNED_TIME, "permerror",
		      "more than one");
	(void)state;
}

/* t=s: i= must not be below d=. */
static void test_strict_key(void **state)
{
	static const struct table_row rows[] = {
		{ "brisbane._domainkey.football.example.com", RECORD_TXT,
		  "k=ed25519; t=y:s; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" },
		{ 0 },
	};
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct view text = VIEW(FIRST_FIELD FIELDS "\r\n");
	size_t at = view_find(text, VIEW("i=@")) + 3;

	str_append(&header, view_first(text, at));
	str_append_cstr(&header, "sub.");
	str_append(&header, view_from(text, at));
	verify_expect(str_view(&header), VIEW(BODY), rows, SIGNED_TIME, "permerror", "t=s");
	(void)state;
}

/* An RSA key of so many bits, as the older form has it; not a key that anybody could sign with. */
static void rsa_record(unsigned bits, struct str *record)
{
	_cleanup_(str_free) struct str der = STR_EMPTY;
	size_t bytes = bits / 8;
	static const char exponent[] = "\2\3\1\0\1";

	str_append_byte(&der, '\x30');
	str_append_byte(&der, '\x82');
	str_append_byte(&der, (char)((bytes + 10) >> 8));
	str_append_byte(&der, (char)((bytes + 10) & 0xff));
	str_append_byte(&der, '\2');
	str_append_byte(&der, '\x82');
	str_append_byte(&der, (char)((bytes + 1) >> 8));
	str_append_byte(&der, (char)((bytes + 1) & 0xff));
	str_append_byte(&der, '\0');
	for (size_t i = 0; i < bytes; i++)
		str_append_byte(&der, '\xc5');
	str_append(&der, view_make(exponent, 5));
	str_append_cstr(record, "v=DKIM1; p=");
	base64_encode(record, str_view(&der));
}

static void test_key_sizes(void **state)
{
	static const struct {
		unsigned bits;
		const char *result, *reason;
	} sizes[] = {
		{ 512, "policy", "less than 1024" },
		{ 1024, "fail", "match" },
		{ 4096, "fail", "match" },
		{ 16384, "policy", "more than 4096" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_(str_free) struct str record = STR_EMPTY;
		struct table_row rows[2] = {
			{ "test._domainkey.football.example.com", RECORD_TXT, NULL }, { 0 }
		};

		rsa_record(sizes[i].bits, &record);
		rows[0].value = str_cstr(&record);
		verify_expect(VIEW(SECOND_FIELD FIELDS "\r\n"), VIEW(BODY), rows, SIGNED_TIME,
			      sizes[i].result, sizes[i].reason);
	}
	(void)state;
}

/* ---- what a signature does not cover ---- */

static void test_added_copies(void **state)
{
	/* Subject is named twice in h=, so a second one changes what was signed; To once. */
	verify_expect(VIEW("Subject: other\r\n" FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), keys,
		      SIGNED_TIME, "fail", "match");
	verify_expect(VIEW("To: other@example.net\r\n" FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), keys,
		      SIGNED_TIME, "policy", "second To");
	/* What was never signed may come as often as it likes. */
	verify_expect(VIEW("X-A: 1\r\nX-A: 2\r\n" FIRST_FIELD FIELDS "\r\n"), VIEW(BODY), keys,
		      SIGNED_TIME, "pass", "");
	(void)state;
}

/* ---- signing ---- */

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			      "-----END PRIVATE KEY-----\n";

static void sign_example(struct view header, struct view body, uint64_t length, struct str *out)
{
	_cleanup_(private_key_freep) struct private_key *key =
		private_key_read(view_of(key_pem), NULL);
	_cleanup_(field_set_freep) struct field_set *fields = field_set_new(header);
	struct canon_bodies bodies = { 0 };
	struct canon_body *hashed = canon_bodies_need(&bodies, CANON_SIMPLE, length);
	struct signing signing = {
		.domain = VIEW("football.example.com"),
		.selector = VIEW("brisbane"),
		.algorithm = ALGORITHM_ED25519_SHA256,
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_SIMPLE,
		.time = SIGNED_TIME,
		.make = private_key_sign,
		.context = key,
	};

	assert_non_null(key);
	canon_bodies_feed(&bodies, body);
	canon_bodies_end(&bodies);
	assert_int_equal(dkim_sign(&signing, fields, canon_body_digest(hashed), out), 0);
	canon_bodies_free(&bodies);
	str_append(out, header);
}

/* The key of RFC 8463 appendix A.2 signs; nobody can add what people would see. */
static void test_signing(void **state)
{
	static const char *const added[] = {
		"From: x@y.test\r\n",	  "Subject: other\r\n", "Content-Type: text/html\r\n",
		"Reply-To: x@y.test\r\n", "Cc: x@y.test\r\n",	"MIME-Version: 1.0\r\n"
	};
	_cleanup_(str_free) struct str message = STR_EMPTY;

	sign_example(VIEW(FIELDS "\r\n"), VIEW(BODY), UINT64_MAX, &message);
	verify_expect(str_view(&message), VIEW(BODY), keys, SIGNED_TIME, "pass", "");
	for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
		_cleanup_(str_free) struct str changed = STR_EMPTY;

		str_append_cstr(&changed, added[i]);
		str_append(&changed, str_view(&message));
		verify_expect(str_view(&changed), VIEW(BODY), keys, SIGNED_TIME, "fail", "match");
	}
	(void)state;
}

/* A body of which only a part was signed: the hash is right, and it is not enough. */
static void test_length(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct canon_bodies bodies = { 0 };
	struct field_set *fields = field_set_new(VIEW(FIRST_FIELD FIELDS "\r\n"));
	_cleanup_(str_free) struct str digest = STR_EMPTY;
	struct canon_body *part = canon_bodies_need(&bodies, CANON_RELAXED, 5);
	struct view text = VIEW(FIRST_FIELD FIELDS "\r\n");
	size_t at = view_find(text, VIEW(" bh=")) + 4;
	struct signature s;

	canon_bodies_feed(&bodies, VIEW(BODY));
	canon_bodies_end(&bodies);
	assert_int_equal(canon_body_length(part), sizeof(BODY) - 2); /* two blanks are one */
	base64_encode(&digest, canon_body_digest(part));
	str_append(&header, view_first(text, at));
	str_append(&header, str_view(&digest));
	str_append_cstr(&header, "; l=5;\r\n b=AA==\r\n");
	field_set_free(fields);
	fields = field_set_new(str_view(&header));
	assert_true(signature_read(SIGNATURE_DKIM, &fields->items[0], &s));
	s.body = part;
	assert_true(signature_check_body(&s));
	assert_int_equal(s.length, 5);
	signature_free(&s);
	field_set_free(fields);
	canon_bodies_free(&bodies);
	(void)state;
}

static void test_too_many_fields(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY, names = STR_EMPTY;
	struct field_set *fields;

	for (int i = 0; i < SIGNING_NAMES_MAX; i++)
		str_append_cstr(&header, "References: <x@y>\r\n");
	fields = field_set_new(str_view(&header));
	assert_true(signing_names(fields, &names) < 0);
	field_set_free(fields);
	(void)state;
}

/* ---- volume ---- */

static void test_many_signatures(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct verified v;

	for (int i = 0; i < 500; i++)
		str_append_cstr(&header,
				"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; "
				"bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n");
	str_append(&header, VIEW(FIRST_FIELD FIELDS "\r\n"));
	verify(&v, str_view(&header), VIEW(BODY), keys, SIGNED_TIME);
	assert_int_equal(dkim_check_count(v.check), DKIM_SIGNATURES_MAX);
	assert_int_equal(dkim_check_passed_over(v.check), 501 - DKIM_SIGNATURES_MAX);
	assert_true(v.asked <= DKIM_SIGNATURES_MAX);
	verified_free(&v);

	/* The author's own comes first, wherever it stands. */
	str_clear(&header);
	for (int i = 0; i < 100; i++)
		str_append_cstr(&header, "DKIM-Signature: v=1; d=other.test; s=x\r\n");
	str_append(&header, VIEW(FIRST_FIELD FIELDS "\r\n"));
	verify(&v, str_view(&header), VIEW(BODY), keys, SIGNED_TIME);
	assert_int_equal(dkim_check_at(v.check, DKIM_SIGNATURES_MAX - 1)->result, PROOF_PASS);
	verified_free(&v);
	(void)state;
}

static void test_many_names(void **state)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct verified v;

	str_append_cstr(&header,
			"DKIM-Signature: v=1; a=rsa-sha256; d=football.example.com; s=test; "
			"bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA; h=from");
	for (int i = 0; i < SIGNATURE_NAMES_MAX; i++)
		str_append_cstr(&header, ":a");
	str_append_cstr(&header, "\r\n" FIELDS "\r\n");
	verify(&v, str_view(&header), VIEW(BODY), keys, SIGNED_TIME);
	assert_int_equal(dkim_check_at(v.check, 0)->result, PROOF_PERMERROR);
	assert_int_equal(v.asked, 0);
	verified_free(&v);
	str_clear(&header);
	str_append_cstr(&header, "DKIM-Signature: h=from");
	for (int i = 0; i < 100000; i++)
		str_append_cstr(&header, ":a");
	str_append_cstr(&header, "\r\n\r\n");
	verify(&v, str_view(&header), VIEW(BODY), keys, SIGNED_TIME);
	assert_string_equal(str_cstr(&dkim_check_at(v.check, 0)->reason), "too long");
	verified_free(&v);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_strict_key),
		cmocka_unit_test(test_key_sizes),
		cmocka_unit_test(test_added_copies),
		cmocka_unit_test(test_signing),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

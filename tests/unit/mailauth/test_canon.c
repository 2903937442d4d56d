/* Canonical forms: the examples of RFC 6376 section 3.4.5, empty bodies, pieces of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/canon.h"

static void hash_in_pieces(enum canon canon, struct view text, size_t piece, struct str *digest,
			   uint64_t *length)
{
	struct canon_body *body = canon_body_new(canon, UINT64_MAX);

	for (size_t at = 0; at < text.len; at += piece)
		canon_body_feed(body, view_first(view_from(text, at), piece));
	canon_body_end(body);
	base64_encode(digest, canon_body_digest(body));
	*length = canon_body_length(body);
	canon_body_free(body);
}

/* The canonical body is that text, whatever pieces it comes in. */
static void expect_body(enum canon canon, struct view text, struct view canonical)
{
	_cleanup_(str_free) struct str expected = STR_EMPTY;
	unsigned char digest[CANON_DIGEST_SIZE];

	canon_digest(canonical, digest);
	base64_encode(&expected, view_make(digest, sizeof(digest)));
	for (size_t piece = 1; piece <= text.len + 1; piece++) {
		_cleanup_(str_free) struct str found = STR_EMPTY;
		uint64_t length;

		hash_in_pieces(canon, text, piece, &found, &length);
		assert_string_equal(str_cstr(&found), str_cstr(&expected));
		assert_int_equal(length, canonical.len);
	}
}

static void test_bodies(void **state)
{
	struct view example = VIEW(" C \r\nD \t E\r\n\r\n\r\n");

	expect_body(CANON_SIMPLE, example, VIEW(" C \r\nD \t E\r\n"));
	expect_body(CANON_RELAXED, example, VIEW(" C\r\nD E\r\n"));
	expect_body(CANON_SIMPLE, VIEW(""), VIEW("\r\n"));
	expect_body(CANON_SIMPLE, VIEW("\r\n\r\n"), VIEW("\r\n"));
	expect_body(CANON_RELAXED, VIEW(""), VIEW(""));
	expect_body(CANON_RELAXED, VIEW("\r\n\r\n"), VIEW(""));
	expect_body(CANON_RELAXED, VIEW("  \t\r\n \r\n"), VIEW(""));
	expect_body(CANON_RELAXED, VIEW(" \t \r\nx"), VIEW("\r\nx\r\n"));
	expect_body(CANON_SIMPLE, VIEW("x"), VIEW("x\r\n"));
	expect_body(CANON_SIMPLE, VIEW("x\r"), VIEW("x\r\r\n"));
	expect_body(CANON_RELAXED, VIEW("a\r \r\nb\n"), VIEW("a\r\r\nb\n\r\n"));
	expect_body(CANON_SIMPLE, VIEW("\0\377 \r\n"), VIEW("\0\377 \r\n"));
	(void)state;
}

/* Figures that everybody has. */
static void test_empty_bodies(void **state)
{
	_cleanup_(str_free) struct str simple = STR_EMPTY, relaxed = STR_EMPTY;
	uint64_t length;

	hash_in_pieces(CANON_SIMPLE, VIEW(""), 1, &simple, &length);
	assert_string_equal(str_cstr(&simple), "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
	hash_in_pieces(CANON_RELAXED, VIEW(""), 1, &relaxed, &length);
	assert_string_equal(str_cstr(&relaxed), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
	(void)state;
}

static void test_limits(void **state)
{
	for (uint64_t limit = 0; limit < 12; limit++) {
		struct canon_body *body = canon_body_new(CANON_RELAXED, limit);
		unsigned char digest[CANON_DIGEST_SIZE];

		canon_body_feed(body, VIEW("ab  cd\r\n\r\nef\r\n"));
		canon_body_end(body);
		canon_digest(view_first(VIEW("ab cd\r\n\r\nef\r\n"), limit), digest);
		assert_memory_equal(canon_body_digest(body).data, digest, sizeof(digest));
		assert_int_equal(canon_body_length(body), 13);
		canon_body_free(body);
	}
	(void)state;
}

/* Many words and one long run: what is gathered and what goes by in one piece. */
static void test_long_bodies(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, canonical = STR_EMPTY;
	_cleanup_(str_free) struct str one = STR_EMPTY, expected = STR_EMPTY;
	unsigned char digest[CANON_DIGEST_SIZE];
	uint64_t length;

	for (int i = 0; i < 2000; i++) {
		str_append_cstr(&text, "word  \t word \r\n\r\n\r\n");
		str_append_cstr(&canonical, "word word\r\n\r\n\r\n");
	}
	for (int i = 0; i < 10000; i++) {
		str_append_byte(&text, 'x');
		str_append_byte(&canonical, 'x');
	}
	str_append_cstr(&canonical, "\r\n");
	canon_digest(str_view(&canonical), digest);
	base64_encode(&expected, view_make(digest, sizeof(digest)));
	hash_in_pieces(CANON_RELAXED, str_view(&text), 4097, &one, &length);
	assert_string_equal(str_cstr(&one), str_cstr(&expected));
	assert_int_equal(length, canonical.len);
	(void)state;
}

static void test_fields(void **state)
{
	static const struct {
		const char *field, *relaxed;
	} fields[] = {
		{ "A: X\r\n", "a:X\r\n" },	    { "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
		{ "Subject:\r\n", "subject:\r\n" }, { "SUBJect: \t \r\n", "subject:\r\n" },
		{ "X:a:b", "x:a:b\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		_cleanup_(str_free) struct str relaxed = STR_EMPTY, simple = STR_EMPTY;

		canon_field(CANON_RELAXED, view_of(fields[i].field), &relaxed);
		assert_string_equal(str_cstr(&relaxed), fields[i].relaxed);
		canon_field(CANON_SIMPLE, view_of(fields[i].field), &simple);
		assert_memory_equal(simple.data, fields[i].field, strlen(fields[i].field));
		assert_true(view_ends(str_view(&simple), VIEW("\r\n")));
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies), cmocka_unit_test(test_empty_bodies),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_long_bodies),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

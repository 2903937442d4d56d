#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/mem.h"

typedef int decoder(struct str *out, struct view in);

static void expect(decoder *decode, struct view in, struct view expected)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	assert_int_equal(decode(&out, in), 0);
	assert_true(view_eq(str_view(&out), expected));
}

static void refuse(decoder *decode, struct view in)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	str_append(&out, VIEW("kept"));
	assert_int_equal(decode(&out, in), -EINVAL);
	assert_string_equal(str_cstr(&out), "kept");
}

static void test_base64(void **state)
{
	/* RFC 4648 section 10 */
	static const struct {
		struct view plain, encoded;
	} cases[] = {
		{ VIEW(""), VIEW("") },
		{ VIEW("f"), VIEW("Zg==") },
		{ VIEW("fo"), VIEW("Zm8=") },
		{ VIEW("foo"), VIEW("Zm9v") },
		{ VIEW("foob"), VIEW("Zm9vYg==") },
		{ VIEW("fooba"), VIEW("Zm9vYmE=") },
		{ VIEW("foobar"), VIEW("Zm9vYmFy") },
		{ VIEW("\0user\0\xff\xfe"), VIEW("AHVzZXIA//4=") },
		{ VIEW("\xfb\xef\xbe"), VIEW("++++") },
	};
	static const struct view bad[] = {
		VIEW("Z"),
		VIEW("Zg"),
		VIEW("Zg="),
		VIEW("Zg=a"),
		VIEW("Z==="),
		VIEW("===="),
		VIEW("=Zg="),
		VIEW("Zm9v\n"),
		VIEW("Zm 9v==="),
		VIEW("Zh=="),
		/* bits left over */ VIEW("Zm9="),
		VIEW("Zg==Zg=="),
		VIEW("-_-_"),
		VIEW("Zm9v===="),
		VIEW("Zm9\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		base64_encode(&out, cases[i].plain);
		assert_true(view_eq(str_view(&out), cases[i].encoded));
		expect(base64_decode, cases[i].encoded, cases[i].plain);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(base64_decode, bad[i]);
}

static void test_base64_all_lengths(void **state)
{
	_cleanup_(str_free) struct str plain = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 300; i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		base64_encode(&out, str_view(&plain));
		expect(base64_decode, str_view(&out), str_view(&plain));
		str_append_byte(&plain, (char)(i * 11));
	}
}

static void test_hex(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	hex_encode(&out, VIEW("\0\x7f\xff"));
	assert_string_equal(str_cstr(&out), "007fff");
	expect(hex_decode, VIEW("007fFF"), VIEW("\0\x7f\xff"));
	expect(hex_decode, VIEW(""), VIEW(""));
	refuse(hex_decode, VIEW("0"));
	refuse(hex_decode, VIEW("0g"));
	refuse(hex_decode, VIEW("00 1"));
}

static void test_xtext(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	xtext_encode(&out, VIEW("a+b=c d\x01\xe4~!"));
	assert_string_equal(str_cstr(&out), "a+2Bb+3Dc+20d+01+E4~!");
	expect(xtext_decode, VIEW("a+2Bb+3Dc+20d~!"), VIEW("a+b=c d~!"));
	refuse(xtext_decode, VIEW("a=b"));
	refuse(xtext_decode, VIEW("a b"));
	refuse(xtext_decode, VIEW("a+"));
	refuse(xtext_decode, VIEW("a+2"));
	refuse(xtext_decode, VIEW("a+2G"));
	/* What must not be hidden. */
	refuse(xtext_decode, VIEW("a+0A"));
	refuse(xtext_decode, VIEW("a+00"));
	refuse(xtext_decode, VIEW("a+7F"));
}

static void test_percent(void **state)
{
	(void)state;
	expect(percent_decode, VIEW("a%2fb%2Fc%20%C3%a4+"), VIEW("a/b/c \xc3\xa4+"));
	expect(percent_decode, VIEW(""), VIEW(""));
	refuse(percent_decode, VIEW("a%"));
	refuse(percent_decode, VIEW("a%2"));
	refuse(percent_decode, VIEW("a%2g"));
	refuse(percent_decode, VIEW("a%00"));
}

static void test_secrets(void **state)
{
	(void)state;
	assert_true(secret_equal(VIEW("secret"), VIEW("secret")));
	assert_true(secret_equal(VIEW(""), VIEW("")));
	assert_false(secret_equal(VIEW("secret"), VIEW("secreT")));
	assert_false(secret_equal(VIEW("secret"), VIEW("secrets")));
	assert_false(secret_equal(VIEW("aa"), VIEW("a")));
	assert_false(secret_equal(VIEW("a"), VIEW("")));
	assert_false(secret_equal(VIEW(""), VIEW("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),	cmocka_unit_test(test_base64_all_lengths),
		cmocka_unit_test(test_hex),	cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_percent), cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

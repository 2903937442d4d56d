/* Authentication-Results: nothing that strangers choose gets out of its value, none of theirs stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/authres.h"

static void test_writing(void **state)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct authres results;

	authres_begin(&results, VIEW("mx.test"));
	authres_end(&results);
	authres_append_line(&results, &line);
	assert_string_equal(str_cstr(&line), "mx.test; none");
	authres_free(&results);
	str_clear(&line);

	authres_begin(&results, VIEW("mx.test"));
	authres_method(&results, "spf", "pass", VIEW("all is well"));
	authres_property(&results, "smtp.mailfrom", VIEW("a.b@legit.test"));
	authres_method(&results, "dkim", "fail", VIEW_NONE);
	authres_reason(&results, VIEW("expired"));
	authres_property(&results, "header.b", VIEW("ab/cd+=="));
	authres_end(&results);
	authres_append_line(&results, &line);
	assert_string_equal(str_cstr(&line),
			    "mx.test; spf=pass (all is well) smtp.mailfrom=a.b@legit.test; "
			    "dkim=fail reason=\"expired\" header.b=\"ab/cd+==\"");
	authres_free(&results);
	(void)state;
}

/* espoofer a4 to a6, mail-auth 0.9.1 */
static void test_injection(void **state)
{
	static const struct {
		const char *value, *written;
	} values[] = {
		{ "legit.test; dkim=pass", "\"legit.test; dkim=pass\"" },
		{ "any@legit.test(a.attack", "\"any@legit.test(a.attack\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "a\r\nX-Header: b", "\"a??X-Header: b\"" },
		{ "", "\"\"" },
		{ "a b@legit.test", "\"a b@legit.test\"" },
		{ "a'b@legit.test", "a'b@legit.test" },
		{ "@legit.test", "@legit.test" },
		{ "gr\303\274n@legit.test", "\"gr\303\274n@legit.test\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_(str_free) struct str expected = STR_EMPTY;
		struct authres results;

		authres_begin(&results, VIEW("i"));
		authres_method(&results, "m", "none", VIEW_NONE);
		authres_property(&results, "p", view_of(values[i].value));
		str_printf(&expected, "i;\r\n\tm=none p=%s", values[i].written);
		assert_string_equal(str_cstr(&results.text), str_cstr(&expected));
		authres_free(&results);
	}

	struct authres results;

	authres_begin(&results, VIEW("i"));
	authres_method(&results, "m", "none", VIEW("a) ; dkim=pass (\\\r\n"));
	assert_string_equal(str_cstr(&results.text), "i;\r\n\tm=none (a_ ; dkim=pass __?"
						     "?)");
	authres_free(&results);
	(void)state;
}

static void test_whose(void **state)
{
	static const char *const ours[] = {
		" mx.legit.test; spf=pass",
		"MX.Legit.Test; none",
		" mx.legit.test 1; dkim=pass",
		" (comment) mx.legit.test(x); dkim=pass",
		"\"mx.legit.test\"; dkim=pass",
		"\"mx\\.legit.test\" ; dkim=pass",
		"mx.legit.test.; dkim=pass",
		"mx.legit.test",
		"\r\n mx.legit.test\r\n ; dkim=pass",
		/* What cannot be read could be read by somebody. */
		" ; dkim=pass",
		"",
		"mx.legit.test dkim=pass",
		"(unterminated mx.legit.test; dkim=pass",
		"other.test mx.legit.test; dkim=pass",
	};
	static const char *const theirs[] = {
		"other.test; spf=pass",
		"mx.legit.test.other.test; dkim=pass",
		"x.mx.legit.test 1; dkim=pass",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!authres_is_ours(view_of(ours[i]), VIEW("mx.legit.test")))
			fail_msg("%s", ours[i]);
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		assert_false(authres_is_ours(view_of(theirs[i]), VIEW("mx.legit.test")));
	assert_true(authres_is_ours(VIEW("xn--bcher-kva.test; none"), VIEW("b\303\274cher.test")));
	assert_true(authres_is_ours(VIEW("b\303\274cher.test; none"), VIEW("xn--bcher-kva.test")));
	(void)state;
}

static void test_reading(void **state)
{
	struct view payload = authres_payload(VIEW(" mx.test 1; spf=fail (arc=pass) reason=\"; "
						   "arc=pass\"; dkim=none;\r\n\tarc = fail x.y=z"));

	assert_true(view_starts(payload, VIEW("spf=fail")));
	assert_true(view_is(authres_find(payload, "arc"), "fail"));
	assert_true(view_is(authres_find(payload, "spf"), "fail"));
	assert_int_equal(authres_find(payload, "dmarc").len, 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

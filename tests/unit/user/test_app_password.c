/* App passwords as they are made, stored and typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "user/app_password.h"
#include "user/user.h"

static void test_made(void **unused)
{
	_cleanup_(str_free) struct str one = STR_EMPTY, hash = STR_EMPTY, other = STR_EMPTY,
				       other_hash = STR_EMPTY, typed = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)unused;
	app_password_make(&one, &hash);
	app_password_make(&other, &other_hash);
	assert_int_equal(one.len, APP_PASSWORD_CHARACTERS + 4);
	assert_string_not_equal(str_cstr(&one), str_cstr(&other));
	assert_true(app_password_read(str_view(&one), &typed));
	assert_int_equal(password_check(str_view(&typed), str_cstr(&hash), &err), 1);
	assert_int_equal(password_check(str_view(&typed), str_cstr(&other_hash), &err), 0);
	assert_null(strstr(str_cstr(&hash), str_cstr(&typed)));
}

static void test_typed(void **unused)
{
	static const struct {
		const char *typed;
		bool good;
	} cases[] = {
		{ "abcde-fghij-kmnpq-rstuv-wxyz2", true },
		{ "ABCDE FGHIJ KMNPQ RSTUV WXYZ2 ", true },
		{ "abcdefghijkmnpqrstuvwxyz2", true },
		{ "abcdefghijkmnpqrstuvwxyz", false },
		{ "abcdefghijkmnpqrstuvwxyz23", false },
		{ "abcdefghijklmnpqrstuvwxyz", false },
		{ "abcdefghijkmnpqrstuvwxyz1", false },
		{ "", false },
		{ "correct-horse-7", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str read = STR_EMPTY;

		assert_int_equal(app_password_read(view_of(cases[i].typed), &read), cases[i].good);
		if (cases[i].good)
			assert_string_equal(str_cstr(&read), "abcdefghijkmnpqrstuvwxyz2");
	}
}

static void test_entries(void **unused)
{
	struct view rest = VIEW("phone:imap,smtp:17:{SSHA256}a:b  tv::0:{X}y");
	_cleanup_(str_free) struct str again = STR_EMPTY;
	static const char *const wrong[] = { "phone",	     "phone:",		"phone:imap",
					     "phone:imap:1", "phone:imap:1:",	"ph$one:imap:1:x",
					     ":imap:1:x",    "phone:imap:-1:x", "phone:imap:x:x" };
	struct app_password one;
	bool malformed;

	(void)unused;
	assert_true(app_password_next(&rest, &one, &malformed));
	assert_true(view_is(one.name, "phone") && view_is(one.hash, "{SSHA256}a:b") &&
		    one.made == 17);
	assert_true(app_password_opens(&one, VIEW("smtp")) &&
		    app_password_opens(&one, VIEW("IMAP")));
	assert_false(app_password_opens(&one, VIEW("pop3")) || app_password_opens(&one, VIEW("")) ||
		     app_password_opens(&one, VIEW("ima")));
	app_password_append(&again, &one);
	assert_true(app_password_next(&rest, &one, &malformed));
	assert_true(app_password_opens(&one, VIEW("pop3")));
	app_password_append(&again, &one);
	assert_string_equal(str_cstr(&again), "phone:imap,smtp:17:{SSHA256}a:b tv::0:{X}y");
	assert_false(app_password_next(&rest, &one, &malformed));
	assert_false(malformed);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		rest = view_of(wrong[i]);
		assert_false(app_password_next(&rest, &one, &malformed));
		assert_true(malformed);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

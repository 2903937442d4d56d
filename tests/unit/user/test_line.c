/* The passwd-file form: what is taken, and what is said of a line that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "user/user.h"

static void good_lines(void **unused)
{
	static const char *const lines[] = {
		"alice@example.test:{CRYPT}$y$j9T$abc:::::: ",
		"alice@example.test:",
		"alice@example.test",
		"bob:$6$salt$hash:1000:1000:Bob:/home/bob:/bin/sh:quota=1G nologin",
		"a.b+c@sub.example.test:{PLAIN}secret:vmail:vmail::/srv/mail/a::mail=maildir:~/x:y",
		"u@example.test:x:4294967294:1::::\r",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct error err = ERROR_NONE;

		if (user_check_line(view_of(lines[i]), &err) != 0)
			fail_msg("%s: %s", lines[i], err.text);
	}
}

static void bad_lines(void **unused)
{
	static const struct {
		const char *line, *reason;
	} lines[] = {
		{ "", "field 1" },
		{ ":x", "field 1" },
		{ "@example.test:x", "nothing before the @" },
		{ "alice@:x", "is no domain" },
		{ "alice@exa mple:x", "visible ASCII" },
		{ "al\xc3\xa9@example.test:x", "visible ASCII" },
		{ "alice@example..test:x", "is no domain" },
		{ "alice@example.test:{CRYPT$y$:", "without \"}\"" },
		{ "alice@example.test:x:12z", "field 3 (uid): \"12z\" is no number" },
		{ "alice@example.test:x:0", "never handled as root" },
		{ "alice@example.test:x:4294967295", "field 3 (uid)" },
		{ "alice@example.test:x:-5", "field 3" },
		{ "alice@example.test:x:a/b", "field 3 (uid): expected a number or a name" },
		{ "alice@example.test:x:1:99999999999", "field 4 (gid)" },
		{ "alice@example.test:x:1:1::home/alice", "field 6 (home)" },
		{ "alice@example.test:x:1:1::/home/\x01", "control character at byte" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct error err = ERROR_NONE;

		if (user_check_line(view_of(lines[i].line), &err) != -EINVAL ||
		    strstr(err.text, lines[i].reason) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", lines[i].line, err.text,
				 lines[i].reason);
	}
}

static void nul_is_refused(void **unused)
{
	static const char line[] = "alice@example.test:x\0y:1:1::/home/a::";

	(void)unused;
	assert_int_equal(user_check_line(view_make(line, sizeof(line) - 1), NULL), -EINVAL);
}

static void too_long(void **unused)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	(void)unused;
	for (int i = 0; i < USER_NAME_MAX; i++)
		str_append_byte(&line, 'a');
	str_append_cstr(&line, "@example.test:x");
	assert_int_equal(user_check_line(str_view(&line), NULL), -EINVAL);
}

static void extra_fields(void **unused)
{
	struct user user = { .extra = (char *)"quota=1G nologin  mail=maildir:~/x empty=" };
	struct view value;

	(void)unused;
	assert_true(user_extra(&user, "quota", &value));
	assert_true(view_is(value, "1G"));
	assert_true(user_extra(&user, "nologin", &value));
	assert_int_equal(value.len, 0);
	assert_true(user_extra(&user, "mail", &value));
	assert_true(view_is(value, "maildir:~/x"));
	assert_true(user_extra(&user, "empty", &value));
	assert_false(user_extra(&user, "login", &value));
	assert_false(user_extra(&user, "nolog", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),	  cmocka_unit_test(bad_lines),
		cmocka_unit_test(nul_is_refused), cmocka_unit_test(too_long),
		cmocka_unit_test(extra_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

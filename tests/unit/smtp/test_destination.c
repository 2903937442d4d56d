#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "base/mem.h"
#include "destination.h"

/* Each as "host port flags": m by MX, p path, u the usual port. */
static void check(bool lmtp, const char *text, const char *expected)
{
	struct destinations list = { .count = 0 };
	_cleanup_(str_free) struct str result = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = destinations_parse(view_of(text), lmtp, lmtp ? 24 : 25, &list, &err);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_true(err.text[0] != '\0');
		assert_int_equal(list.count, 0);
		str_append_cstr(&result, "invalid");
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct destination *d = &list.items[i];

		str_printf(&result, "%s%s %u %s%s%s", i > 0 ? "; " : "", str_cstr(&d->host),
			   d->port, d->use_mx ? "m" : "", d->is_path ? "p" : "",
			   d->own_port ? "u" : "");
	}
	if (!view_is(str_view(&result), expected))
		fail_msg("%s: %s", text, str_cstr(&result));
	destinations_free(&list);
}

static void test_smtp(void **state)
{
	check(false, "example.test", "example.test 25 mu");
	check(false, "Example.TEST", "example.test 25 mu");
	check(false, "[example.test]", "example.test 25 u");
	check(false, "example.test:587", "example.test 587 m");
	check(false, "example.test:25", "example.test 25 mu");
	check(false, "[example.test]:submission", "example.test 587 ");
	check(false, "[192.0.2.1]", "192.0.2.1 25 u");
	check(false, "192.0.2.1:2525", "192.0.2.1 2525 ");
	check(false, "[2001:db8::1]:2525", "2001:db8::1 2525 ");
	check(false, "[IPv6:2001:db8::1]", "2001:db8::1 25 u");
	check(false, "2001:db8::1", "2001:db8::1 25 u");
	check(false, "one.test, [two.test]:26 three.test",
	      "one.test 25 mu; two.test 26 ; three.test 25 mu");
	check(false, "host", "host 25 mu");
	check(false, "m\303\274nchen.test", "m\303\274nchen.test 25 mu");
	(void)state;
}

static void test_lmtp(void **state)
{
	check(true, "unix:/run/lmtp", "/run/lmtp 0 p");
	check(true, "unix:private/lmtp", "private/lmtp 0 p");
	check(true, "inet:host.test:2400", "host.test 2400 ");
	check(true, "inet:[192.0.2.1]", "192.0.2.1 24 u");
	check(true, "host.test", "host.test 24 u");
	(void)state;
}

static void test_invalid(void **state)
{
	static const char *const bad[] = { "",
					   ",",
					   "[",
					   "[]",
					   "[a]b",
					   "[a]:",
					   "a:",
					   "a:0",
					   "a:65536",
					   "a:x",
					   ":25",
					   "a..b",
					   "a_b@c",
					   "-a",
					   "[a]:25:2",
					   "a:25:2",
					   "good.test, a..b",
					   "unix:/x" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(false, bad[i], "invalid");
	check(true, "unix:", "invalid");
	check(true, "unix:/a\001b", "invalid");

	_cleanup_(str_free) struct str many = STR_EMPTY;

	for (int i = 0; i <= DESTINATIONS_MAX; i++)
		str_append_cstr(&many, "a.test ");
	check(false, str_cstr(&many), "invalid");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp),
		cmocka_unit_test(test_lmtp),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

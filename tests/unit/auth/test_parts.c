/* What auth remembers: right passwords, cookies, failures of clients. All with short times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "auth.h"
#include "base/mem.h"
#include "conf/conf.h"

static int set_up(void **unused)
{
	(void)unused;
	param.auth_cache_time = 60000;
	param.auth_cookie_lifetime = 60000;
	param.auth_failure_delay = 2000;
	param.auth_failure_delay_max = 15000;
	return 0;
}

static void cache(void **unused)
{
	(void)unused;
	assert_false(cache_knows("alice", "{X}hash", VIEW("secret")));
	cache_remember("alice", "{X}hash", VIEW("secret"));
	assert_true(cache_knows("alice", "{X}hash", VIEW("secret")));
	assert_false(cache_knows("alice", "{X}hash", VIEW("secret2")));
	assert_false(cache_knows("alice", "{X}hash", VIEW("")));
	assert_false(cache_knows("bob", "{X}hash", VIEW("secret")));
	/* The stored hash changed; and no byte may wander from one part to the other. */
	assert_false(cache_knows("alice", "{X}hash2", VIEW("secret")));
	assert_false(cache_knows("alice", "{X}has", VIEW("hsecret")));
	cache_remember("alice", "{X}hash2", VIEW("new"));
	assert_false(cache_knows("alice", "{X}hash", VIEW("secret")));
	assert_true(cache_knows("alice", "{X}hash2", VIEW("new")));
}

static void cache_ends(void **unused)
{
	(void)unused;
	param.auth_cache_time = 20;
	cache_remember("carol", "h", VIEW("p"));
	assert_true(cache_knows("carol", "h", VIEW("p")));
	usleep(30000);
	assert_false(cache_knows("carol", "h", VIEW("p")));
	param.auth_cache_time = 0;
	cache_remember("carol", "h", VIEW("p"));
	assert_false(cache_knows("carol", "h", VIEW("p")));
	param.auth_cache_time = 60000;
}

static void cache_is_bounded(void **unused)
{
	char user[32];

	(void)unused;
	for (int i = 0; i < 20001; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		cache_remember(user, "h", VIEW("p"));
	}
	assert_false(cache_knows("u0", "h", VIEW("p")));
	assert_true(cache_knows("u20000", "h", VIEW("p")));
}

static void cookie_expires(void **unused)
{
	_cleanup_(str_free) struct str cookie = STR_EMPTY, user = STR_EMPTY;

	(void)unused;
	param.auth_cookie_lifetime = 20;
	cookie_make(VIEW("imap"), VIEW("alice"), &cookie);
	usleep(30000);
	assert_int_equal(cookie_redeem(str_view(&cookie), VIEW("imap"), &user), -EACCES);
	param.auth_cookie_lifetime = 60000;
}

static void cookies_are_bounded(void **unused)
{
	_cleanup_(str_free) struct str first = STR_EMPTY, last = STR_EMPTY, user = STR_EMPTY;

	(void)unused;
	cookie_make(VIEW("imap"), VIEW("first"), &first);
	for (int i = 0; i < 20000; i++)
		cookie_make(VIEW("imap"), VIEW("last"), &last);
	assert_int_equal(cookie_redeem(str_view(&first), VIEW("imap"), &user), -EACCES);
	assert_int_equal(cookie_redeem(str_view(&last), VIEW("imap"), &user), 0);
	assert_string_equal(str_cstr(&user), "last");
}

static void delays(void **unused)
{
	(void)unused;
	assert_int_equal(client_failed(VIEW("192.0.2.1")), 2000);
	assert_int_equal(client_failed(VIEW("192.0.2.1")), 4000);
	assert_int_equal(client_failed(VIEW("192.0.2.1")), 8000);
	assert_int_equal(client_failed(VIEW("192.0.2.1")), 15000);
	assert_int_equal(client_failed(VIEW("192.0.2.1")), 15000);
	assert_int_equal(client_failed(VIEW("192.0.2.2")), 2000);
	/* A host of IPv6 has many addresses. */
	assert_int_equal(client_failed(VIEW("2001:db8::1")), 2000);
	assert_int_equal(client_failed(VIEW("2001:db8::2:3")), 4000);
	assert_int_equal(client_failed(VIEW("2001:db8:0:1::1")), 2000);
	assert_int_equal(client_failed(VIEW("")), 2000);
}

/* ---- places ---- */

static int inside, most, done;

static void check(void *unused)
{
	struct client *client = client_enter(VIEW("192.0.2.77"));

	(void)unused;
	assert_non_null(client);
	inside++;
	most = MAX(most, inside);
	task_sleep(5);
	inside--;
	client_leave(client);
	done++;
}

static void many(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++)
		task_spawn("check", check, NULL);
}

static void places(void **unused)
{
	(void)unused;
	task_run(many, NULL);
	assert_int_equal(done, 20);
	assert_int_equal(most, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache),
		cmocka_unit_test(cache_ends),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(cookie_expires),
		cmocka_unit_test(cookies_are_bounded),
		cmocka_unit_test(delays),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

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
#include "services/clients.h"

static struct str session; /* of a session */

static int set_up(void **unused)
{
	(void)unused;
	param.auth_cache_time = 60000;
	param.auth_master_user_separator = "*";
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
	cookie_make(VIEW("imap"), VIEW("alice"), VIEW("7"), &cookie);
	usleep(30000);
	assert_int_equal(cookie_redeem(str_view(&cookie), VIEW("imap"), &user, &session), -EACCES);
	param.auth_cookie_lifetime = 60000;
}

static void cookies_are_bounded(void **unused)
{
	_cleanup_(str_free) struct str first = STR_EMPTY, last = STR_EMPTY, user = STR_EMPTY;

	(void)unused;
	cookie_make(VIEW("imap"), VIEW("first"), VIEW("7"), &first);
	for (int i = 0; i < 20000; i++)
		cookie_make(VIEW("imap"), VIEW("last"), VIEW("7"), &last);
	assert_int_equal(cookie_redeem(str_view(&first), VIEW("imap"), &user, &session), -EACCES);
	assert_int_equal(cookie_redeem(str_view(&last), VIEW("imap"), &user, &session), 0);
	assert_string_equal(str_cstr(&user), "last");
}

/* ---- turns; what anvil says stands here ---- */

static struct anvil_turn anvil_says;
static int told_right, told_wrong;

int anvil_login_ask(struct view client, struct view account, struct anvil_turn *turn)
{
	assert_true(view_is(client, "192.0.2.77"));
	assert_true(view_is(account, "alice@example.test"));
	*turn = anvil_says;
	return 0;
}

int anvil_login_end(struct view client, struct view account, bool right)
{
	(void)client;
	(void)account;
	told_right += right;
	told_wrong += !right;
	return 0;
}

static int inside, most, done, turned_away;

static void check(void *unused)
{
	struct error why = ERROR_NONE;
	struct turn *turn = turn_take(VIEW("192.0.2.77"), VIEW("Alice"), &why);

	(void)unused;
	done++;
	if (turn == NULL) {
		turned_away++;
		return;
	}
	inside++;
	most = MAX(most, inside);
	task_sleep(5);
	inside--;
	turn_end(turn, LOGIN_RIGHT);
}

static void checks(void *number)
{
	inside = most = done = turned_away = told_right = told_wrong = 0;
	param.auth_default_realm = "example.test";
	for (int i = 0; i < *(int *)number; i++)
		task_spawn("check", check, NULL);
}

/* A name without a realm is the default one's; no name is no account of it. */
static void accounts(void **unused)
{
	_cleanup_(str_free) struct str account = STR_EMPTY;

	(void)unused;
	param.auth_default_realm = "example.test";
	turn_account_of(VIEW("Alice"), &account);
	assert_string_equal(str_cstr(&account), "alice@example.test");
	str_clear(&account);
	turn_account_of(VIEW_NONE, &account);
	assert_string_equal(str_cstr(&account), "");
}

static void places(void **unused)
{
	int few = 20, many = 200;

	(void)unused;
	anvil_says = (struct anvil_turn){ .tell = true };
	task_run(checks, &few);
	assert_int_equal(done, 20);
	assert_int_equal(most, 4);
	assert_int_equal(told_right, 20);
	/* After a failure, one at a time; and a line that has an end. */
	anvil_says = (struct anvil_turn){ .failures = 1 };
	task_run(checks, &few);
	assert_int_equal(done, 20);
	assert_in_range(most, 1, 2);
	assert_int_equal(told_right, 0);
	task_run(checks, &many);
	assert_int_equal(done, 200);
	assert_true(turned_away > 100 && turned_away < 200);
	/* Nothing is checked that anvil refuses. */
	anvil_says = (struct anvil_turn){ .refused = true };
	task_run(checks, &few);
	assert_int_equal(turned_away, 20);
}

static void wrong_one(void *unused)
{
	struct error why = ERROR_NONE;

	(void)unused;
	turn_end(turn_take(VIEW("192.0.2.77"), VIEW("alice"), &why), LOGIN_WRONG);
	turn_end(turn_take(VIEW("192.0.2.77"), VIEW("alice"), &why), LOGIN_TEMPORARY);
	turn_end(turn_take(VIEW("192.0.2.77"), VIEW("alice"), &why), LOGIN_DISABLED);
	turn_end(NULL, LOGIN_WRONG);
}

static void what_is_told(void **unused)
{
	(void)unused;
	anvil_says = (struct anvil_turn){ .wait = 1 };
	told_right = told_wrong = 0;
	task_run(wrong_one, NULL);
	assert_int_equal(told_wrong, 1);
	assert_int_equal(told_right, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache),
		cmocka_unit_test(cache_ends),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(cookie_expires),
		cmocka_unit_test(cookies_are_bounded),
		cmocka_unit_test(accounts),
		cmocka_unit_test(places),
		cmocka_unit_test(what_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

/* What failed logins cost, by address and by account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "logins.h"

#define ATTACKER VIEW("192.0.2.66")
#define HOME	 VIEW("198.51.100.7")
#define ALICE	 VIEW("alice@example.test")

static struct login_turn ask(struct view client, struct view account)
{
	struct login_turn turn;

	logins_ask(client, account, &turn);
	return turn;
}

static int set_up(void **state)
{
	(void)state;
	param.auth_failure_delay = 1000;
	param.auth_failure_delay_max = 15000;
	logins_open();
	return 0;
}

static void waits_double(void **state)
{
	msec_t waits[] = { 0, 1000, 2000, 4000, 8000, 15000, 15000 };

	(void)state;
	assert_int_equal(ask(ATTACKER, ALICE).wait, 0);
	for (size_t i = 1; i < ARRAY_SIZE(waits); i++) {
		logins_end(ATTACKER, ALICE, false);
		assert_in_range(ask(ATTACKER, ALICE).wait, waits[i] - 100, 60000);
	}
}

/* Each question takes its time: who asks many times at once waits the longer. */
static void turns_are_taken(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		logins_end(ATTACKER, VIEW("x"), false);

	msec_t first = ask(ATTACKER, VIEW("y")).wait, second = ask(ATTACKER, VIEW("z")).wait;

	assert_in_range(first, 14000, 15000);
	assert_in_range(second, 29000, 30000);
	while (!ask(ATTACKER, VIEW("y")).refused)
		;
	assert_true(ask(ATTACKER, VIEW("z")).refused);
	/* Others are not concerned. */
	assert_int_equal(ask(HOME, VIEW("z")).wait, 0);
}

static void one_ipv6_client_has_many_addresses(void **state)
{
	(void)state;
	logins_end(VIEW("2001:db8:1:2::1"), VIEW("a"), false);
	assert_true(ask(VIEW("2001:DB8:1:2:ffff::2"), VIEW("b")).wait > 0);
	assert_int_equal(ask(VIEW("2001:db8:1:3::1"), VIEW("b")).wait, 0);
}

static void an_attacked_account_stays_usable_from_home(void **state)
{
	char address[64];

	(void)state;
	assert_true(ask(HOME, ALICE).tell);
	logins_end(HOME, ALICE, true);
	for (int i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "203.0.113.%d", i);
		logins_end(view_of(address), ALICE, false);
	}
	assert_true(ask(VIEW("203.0.113.200"), ALICE).wait > 0);
	assert_int_equal(ask(HOME, VIEW("Alice@Example.TEST")).wait, 0);
	assert_false(ask(HOME, ALICE).tell);
	assert_int_equal(ask(HOME, VIEW("bob@example.test")).wait, 0);
}

/* Bad tokens without a name are no failures of all who come without one. */
static void nobodys_failures_are_the_addresses(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		logins_end(ATTACKER, VIEW(""), false);
	assert_in_range(ask(ATTACKER, VIEW("")).wait, 14000, 15000);
	assert_int_equal(ask(HOME, VIEW("")).wait, 0);
}

static void own_slips_are_forgiven(void **state)
{
	(void)state;
	logins_end(HOME, ALICE, false);
	logins_end(HOME, ALICE, false);
	assert_true(ask(HOME, ALICE).wait > 0);
	assert_true(ask(HOME, ALICE).tell);
	logins_end(HOME, ALICE, true);
	assert_int_equal(ask(HOME, ALICE).wait, 0);
	assert_int_equal(ask(VIEW("203.0.113.9"), ALICE).wait, 0);
	/* But nobody washes off what he tried with others by logging in himself. */
	for (int i = 0; i < 10; i++)
		logins_end(ATTACKER, ALICE, false);
	logins_end(ATTACKER, VIEW("mallory@example.test"), true);
	assert_true(ask(ATTACKER, VIEW("mallory@example.test")).wait > 10000);
}

static void the_held_are_shown(void **state)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	struct login_held held[4];

	(void)state;
	for (int i = 0; i < LOGINS_HELD; i++)
		logins_end(ATTACKER, ALICE, false);
	logins_end(HOME, VIEW("bob@example.test"), false);
	assert_int_equal(logins_held(held, 4, &names), 2);
	assert_true(view_eq(held[0].name, ATTACKER));
	assert_false(held[0].is_account);
	assert_true(view_eq(held[1].name, ALICE));
	assert_true(held[1].is_account);
	assert_int_equal(held[0].failures, LOGINS_HELD);
}

/* As many as like may come: the last are counted, and those who logged in are the last to go. */
static void there_is_room_for_new_ones(void **state)
{
	char name[32];

	(void)state;
	logins_end(HOME, ALICE, true);
	for (size_t i = 0; i < LOGINS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "u%zu", i);
		logins_end(ATTACKER, view_of(name), false);
	}
	assert_int_equal(ask(HOME, VIEW("u0")).wait, 0);
	assert_true(ask(HOME, view_of(name)).wait > 0);
	assert_false(ask(HOME, ALICE).tell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waits_double, set_up),
		cmocka_unit_test_setup(turns_are_taken, set_up),
		cmocka_unit_test_setup(one_ipv6_client_has_many_addresses, set_up),
		cmocka_unit_test_setup(an_attacked_account_stays_usable_from_home, set_up),
		cmocka_unit_test_setup(nobodys_failures_are_the_addresses, set_up),
		cmocka_unit_test_setup(own_slips_are_forgiven, set_up),
		cmocka_unit_test_setup(the_held_are_shown, set_up),
		cmocka_unit_test_setup(there_is_room_for_new_ones, set_up),
	};

	log_set_level(LOG_FATAL_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Connections and rates: counted, taken back, forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "anvil.h"
#include "base/log.h"
#include "conf/conf.h"

#define CLIENT VIEW("192.0.2.1")

static uint32_t connections, rate;

static void event(struct reporter *reporter, uint8_t kind, struct view client)
{
	counts_event(reporter, kind, VIEW("smtp"), client, &connections, &rate);
}

static void connections_come_and_go(void **state)
{
	struct reporter *one = reporter_enter(1), *two = reporter_enter(2);

	(void)state;
	event(one, ANVIL_CONNECT, CLIENT);
	event(two, ANVIL_CONNECT, CLIENT);
	assert_int_equal(connections, 2);
	assert_int_equal(rate, 2);
	event(one, ANVIL_CONNECT, VIEW("192.0.2.2"));
	assert_int_equal(connections, 1);
	event(one, ANVIL_DISCONNECT, CLIENT);
	assert_int_equal(connections, 1);
	/* Once more than it has connected: another program's are not its to end. */
	event(one, ANVIL_DISCONNECT, CLIENT);
	event(one, ANVIL_DISCONNECT, CLIENT);
	assert_int_equal(connections, 1);
	event(two, ANVIL_DISCONNECT, CLIENT);
	assert_int_equal(connections, 0);
	reporter_leave(one);
	reporter_leave(two);
}

/* Of two connections of one process, the last takes its counts away, not the first. */
static void the_dead_are_not_connected(void **state)
{
	struct reporter *one = reporter_enter(1), *two = reporter_enter(2);

	(void)state;
	assert_ptr_equal(reporter_enter(1), one);
	event(one, ANVIL_CONNECT, CLIENT);
	event(one, ANVIL_CONNECT, CLIENT);
	event(two, ANVIL_CONNECT, CLIENT);
	assert_int_equal(connections, 3);
	reporter_leave(one);
	event(two, ANVIL_CONNECT, CLIENT);
	assert_int_equal(connections, 4);
	reporter_leave(one);
	event(two, ANVIL_CONNECT, CLIENT);
	assert_int_equal(connections, 3);
	reporter_leave(two);
}

static void rates_are_of_their_time_and_kind(void **state)
{
	struct reporter *one = reporter_enter(1);
	struct view client = VIEW("192.0.2.7");

	(void)state;
	for (uint32_t i = 1; i <= 5; i++) {
		event(one, ANVIL_MAIL, client);
		assert_int_equal(rate, i);
	}
	event(one, ANVIL_RCPT, client);
	assert_int_equal(rate, 1);
	counts_event(one, ANVIL_MAIL, VIEW("submission"), client, &connections, &rate);
	assert_int_equal(rate, 1);
	usleep(1100000);
	event(one, ANVIL_MAIL, client);
	assert_int_equal(rate, 1);
	event(one, 200, client); /* no such kind */
	assert_int_equal(rate, 0);
	reporter_leave(one);
}

/* Somebody with many addresses cannot fill the memory, and does not shut others out. */
static void memory_is_bounded(void **state)
{
	struct reporter *one = reporter_enter(1);
	char name[40];

	(void)state;
	for (unsigned i = 0; i < COUNTS_CLIENTS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "2001:db8::%x", i);
		event(one, ANVIL_CONNECT, view_of(name));
	}
	/* The last one counts; the first one has made room. */
	assert_int_equal(connections, 1);
	event(one, ANVIL_CONNECT, view_of(name));
	assert_int_equal(connections, 2);
	event(one, ANVIL_CONNECT, VIEW("2001:db8::0"));
	assert_int_equal(connections, 1);
	reporter_leave(one);
	usleep(1100000);
	counts_sweep();
	one = reporter_enter(1);
	event(one, ANVIL_CONNECT, VIEW("198.51.100.1"));
	assert_int_equal(connections, 1);
	reporter_leave(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_come_and_go),
		cmocka_unit_test(the_dead_are_not_connected),
		cmocka_unit_test(rates_are_of_their_time_and_kind),
		cmocka_unit_test(memory_is_bounded),
	};
	struct str report = STR_EMPTY;

	log_set_level(LOG_FATAL_LEVEL);
	if (conf_load_text(VIEW("anvil_rate_time_unit = 1s\nmyhostname = a.test\n"), "/", NULL, 0,
			   &report) < 0)
		return 1;
	counts_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Windows, turns and deaths of destinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schedule.h"

static struct schedule_limits limits_now;

static void limits(const char *transport, struct schedule_limits *out)
{
	(void)transport;
	*out = limits_now;
}

static struct schedule *start(size_t deliveries, size_t initial, size_t window, size_t recipients)
{
	limits_now = (struct schedule_limits){ .deliveries = deliveries,
					       .initial = initial,
					       .window = window,
					       .recipients = recipients,
					       .failed_cohort = 1 };
	return schedule_new(limits);
}

static struct lot *add(struct schedule *s, const char *transport, const char *nexthop, size_t count)
{
	struct transport *t = schedule_transport(s, view_of(transport));
	struct lot *lot = mem_new(struct lot);

	lot->destination = schedule_destination(s, t, view_of(nexthop), VIEW("r"));
	lot->count = count;
	schedule_add(lot);
	return lot;
}

/* A message for 100,000 at a destination, and then one for one. */
static void large_message_keeps_nobody_waiting(void **state)
{
	struct schedule *s = start(100, 5, 20, 50);
	struct lot *large = add(s, "smtp", "big.example", 100000);
	struct lot *small = add(s, "smtp", "big.example", 1);
	struct transport *t = schedule_transport(s, VIEW("smtp"));
	struct batch batch;

	(void)state;
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, large);
	assert_int_equal(batch.count, 50);
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, small);
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, large);
	assert_int_equal(batch.first, 50);
	assert_int_equal(large->destination->waiting, 99900);
	schedule_withdraw(large);
	schedule_free(s);
	free(large);
	free(small);
}

static void destinations_are_served_in_turn(void **state)
{
	struct schedule *s = start(6, 5, 20, 50);
	struct lot *lots[30];
	struct transport *t;
	size_t taken[3] = { 0 };
	struct batch batch;

	(void)state;
	/* Twenty-eight messages for one, one each for two others, which came last. */
	for (int i = 0; i < 30; i++)
		lots[i] = add(s, "smtp", i < 28 ? "a" : i == 28 ? "b" : "c", 1);
	t = schedule_transport(s, VIEW("smtp"));
	for (int i = 0; i < 3; i++) {
		assert_true(schedule_take(t, &batch));
		taken[batch.lot->destination->nexthop[0] - 'a']++;
	}
	assert_int_equal(taken[0], 1);
	assert_int_equal(taken[1], 1);
	assert_int_equal(taken[2], 1);
	/* The rest is for the one; the transport has three places left. */
	for (int i = 0; i < 3; i++)
		assert_true(schedule_take(t, &batch));
	assert_false(schedule_take(t, &batch));
	assert_int_equal(t->busy, 6);
	for (int i = 0; i < 28; i++)
		schedule_withdraw(lots[i]);
	schedule_free(s);
	for (int i = 0; i < 30; i++)
		free(lots[i]);
}

static void window_grows_with_use_up_to_its_limit(void **state)
{
	struct schedule *s = start(1000, 5, 20, 1);
	struct lot *lot = add(s, "smtp", "a", 1000);
	struct destination *d = lot->destination;
	struct transport *t = d->transport;
	struct batch batch;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(schedule_take(t, &batch));
	assert_false(schedule_take(t, &batch));
	for (int i = 0; i < 200; i++) {
		assert_false(schedule_finish(s, d, SCHEDULE_REACHED, 0));
		while (schedule_take(t, &batch))
			;
	}
	assert_int_equal(d->window, 20);
	assert_int_equal(d->busy, 20);
	/* Nothing was learnt about an idle window: it stays near what is used. */
	while (d->busy > 0)
		schedule_finish(s, d, SCHEDULE_UNKNOWN, 0);
	schedule_withdraw(lot);
	schedule_free(s);
	free(lot);

	s = start(1000, 5, 0, 1);
	lot = add(s, "smtp", "a", 1000);
	d = lot->destination;
	for (int i = 0; i < 100; i++) {
		assert_true(schedule_take(d->transport, &batch));
		schedule_finish(s, d, SCHEDULE_REACHED, 0);
	}
	assert_int_equal(d->window, 6);
	schedule_withdraw(lot);
	schedule_free(s);
	free(lot);
}

static void failures_of_a_whole_window_are_death(void **state)
{
	struct schedule *s = start(1000, 5, 20, 1);
	struct lot *lot = add(s, "smtp", "a", 1000);
	struct destination *d = lot->destination;
	struct batch batch;
	int failures = 0;

	(void)state;
	for (;;) {
		assert_true(schedule_take(d->transport, &batch));
		failures++;
		if (schedule_finish(s, d, SCHEDULE_UNREACHABLE, 1000))
			break;
	}
	assert_int_equal(failures, 4); /* 1/5 + 1/4 + 1/3 + 1/2 */
	assert_false(schedule_take(d->transport, &batch));
	assert_true(schedule_still_dead(s, d, 999));
	schedule_withdraw(lot);
	/* It is remembered though nothing waits for it, until its time has come. */
	schedule_release(s, d);
	assert_int_equal(schedule_destination_count(s), 1);
	assert_false(schedule_still_dead(s, d, 1000));
	assert_int_equal(d->window, 5);
	schedule_release(s, d);
	assert_int_equal(schedule_destination_count(s), 0);
	schedule_free(s);
	free(lot);
}

static void success_makes_up_for_failures(void **state)
{
	struct schedule *s = start(1000, 5, 20, 1);
	struct lot *lot = add(s, "smtp", "a", 1000);
	struct destination *d = lot->destination;
	struct batch batch;

	(void)state;
	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < 2; k++) {
			assert_true(schedule_take(d->transport, &batch));
			assert_false(schedule_finish(
				s, d, k ? SCHEDULE_REACHED : SCHEDULE_UNREACHABLE, 1000));
		}
	}
	assert_false(schedule_still_dead(s, d, 0));
	schedule_withdraw(lot);
	schedule_free(s);
	free(lot);
}

static void revival_by_hand(void **state)
{
	struct schedule *s = start(1000, 1, 20, 1);
	struct lot *one = add(s, "smtp", "a", 1), *two = add(s, "smtp", "b", 1);
	struct batch batch;

	(void)state;
	while (schedule_take(one->destination->transport, &batch))
		assert_true(schedule_finish(s, batch.lot->destination, SCHEDULE_UNREACHABLE, 5000));
	schedule_revive(s, 4999);
	assert_int_equal(schedule_destination_count(s), 2);
	schedule_revive(s, INT64_MAX);
	assert_int_equal(schedule_destination_count(s), 0);
	schedule_free(s);
	free(one);
	free(two);
}

/* With a recipient limit of 1 each recipient is a destination of its own. */
static void recipients_as_destinations(void **state)
{
	struct schedule *s = start(100, 2, 2, 1);
	struct transport *t = schedule_transport(s, VIEW("local"));
	struct destination *a = schedule_destination(s, t, VIEW("host"), VIEW("alice@x"));
	struct destination *b = schedule_destination(s, t, VIEW("host"), VIEW("bob@x"));

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(a, schedule_destination(s, t, VIEW("HOST"), VIEW("Alice@X")));
	schedule_release(s, a);
	schedule_release(s, b);
	assert_int_equal(schedule_destination_count(s), 0);
	schedule_free(s);

	s = start(100, 2, 2, 50);
	t = schedule_transport(s, VIEW("smtp"));
	assert_ptr_equal(schedule_destination(s, t, VIEW("host"), VIEW("alice@x")),
			 schedule_destination(s, t, VIEW("host"), VIEW("bob@x")));
	schedule_free(s);
}

/* A pause after each delivery: to that destination, or of the whole transport. */
static void pauses(void **state)
{
	struct schedule *s = start(100, 1, 1, 1000);
	struct transport *t;
	struct lot *first, *second;
	struct batch batch;

	(void)state;
	limits_now.rests = true;
	first = add(s, "slow", "a.example", 1500);
	second = add(s, "slow", "b.example", 1);
	t = schedule_transport(s, VIEW("slow"));
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, first);
	schedule_finish(s, first->destination, SCHEDULE_REACHED, 0);
	assert_true(first->destination->resting);
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, second);
	assert_false(schedule_take(t, &batch));
	schedule_rested(first->destination);
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, first);
	t->limits.rests_all = true;
	t->limits.rests = false;
	schedule_finish(s, first->destination, SCHEDULE_REACHED, 0);
	struct lot *third = add(s, "slow", "c.example", 1);

	assert_false(schedule_take(t, &batch));
	schedule_transport_rested(t);
	assert_true(schedule_take(t, &batch));
	assert_ptr_equal(batch.lot, third);
	schedule_free(s);
	free(first);
	free(second);
	free(third);
}

/* Two deliveries at a time: the pause of the one that ended first does not end that of the other. */
static void pauses_of_two(void **state)
{
	struct schedule *s = start(100, 2, 2, 1);
	struct transport *t;
	struct batch batch;
	struct lot *lot;

	(void)state;
	limits_now.rests = true;
	lot = add(s, "slow", "a.example", 3);
	t = schedule_transport(s, VIEW("slow"));
	assert_true(schedule_take(t, &batch));
	assert_true(schedule_take(t, &batch));
	schedule_finish(s, lot->destination, SCHEDULE_REACHED, 0);
	schedule_finish(s, lot->destination, SCHEDULE_REACHED, 0);
	schedule_rested(lot->destination);
	assert_false(schedule_take(t, &batch));
	schedule_rested(lot->destination);
	assert_true(schedule_take(t, &batch));
	schedule_free(s);
	free(lot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_message_keeps_nobody_waiting),
		cmocka_unit_test(destinations_are_served_in_turn),
		cmocka_unit_test(window_grows_with_use_up_to_its_limit),
		cmocka_unit_test(failures_of_a_whole_window_are_death),
		cmocka_unit_test(success_makes_up_for_failures),
		cmocka_unit_test(revival_by_hand),
		cmocka_unit_test(recipients_as_destinations),
		cmocka_unit_test(pauses),
		cmocka_unit_test(pauses_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

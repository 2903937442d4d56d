/* The scheduler: turns, timers, waits, locks, worker threads, signals, descriptors, the end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "task/task.h"

static void run(task_function *function)
{
	assert_int_equal(task_run(function, NULL), 0);
}

/* ---- stacks ---- */

/* Wider than any frame (cmake/posta.cmake), with much to spare. */
#define GUARD_LEAST (64UL * 1024)

/* Below a task's stack there is memory that nobody can touch. */
static void has_a_guard(void *unused)
{
	unsigned long begin, end, before = 0, guard = 0;
	unsigned long here = (unsigned long)__builtin_frame_address(0);
	char rights[5], line[512];
	bool before_is_guard = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	(void)unused;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		assert_int_equal(sscanf(line, "%lx-%lx %4s", &begin, &end, rights), 3);
		if (here >= begin && here < end) {
			assert_int_equal(strncmp(rights, "rw-", 3), 0);
			assert_true(before_is_guard && before == begin);
			assert_true(guard >= GUARD_LEAST);
			fclose(maps);
			return;
		}
		before_is_guard = strcmp(rights, "---p") == 0;
		guard = end - begin;
		before = end;
	}
	fail_msg("the stack is not to be found");
}

static void test_guard(void **state)
{
	(void)state;
	run(has_a_guard);
}

/* ---- turns and timers ---- */

static char trail[64];

static void note(char c)
{
	size_t len = strlen(trail);

	assert_true(len + 1 < sizeof(trail));
	trail[len] = c;
	trail[len + 1] = '\0';
}

static void letter_thrice(void *argument)
{
	for (int i = 0; i < 3; i++) {
		note(*(const char *)argument);
		task_yield();
	}
}

static void spawn_letters(void *unused)
{
	(void)unused;
	task_spawn("a", letter_thrice, (void *)(uintptr_t) "a");
	task_spawn("b", letter_thrice, (void *)(uintptr_t) "b");
	assert_int_equal(task_count(), 3);
}

static void test_turns(void **state)
{
	(void)state;
	trail[0] = '\0';
	run(spawn_letters);
	assert_string_equal(trail, "ababab");
	assert_int_equal(task_count(), 0);
}

static void sleeper(void *argument)
{
	task_sleep((msec_t)(uintptr_t)argument);
	note((char)('0' + (uintptr_t)argument / 10));
}

static void spawn_sleepers(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5; i++)
		task_spawn("sleeper", sleeper, (void *)(uintptr_t)(10 * ((i * 3) % 5 + 1)));
}

static void test_sleep_order(void **state)
{
	msec_t begin = clock_now();

	(void)state;
	trail[0] = '\0';
	run(spawn_sleepers);
	assert_string_equal(trail, "12345");
	assert_true(clock_now() - begin >= 50);
}

#ifdef POSTA_SANITIZE
#define MANY 1000
#else
#define MANY 10000
#endif

static struct waitlist crowd;
static size_t woken;

static void idle(void *unused)
{
	(void)unused;
	assert_int_equal(wait_on(&crowd, clock_after(60000)), 0);
	woken++;
}

static void gather_crowd(void *unused)
{
	(void)unused;
	WAITLIST_INIT(&crowd);
	for (int i = 0; i < MANY; i++)
		task_spawn("idle", idle, NULL);
	task_sleep(1);
	assert_int_equal(task_count(), MANY + 1);
	assert_int_equal(woken, 0);
	wake_one(&crowd);
	task_yield();
	assert_int_equal(woken, 1);
	wake_all(&crowd);
	task_yield();
	assert_int_equal(woken, MANY);
	assert_int_equal(task_count(), 1);
}

static void test_many_idle_tasks(void **state)
{
	(void)state;
	woken = 0;
	run(gather_crowd);
	assert_int_equal(woken, MANY);
}

/* ---- waiting for each other ---- */

static struct waitlist place;

static void wait_and_note(void *argument)
{
	assert_int_equal(wait_on(&place, MSEC_FOREVER), 0);
	note(*(const char *)argument);
}

static void wake_in_turn(void *unused)
{
	(void)unused;
	WAITLIST_INIT(&place);
	assert_int_equal(wait_on(&place, clock_after(5)), -ETIMEDOUT);
	/* One that timed out is not in the list any more. */
	wake_all(&place);
	task_spawn("a", wait_and_note, (void *)(uintptr_t) "a");
	task_spawn("b", wait_and_note, (void *)(uintptr_t) "b");
	task_spawn("c", wait_and_note, (void *)(uintptr_t) "c");
	task_yield();
	wake_one(&place);
	task_yield();
	assert_string_equal(trail, "a");
	wake_all(&place);
}

static void test_waitlist(void **state)
{
	(void)state;
	trail[0] = '\0';
	run(wake_in_turn);
	assert_string_equal(trail, "abc");
}

static struct task_lock lock;
static int inside;

static void locker(void *argument)
{
	task_lock(&lock);
	assert_int_equal(inside++, 0);
	task_sleep(2);
	note(*(const char *)argument);
	inside--;
	task_unlock(&lock);
	/* First come first served: this one goes after those that wait. */
	task_lock(&lock);
	note(*(const char *)argument);
	task_unlock(&lock);
}

static void spawn_lockers(void *unused)
{
	(void)unused;
	WAITLIST_INIT(&lock.waiting);
	task_spawn("a", locker, (void *)(uintptr_t) "a");
	task_spawn("b", locker, (void *)(uintptr_t) "b");
	task_spawn("c", locker, (void *)(uintptr_t) "c");
}

static void test_lock(void **state)
{
	(void)state;
	trail[0] = '\0';
	run(spawn_lockers);
	assert_string_equal(trail, "abcabc");
	assert_false(lock.taken);
}

static void wait_for_nobody(void *unused)
{
	struct waitlist nobody;

	(void)unused;
	WAITLIST_INIT(&nobody);
	wait_on(&nobody, MSEC_FOREVER);
	fail();
}

static void test_end_when_nothing_can_happen(void **state)
{
	(void)state;
	run(wait_for_nobody);
	assert_int_equal(task_count(), 0);
}

static void quit_with_seven(void *unused)
{
	(void)unused;
	task_spawn("other", wait_for_nobody, NULL);
	task_yield();
	task_quit(7);
}

static void test_quit(void **state)
{
	(void)state;
	assert_int_equal(task_run(quit_with_seven, NULL), 7);
	assert_int_equal(task_count(), 0);
	run(spawn_letters);
}

/* ---- worker threads ---- */

static atomic_int running, most_running;

static int work(void *argument)
{
	int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);

	while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
		;
	usleep(20000);
	atomic_fetch_sub(&running, 1);
	return *(int *)argument * 2;
}

static int finished;

static void one_job(void *argument)
{
	int number = (int)(intptr_t)argument;

	assert_int_equal(task_blocking(work, &number), (intptr_t)argument * 2);
	finished++;
}

static void many_jobs(void *unused)
{
	(void)unused;
	for (intptr_t i = 0; i < 3 * TASK_WORKERS_MAX; i++)
		task_spawn("job", one_job, (void *)i);
	task_sleep(1);
	assert_true(finished < 3 * TASK_WORKERS_MAX);
}

static void test_blocking(void **state)
{
	(void)state;
	finished = 0;
	run(many_jobs);
	assert_int_equal(finished, 3 * TASK_WORKERS_MAX);
	assert_in_range(atomic_load(&most_running), 2, TASK_WORKERS_MAX);
}

static void slow_job(void *unused)
{
	int number = 1;

	(void)unused;
	task_blocking(work, &number);
	fail();
}

static void quit_during_job(void *unused)
{
	(void)unused;
	task_spawn("slow", slow_job, NULL);
	task_yield();
	task_quit(0);
}

static void test_quit_during_job(void **state)
{
	(void)state;
	run(quit_during_job);
	/* The job ends in the middle of another run, which must not hear of it. */
	finished = 0;
	run(many_jobs);
	assert_int_equal(finished, 3 * TASK_WORKERS_MAX);
}

/* ---- descriptors ---- */

static int pair[2];

static void open_pair(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void close_pair(void)
{
	for (int i = 0; i < 2; i++) {
		task_forget_fd(pair[i]);
		close(pair[i]);
	}
}

static void write_later(void *unused)
{
	(void)unused;
	task_sleep(5);
	assert_int_equal(write(pair[1], "xy", 2), 2);
}

static void raw_descriptors(void *unused)
{
	char byte;

	(void)unused;
	open_pair();
	assert_int_equal(task_wait_readable(pair[0], clock_after(5)), -ETIMEDOUT);
	assert_int_equal(task_wait_readable(pair[0], clock_now() - 1), -ETIMEDOUT);
	assert_int_equal(task_wait_writable(pair[0], clock_after(20000)), 0);
	task_spawn("writer", write_later, NULL);
	assert_int_equal(task_wait_readable(pair[0], clock_after(20000)), 0);
	/* Still readable: a raw wait asks for the state, not for the change. */
	assert_int_equal(task_wait_readable(pair[0], clock_after(20000)), 0);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	assert_int_equal(task_wait_readable(pair[0], clock_now() - 1), 0);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	assert_int_equal(task_wait_readable(pair[0], clock_after(5)), -ETIMEDOUT);

	/* Closed without a word, and the number is another socket's now. */
	close(pair[0]);
	close(pair[1]);
	open_pair();
	task_spawn("writer", write_later, NULL);
	assert_int_equal(task_wait_readable(pair[0], clock_after(20000)), 0);
	close_pair();
	assert_int_equal(task_wait_readable(pair[0], clock_after(5)), -EBADF);
	assert_int_equal(task_wait_readable(-1, clock_after(5)), -EBADF);

	int file = open("/dev/null", O_RDONLY);

	assert_int_equal(task_wait_readable(file, clock_after(5)), 0);
	close(file);
}

static void test_raw_descriptors(void **state)
{
	(void)state;
	run(raw_descriptors);
}

static int told;

static void wait_for_input(void *unused)
{
	(void)unused;
	told = task_wait_readable(pair[0], MSEC_FOREVER);
}

static void wait_for_reply(void *unused)
{
	(void)unused;
	assert_int_equal(task_wait_reply(pair[1], clock_after(50)), -ETIMEDOUT);
}

static void forget(void *unused)
{
	(void)unused;
	open_pair();
	task_spawn("waiter", wait_for_input, NULL);
	task_yield();
	assert_int_equal(task_wait_readable(pair[0], MSEC_FOREVER), -EBUSY);
	task_forget_fd(pair[0]);
	task_yield();
	assert_int_equal(told, -ECANCELED);
	close_pair();
}

static void test_forget(void **state)
{
	(void)state;
	run(forget);
}

static void shut_down(void *unused)
{
	(void)unused;
	open_pair();
	told = 0;
	task_spawn("waiter", wait_for_input, NULL);
	task_spawn("patient", wait_for_reply, NULL);
	task_yield();
	assert_false(task_is_shutting_down());
	task_shut_down();
	assert_true(task_is_shutting_down());
	task_yield();
	assert_int_equal(told, -ESHUTDOWN);
	assert_int_equal(task_wait_readable(pair[0], MSEC_FOREVER), -ESHUTDOWN);
	assert_int_equal(task_wait_acceptable(pair[0], MSEC_FOREVER), -ESHUTDOWN);
	assert_int_equal(task_wait_writable(pair[0], clock_after(20000)), 0);
	task_sleep(60);
	assert_int_equal(task_count(), 1);
	close_pair();
}

static void test_shut_down(void **state)
{
	(void)state;
	run(shut_down);
	/* The next run is a new life. */
	run(raw_descriptors);
}

/* ---- signals ---- */

static int signals_seen;

static void saw_signal(void *argument)
{
	task_sleep(1);
	signals_seen += *(int *)argument;
	if (signals_seen >= 11)
		task_quit(0);
}

static void send_signals(void *unused)
{
	static int one = 1, ten = 10;

	(void)unused;
	task_on_signal(SIGUSR1, saw_signal, &one);
	task_on_signal(SIGUSR2, saw_signal, &ten);
	kill(getpid(), SIGUSR1);
	task_sleep(10);
	assert_int_equal(signals_seen, 1);
	kill(getpid(), SIGUSR2);
	/* No task is left now; the handlers keep the program alive. */
}

static void test_signals(void **state)
{
	(void)state;
	signals_seen = 0;
	run(send_signals);
	assert_int_equal(signals_seen, 11);
}

/* ---- tasks that begin with input ---- */

static int input_ends[2], inputs_heard;

static void hear_input(void *argument)
{
	char bytes[10];

	assert_ptr_equal(argument, input_ends);
	inputs_heard++;
	if (!task_is_shutting_down())
		assert_int_equal(read(input_ends[0], bytes, sizeof(bytes)), 1);
}

static int listen_for_input(void)
{
	return task_spawn_when_readable("input", input_ends[0], hear_input, input_ends);
}

static void spawn_with_input(void *unused)
{
	size_t before = task_count();

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, input_ends), 0);
	assert_int_equal(listen_for_input(), 0);
	assert_int_equal(listen_for_input(), -EBUSY);
	task_sleep(5);
	assert_int_equal(task_count(), before);
	assert_int_equal(write(input_ends[1], "1", 1), 1);
	task_sleep(5);
	assert_int_equal(inputs_heard, 1);
	/* Once only; and what is there already counts. */
	assert_int_equal(write(input_ends[1], "2", 1), 1);
	task_sleep(5);
	assert_int_equal(inputs_heard, 1);
	assert_int_equal(listen_for_input(), 0);
	task_sleep(5);
	assert_int_equal(inputs_heard, 2);
	/* Given up. */
	assert_int_equal(listen_for_input(), 0);
	task_forget_fd(input_ends[0]);
	assert_int_equal(write(input_ends[1], "3", 1), 1);
	task_sleep(5);
	assert_int_equal(inputs_heard, 2);
	assert_int_equal(read(input_ends[0], &(char[1]){ 0 }, 1), 1);
	assert_int_equal(listen_for_input(), 0);
	task_shut_down();
	task_sleep(5);
	assert_int_equal(inputs_heard, 3);
	assert_int_equal(listen_for_input(), 0);
	task_sleep(5);
	assert_int_equal(inputs_heard, 4);
	close(input_ends[0]);
	close(input_ends[1]);
}

static void test_spawn_when_readable(void **state)
{
	(void)state;
	run(spawn_with_input);
	assert_int_equal(inputs_heard, 4);
}

/* ---- stacks ---- */

static void go_deep(void *unused)
{
	volatile char deep[TASK_STACK_SIZE / 2];

	(void)unused;
	memset((char *)(uintptr_t)deep, 1, sizeof(deep));
	task_trim_stack();
	task_yield();
	/* This function's own frame lies above what was given back. */
	for (size_t i = 0; i < sizeof(deep); i += 1024)
		assert_int_equal(deep[i], 1);
}

static void test_trim(void **state)
{
	(void)state;
	run(go_deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_sleep_order),
		cmocka_unit_test(test_many_idle_tasks),
		cmocka_unit_test(test_waitlist),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_end_when_nothing_can_happen),
		cmocka_unit_test(test_quit),
		cmocka_unit_test(test_blocking),
		cmocka_unit_test(test_quit_during_job),
		cmocka_unit_test(test_raw_descriptors),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_shut_down),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_spawn_when_readable),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

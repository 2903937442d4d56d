/* Several processes: a child that goes on as a task, a listening socket that processes share. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "task/stream.h"
#include "task/task.h"

static void run(task_function *function)
{
	assert_int_equal(task_run(function, NULL), 0);
}

/* Exit status of a child, without blocking the loop. */
static int reap(pid_t pid)
{
	for (int i = 0; i < 1000; i++) {
		int status;

		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		task_sleep(2);
	}
	return -1;
}

static int double_it(void *argument)
{
	return *(int *)argument * 2;
}

static int hold(void *unused)
{
	(void)unused;
	usleep(30000);
	return 0;
}

static void in_worker(void *unused)
{
	(void)unused;
	task_blocking(hold, NULL);
}

static pid_t parent;
static int ticks, pair[2];

static void tick(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++) {
		task_sleep(1);
		ticks++;
		/* The child must not run this. */
		if (getpid() != parent)
			_exit(99);
	}
}

static void got_signal(void *unused)
{
	(void)unused;
	ticks = -1;
}

static void spawned_in_child(void *argument)
{
	task_sleep(3);
	*(int *)argument = 5;
}

/* Everything that a task can do, in a child that was born beside busy tasks. */
static int child_life(void)
{
	int number = 21, answer = 0;
	char byte;

	task_after_fork();
	if (task_count() != 1)
		return 1;
	ticks = 0;
	task_on_signal(SIGUSR1, got_signal, NULL);
	kill(getpid(), SIGUSR1);
	task_spawn("spawned", spawned_in_child, &answer);
	task_sleep(20);
	if (answer != 5 || ticks != -1)
		return 2;
	if (task_blocking(double_it, &number) != 42)
		return 3;
	if (task_wait_readable(pair[1], clock_after(20000)) != 0 || read(pair[1], &byte, 1) != 1)
		return 4;
	if (write(pair[1], "y", 1) != 1)
		return 5;
	return 0;
}

static void fork_child(void *unused)
{
	char byte;
	pid_t pid;

	(void)unused;
	parent = getpid();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	task_on_signal(SIGUSR1, got_signal, NULL);
	task_spawn("tick", tick, NULL);
	task_spawn("in worker", in_worker, NULL);
	assert_int_equal(task_wait_readable(pair[0], clock_after(5)), -ETIMEDOUT);

	pid = fork();
	if (pid == 0)
		_exit(child_life());
	assert_true(pid > 0);
	task_sleep(5);
	assert_int_equal(write(pair[0], "x", 1), 1);
	/* What the child does with its loop does not touch ours. */
	assert_int_equal(task_wait_readable(pair[0], clock_after(20000)), 0);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(reap(pid), 0);
	while (ticks < 100)
		task_sleep(10);
	task_quit(0);
}

static void test_fork(void **state)
{
	(void)state;
	ticks = 0;
	run(fork_child);
	assert_int_equal(ticks, 100);
	for (int i = 0; i < 2; i++)
		close(pair[i]);
}

/* The child's task_quit ends the child's own task_run. */
static void fork_and_quit(void *argument)
{
	pid_t pid = fork();

	if (pid == 0) {
		task_after_fork();
		task_quit(9);
		return;
	}
	*(int *)argument = reap(pid);
}

static void test_quit_in_child(void **state)
{
	int seen = -1, r;

	(void)state;
	parent = getpid();
	r = task_run(fork_and_quit, &seen);
	if (getpid() != parent)
		_exit(r);
	assert_int_equal(seen, 9);
}

/* ---- a shared listening socket ---- */

static struct sockaddr_in address;

static int listen_locally(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	address = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	return fd;
}

/* Takes connections; says "n" (its number) to each. One is enough for number 2. */
static void serve(int listener, char number)
{
	while (task_wait_acceptable(listener, clock_after(5000)) == 0) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		(void)!write(fd, &number, 1);
		close(fd);
		if (number == '2')
			break;
	}
	/* It lives on without accepting: it must not take the news from the other. */
	task_sleep(10000);
}

#define CONNECTIONS 40

static void connect_many(void *unused)
{
	int listener = listen_locally();
	pid_t children[2];

	(void)unused;
	for (char i = 0; i < 2; i++) {
		children[(int)i] = fork();
		if (children[(int)i] == 0) {
			task_after_fork();
			serve(listener, (char)('1' + i));
			_exit(0);
		}
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = stream_connect((struct sockaddr *)&address, sizeof(address), NULL, 0,
					clock_after(20000));
		_cleanup_(stream_freep) struct stream *io = NULL;
		char number;

		assert_true(fd >= 0);
		io = stream_new(fd);
		stream_set_timeout(io, 2000);
		assert_int_equal(stream_read_exact(io, &number, 1), 0);
		assert_true(number == '1' || number == '2');
		if (i % 10 == 0)
			task_sleep(3);
	}
	for (int i = 0; i < 2; i++) {
		kill(children[i], SIGKILL);
		assert_int_equal(reap(children[i]), 128 + SIGKILL);
	}
	close(listener);
}

static void test_shared_listener(void **state)
{
	(void)state;
	run(connect_many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_quit_in_child),
		cmocka_unit_test(test_shared_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* New-mail signals: to those who watch that user, in bounded memory, until they go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "anvil.h"
#include "base/log.h"
#include "task/task.h"

struct side {
	struct ipc *ipc;
	const char *user;
};

static int serving;

static void serve(void *argument)
{
	struct side *side = argument;

	serving++;
	watch_serve(side->ipc, view_of(side->user));
	ipc_free(side->ipc);
	serving--;
}

/* A watcher's end of a connection that is served. */
static struct ipc *watch(struct side *side, const char *user)
{
	int fds[2], small = 4096;
	struct message m;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	side->ipc = ipc_new(fds[0]);
	side->user = user;
	task_spawn("serve", serve, side);

	struct ipc *ipc = ipc_new(fds[1]);

	ipc_set_timeout(ipc, 3000);
	assert_int_equal(ipc_expect(ipc, MSG_done, &m), 0);
	return ipc;
}

static void expect(struct ipc *ipc, const char *folder)
{
	struct message m;

	assert_int_equal(ipc_expect(ipc, MSG_new_mail, &m), 0);
	assert_true(view_is(m.new_mail.folder, folder));
}

static void expect_silence(struct ipc *ipc)
{
	struct message m;

	ipc_set_timeout(ipc, 20);
	assert_int_equal(ipc_receive(ipc, &m), -ETIMEDOUT);
	ipc_set_timeout(ipc, 3000);
}

static void signals_reach_their_users(void *unused)
{
	struct side sides[3];
	struct ipc *a = watch(&sides[0], "alice@x.test");
	struct ipc *again = watch(&sides[1], "Alice@X.test");
	struct ipc *b = watch(&sides[2], "bob@x.test");

	(void)unused;
	watch_signal(VIEW("alice@x.test"), VIEW("INBOX"));
	watch_signal(VIEW("nobody@x.test"), VIEW("INBOX"));
	expect(a, "INBOX");
	expect(again, "INBOX");
	expect_silence(b);
	ipc_free(a);
	task_sleep(5);
	assert_int_equal(serving, 2);
	watch_signal(VIEW("ALICE@x.test"), VIEW(".Sent"));
	expect(again, ".Sent");
	ipc_free(again);
	ipc_free(b);
	task_sleep(5);
	assert_int_equal(serving, 0);
}

/* One that does not read holds nobody up, and hears in the end that there was something. */
static void a_slow_watcher(void *unused)
{
	struct side side;
	struct ipc *a = watch(&side, "alice@x.test");
	char folder[600];
	bool any = false;
	struct message m;
	size_t heard = 0;

	(void)unused;
	for (int i = 0; i < 500; i++) {
		memset(folder, 'f', sizeof(folder));
		snprintf(folder, 20, "%019d", i);
		folder[19] = 'f';
		watch_signal(VIEW("alice@x.test"), view_make(folder, sizeof(folder)));
		task_yield();
	}
	ipc_set_timeout(a, 100);
	while (ipc_receive(a, &m) == 0 && ++heard)
		any = any || m.new_mail.folder.len == 0;
	assert_true(any);
	assert_true(heard < 400);
	ipc_free(a);
	task_sleep(5);
	assert_int_equal(serving, 0);
}

static void goes_while_it_is_told(void *unused)
{
	struct side side;
	struct ipc *a = watch(&side, "alice@x.test");
	static char folder[IPC_ADDRESS_MAX];

	(void)unused;
	for (int i = 0; i < 200; i++) {
		memset(folder, 'a' + i % 26, sizeof(folder));
		watch_signal(VIEW("alice@x.test"), view_make(folder, sizeof(folder)));
		task_yield();
	}
	ipc_free(a);
	task_sleep(20);
	assert_int_equal(serving, 0);
}

static void speaks_out_of_turn(void *unused)
{
	struct side side;
	struct ipc *a = watch(&side, "alice@x.test");
	struct message m;

	(void)unused;
	assert_int_equal(ipc_send(a, done), 0);
	assert_int_equal(ipc_flush(a), 0);
	assert_int_equal(ipc_receive(a, &m), -ENODATA);
	ipc_free(a);
}

#define TEST(function)                                                                             \
	static void test_##function(void **state)                                                  \
	{                                                                                          \
		(void)state;                                                                       \
		assert_int_equal(task_run(function, NULL), 0);                                     \
	}
TEST(signals_reach_their_users)
TEST(a_slow_watcher)
TEST(goes_while_it_is_told)
TEST(speaks_out_of_turn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals_reach_their_users),
		cmocka_unit_test(test_a_slow_watcher),
		cmocka_unit_test(test_goes_while_it_is_told),
		cmocka_unit_test(test_speaks_out_of_turn),
	};

	log_set_level(LOG_FATAL_LEVEL);
	watch_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * lookups FOLDER TABLE USERS COUNT CONNECTIONS: asks proxymap for COUNT users of a table, CONNECTIONS at a time, as the
 * suite's programs do. FOLDER has its sockets; users are user0@bench.test and so on, each of which must be found.
 * Prints the number in a second.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "task/task.h"

#define CONNECTIONS_MAX 100

static struct {
	const char *table;
	unsigned users, left, running, failed;
	msec_t began;
} bench;

/* Neighbours in the table do not come after each other. */
static unsigned next_user(void)
{
	static unsigned number;

	number = (number + 7919) % bench.users;
	return number;
}

static bool ask_one(struct ipc *ipc)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, wanted = STR_EMPTY;
	struct message m;
	unsigned user = next_user();

	str_printf(&key, "user%u@bench.test", user);
	str_printf(&wanted, "user%u@bench.test", user);
	if (ipc_send(ipc, table_ask, .table = view_of(bench.table), .key = str_view(&key)) < 0 ||
	    ipc_expect(ipc, MSG_table_answered, &m) < 0)
		return false;
	return m.table_answered.outcome == TABLE_FOUND &&
	       view_find(m.table_answered.value, str_view(&wanted)) != VIEW_NOT_FOUND;
}

static void asker_run(void *unused)
{
	_cleanup_(ipc_freep) struct ipc *ipc = ipc_connect("private/proxymap", clock_after(10000));

	(void)unused;
	while (bench.left > 0) {
		bench.left--;
		if (ipc == NULL || !ask_one(ipc))
			bench.failed++;
	}
	if (--bench.running == 0)
		task_quit(0);
}

static void bench_start(void *connections)
{
	bench.began = clock_now();
	bench.running = (unsigned)(uintptr_t)connections;
	for (unsigned i = 0, count = bench.running; i < count; i++)
		task_spawn("asker", asker_run, NULL);
	while (bench.running > 0)
		task_sleep(100);
}

int main(int argc, char **argv)
{
	unsigned count, connections;
	msec_t took;

	if (argc != 6) {
		fprintf(stderr, "usage: lookups FOLDER TABLE USERS COUNT CONNECTIONS\n");
		return 64;
	}
	ipc_set_root(argv[1]);
	bench.table = argv[2];
	bench.users = (unsigned)atoi(argv[3]);
	bench.left = count = (unsigned)atoi(argv[4]);
	connections = (unsigned)atoi(argv[5]);
	if (bench.users == 0 || connections == 0 || connections > CONNECTIONS_MAX)
		return 64;
	(void)task_run(bench_start, (void *)(uintptr_t)connections);
	took = MAX(clock_now() - bench.began, (msec_t)1);
	printf("%u look-ups, %u connections: %lld in a second, %u failed\n", count, connections,
	       (long long)count * 1000 / took, bench.failed);
	return bench.failed > 0;
}

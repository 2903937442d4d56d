/* What a switch, a task's life, an exchange over a stream and an idle task cost. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "task/stream.h"
#include "task/task.h"

#define SWITCHES  5000000
#define LIVES	  1000000
#define EXCHANGES 300000
#define IDLE	  10000

/* CPU time: on a busy machine the wall clock says nothing. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_bytes(void)
{
	long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
		log_fatal("/proc/self/statm cannot be read");
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static void yield_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < SWITCHES / 2; i++)
		task_yield();
}

static void measure_switches(void)
{
	double begin;

	task_spawn("other", yield_often, NULL);
	begin = seconds();
	yield_often(NULL);
	printf("switch to another task: %.0f ns\n", (seconds() - begin) / SWITCHES * 1e9);
}

static void live_and_die(void *unused)
{
	(void)unused;
}

static void measure_lives(void)
{
	double begin = seconds();

	for (int i = 0; i < LIVES; i++) {
		task_spawn("short", live_and_die, NULL);
		task_yield();
	}
	printf("a task's whole life: %.0f ns\n", (seconds() - begin) / LIVES * 1e9);
}

static void bench_answer(void *argument)
{
	struct stream *io = argument;
	struct view line;

	while (stream_read_line(io, &line, 100) == 0)
		stream_write(io, VIEW("250 2.0.0 Ok\r\n"));
	stream_free(io);
}

static void measure_exchanges(void)
{
	struct stream *io;
	struct view line;
	double begin;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		log_fatal("socketpair: %m");
	io = stream_new(pair[0]);
	task_spawn("server", bench_answer, stream_new(pair[1]));
	begin = seconds();
	for (int i = 0; i < EXCHANGES; i++) {
		stream_write(io, VIEW("NOOP\r\n"));
		if (stream_read_line(io, &line, 100) < 0)
			log_fatal("the exchange failed");
	}
	printf("command and reply over a socket: %.2f us\n", (seconds() - begin) / EXCHANGES * 1e6);
	stream_free(io);
	task_yield();
}

static struct waitlist crowd;

static void idle(void *unused)
{
	(void)unused;
	wait_on(&crowd, clock_after(600000));
}

static void measure_idle_tasks(void)
{
	long before = resident_bytes();

	WAITLIST_INIT(&crowd);
	for (int i = 0; i < IDLE; i++)
		task_spawn("idle", idle, NULL);
	task_yield();
	printf("an idle task: %ld bytes resident\n", (resident_bytes() - before) / IDLE);
	wake_all(&crowd);
	task_yield();
}

static void wait_for_line(void *argument)
{
	struct stream *io = argument;
	struct view line;

	stream_read_line(io, &line, 100);
	stream_free(io);
}

#define CONNECTIONS 2000

static void measure_idle_streams(void)
{
	static int far[CONNECTIONS];
	long before = resident_bytes();
	int count = 0;

	for (; count < CONNECTIONS; count++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			break;
		far[count] = pair[0];
		task_spawn("connection", wait_for_line, stream_new(pair[1]));
	}
	task_yield();
	if (count > 0)
		printf("an idle connection: %ld bytes resident (without the kernel's)\n",
		       (resident_bytes() - before) / count);
	while (count > 0)
		close(far[--count]);
}

static void measure(void *unused)
{
	(void)unused;
	measure_idle_tasks();
	measure_idle_streams();
	measure_switches();
	measure_lives();
	measure_exchanges();
}

int main(void)
{
	return task_run(measure, NULL);
}

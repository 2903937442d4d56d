/*
 * A program's life: ready, at work, retiring, gone. It tells master of each step, and waits here
 * for the last work to end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/internal.h"
#include "table/table.h"

/* How often tables are looked at while no request comes, where the system does not tell. */
#define TABLE_CHECK_PAUSE 10000
/* After it told: what changes together is taken together. */
#define TABLE_GATHER_PAUSE 50

static struct {
	const struct daemon_program *program;
	int life_fd, status_fd;
	int tables_fd; /* tells of changes; -ENODATA: there is nothing to change; else: look */
	size_t work;   /* connections and other things that must end before this program does */
	bool retiring, stopping;
} life;

void life_report(int status_fd, const char *word, const char *text)
{
	char line[ERROR_TEXT_MAX + 64];
	int n = snprintf(line, sizeof(line), "%s %s\n", word, text);

	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	(void)!write(status_fd, line, (size_t)n); /* master may be gone */
}

static void quit_when_done(void)
{
	if (life.retiring && life.work == 0)
		task_quit(0);
}

void life_work_begin(void)
{
	life.work++;
}

void life_work_end(void)
{
	life.work--;
	quit_when_done();
}

bool life_is_retiring(void)
{
	return life.retiring;
}

/* ---- the end ---- */

static void life_end_when_late(void *unused)
{
	(void)unused;
	task_sleep(param.service_stop_time);
	log_warning("%zu connections or jobs have not ended within service_stop_time", life.work);
	task_quit(0);
}

static void life_stop(void *unused)
{
	(void)unused;
	if (life.stopping)
		return;
	life.stopping = true;
	life_retire();
	task_shut_down();
	task_spawn("end when late", life_end_when_late, NULL);
}

static void stop_when_late(void *unused)
{
	(void)unused;
	task_sleep(param.service_retire_time);
	log_info("service_retire_time is over: ending %zu connections or jobs", life.work);
	life_stop(NULL);
}

void life_retire(void)
{
	if (life.retiring)
		return;
	life.retiring = true;
	life_report(life.status_fd, "retiring", "");
	serve_retire();
	if (life.program->retire != NULL)
		life.program->retire();
	if (!life.stopping)
		task_spawn("stop when late", stop_when_late, NULL);
	quit_when_done();
}

static void retire_on_signal(void *unused)
{
	(void)unused;
	life_retire();
}

/* ---- what begins the end ---- */

/*
 * Ours is the end of the pipe that is written to, and nobody writes: it breaks when the last end
 * for reading is gone, whatever else the programs that have such an end do with it.
 */
static bool life_line_is_broken(void)
{
	struct pollfd line = { .fd = life.life_fd };

	return poll(&line, 1, 0) == 1 && line.revents & POLLERR;
}

static void watch_life_line(void *unused)
{
	(void)unused;
	while (!life_line_is_broken())
		if (task_wait_readable(life.life_fd, MSEC_FOREVER) < 0)
			return;
	log_warning("master is gone: finishing");
	life_retire();
}

/* Master asks whether the loop still turns. */
static void life_answer(void *unused)
{
	(void)unused;
	life_report(life.status_fd, "alive", "");
}

static void watch_tables(void *unused)
{
	(void)unused;
	while (!life.retiring) {
		task_sleep(TABLE_CHECK_PAUSE);
		if (table_any_changed())
			life_retire();
	}
}

static void hear_of_tables(void *unused)
{
	char events[1024];

	(void)unused;
	while (task_wait_readable(life.tables_fd, MSEC_FOREVER) == 0) {
		task_sleep(TABLE_GATHER_PAUSE);
		while (read(life.tables_fd, events, sizeof(events)) > 0)
			;
		if (table_any_changed())
			life_retire();
	}
}

void life_prepare(void)
{
	life.tables_fd = daemon_entry()->root != DAEMON_ROOT_NONE ? table_notify_fd() : -ENODATA;
}

void life_start(const struct daemon_program *program, const struct birth *birth)
{
	life.program = program;
	life.life_fd = birth->life_fd;
	life.status_fd = birth->status_fd;
	task_on_signal(SIGTERM, life_stop, NULL);
	task_on_signal(SIGHUP, retire_on_signal, NULL);
	task_on_signal(SIGUSR1, life_answer, NULL);
	task_spawn("life line", watch_life_line, NULL);
	if (life.tables_fd >= 0)
		task_spawn("tables", hear_of_tables, NULL);
	else if (life.tables_fd != -ENODATA)
		task_spawn("tables", watch_tables, NULL);
}

/* ---- for programs ---- */

bool daemon_is_retiring(void)
{
	return life.retiring;
}

void daemon_retire(void)
{
	life_retire();
}

void daemon_work_begin(void)
{
	life_work_begin();
}

void daemon_work_end(void)
{
	life_work_end();
}

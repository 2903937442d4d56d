/*
 * Reading the configuration again and changing over to it. What does not start leaves the old
 * state in force.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

#define REPORT_MAX    16384
#define CHECK_TIMEOUT 30000
#define READY_TIMEOUT 60000
/* For an address that a service before it in the old plan still holds, there is no patience. */
#define BIND_PATIENCE 1000

static void check_in_child(int report_fd)
{
	struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;
	const struct plan *old = plan_in_force();

	if (plan_load(old->config_directory, &plan, &report, &notes) == 0 &&
	    strcmp(plan.queue_directory, old->queue_directory) != 0)
		str_append_cstr(&report,
				"main.cf: queue_directory: a change needs stop and start\n");
	/* What would stop a program at the start is a reason to stay with what runs. */
	str_append_cstr(&report, conf_mistakes_of_others());
	(void)io_write_all(report_fd, report.data, MIN(report.len, (size_t)REPORT_MAX));
	_exit(0);
}

/*
 * Reading a configuration replaces the one in `param`, so another process tries it first. 0, or
 * -EINVAL with what is wrong.
 */
static int check_first(struct str *report)
{
	int ends[2], r = 0;
	msec_t deadline = clock_after(CHECK_TIMEOUT);
	ssize_t n = -1;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;

	_cleanup_fd_ int from = ends[0];
	pid_t pid = fork();

	if (pid == 0)
		check_in_child(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		str_printf(report, "fork: %s\n", strerror(errno));
		return -EAGAIN;
	}
	fcntl(from, F_SETFL, O_NONBLOCK);
	while (r == 0 && n != 0 && report->len <= REPORT_MAX) {
		r = task_wait_readable(from, deadline);
		n = read(from, str_reserve(report, 4096), 4096);
		if (n > 0)
			str_grow(report, (size_t)n);
	}
	task_forget_fd(from);
	return r < 0 ? r : report->len > 0 ? -EINVAL : 0;
}

static void log_reload_notes(const struct str *notes)
{
	struct view rest = str_view(notes), line;

	while (view_next_word(&rest, "\n", &line))
		log_warning("reload: %.*s", VIEW_ARG(line));
}

static int put_in_force(struct str *report)
{
	_cleanup_(str_free) struct str notes = STR_EMPTY;
	_cleanup_free_ char *directory = mem_strdup(plan_in_force()->config_directory);
	struct error err = ERROR_NONE;
	struct plan *plan = plan_in_force(), next, old = *plan;
	int r;

	if (plan_load(directory, &next, report, &notes) < 0)
		return -EINVAL;
	r = folders_make(&err);
	if (r == 0)
		r = sockets_open(&next, BIND_PATIENCE, &err);
	if (r == 0)
		r = logfile_open(&err);
	if (r == 0)
		r = children_prepare(&err);
	if (r < 0) {
		str_printf(report, "%s\n", err.text);
		/* 0.0.0.0:25 stands in the way of 127.0.0.1:25. */
		if (r == -EADDRINUSE)
			str_append_cstr(report, "(If it is this instance itself, since "
						"inet_interfaces changed: stop and start.)\n");
		plan_free(&next);
		return -EINVAL;
	}
	log_reload_notes(&notes);
	*plan = next;
	services_apply(plan);
	plan_free(&old);
	sockets_close_unwanted();
	return 0;
}

static void reload_log_report(const struct str *report)
{
	struct view rest = str_view(report), line;

	while (view_next_word(&rest, "\n", &line))
		log_error("reload: %.*s", VIEW_ARG(line));
}

int reload(struct str *report)
{
	static bool under_way;
	struct error err = ERROR_NONE;
	int r;

	if (under_way || master_is_stopping()) {
		str_append_cstr(report, "a reload or stop is under way\n");
		return -EBUSY;
	}
	under_way = true;
	notify_reloading();
	r = check_first(report);
	if (r == 0)
		r = put_in_force(report);
	if (r == 0) {
		log_info("reload: version %s, configuration %s", POSTA_VERSION,
			 plan_in_force()->config_directory);
		/* The old processes serve until the new ones are ready. */
		r = services_wait_ready(clock_after(READY_TIMEOUT), NULL, &err);
		if (r < 0)
			str_printf(report,
				   "%s\nThe processes of before go on until this is put "
				   "right.\n",
				   err.text);
	}
	if (r < 0)
		reload_log_report(report);
	notify("READY=1");
	under_way = false;
	return r;
}

/*
 * master -c CONFDIR [-r FD | -t]
 *
 * Started by posta start. -r: a pipe on which whoever started us waits for a line: "ready" or
 * "failed REASON" (a reason may have several lines; the end of the pipe ends it). -t: only tells
 * what it thinks of the configuration, in lines "error TEXT" and "note TEXT", for posta check.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

#define EXIT_CONFIGURATION 78
#define READY_TIMEOUT	   60000
#define QMGR_SOCKET	   "private/qmgr"
#define QMGR_TIMEOUT	   30000
/* For addresses that the programs of a master that was killed are about to let go. */
#define BIND_PATIENCE 10000

static struct {
	const char *config_directory;
	int report_fd;
	bool only_test;
	struct str warnings; /* for who starts it: what is not as the configuration has it */
} master = { .report_fd = -1 };

/* ---- start ---- */

static void failure_report(const char *word, const char *text)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s %s\n", word, text);
	if (master.report_fd < 0) {
		if (text[0] != '\0')
			fprintf(stderr, "posta: %s\n", text);
		return;
	}
	(void)io_write_all(master.report_fd, line.data, line.len);
	close(master.report_fd);
	master.report_fd = -1;
}

static void log_lines(struct view rest)
{
	struct view line;

	while (view_next_word(&rest, "\n", &line))
		log_info("%.*s", VIEW_ARG(line));
}

/* Everything that can be done before the loop runs. */
static int master_prepare(struct error *err)
{
	int r;

	ipc_set_root(param.queue_directory);
	r = folders_make(err);
	if (r == 0)
		r = pid_file_take(err);
	if (r == 0)
		r = logfile_open(err);
	if (r < 0)
		return r;
	log_info("start: version %s, configuration %s", POSTA_VERSION,
		 plan_in_force()->config_directory);
	if (!master_is_root())
		log_info("not running as root: all programs run as user %d, without chroot; "
			 "seccomp, Landlock and no-new-privileges are put on",
			 (int)geteuid());
	return children_prepare(err);
}

/* A process that is ready may still hang: mail goes nowhere without this one. */
static int hear_qmgr(struct error *err)
{
	_cleanup_(ipc_freep) struct ipc *ipc = NULL;
	struct message m;
	int r;

	if (socket_find(QMGR_SOCKET) == NULL)
		return 0;
	ipc = ipc_connect(QMGR_SOCKET, clock_after(QMGR_TIMEOUT));
	r = ipc == NULL ? -errno : 0;
	if (r == 0) {
		ipc_set_timeout(ipc, QMGR_TIMEOUT);
		/* No such id can be: it is answered without looking. */
		r = ipc_send(ipc, queue_page, .queue_id = VIEW("?"));
	}
	if (r == 0)
		r = ipc_expect(ipc, MSG_verdict, &m);
	return r < 0 ? error_set(err, r, "service qmgr does not answer: %s", strerror(-r)) : 0;
}

static int start_services(struct error *err)
{
	int r = sockets_open(plan_in_force(), pid_file_was_left() ? BIND_PATIENCE : 0, err);

	if (r == 0)
		r = control_start(err);
	if (r < 0)
		return r;
	publish_start();
	services_apply(plan_in_force());
	r = services_wait_ready(clock_after(READY_TIMEOUT), &master.warnings, err);
	return r < 0 ? r : hear_qmgr(err);
}

/* ---- signals ---- */

static void stop_on_signal(void *unused)
{
	(void)unused;
	master_stop();
	services_changed();
}

static void reload_on_signal(void *unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)unused;
	(void)reload(&text); /* logged there */
}

static void set_signals(void)
{
	task_on_signal(SIGCHLD, children_reap, NULL);
	task_on_signal(SIGTERM, stop_on_signal, NULL);
	task_on_signal(SIGINT, stop_on_signal, NULL);
	task_on_signal(SIGHUP, reload_on_signal, NULL);
}

/* ---- life ---- */

static void master_run(void *unused)
{
	struct error err = ERROR_NONE;
	int r;

	(void)unused;
	set_signals();
	logfile_watch();
	r = start_services(&err);
	if (r == 0) {
		log_info("ready");
		if (!logfile_is_heard())
			str_append_cstr(&master.warnings,
					"There is no syslog daemon (/dev/log), so nothing is "
					"logged; maillog_file names a file.\n");
		failure_report("ready", str_cstr(&master.warnings));
		notify("READY=1");
		master_wait_stop();
	} else if (!master_is_stopping()) {
		log_error("start: %s", err.text);
	}
	master_stop();
	notify("STOPPING=1");
	pid_file_empty();
	services_stop();
	sockets_close_all();
	logfile_close();
	log_info("stopped");
	if (r < 0) {
		str_clear(&master.warnings);
		str_printf(&master.warnings, "%s%s", conf_mistakes_of_others(), err.text);
		failure_report("failed", str_cstr(&master.warnings));
	}
	/* Who was told to stop before all was ready has done what it was told. */
	task_quit(r == 0 || r == -ECANCELED ? 0 : r == -EINVAL ? EXIT_CONFIGURATION : 1);
}

static void report_print_lines(const char *kind, struct view rest)
{
	struct view line;

	while (view_next_word(&rest, "\n", &line))
		printf("%s %.*s\n", kind, VIEW_ARG(line));
}

/* Reads the configuration; an exit status if that is all there is to do. */
static int read_configuration(struct str *notes)
{
	_cleanup_(str_free) struct str problems = STR_EMPTY;
	int r = plan_load(master.config_directory, plan_in_force(), &problems, notes);

	if (master.only_test) {
		report_print_lines("error", str_view(&problems));
		report_print_lines("note", str_view(notes));
		return r < 0 ? 1 : 0;
	}
	if (r < 0) {
		failure_report("failed", str_cstr(&problems));
		return EXIT_CONFIGURATION;
	}
	return -1;
}

static bool master_read_arguments(int argc, char **argv)
{
	int option;
	uint32_t fd;

	while ((option = getopt(argc, argv, "c:r:t")) != -1) {
		if (option == 'c')
			master.config_directory = optarg;
		else if (option == 't')
			master.only_test = true;
		else if (option == 'r' && view_parse_u32(view_of(optarg), INT32_MAX, &fd) == 0)
			master.report_fd = (int)fd;
		else
			return false;
	}
	return optind == argc && master.config_directory != NULL &&
	       master.config_directory[0] == '/';
}

int main(int argc, char **argv)
{
	_cleanup_(str_free) struct str notes = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	conf_read_for("master");
	if (!master_read_arguments(argc, argv)) {
		fprintf(stderr, "usage: master -c /CONFDIR; use \"posta start\"\n");
		return 2;
	}
	/* Programs get what they are given and nothing that we happened to inherit. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	umask(022);
	if (chdir("/") < 0)
		return 1;
	r = read_configuration(&notes);
	if (r >= 0)
		return r;
	r = master_prepare(&err);
	if (r < 0) {
		failure_report("failed", err.text);
		return r == -EINVAL ? EXIT_CONFIGURATION : 1;
	}
	log_lines(str_view(&notes));
	str_append(&master.warnings, str_view(&notes));
	return task_run(master_run, NULL);
}

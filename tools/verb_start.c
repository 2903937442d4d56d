/* posta start: starts the instance, and waits until every program is ready. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/accounts.h"
#include "tools/instance.h"
#include "tools/tool.h"
#include "tools/users.h"

static const char help[] =
	"usage: posta [-c CONFDIR] start [--foreground]\n"
	"\n"
	"Starts the instance and returns when every program is ready; status 1 and the reason if "
	"one\n"
	"cannot start (then nothing is left running). --foreground stays: for systemd, containers "
	"and\n"
	"supervisors; SIGTERM or Ctrl-C stop it, SIGHUP reloads.\n";

/* In the child: a process of its own that keeps nothing of the terminal. */
static void run_in_background(const char *master, const char *directory, int report_fd)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	if (report_fd != 3)
		dup2(report_fd, 3);
	close_range(4, ~0U, 0);
	execl(master, "master", "-c", directory, "-r", "3", (char *)NULL);
	_exit(127);
}

/* "ready", or "failed" with all the reasons. Reads until master closes the pipe. */
static int read_report(int fd)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	ssize_t n;

	do {
		n = read(fd, str_reserve(&text, 4096), 4096);
		if (n > 0)
			str_grow(&text, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	rest = view_trim(str_view(&text));
	if (view_starts(rest, VIEW("ready"))) {
		rest = view_trim(view_from(rest, strlen("ready")));
		while (view_next(&rest, '\n', &line))
			if (line.len > 0)
				fprintf(stderr, "posta start: warning: %.*s\n", VIEW_ARG(line));
		return TOOL_DONE;
	}
	if (view_starts(rest, VIEW("failed ")))
		rest = view_from(rest, strlen("failed "));
	if (rest.len == 0)
		return tool_fail("start", "master ended without a word; look at the log");
	fprintf(stderr, "%.*s\n", VIEW_ARG(rest));
	return tool_fail("start", "not started");
}

static int start_in_background(const char *master, const char *directory)
{
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) < 0)
		return tool_fail("start", "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return tool_fail("start", "fork: %s", strerror(errno));
	if (pid == 0) {
		close(ends[0]);
		run_in_background(master, directory, ends[1]);
	}
	close(ends[1]);
	status = read_report(ends[0]);
	close(ends[0]);
	if (status != TOOL_DONE)
		waitpid(pid, NULL, 0);
	return status;
}

/* What a crash has left half done; and an instance made before there were two tables. */
static void complete_users(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, ignored = STR_EMPTY;
	struct view rest, line;

	if (conf_load(tool_directory(), NULL, 0, &ignored) < 0)
		return; /* master says what is wrong */
	(void)users_complete(&report);
	rest = str_view(&report);
	while (view_next(&rest, '\n', &line))
		if (line.len > 0)
			fprintf(stderr, "posta start: warning: %.*s\n", VIEW_ARG(line));
}

/* An instance of an earlier version may lack users that programs have now. */
static bool start_has_accounts(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	/* What is wrong with a configuration, master says better; a mistake that is only another's is no reason. */
	conf_read_for("master");
	r = conf_load(tool_directory(), NULL, 0, &report);
	conf_read_for(NULL);
	if (r < 0 || accounts_add_missing(&err) == 0)
		return true;
	tool_fail("start", "%s", err.text);
	return false;
}

int verb_start(int argc, char **argv)
{
	static const struct option options[] = { { "foreground", no_argument, NULL, 'f' },
						 { "help", no_argument, NULL, 'H' },
						 { 0 } };
	_cleanup_(str_free) struct str master = STR_EMPTY;
	_cleanup_free_ char *directory = NULL;
	bool foreground = false;
	int option;

	while ((option = getopt_long(argc, argv, "+f", options, NULL)) >= 0) {
		if (option == 'H') {
			fputs(help, stdout);
			return TOOL_DONE;
		}
		if (option != 'f')
			return tool_usage("start", "wrong option");
		foreground = true;
	}
	if (optind < argc)
		return tool_usage("start", "%s is not understood", argv[optind]);
	directory = realpath(tool_directory(), NULL);
	if (directory == NULL)
		return tool_fail("start", "%s: %s", tool_directory(), strerror(errno));
	if (!instance_find_master(&master))
		return tool_fail("start", "there is no libexec/posta/master beside bin/posta");
	if (geteuid() == 0 && !start_has_accounts())
		return TOOL_NO;
	complete_users();
	if (!foreground)
		return start_in_background(str_cstr(&master), directory);
	execl(str_cstr(&master), "master", "-c", directory, (char *)NULL);
	return tool_fail("start", "%s: %s", str_cstr(&master), strerror(errno));
}

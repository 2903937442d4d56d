/* posta check: what master itself thinks of main.cf and master.cf. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/check.h"
#include "tools/instance.h"
#include "tools/tool.h"

static void run_master(const char *master, const char *directory, const int *ends)
{
	close(ends[0]);
	if (ends[1] != STDOUT_FILENO) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[1]);
	}
	execl(master, "master", "-c", directory, "-t", (char *)NULL);
	_exit(127);
}

static int read_answer(int fd, struct str *answer)
{
	ssize_t n;

	do {
		n = read(fd, str_reserve(answer, 4096), 4096);
		if (n > 0)
			str_grow(answer, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static void check_ask_master(const char *master, const char *directory, struct str *answer)
{
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0) {
		check_error("pipe: %s", strerror(errno));
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_master(master, directory, ends);
	close(ends[1]);
	if (pid < 0 || read_answer(ends[0], answer) < 0)
		check_error("run %s: %s", master, strerror(errno));
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		check_error("%s -t ended with status %d", master, status);
}

void check_master(void)
{
	_cleanup_(str_free) struct str answer = STR_EMPTY, master = STR_EMPTY;
	_cleanup_free_ char *directory = realpath(tool_directory(), NULL);
	struct view rest, line;

	if (directory == NULL || !instance_find_master(&master)) {
		check_error("there is no libexec/posta/master beside bin/posta");
		return;
	}
	check_ask_master(str_cstr(&master), directory, &answer);
	rest = str_view(&answer);
	while (view_next_word(&rest, "\n", &line)) {
		if (view_starts(line, VIEW("error ")))
			check_error("%.*s", VIEW_ARG(view_from(line, strlen("error "))));
		else if (view_starts(line, VIEW("note ")))
			check_warning("%.*s", VIEW_ARG(view_from(line, strlen("note "))));
	}
}

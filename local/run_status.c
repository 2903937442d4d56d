/*
 * What the end of a command means for the mail that it was given. Decided from exit status and
 * output alone.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/mem.h"
#include "run.h"

/* sysexits.h and RFC 3463, as local(8) and pipe(8) have them. */
static const struct exit_status {
	int code;
	const char *status, *meaning;
} exit_statuses[] = {
	{ EX_USAGE, "5.3.0", "command line usage error" },
	{ EX_DATAERR, "5.6.0", "data format error" },
	{ EX_NOINPUT, "5.3.0", "cannot open input" },
	{ EX_NOUSER, "5.1.1", "user unknown" },
	{ EX_NOHOST, "5.1.2", "host name unknown" },
	{ EX_UNAVAILABLE, "5.3.0", "service unavailable" },
	{ EX_SOFTWARE, "5.3.0", "internal software error" },
	{ EX_OSERR, "4.3.0", "system resource problem" },
	{ EX_OSFILE, "5.3.0", "critical OS file missing" },
	{ EX_CANTCREAT, "5.2.0", "cannot create user output file" },
	{ EX_IOERR, "5.3.0", "input/output error" },
	{ EX_TEMPFAIL, "4.3.0", "temporary failure" },
	{ EX_PROTOCOL, "5.5.0", "remote error in protocol" },
	{ EX_NOPERM, "5.7.0", "permission denied" },
	{ EX_CONFIG, "5.3.5", "local configuration error" },
};

static const struct exit_status *exit_status_find(int code)
{
	static const struct exit_status unknown = { 0, "5.3.0", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(exit_statuses); i++)
		if (exit_statuses[i].code == code)
			return &exit_statuses[i];
	return &unknown;
}

/* "4.2.2 over quota": takes the status code off the front. False: there is none. */
static bool take_leading_status(struct view *said, char status[static IPC_STATUS_MAX + 1])
{
	struct view rest = *said, word;
	size_t digits = 0, part = 0;

	if (!view_next_word(&rest, " ", &word) || word.len > 9 ||
	    strchr("245", word.data[0]) == NULL)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] == '.' && digits > 0 && part < 2) {
			part++;
			digits = 0;
		} else if (ascii_is_digit(word.data[i]) && ++digits <= (part == 0 ? 1 : 3)) {
			continue;
		} else {
			return false;
		}
	}
	if (part != 2 || digits == 0)
		return false;
	memcpy(status, word.data, word.len);
	status[word.len] = '\0';
	*said = view_trim(rest);
	return true;
}

/* A status code that the command prints says more than its exit status; one for success does not. */
static void outcome_of_status(int code, struct view said, struct view command,
			      struct outcome *outcome)
{
	const struct exit_status *e = exit_status_find(code);
	char status[IPC_STATUS_MAX + 1], number[40];

	if (!take_leading_status(&said, status) || status[0] == '2')
		snprintf(status, sizeof(status), "%s", e->status);
	snprintf(number, sizeof(number), "exit status %d", code);
	if (said.len == 0)
		said = view_of(e->meaning != NULL ? e->meaning : number);
	outcome_set(outcome, status[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_FAILED, status,
		    VIEW_NONE, "%s. Command output: %.*s (\"%.*s\")",
		    e->meaning != NULL ? e->meaning : number, VIEW_ARG(said), VIEW_ARG(command));
}

/* In one line: line ends and tabs become spaces. */
static void said_in_a_line(struct view said, struct str *line)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_set(&text, view_trim(said));
	for (size_t i = 0; i < text.len; i++)
		if (ascii_is_space(text.data[i]))
			text.data[i] = ' ';
	str_append_printable(line, str_view(&text));
}

/* What the shell says of what it ran, as POSIX has it. */
#define SHELL_CANNOT_RUN 126
#define SHELL_SIGNAL	 128

static int end_signal(const struct run_end *end)
{
	if (WIFSIGNALED(end->status))
		return WTERMSIG(end->status);
	if (end->by_shell && WEXITSTATUS(end->status) > SHELL_SIGNAL &&
	    WEXITSTATUS(end->status) < SHELL_SIGNAL + NSIG)
		return WEXITSTATUS(end->status) - SHELL_SIGNAL;
	return 0;
}

void run_outcome(const struct run_end *end, struct outcome *outcome)
{
	_cleanup_(str_free) struct str said = STR_EMPTY;

	said_in_a_line(end->said, &said);
	if (end->too_long)
		outcome_set(outcome, OUTCOME_FAILED, "5.3.0", VIEW_NONE,
			    "command time limit exceeded: \"%.*s\": %s", VIEW_ARG(end->command),
			    str_cstr(&said));
	else if (end_signal(end) > 0)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "command died with signal %d: \"%.*s\": %s", end_signal(end),
			    VIEW_ARG(end->command), str_cstr(&said));
	else if (end->by_shell && WEXITSTATUS(end->status) >= SHELL_CANNOT_RUN &&
		 WEXITSTATUS(end->status) <= SHELL_SIGNAL)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "command cannot be run: \"%.*s\": %s", VIEW_ARG(end->command),
			    str_cstr(&said));
	else if (WEXITSTATUS(end->status) == 0)
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, "%s", str_cstr(&said));
	else
		outcome_of_status(WEXITSTATUS(end->status), str_view(&said), end->command, outcome);
}

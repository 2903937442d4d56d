/*
 * Running a command with a message as its input, as the user that this process already is. The
 * message goes through a pipe with LF line ends and a From_ line, as pipes of mail systems always
 * had it; the first bytes that the command prints become part of the answer.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "task/task.h"

#define OUTPUT_MAX    1024 /* bytes of the command's output that are kept */
#define ARGUMENTS_MAX 100
#define COPY_BLOCK    32768
#define DRAIN_TIME    ((msec_t)200) /* for output that lies in the pipe when the command has ended */
#define LAST_WAIT     ((msec_t)10000)

/* The one command of this process. */
static struct {
	pid_t pid;
	int status;
	bool ended;
	struct waitlist end;
} command;

struct run {
	int input, output; /* our ends of the pipes */
	struct msg_work_run *m;
	struct io_source content;
	struct str said;
	bool writing, reading;
	struct waitlist idle;
	msec_t deadline;
};

static void command_reap(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command.pid)
			continue;
		command.status = status;
		command.ended = true;
		wake_all(&command.end);
	}
}

void child_run_prepare(void)
{
	WAITLIST_INIT(&command.end);
	task_on_signal(SIGCHLD, command_reap, NULL);
}

/* ---- the message ---- */

static int write_some(struct run *run, struct view bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(run->input, bytes.data, bytes.len);

		if (n >= 0) {
			bytes = view_from(bytes, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;

		int r = task_wait_writable(run->input, run->deadline);

		if (r < 0)
			return r;
	}
	return 0;
}

/* CR LF becomes LF, also where a block ends between them. */
static int write_lines(struct run *run, struct view bytes, bool *held_cr)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.data[i];

		if (*held_cr && c != '\n')
			str_append_byte(&out, '\r');
		*held_cr = c == '\r';
		if (!*held_cr)
			str_append_byte(&out, c);
	}
	return write_some(run, str_view(&out));
}

static void from_line(struct view sender, struct str *line)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[64];

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		date[0] = '\0';
	str_append(line, VIEW("From "));
	if (sender.len == 0)
		str_append(line, VIEW("MAILER-DAEMON"));
	for (size_t i = 0; i < sender.len; i++)
		str_append_byte(line, sender.data[i] == ' ' ? '-' : sender.data[i]);
	str_printf(line, "  %s\n", date);
}

static int command_write_message(struct run *run)
{
	_cleanup_free_ char *block = mem_new_bytes(COPY_BLOCK);
	_cleanup_(str_free) struct str first = STR_EMPTY;
	bool held_cr = false;
	int r;

	from_line(run->m->sender, &first);
	r = write_some(run, str_view(&first));
	if (r == 0)
		r = write_lines(run, run->m->headers, &held_cr);
	for (uint64_t done = 0; r == 0 && done < run->content.size;) {
		size_t want = (size_t)MIN((uint64_t)COPY_BLOCK, run->content.size - done);

		r = io_source_read(&run->content, block, want, done);
		if (r == 0)
			r = write_lines(run, view_make(block, want), &held_cr);
		done += want;
	}
	return r;
}

/* A command that does not read all of it (EPIPE) may have its reasons; its status counts. */
static void writer(void *argument)
{
	struct run *run = argument;

	(void)command_write_message(run);
	task_forget_fd(run->input);
	mem_closep(&run->input);
	run->input = -1;
	run->writing = false;
	wake_all(&run->idle);
}

static void reader(void *argument)
{
	struct run *run = argument;
	char buffer[1024];

	for (;;) {
		ssize_t n = read(run->output, buffer, sizeof(buffer));

		if (n > 0) {
			size_t room = OUTPUT_MAX - run->said.len;

			str_append(&run->said, view_make(buffer, MIN((size_t)n, room)));
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN || task_wait_readable(run->output, run->deadline) < 0)
			break;
	}
	run->reading = false;
	wake_all(&run->idle);
}

/* ---- starting ---- */

/* What only a shell understands; other commands are run without one. */
static bool needs_shell(const char *text)
{
	static const char *const builtins[] = { "!",	    "bg",     "break", "case", "cd",
						"continue", "eval",   "exec",  "exit", "for",
						"if",	    "return", "set",   "test", "time",
						"trap",	    "umask",  "while", ".",    ":" };
	struct view rest = view_of(text), word;

	if (strpbrk(text, "!$&*()[]~{}\\|;'\"<>?`^#\n") != NULL)
		return true;
	if (!view_next_word(&rest, " \t", &word) || view_find_byte(word, '=') != VIEW_NOT_FOUND)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (view_is(word, builtins[i]))
			return true;
	return false;
}

static char **command_split(struct view text, const char *separators, size_t limit)
{
	char **words = mem_new_array(char *, limit + 1);
	struct view word;
	size_t count = 0;

	while (count < limit && (separators != NULL ? view_next_word(&text, separators, &word)
						    : view_next(&text, '\0', &word)))
		if (word.len > 0)
			words[count++] = mem_strndup(word.data, word.len);
	return words;
}

/* In the new process. */
static void become_command(struct run *run, int input, int output) __attribute__((noreturn));
static void become_command(struct run *run, int input, int output)
{
	char *text = mem_strndup(run->m->command.data, run->m->command.len);
	char *directory = mem_strndup(run->m->directory.data, run->m->directory.len);
	char **environment = command_split(run->m->environment, NULL, ARGUMENTS_MAX);
	char *shell[] = { (char *)"sh", (char *)"-c", text, NULL };
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(EX_TEMPFAIL);
	close_range(3, ~0U, 0);
	/* One that was asked for must do; a home that is not there does not keep mail away. */
	if (chdir(directory) < 0 &&
	    (param.command_execution_directory[0] != '\0' || chdir("/") < 0)) {
		dprintf(STDERR_FILENO, "change to folder %s: %s", directory, strerror(errno));
		_exit(EX_TEMPFAIL);
	}
	if (needs_shell(text)) {
		execve("/bin/sh", shell, environment);
	} else {
		char **words = command_split(view_of(text), " \t", ARGUMENTS_MAX);

		environ = environment;
		execvpe(words[0], words, environment);
		dprintf(STDERR_FILENO, "%s: %s", words[0], strerror(errno));
	}
	/* The administrator can mend that; nobody else is told. */
	_exit(EX_TEMPFAIL);
}

/* 0 or a negative errno. */
static int command_start(struct run *run)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	command.ended = false;
	command.pid = fork();
	if (command.pid == 0)
		become_command(run, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	run->input = in[1];
	run->output = out[0];
	if (command.pid < 0)
		return -errno;
	setpgid(command.pid, command.pid); /* whoever is first */
	fcntl(run->input, F_SETFL, O_NONBLOCK);
	fcntl(run->output, F_SETFL, O_NONBLOCK);
	return 0;
}

/* ---- the end ---- */

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
static int report_status(struct ipc *ipc, struct run *run, struct view said)
{
	const struct exit_status *e = exit_status_find(WEXITSTATUS(command.status));
	char status[IPC_STATUS_MAX + 1];
	char number[40];

	if (!take_leading_status(&said, status) || status[0] == '2')
		snprintf(status, sizeof(status), "%s", e->status);
	snprintf(number, sizeof(number), "exit status %d", WEXITSTATUS(command.status));
	if (said.len == 0)
		said = view_of(e->meaning != NULL ? e->meaning : number);
	return child_reply(ipc, status[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_FAILED, status,
			   "%s. Command output: %.*s (\"%.*s\")",
			   e->meaning != NULL ? e->meaning : number, VIEW_ARG(said),
			   VIEW_ARG(run->m->command));
}

/* In one line: line ends and tabs become spaces. */
static void take_output(const struct run *run, struct str *said)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_set(&line, view_trim(str_view(&run->said)));
	for (size_t i = 0; i < line.len; i++)
		if (ascii_is_space(line.data[i]))
			line.data[i] = ' ';
	str_append_printable(said, str_view(&line));
}

static int command_report(struct ipc *ipc, struct run *run, bool too_long)
{
	_cleanup_(str_free) struct str said = STR_EMPTY;
	int status = command.status;

	take_output(run, &said);
	if (too_long)
		return child_reply(ipc, OUTCOME_FAILED, "5.3.0",
				   "command time limit exceeded: \"%.*s\": %s",
				   VIEW_ARG(run->m->command), str_cstr(&said));
	if (WIFSIGNALED(status))
		return child_reply(ipc, OUTCOME_DEFERRED, "4.3.0",
				   "command died with signal %d: \"%.*s\": %s", WTERMSIG(status),
				   VIEW_ARG(run->m->command), str_cstr(&said));
	if (WEXITSTATUS(status) == 0)
		return child_reply(ipc, OUTCOME_DELIVERED, "2.0.0", "delivered to command: %.*s",
				   VIEW_ARG(run->m->command));
	return report_status(ipc, run, str_view(&said));
}

/* True when it had to be killed. */
static bool wait_for_end(struct run *run)
{
	bool too_long = false;

	while (!command.ended) {
		if (wait_on(&command.end, run->deadline) == 0 || command.ended)
			continue;
		if (too_long)
			break; /* it cannot be killed: stuck in the kernel */
		too_long = true;
		kill(-command.pid, SIGKILL);
		run->deadline = clock_after(LAST_WAIT);
	}
	return too_long;
}

/* Both tasks use the structure, so neither may outlive it. */
static void stop_tasks(struct run *run)
{
	msec_t drained = clock_after(DRAIN_TIME);

	while (run->reading && wait_on(&run->idle, drained) == 0)
		;
	if (run->reading)
		task_forget_fd(run->output);
	if (run->writing)
		task_forget_fd(run->input);
	while (run->reading || run->writing)
		wait_on(&run->idle, MSEC_FOREVER);
}

int child_run(struct ipc *ipc, struct msg_work_run *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	struct run run = { .input = -1,
			   .output = -1,
			   .m = m,
			   .writing = true,
			   .reading = true,
			   .deadline = clock_after(param.command_time_limit) };
	struct error err = ERROR_NONE;
	bool too_long;
	int r;

	if (CONTENT_TAKEN(m, &content) < 0)
		return -EBADMSG;
	run.content = content;
	r = m->check.len > 0 ? child_check(m->check, true, m->command, &err) : 0;
	if (r < 0)
		return child_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
	WAITLIST_INIT(&run.idle);
	r = command_start(&run);
	if (r == 0) {
		task_spawn("input of a command", writer, &run);
		task_spawn("output of a command", reader, &run);
		too_long = wait_for_end(&run);
		stop_tasks(&run);
		r = command_report(ipc, &run, too_long);
	} else {
		r = child_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "cannot run \"%.*s\": %s",
				VIEW_ARG(m->command), strerror(-r));
	}
	mem_closep(&run.input);
	if (run.output >= 0)
		task_forget_fd(run.output);
	mem_closep(&run.output);
	str_free(&run.said);
	return r;
}

/*
 * Running a command with a message as its input, as the user that this process already is: pipes,
 * process, time limit. What the command reads and what its end means is in run_message.c and
 * run_status.c; the first bytes that it prints become part of the answer.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "run.h"
#include "task/task.h"

#define OUTPUT_MAX 1024		 /* bytes of the command's output that are kept */
#define DRAIN_TIME ((msec_t)200) /* for output that lies in the pipe when the command has ended */
#define LAST_WAIT  ((msec_t)10000)

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
	bool over; /* what it still prints is nobody's */
	bool by_shell;
	bool unreadable; /* the content: what the command has got is not all of it */
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

/*
 * A command that does not read all of it (EPIPE) may have its reasons; its status counts. One that
 * cannot be given all of it must not come to its end as if it had been.
 */
static void writer(void *argument)
{
	struct run *run = argument;

	(void)run_write_message(run->input, run->deadline, run->m, &run->content, &run->unreadable);
	if (run->unreadable && !command.ended)
		kill(-command.pid, SIGKILL);
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

	while (!run->over) {
		ssize_t n = read(run->output, buffer, sizeof(buffer));

		if (n > 0) {
			size_t room = OUTPUT_MAX - run->said.len;

			str_append(&run->said, view_make(buffer, MIN((size_t)n, room)));
			/* One that prints without end has its time limit all the same. */
			task_yield();
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
static bool needs_shell(struct view words)
{
	_cleanup_free_ char *text = mem_strndup(words.data, words.len);
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

/* Words with white space between them. */
static char **command_split(struct view text)
{
	char **words = mem_new_array(char *, text.len / 2 + 2);
	struct view word;
	size_t count = 0;

	while (view_next_word(&text, " \t", &word))
		words[count++] = mem_strndup(word.data, word.len);
	return words;
}

/* Texts that each end in NUL. */
static char **command_texts(struct view texts)
{
	char **words = mem_new_array(char *, texts.len + 1);
	struct view word;
	size_t count = 0;

	while (texts.len > 0 && view_next(&texts, '\0', &word))
		words[count++] = mem_strndup(word.len > 0 ? word.data : "", word.len);
	return words;
}

/* In the new process. */
static void become_command(struct run *run, int input, int output) __attribute__((noreturn));
static void become_command(struct run *run, int input, int output)
{
	char *text = mem_strndup(run->m->command.data, run->m->command.len);
	char *directory = mem_strndup(run->m->directory.data, run->m->directory.len);
	char **environment = command_texts(run->m->environment);
	char *shell[] = { (char *)"sh", (char *)"-c", text, NULL };
	char **words =
		run->m->argv.len > 0 ? command_texts(run->m->argv) : command_split(view_of(text));
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
	if (chdir(directory) < 0 && (run->m->must_enter || chdir("/") < 0)) {
		dprintf(STDERR_FILENO, "change to folder %s: %s", directory, strerror(errno));
		_exit(EX_TEMPFAIL);
	}
	if (run->by_shell) {
		execve("/bin/sh", shell, environment);
	} else {
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

/* True when it had to be killed. */
static bool command_wait(msec_t deadline)
{
	bool too_long = false;

	while (!command.ended) {
		if (wait_on(&command.end, deadline) == 0 || command.ended)
			continue;
		if (too_long)
			break; /* it cannot be killed: stuck in the kernel */
		too_long = true;
		kill(-command.pid, SIGKILL);
		deadline = clock_after(LAST_WAIT);
	}
	return too_long;
}

/* Both tasks use the structure, so neither may outlive it. */
static void stop_tasks(struct run *run)
{
	msec_t drained = clock_after(DRAIN_TIME);

	while (run->reading && wait_on(&run->idle, drained) == 0)
		;
	run->over = true;
	if (run->reading)
		task_forget_fd(run->output);
	if (run->writing)
		task_forget_fd(run->input);
	while (run->reading || run->writing)
		wait_on(&run->idle, MSEC_FOREVER);
}

static int command_report(struct ipc *ipc, const struct run *run, bool too_long)
{
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	const struct run_end end = { .status = command.status,
				     .too_long = too_long,
				     .by_shell = run->by_shell,
				     .said = str_view(&run->said),
				     .command = run->m->command };

	run_outcome(&end, &answer.outcome);
	/* Also when it said that it was content: what it was given was not the message. */
	if (run->unreadable)
		answer_set(&answer, OUTCOME_DEFERRED, "4.3.0", "cannot read the message");
	return answer_send(ipc, &answer);
}

int child_run(struct ipc *ipc, struct msg_work_run *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	struct run run = { .input = -1,
			   .output = -1,
			   .m = m,
			   .writing = true,
			   .reading = true,
			   .deadline = m->time_limit > 0 ? clock_after((msec_t)m->time_limit)
							 : MSEC_FOREVER };
	struct error err = ERROR_NONE;
	bool too_long;
	int r;

	if (CONTENT_TAKEN(m, &content) < 0)
		return -EBADMSG;
	run.content = content;
	run.by_shell = m->argv.len == 0 && needs_shell(m->command);
	r = m->check.len > 0 ? child_check(m->check, true, m->command, &err) : 0;
	if (r < 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
	WAITLIST_INIT(&run.idle);
	r = command_start(&run);
	if (r == 0) {
		task_spawn("input of a command", writer, &run);
		task_spawn("output of a command", reader, &run);
		too_long = command_wait(run.deadline);
		stop_tasks(&run);
		r = command_report(ipc, &run, too_long);
	} else {
		r = answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "cannot run \"%.*s\": %s",
				 VIEW_ARG(m->command), strerror(-r));
	}
	mem_closep(&run.input);
	if (run.output >= 0)
		task_forget_fd(run.output);
	mem_closep(&run.output);
	str_free(&run.said);
	return r;
}

/* ---- commands that talk ---- */

/* In the new process. The log stays until the command is there, for only it is to hear of this. */
static void become_talking(const struct msg_work_spawn *m) __attribute__((noreturn));
static void become_talking(const struct msg_work_spawn *m)
{
	char **words = command_texts(m->argv), **environment = command_texts(m->environment);
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	/* The command knows nothing of waiting otherwise. */
	fcntl(m->connection, F_SETFL, 0);
	if (dup2(m->connection, STDIN_FILENO) >= 0 && dup2(m->connection, STDOUT_FILENO) >= 0 &&
	    dup2(m->connection, STDERR_FILENO) >= 0) {
		environ = environment;
		execvpe(words[0], words, environment);
	}
	log_error("run %s: %m", words[0]);
	log_flush();
	_exit(EX_TEMPFAIL);
}

int child_spawn(struct ipc *ipc, struct msg_work_spawn *m)
{
	bool too_long;

	if (m->connection < 0 || m->argv.len == 0)
		return -EBADMSG;
	command.ended = false;
	command.pid = fork();
	if (command.pid == 0)
		become_talking(m);
	/* Else nobody would hear that it has ended. */
	mem_closep(&m->connection);
	m->connection = -1;
	if (command.pid < 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "make a process: %s",
				    strerror(errno));
	setpgid(command.pid, command.pid); /* whoever is first */
	too_long =
		command_wait(m->time_limit > 0 ? clock_after((msec_t)m->time_limit) : MSEC_FOREVER);
	if (too_long)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0",
				    "it has not ended within its time limit");
	if (WIFSIGNALED(command.status))
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "it was ended by signal %d",
				    WTERMSIG(command.status));
	if (WEXITSTATUS(command.status) != 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "it ended with status %d",
				    WEXITSTATUS(command.status));
	return answer_reply(ipc, OUTCOME_DELIVERED, "2.0.0", "ended");
}

/*
 * Starting processes and hearing of their end. What follows from an end is the service's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

/* Open files that programs may have, where the system's own limit is lower. */
#define FILES_MIN 65536

#define ENVIRONMENT_MAX 32

/* Those that give others work, the others, and what all need until their end. */
#define LIFE_LINES 3

static struct {
	int null_fd;
	/*
	 * Pipes of which programs hold the end for writing, though nobody ever writes: it breaks
	 * when the ends for reading are gone. Master has one of each. One of the later programs' is
	 * also with those that have work for them, so that they are outlived.
	 */
	int life[LIFE_LINES][2];
	char *environment[ENVIRONMENT_MAX + 1];
} children;

/* ---- what all of them get ---- */

static void raise_file_limit(void)
{
	struct rlimit files;

	if (!master_is_root() || getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_max >= FILES_MIN)
		return;
	files.rlim_max = FILES_MIN;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_info("each program may have %llu open files only, and fewer connections",
			 (unsigned long long)files.rlim_cur);
}

/* export_environment: names that are handed on if they are set, and name=value. */
static void fill_environment(void)
{
	struct view list = view_of(param.export_environment), word;
	size_t count = 0;

	for (size_t i = 0; children.environment[i] != NULL; i++)
		free(children.environment[i]);
	children.environment[count++] = mem_strdup("PATH=/usr/bin:/bin:/usr/sbin:/sbin");
	while (count < ENVIRONMENT_MAX && conf_next_element(&list, &word)) {
		_cleanup_(str_free) struct str entry = STR_EMPTY;
		const char *value;

		str_append(&entry, word);
		if (view_find_byte(word, '=') == VIEW_NOT_FOUND) {
			value = getenv(str_cstr(&entry));
			if (value == NULL)
				continue;
			str_printf(&entry, "=%s", value);
		}
		children.environment[count++] = str_take(&entry);
	}
	children.environment[count] = NULL;
}

int children_prepare(struct error *err)
{
	fill_environment();
	if (children.null_fd > 0)
		return 0;
	raise_file_limit();
	children.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (children.null_fd < 0)
		return error_errno(err, "open /dev/null");
	for (size_t i = 0; i < LIFE_LINES; i++)
		if (pipe2(children.life[i], O_CLOEXEC) < 0)
			return error_errno(err, "make a pipe");
	return 0;
}

/* ---- one of them ---- */

struct command {
	char **items;
	size_t count;
};

static void descriptor_add(struct command *command, const char *option, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void descriptor_add(struct command *command, const char *option, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	command->items = mem_resize(command->items, command->count + 3, sizeof(char *));
	if (option != NULL)
		command->items[command->count++] = mem_strdup(option);
	command->items[command->count++] = str_take(&text);
	command->items[command->count] = NULL;
}

static void command_free(struct command *command)
{
	for (size_t i = 0; i < command->count; i++)
		free(command->items[i]);
	free(command->items);
}

/* Which of the life lines. */
static size_t line_of(const struct plan_service *service)
{
	return service_gives_work(service) ? 0 : service_writes_log(service) ? 2 : 1;
}

static void compose(struct command *command, const struct plan_service *service, int status_fd,
		    int metrics_fd, int log_fd)
{
	const struct service *line = service->line;

	descriptor_add(command, NULL, "%s", service->path);
	descriptor_add(command, "-c", "%s", plan_in_force()->config_directory);
	descriptor_add(command, "-n", "%s", line->name);
	/* As in syslog_name=postfix/$service_name. */
	descriptor_add(command, "-o", "service_name=%s", line->name);
	for (size_t i = 0; i < line->override_count; i++)
		descriptor_add(command, "-o", "%s=%s", line->overrides[i].name,
			       line->overrides[i].value);
	for (size_t i = 0; i < service->socket_count; i++) {
		const struct held_socket *s = socket_find(service->sockets[i].name);

		if (s != NULL) /* else this machine lacks the protocol */
			descriptor_add(command, "-L", "%d=%s", s->fd, s->name);
	}
	descriptor_add(command, "-F", "life=%d", children.life[line_of(service)][1]);
	for (size_t i = line_of(service) + 1; i < LIFE_LINES; i++)
		descriptor_add(command, "-F", "later=%d", children.life[i][0]);
	descriptor_add(command, "-F", "status=%d", status_fd);
	if (metrics_fd >= 0)
		descriptor_add(command, "-F", "metrics=%d", metrics_fd);
	descriptor_add(command, "-F", "log=%d", log_fd);
	if (service_writes_log(service)) {
		descriptor_add(command, "-F", "sink=%s", logfile_is_syslog() ? "syslog" : "file");
		descriptor_add(command, "-F", "lines=%d", logfile_lines_fd());
		descriptor_add(command, "-F", "state=%d", logfile_state_fd());
	} else {
		descriptor_add(command, "-F", "sink=program");
	}
	descriptor_add(command, "--", "%s", line->arguments[0] != NULL ? line->arguments[0] : "");
	if (line->arguments[0] == NULL)
		free(command->items[--command->count]);
	command->items[command->count] = NULL;
	for (size_t i = 1; line->arguments[0] != NULL && line->arguments[i] != NULL; i++)
		descriptor_add(command, NULL, "%s", line->arguments[i]);
}

static void inherit(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/* In the child. All other descriptors close themselves. */
static void become_program(const struct plan_service *service, char **command, int status_fd,
			   int metrics_fd, int log_fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < service->socket_count; i++) {
		const struct held_socket *s = socket_find(service->sockets[i].name);

		if (s != NULL)
			inherit(s->fd);
	}
	inherit(children.life[line_of(service)][1]);
	for (size_t i = line_of(service) + 1; i < LIFE_LINES; i++)
		inherit(children.life[i][0]);
	inherit(status_fd);
	if (metrics_fd >= 0)
		inherit(metrics_fd);
	inherit(log_fd);
	if (service_writes_log(service)) {
		inherit(logfile_lines_fd());
		inherit(logfile_state_fd());
	}
	/* What a library or a sanitizer prints belongs into the log. */
	dup2(children.null_fd, STDIN_FILENO);
	dup2(service_writes_log(service) && logfile_is_syslog() ? children.null_fd : log_fd,
	     STDOUT_FILENO);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	execve(command[0], command, children.environment);
	log_error("run %s: %m", command[0]);
	_exit(127);
}

/* Forks with what is ready; the process number, or a negative errno. */
static pid_t child_fork(struct running_service *service, int status_fd, int metrics_fd, int log_fd)
{
	struct command command = { 0 };
	pid_t pid;

	compose(&command, service->plan, status_fd, metrics_fd, log_fd);
	pid = fork();
	if (pid == 0)
		become_program(service->plan, command.items, status_fd, metrics_fd, log_fd);
	command_free(&command);
	return pid < 0 ? -errno : pid;
}

int child_start(struct running_service *service)
{
	bool writes_log = service_writes_log(service->plan);
	_cleanup_fd_ int own = writes_log ? -1 : logfile_connect();
	struct metrics_page *metrics = NULL;
	int status[2], metrics_fd;
	pid_t pid;

	if (!writes_log && own < 0) {
		log_error("service %s: no socket for the log: %s", service->key, strerror(-own));
		return own;
	}
	if (pipe2(status, O_CLOEXEC) < 0) {
		log_error("service %s: no pipe: %m", service->key);
		return -EMFILE;
	}
	fcntl(status[0], F_SETFL, O_NONBLOCK);
	metrics_fd = metrics_page_new(&metrics);
	if (metrics_fd < 0)
		log_warning("service %s: it will not be counted: no memory: %s", service->key,
			    strerror(-metrics_fd));
	pid = child_fork(service, status[1], metrics_fd, writes_log ? logfile_fd() : own);
	close(status[1]);
	if (metrics_fd >= 0)
		close(metrics_fd);
	if (pid < 0) {
		log_error("service %s: fork: %s", service->key, strerror((int)-pid));
		close(status[0]);
		metrics_page_free(metrics);
		return -EAGAIN;
	}
	process_new(service, pid, status[0], metrics);
	return 0;
}

void children_reap(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct process *p = process_find(pid);

		if (p != NULL)
			process_ended(p, status);
	}
}

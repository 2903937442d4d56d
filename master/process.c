/* The processes that run, and the questions to them. Nothing waits while the list is walked. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

#define LINE_MAX_BYTES 4096
/* A program that lives longer has nothing to do with why the last one ended. */
#define GOOD_LIFE    10000
#define ANSWER_PAUSE 10
/* One that retires earlier: more changes may follow. */
#define SHORT_LIFE 1000

struct process *process_find(pid_t pid)
{
	list_for_each (services_list(), struct running_service, link, service)
		list_for_each (&service->processes, struct process, link, p)
			if (p->pid == pid)
				return p;
	return NULL;
}

void process_signal(struct process *p, int signal_number)
{
	p->state = signal_number == SIGHUP ? PROCESS_RETIRING : PROCESS_STOPPING;
	kill(p->pid, signal_number);
}

/* ---- what it says ---- */

static void heard_ready(struct process *p, struct view confinement)
{
	if (p->state != PROCESS_STARTING)
		return;
	p->state = PROCESS_READY;
	p->ready_at = clock_now();
	free(p->service->failure);
	p->service->failure = NULL;
	str_set(&p->confinement, confinement);
	services_heard_ready(p->service);
}

/* Its table changed: another takes its place at once. */
static void heard_retiring(struct process *p)
{
	struct running_service *service = p->service;

	if (p->state != PROCESS_READY)
		return;
	p->state = PROCESS_RETIRING;
	log_info("service %s: %s[%d] finishes and is replaced", service->key, p->program,
		 (int)p->pid);
	/* No failure; but what changes one thing after the other is taken together. */
	if (clock_now() - p->ready_at < SHORT_LIFE)
		service_gather(service);
	service_fill(service);
}

/* ---- whether it answers ---- */

void processes_ask(void)
{
	list_for_each (services_list(), struct running_service, link, service)
		list_for_each (&service->processes, struct process, link, p)
			if (p->state == PROCESS_READY && p->asked == 0 &&
			    kill(p->pid, SIGUSR1) == 0)
				p->asked = clock_now();
}

msec_t process_silence(const struct process *p)
{
	return p->asked != 0 ? clock_now() - p->asked : 0;
}

static bool any_owes_answer(void)
{
	list_for_each (services_list(), struct running_service, link, service)
		list_for_each (&service->processes, struct process, link, p)
			if (p->asked != 0)
				return true;
	return false;
}

void processes_wait_answers(msec_t deadline)
{
	while (any_owes_answer() && clock_now() < deadline)
		task_sleep(ANSWER_PAUSE);
}

static void heard_failed(struct process *p, struct view reason)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (p->state != PROCESS_STARTING)
		return;
	str_printf(&text, "%s: ", p->program);
	str_append_printable(&text, reason);
	service_failed(p->service, str_view(&text));
}

static void heard(struct process *p, struct view line)
{
	struct view word = view_first(line, view_find_byte(line, ' '));
	struct view rest = view_trim(view_from(line, word.len));

	if (view_is(word, "ready"))
		heard_ready(p, rest);
	else if (view_is(word, "alive"))
		p->asked = 0;
	else if (view_is(word, "retiring"))
		heard_retiring(p);
	else if (view_is(word, "failed"))
		heard_failed(p, rest);
	services_changed();
}

/* Takes whole lines off what has come. False at the end of the pipe. */
static bool listen_to(struct process *p)
{
	char bytes[1024];
	ssize_t n;
	size_t end;

	while ((n = read(p->status_fd, bytes, sizeof(bytes))) > 0) {
		str_append(&p->line, view_make(bytes, (size_t)n));
		while ((end = view_find_byte(str_view(&p->line), '\n')) != VIEW_NOT_FOUND) {
			heard(p, view_first(str_view(&p->line), end));
			str_consume(&p->line, end + 1);
		}
		if (p->line.len > LINE_MAX_BYTES)
			str_clear(&p->line);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Frees the process when it has said all and has been waited for. */
static void follow(void *argument)
{
	struct process *p = argument;

	while (listen_to(p) && !p->reaped)
		if (task_wait_readable(p->status_fd, MSEC_FOREVER) < 0)
			break;
	task_forget_fd(p->status_fd);
	while (!p->reaped)
		task_sleep(10); /* the pipe is closed, so its end is near */
	close(p->status_fd);
	str_free(&p->line);
	str_free(&p->confinement);
	free(p->program);
	free(p);
}

void process_new(struct running_service *service, pid_t pid, int status_fd,
		 struct metrics_page *metrics)
{
	struct process *p = mem_new(struct process);

	p->service = service;
	p->program = mem_strdup(service->plan->line->program);
	p->pid = pid;
	p->generation = service->generation;
	p->status_fd = status_fd;
	p->metrics = metrics;
	p->started = clock_wall();
	list_push_back(&service->processes, &p->link);
	task_spawn("process", follow, p);
}

/* ---- its end ---- */

static void describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

void process_ended(struct process *p, int status)
{
	struct running_service *service = p->service;
	bool was_ready = p->state == PROCESS_READY;
	char how[100];

	listen_to(p);
	describe_end(status, how, sizeof(how));
	list_remove(&p->link);
	metrics_keep(service, p->metrics);
	metrics_page_free(TAKE(p->metrics));
	if (p->state == PROCESS_STARTING || p->state == PROCESS_READY) {
		log_warning("service %s: %s[%d] %s", service->key, p->program, (int)p->pid, how);
		service->restarts++;
		if (p->state == PROCESS_STARTING && service->failure == NULL) {
			_cleanup_(str_free) struct str text = STR_EMPTY;

			str_printf(&text, "%s %s", p->program, how);
			service_failed(service, str_view(&text));
		}
		if (was_ready && clock_now() - p->ready_at >= GOOD_LIFE)
			service->pause = 0;
		if (!master_is_stopping() && service->plan != NULL &&
		    p->generation == service->generation)
			service_slow_down(service, was_ready);
	} else if (status != 0 && p->state != PROCESS_STOPPING) {
		log_warning("service %s: %s[%d], while finishing, %s", service->key, p->program,
			    (int)p->pid, how);
	}
	p->reaped = true;
	task_forget_fd(p->status_fd); /* wakes its reader, which frees it */
	service_fill(service);
	services_changed();
}

/*
 * The entry of every program under master. It reads the configuration, confines the program, and
 * lets it serve.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/internal.h"
#include "table/system.h"

/* sysexits.h: a configuration error. */
#define EXIT_CONFIGURATION 78

static struct {
	const struct daemon_program *program;
	struct program entry;
	struct birth birth;
} self;

#ifdef POSTA_SANITIZE
/* The search for leaks at exit needs ptrace, which a confined program does not have. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

const char *daemon_service_name(void)
{
	return self.birth.service;
}

const char *const *daemon_arguments(void)
{
	return self.birth.arguments;
}

int daemon_inherited(enum daemon_inherited what)
{
	return self.birth.inherited[what];
}

const struct program *daemon_entry(void)
{
	return &self.entry;
}

void daemon_add_calls(unsigned calls)
{
	self.entry.calls |= calls;
}

/* The reason goes to the log, and to master, which tells whoever waits for the start. */
static int start_give_up(const char *reason)
{
	log_error("%s", reason);
	life_report(self.birth.status_fd, "failed", reason);
	return EXIT_CONFIGURATION;
}

static void open_log(void)
{
	_cleanup_(str_free) struct str tag = STR_EMPTY;

	str_printf(&tag, "%s/%s", param.syslog_name ? param.syslog_name : "posta",
		   self.program->name);
	log_open(tag.data, self.birth.log_fd, self.birth.sink,
		 param.log_format != NULL && strcmp(param.log_format, "json") == 0);
}

static int load_configuration(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	const struct birth *birth = &self.birth;
	struct view rest, line;
	_cleanup_free_ char *first = NULL;
	int r;

	/* What only others read is their affair; what would pass by a filter here is ours. */
	conf_read_for(self.program->name);
	r = conf_load(birth->config_directory, birth->overrides, birth->override_count, &report);
	rest = view_trim(str_view(&report));

	open_log();
	if (r == 0)
		return 0;
	/* The last one goes to master too. */
	while (view_next_word(&rest, "\n", &line)) {
		free(first);
		first = mem_strndup(line.data, line.len);
		if (rest.len > 0)
			log_error("%s", first);
	}
	return start_give_up(first != NULL ? first : "the configuration cannot be read");
}

/* A program that cannot serve what master.cf gives it says so at once. */
static int check_listeners(struct error *err)
{
	for (size_t i = 0; i < self.birth.listener_count; i++) {
		const struct listener *listener = &self.birth.listeners[i];
		struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(address);

		if (getsockname(listener->fd, (struct sockaddr *)&address, &len) < 0)
			return error_errno(err, "inherited socket %s", listener->name);
		if (self.program->serve_client == NULL &&
		    (address.ss_family != AF_UNIX || self.program->serve_ipc == NULL))
			return error_set(err, -EINVAL,
					 "program %s does not serve sockets like %s: look at the "
					 "type of service %s in master.cf",
					 self.program->name, listener->name, self.birth.service);
	}
	return 0;
}

static void first_task(void *unused)
{
	(void)unused;
	life_start(self.program, &self.birth);
	serve_start(self.program, &self.birth);
	if (self.program->start != NULL)
		self.program->start();
}

static int find_entry(struct error *err)
{
	const struct program *entry = self.program->entry;

	if (entry == NULL)
		entry = program_find(self.program->name);
	if (entry == NULL)
		return error_set(err, -EINVAL, "programs.def has no program %s",
				 self.program->name);
	self.entry = *entry;
	return program_users_find(daemon_running_as_root(), err);
}

/* Master's own streams of signals and masks must not be ours. */
static void reset_signals(void)
{
	sigset_t mask;

	/* Master's question waits until the loop can answer it: one that is lost is asked once only. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* of a terminal: master's affair */
}

/* Counts go to the page that master reads. Without one they are lost when the process ends. */
static void open_metrics(int fd)
{
	struct metrics_page *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		log_warning("this process is not counted: map the page of counters: %m");
	else
		metrics_use(page);
	close(fd);
}

int daemon_main(int argc, char **argv, const struct daemon_program *program)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	self.program = program;
	if (arguments_read(argc, argv, &self.birth, &err) < 0) {
		fprintf(stderr, "%s: %s\n", program->name, err.text);
		return EXIT_CONFIGURATION;
	}
	reset_signals();
	umask(077);
	(void)daemon_running_as_root();
	r = load_configuration();
	if (r != 0)
		return r;
	open_metrics(self.birth.metrics_fd);
	ipc_set_root(param.queue_directory);
	ipc_set_default_timeout(param.ipc_timeout);
	table_system_by_proxymap();
	if (find_entry(&err) < 0 || check_listeners(&err) < 0 ||
	    (program->prepare != NULL && program->prepare(&err) < 0))
		return start_give_up(err.text);
	life_prepare();
	if (confine_program(&self.entry, &text, &err) < 0)
		return start_give_up(err.text);
	life_report(self.birth.status_fd, "ready", str_cstr(&text) + 1);
	log_gather();
	return task_run(first_task, NULL);
}

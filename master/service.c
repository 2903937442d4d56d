/*
 * A service: how many processes it has, when it gets one more, when it is slowed down. Processes
 * themselves are in process.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/programs.h"
#include "master.h"
#include "task/task.h"

#define FIRST_PAUSE	100  /* before the first new start after a failure */
#define CRASH_PAUSE_MAX 2000 /* for one that had been ready: it may have met one bad message */
#define GATHER_PAUSE	100  /* for what else may change */
#define KILL_PAUSE	5000 /* what SIGKILL may take */

static struct {
	struct list list;
	unsigned generation;
	unsigned changes;
	bool has_log; /* once */
	struct waitlist changed;
} services = { .list = { &services.list, &services.list },
	       .changed = { { &services.changed.tasks, &services.changed.tasks } } };

struct list *services_list(void)
{
	return &services.list;
}

void services_changed(void)
{
	services.changes++;
	wake_all(&services.changed);
}

unsigned services_change_count(void)
{
	return services.changes;
}

void services_wait_change(unsigned after)
{
	while (services.changes == after)
		wait_on(&services.changed, MSEC_FOREVER);
}

/* ---- how many there are, and should be ---- */

static bool counts(const struct running_service *service, const struct process *p)
{
	return p->generation == service->generation &&
	       (p->state == PROCESS_STARTING || p->state == PROCESS_READY);
}

static size_t count_current(const struct running_service *service, bool ready_only)
{
	size_t count = 0;

	list_for_each (&service->processes, struct process, link, p)
		if (counts(service, p) && (!ready_only || p->state == PROCESS_READY))
			count++;
	return count;
}

static bool is_ready(const struct running_service *service)
{
	return service->plan == NULL || count_current(service, true) >= service->plan->processes;
}

/* At the start nobody has anything to say before somebody listens. */
static bool may_fill(const struct running_service *service)
{
	if (services.has_log || service->plan == NULL || service_writes_log(service->plan))
		return true;
	list_for_each (&services.list, struct running_service, link, other)
		if (other->plan != NULL && service_writes_log(other->plan) && !is_ready(other))
			return false;
	services.has_log = true;
	return true;
}

static void services_fill(void)
{
	list_for_each (&services.list, struct running_service, link, service)
		service_fill(service);
}

void services_heard_ready(struct running_service *service)
{
	if (!services.has_log && service->plan != NULL && service_writes_log(service->plan))
		services_fill();
	service_replace_old(service);
}

void services_replace_log(void)
{
	list_for_each (&services.list, struct running_service, link, service)
		if (service->plan != NULL && service_writes_log(service->plan))
			list_for_each (&service->processes, struct process, link, p)
				if (p->state == PROCESS_READY)
					process_signal(p, SIGHUP);
	services_fill();
}

void service_fill(struct running_service *service)
{
	if (!may_fill(service))
		return;
	while (service->plan != NULL && !service->pausing && !master_is_stopping() &&
	       count_current(service, false) < service->plan->processes)
		if (child_start(service) < 0)
			service_slow_down(service, false);
}

static void service_retire_old(struct running_service *service)
{
	list_for_each (&service->processes, struct process, link, p)
		if (p->generation != service->generation && p->state == PROCESS_READY)
			process_signal(p, SIGHUP);
}

void service_replace_old(struct running_service *service)
{
	if (is_ready(service))
		service_retire_old(service);
}

/* ---- back-off ---- */

struct pause {
	struct running_service *service;
	unsigned number;
	msec_t duration;
};

/* A reload may have ended it before its time; another may have begun since. */
static void end_pause(void *argument)
{
	struct pause *pause = argument;
	struct running_service *service = pause->service;

	task_sleep(pause->duration);
	if (service->pausing && service->pause_number == pause->number) {
		service->pausing = false;
		service_fill(service);
		services_changed();
	}
	free(pause);
}

static void service_begin_pause(struct running_service *service, msec_t duration)
{
	struct pause *pause = mem_new(struct pause);

	service->pausing = true;
	pause->service = service;
	pause->number = ++service->pause_number;
	pause->duration = duration;
	task_spawn("pause", end_pause, pause);
}

void service_slow_down(struct running_service *service, bool was_ready)
{
	msec_t longest = was_ready ? CRASH_PAUSE_MAX : param.service_throttle_time;

	if (service->pausing)
		return;
	service->pause = MIN(service->pause ? service->pause * 2 : FIRST_PAUSE, longest);
	log_warning("service %s: next start of %s in %.1f seconds", service->key,
		    service->plan ? service->plan->line->program : "its program",
		    (double)service->pause / 1000);
	service_begin_pause(service, service->pause);
}

void service_gather(struct running_service *service)
{
	if (!service->pausing)
		service_begin_pause(service, GATHER_PAUSE);
}

/* ---- plans ---- */

static struct running_service *service_find_or_make(const char *key)
{
	list_for_each (&services.list, struct running_service, link, service)
		if (strcmp(service->key, key) == 0)
			return service;

	struct running_service *service = mem_new(struct running_service);

	service->key = mem_strdup(key);
	list_init(&service->processes);
	list_push_back(&services.list, &service->link);
	return service;
}

/* What an earlier configuration was about to start is wanted no more. */
static void stop_unborn(struct running_service *service)
{
	list_for_each (&service->processes, struct process, link, p)
		if (p->state == PROCESS_STARTING && p->generation != service->generation)
			process_signal(p, SIGTERM);
}

void services_apply(struct plan *plan)
{
	services.generation++;
	list_for_each (&services.list, struct running_service, link, service)
		service->plan = NULL;
	for (size_t i = 0; i < plan->count; i++)
		service_find_or_make(plan->services[i].key)->plan = &plan->services[i];
	list_for_each (&services.list, struct running_service, link, service) {
		service->generation = services.generation;
		stop_unborn(service);
		/* What failed may be what the new configuration puts right. */
		service->pausing = false;
		service->pause = 0;
		free(service->failure);
		service->failure = NULL;
		if (service->plan != NULL && service->plan->path == NULL)
			service_failed(service, VIEW("there is no such program"));
		/* Two would write at the same time: the old one goes before the new one reads. */
		if (service->plan != NULL && service_writes_log(service->plan))
			service_retire_old(service);
		service_fill(service);
		service_replace_old(service);
	}
}

bool service_is_served(const struct running_service *service)
{
	list_for_each (&service->processes, struct process, link, p)
		if (p->state == PROCESS_READY)
			return true;
	return false;
}

void service_failed(struct running_service *service, struct view reason)
{
	const struct plan_service *plan = service->plan;
	struct str text = STR_EMPTY;

	if (service->failure != NULL || plan == NULL)
		return;
	if (plan->line->line > 0)
		str_printf(&text, "master.cf, line %d: ", plan->line->line);
	str_printf(&text, "service %s: %.*s", service->key, VIEW_ARG(reason));
	service->failure = str_take(&text);
	service_turn_away(service);
}

/* The suite takes, keeps and moves mail with these; the others are ways in and out. */
static bool is_vital(const struct running_service *service)
{
	static const char *const vital[] = { "cleanup", "qmgr",	 "bounce", "resolver",
					     "auth",	"anvil", "keys" };

	for (size_t i = 0; i < ARRAY_SIZE(vital); i++)
		if (strcmp(service->plan->line->program, vital[i]) == 0)
			return true;
	return false;
}

static bool is_way_in(const struct running_service *service)
{
	return service->plan != NULL && service->plan->line->type == SERVICE_INET;
}

/* What failed, as lines. -EINVAL if there is no going on without it. */
static int services_judge(struct str *missing, struct error *err)
{
	const struct running_service *worst = NULL;
	size_t ways_in = 0, ways_failed = 0;

	list_for_each (&services.list, struct running_service, link, service) {
		bool failed = service->plan != NULL && service->failure != NULL;

		ways_in += is_way_in(service);
		ways_failed += is_way_in(service) && failed;
		if (!failed)
			continue;
		if (missing == NULL || (service->plan->path != NULL && is_vital(service)))
			return error_set(err, -EINVAL, "%s", service->failure);
		str_printf(missing, "%s\n", service->failure);
		worst = is_way_in(service) ? service : worst;
	}
	if (worst != NULL && ways_failed == ways_in)
		return error_set(err, -EINVAL, "%s", worst->failure);
	return 0;
}

int services_wait_ready(msec_t deadline, struct str *missing, struct error *err)
{
	for (;;) {
		const struct running_service *waits_for = NULL;

		list_for_each (&services.list, struct running_service, link, service)
			if (!is_ready(service) && service->failure == NULL)
				waits_for = service;
		if (waits_for == NULL)
			return services_judge(missing, err);
		if (master_is_stopping())
			return error_set(err, -ECANCELED, "told to stop");
		if (wait_on(&services.changed, deadline) < 0)
			return error_set(err, -ETIMEDOUT, "service %s is not ready",
					 waits_for->key);
	}
}

/* ---- the orderly stop ---- */

static enum program_wave wave_of(const char *name)
{
	const struct program *program = program_find(name);

	/* Of a plan before: a program that there is no more. */
	return program != NULL ? program->wave : WAVE_REST;
}

bool service_gives_work(const struct plan_service *service)
{
	return wave_of(service->line->program) < WAVE_REST;
}

bool service_writes_log(const struct plan_service *service)
{
	return strcmp(service->line->program, "postlogd") == 0;
}

/* Signals all of a wave (0: none), and counts them. */
static size_t signal_wave(enum program_wave wave, int signal_number)
{
	size_t count = 0;

	list_for_each (&services.list, struct running_service, link, service) {
		list_for_each (&service->processes, struct process, link, p) {
			if (wave_of(p->program) != wave)
				continue;
			count++;
			if (signal_number != 0)
				process_signal(p, signal_number);
		}
	}
	return count;
}

static void wait_for_wave(enum program_wave wave, msec_t deadline)
{
	while (signal_wave(wave, 0) > 0 && wait_on(&services.changed, deadline) == 0)
		;
}

void services_stop(void)
{
	for (enum program_wave wave = WAVE_CLIENTS; wave < WAVE_END; wave++) {
		size_t left;

		signal_wave(wave, SIGTERM);
		wait_for_wave(wave, clock_after(param.service_stop_time + 1000));
		left = signal_wave(wave, SIGKILL);
		if (left > 0)
			log_warning("%zu processes did not stop in time and were killed", left);
		wait_for_wave(wave, clock_after(KILL_PAUSE));
	}
}

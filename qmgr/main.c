/*
 * qmgr: owns the queue. One at a time may start deliveries: who holds the lock pid/qmgr.lock. A
 * retiring one gives it up at once and brings to an end what is under way; the next one finds these
 * messages locked (in the journal: marked as busy, while somebody has pid/qmgr.retired locked) and
 * looks again until they are free or gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "qmgr.h"

#define LOCK_PAUSE ((msec_t)50)
#define LOCK_TIME  ((msec_t)30000) /* until the log says so */
/* Descriptors for connections, folders and tables, beside two for each attempt. */
#define OTHER_FILES 1000

/* ---- settings ---- */

/*
 * How many deliveries at one time a transport has. The programs are one process or a few for
 * thousands of deliveries, so only a number that was set for an smtp or pipe service means a limit.
 */
static size_t process_limit(const struct service *service)
{
	size_t limit = (size_t)param.default_process_limit;

	if (service->processes > 0 &&
	    (strcmp(service->program, "smtp") == 0 || strcmp(service->program, "pipe") == 0))
		limit = (size_t)service->processes;
	return limit;
}

static int load_services(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	int r = services_load(conf_directory(), &services, &report);

	if (r < 0)
		return error_set(err, r, "%s", str_cstr(&report));
	qmgr.services = map_new();
	for (size_t i = 0; i < services.count; i++)
		if (services.items[i].type == SERVICE_UNIX)
			map_put(qmgr.services, view_of(services.items[i].name),
				(void *)(process_limit(&services.items[i])));
	services_free(&services);
	return 0;
}

static void find_limits(const char *transport, struct schedule_limits *limits)
{
	size_t deliveries = (size_t)map_get(qmgr.services, view_of(transport));
	int64_t recipients = conf_get_int_for(transport, "destination_recipient_limit", 50);
	int64_t window = conf_get_int_for(transport, "destination_concurrency_limit", 20);
	int64_t initial = conf_get_int_for(transport, "initial_destination_concurrency", 5);
	int64_t cohort =
		conf_get_int_for(transport, "destination_concurrency_failed_cohort_limit", 1);

	if (recipients == 0 || recipients > 1000)
		recipients = 1000;
	if (window > 0 && initial > window)
		initial = window;
	/* One after the other, with a pause between them. */
	limits->rests = conf_get_time_for(transport, "destination_rate_delay", 0) > 0;
	limits->rests_all = conf_get_time_for(transport, "transport_rate_delay", 0) > 0;
	if (limits->rests || limits->rests_all)
		initial = window = 1;
	limits->deliveries = limits->rests_all ? 1
			     : deliveries > 0  ? deliveries
					       : (size_t)param.default_process_limit;
	limits->recipients = (size_t)recipients;
	limits->window = (size_t)window;
	limits->initial = (size_t)MAX(initial, 1);
	limits->failed_cohort = (double)cohort;
}

static size_t active_limit(void)
{
	struct rlimit files;
	size_t limit = (size_t)param.qmgr_message_active_limit;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return limit;
	size_t room = files.rlim_cur > 2 * OTHER_FILES ? (files.rlim_cur - OTHER_FILES) / 2
						       : OTHER_FILES / 4;

	return MIN(limit, room);
}

static int open_lock(const char *name, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/pid/%s", param.queue_directory, name);
	int fd = open(str_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? error_errno(err, "open %s", str_cstr(&path)) : fd;
}

static int qmgr_prepare(struct error *err)
{
	qmgr.queue = queue_open(param.queue_directory, err);
	if (qmgr.queue == NULL)
		return -EINVAL;
	qmgr.routes = routes_open(err);
	if (qmgr.routes == NULL)
		return -EINVAL;
	qmgr.probe_routes = routes_open_probes(err);
	if (qmgr.probe_routes == NULL)
		return -EINVAL;
	int r = load_services(err);

	if (r == 0)
		r = sent_on_open(err);
	if (r == 0)
		r = qmgr.lock_fd = open_lock("qmgr.lock", err);
	if (r >= 0)
		r = qmgr.retired_fd = open_lock("qmgr.retired", err);
	if (r < 0)
		return r;
	qmgr.schedule = schedule_new(find_limits);
	messages_init();
	return 0;
}

/* ---- life ---- */

static void qmgr_start(void)
{
	msec_t began = clock_now();

	qmgr.active_limit = active_limit();
	while (flock(qmgr.lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (clock_now() - began > LOCK_TIME) {
			log_warning("still waiting for the queue manager before us");
			began = clock_now();
		}
		if (qmgr.retiring)
			return;
		task_sleep(LOCK_PAUSE);
	}
	if (qmgr.retiring)
		return;
	qmgr.may_start = true;
	task_spawn("scan", scan_run, NULL);
	task_spawn("activate", activate_run, NULL);
	task_spawn("quarantine", quarantine_run, NULL);
}

static void retire_stop_attempt(struct queued *m, void *unused)
{
	(void)unused;
	if (m->place.segment != 0 && m->state != MESSAGE_WAITING)
		queue_mark(qmgr.queue, &m->place, QUEUE_RECORD_BUSY);
	if (m->attempt == NULL || attempt_is_in_hand(m->attempt))
		return;
	attempt_withdraw(m->attempt);
	finish_if_done(m->attempt);
}

static void retire(void)
{
	qmgr.retiring = true;
	qmgr.may_start = false;
	/* Before the marks that it gives a meaning to. */
	flock(qmgr.retired_fd, LOCK_SH);
	message_each(retire_stop_attempt, NULL);
	work_wake();
	/* From here on another one may begin what we did not. */
	flock(qmgr.lock_fd, LOCK_UN);
}

static const struct daemon_program program = {
	.name = "qmgr",
	.prepare = qmgr_prepare,
	.start = qmgr_start,
	.serve_ipc = control_serve,
	.retire = retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

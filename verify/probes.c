/*
 * Probes that are under way: one for an address at a time, a bounded number of all. What came of them is
 * kept elsewhere.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "route/route.h"
#include "services/clients.h"
#include "verify.h"

#define SUBMIT_AT_ONCE 20 /* connections to cleanup */

struct probe {
	struct str address;
	msec_t began;
	bool over;
	unsigned users; /* the map, its task, those who wait: the last frees it */
	struct waitlist end;
};

static struct {
	struct map *by_address;
	probe_over *over;
	probe_failed *failed;
	unsigned submitting;
	struct waitlist room;
} probes = { .room = WAITLIST_START(probes.room) };

void probes_init(probe_over *over, probe_failed *failed)
{
	probes.by_address = map_new();
	probes.over = over;
	probes.failed = failed;
}

static void probe_release(struct probe *p)
{
	if (--p->users > 0)
		return;
	str_free(&p->address);
	free(p);
}

void probe_end(struct view address)
{
	struct probe *p = map_remove(probes.by_address, address);

	if (p == NULL)
		return;
	p->over = true;
	wake_all(&p->end);
	probe_release(p);
}

void probe_wait(struct view address, msec_t deadline)
{
	struct probe *p = map_get(probes.by_address, address);

	if (p == NULL)
		return;
	p->users++;
	while (!p->over && wait_on(&p->end, deadline) == 0)
		;
	probe_release(p);
}

/* ---- sending ---- */

static int probe_send(struct probe *p, struct submission_verdict *verdict)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	struct submission *s;

	route_probe_sender(clock_wall(), &sender);
	s = submission_begin(
		"private/cleanup",
		&(struct msg_mail){
			.sender = str_view(&sender),
			.flags = MAIL_FLAG_INTERNAL | MAIL_FLAG_NO_CHECKS | MAIL_FLAG_PROBE |
				 (view_is_ascii(str_view(&p->address)) ? 0 : MAIL_FLAG_SMTPUTF8),
		});
	submission_rcpt(s, str_view(&p->address), VIEW_NONE, NOTIFY_NEVER);
	submission_data(s, VIEW("Subject: probe\r\n\r\n"));
	return submission_commit(s, verdict);
}

/* It is in the queue, or all is known already. */
static void probe_judge(struct probe *p, int r, const struct submission_verdict *verdict)
{
	struct view address = str_view(&p->address);

	if (r == 0 && verdict->code == 250 && view_starts(str_view(&verdict->status), VIEW("2.0")))
		return;
	if (r == 0 && verdict->code / 100 == 2) {
		probes.over(address, VERIFY_DELIVERABLE, str_view(&verdict->text));
	} else if (r == 0 && verdict->code / 100 == 5) {
		probes.over(address, VERIFY_UNDELIVERABLE, str_view(&verdict->text));
	} else {
		log_warning("no probe for <%.*s>: %s", VIEW_ARG(address),
			    r < 0 ? strerror(-r) : str_cstr(&verdict->text));
		probes.failed(address);
	}
}

static void probe_run(void *argument)
{
	struct submission_verdict verdict = { 0 };
	struct probe *p = argument;

	while (probes.submitting >= SUBMIT_AT_ONCE)
		wait_on(&probes.room, MSEC_FOREVER);
	probes.submitting++;

	int r = probe_send(p, &verdict);

	probes.submitting--;
	wake_one(&probes.room);
	probe_judge(p, r, &verdict);
	submission_verdict_free(&verdict);
	probe_release(p);
	daemon_work_end();
}

bool probe_begin(struct view address)
{
	struct probe *p;

	if (map_get(probes.by_address, address) != NULL)
		return true;
	if (map_count(probes.by_address) >= (size_t)param.address_verify_pending_request_limit)
		return false;
	p = mem_new(struct probe);
	str_append(&p->address, address);
	p->began = clock_now();
	p->users = 2;
	WAITLIST_INIT(&p->end);
	map_put(probes.by_address, address, p);
	daemon_work_begin();
	task_spawn("probe", probe_run, p);
	return true;
}

void probes_sweep(void)
{
	map_for_each (probes.by_address, i) {
		struct probe *p = map_value_at(probes.by_address, i);

		if (clock_now() - p->began > (msec_t)PROBE_LIFETIME * 1000)
			probe_end(str_view(&p->address));
	}
}

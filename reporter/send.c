/*
 * Sends reports when they are due. A report is noted as sent before it is given to cleanup: a crash between
 * the two loses it, for a domain is told once about a day, never twice.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "reporter.h"
#include "services/clients.h"
#include "task/task.h"

#define SEND_LATER	 600 /* seconds until what could not be sent is tried again */
#define DESTINATION_TIME ((msec_t)30 * 1000) /* to ask the DNS about one domain */

/* ---- one mail ---- */

/* Those of the addresses that take as much. */
static void destinations_for(const struct destinations *found, size_t bytes, struct view owner,
			     struct str *to)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct str *address = &found->items[i].address;

		if (found->items[i].limit < bytes) {
			log_info("dmarc report: %.*s: %zu bytes are too many for <%s>",
				 VIEW_ARG(owner), bytes, str_cstr(address));
			continue;
		}
		if (to->len > 0)
			str_append_cstr(to, ",\r\n\t");
		address_quote(to, str_view(address));
	}
}

static int report_submit(const struct composed *composed, const struct destinations *found,
			 struct view to, struct submission_verdict *verdict)
{
	_cleanup_(str_free) struct str mail = STR_EMPTY;
	struct submission *s;
	int r = 0;

	report_write_mail(composed, to, &mail);
	s = submission_begin("private/cleanup",
			     &(struct msg_mail){ .sender = view_of(param.dmarc_report_from),
						 .flags = MAIL_FLAG_INTERNAL,
						 .kind = INTERNAL_NOTIFY,
						 .body = BODY_7BIT });
	for (size_t i = 0; i < found->count && r == 0; i++)
		if (found->items[i].limit >= composed->attachment.len)
			r = submission_rcpt(s, str_view(&found->items[i].address), VIEW_NONE,
					    NOTIFY_NEVER);
	if (r == 0)
		r = submission_data(s, str_view(&mail));
	if (r < 0) {
		submission_abort(s);
		return r;
	}
	return submission_commit(s, verdict);
}

/* 1: it is in the queue; 0: it never will be; or a negative errno: not now. */
static int report_hand_over(const struct ledger_due *due, const struct destinations *found)
{
	_cleanup_(submission_verdict_free) struct submission_verdict verdict = { 0 };
	_cleanup_(composed_free) struct composed composed;
	_cleanup_(str_free) struct str to = STR_EMPTY;
	int r = report_compose(due, &composed);

	if (r < 0)
		return r;
	destinations_for(found, composed.attachment.len, str_view(&due->owner), &to);
	if (to.len == 0)
		return 0;
	r = report_submit(&composed, found, str_view(&to), &verdict);
	if (r < 0)
		return r;
	if (verdict.code != 250) {
		log_warning("dmarc report: %s: %u %s", str_cstr(&due->owner), verdict.code,
			    str_cstr(&verdict.text));
		return verdict.code / 100 == 5 ? 0 : -EAGAIN;
	}
	log_info("%s: dmarc report: %s, <%s>", str_cstr(&verdict.queue_id), str_cstr(&due->owner),
		 str_cstr(&composed.id));
	metric_add(METRIC_dmarc_reports, 1);
	return 1;
}

/* By the end of its time: `due` moves on each time that it is put off. */
bool report_is_too_late(const struct ledger_due *due, int64_t now)
{
	return now > due->end + param.dmarc_report_spread / 1000 + REPORT_TRIES_TIME;
}

static int report_later(const struct ledger_due *due, int64_t now, const char *why)
{
	int r;

	if (report_is_too_late(due, now)) {
		log_warning("dmarc report: %s: given up: %s", str_cstr(&due->owner), why);
		r = ledger_settle(due);
		if (r == 0)
			(void)ledger_forget(due);
		return r;
	}
	log_info("dmarc report: %s: later: %s", str_cstr(&due->owner), why);
	return ledger_put_off(due, now + SEND_LATER);
}

/* A negative errno: the ledger took no note of it, and it is the first of them still. */
static int report_send(const struct ledger_due *due, int64_t now)
{
	_cleanup_(destinations_free) struct destinations found;
	int r;

	destinations_find(str_view(&due->owner), str_view(&due->record), &records_of_resolver,
			  clock_after(DESTINATION_TIME), &found);
	if (found.unsure && found.count == 0)
		return report_later(due, now, "the DNS gives no answer");
	r = ledger_settle(due);
	if (r < 0)
		return r;
	r = found.count > 0 ? report_hand_over(due, &found) : 0;
	if (r < 0)
		return report_later(due, now, strerror(-r));
	(void)ledger_forget(due);
	return 0;
}

/* ---- the task ---- */

/* The first of several: false when there is none, or the disk is full or so: then all wait. */
static bool report_send_next(void)
{
	_cleanup_(ledger_due_free) struct ledger_due due = { .begin = 0 };
	int64_t now = clock_wall();
	int r;

	if (daemon_is_retiring() || ledger_next(now, &due) <= 0)
		return false;
	daemon_work_begin();
	r = report_send(&due, now);
	daemon_work_end();
	return r == 0;
}

void report_send_run(void *unused)
{
	(void)unused;
	while (!daemon_is_retiring()) {
		/* Short periods are for those who try it out. */
		task_sleep(MIN(LEDGER_PAUSE, param.dmarc_report_interval / 10 + 100));
		ledger_keep(clock_wall());
		while (report_send_next())
			;
	}
}

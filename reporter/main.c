/* The program reporter: what cleanup tells it, and the tasks that it begins with. */
#include <errno.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "reporter.h"
#include "task/task.h"

static bool is_name(struct view text)
{
	return text.len > 0 && !view_has_control(text);
}

/* cleanup is believed about what it saw, not about the form of it: this goes into a database and into XML. */
static bool seen_is_sound(const struct msg_dmarc_seen *m)
{
	return ip_family(m->source) != 0 && is_name(m->owner) && is_name(m->header_from) &&
	       is_name(m->record) && !view_has_control(m->envelope_from) &&
	       !view_has_control(m->reason) && !view_has_control(m->comment) &&
	       m->disposition <= DMARC_P_REJECT - DMARC_P_NONE;
}

static void reporter_serve(struct ipc *ipc)
{
	struct message m;
	int r = 0;

	/* Who may say which of them stands in programs.def. */
	while (r >= 0 && ipc_next_request(ipc, &m) == 0) {
		r = seen_is_sound(&m.dmarc_seen) ? 0 : -EBADMSG;
		/* Where nobody is to be told, there is nothing to keep. */
		if (r == 0 && param.dmarc_reports && destination_is_named(m.dmarc_seen.record))
			(void)ledger_add(&m.dmarc_seen, clock_wall());
		if (r == 0)
			r = ipc_send(ipc, done);
		if (r == 0)
			r = ipc_flush(ipc);
	}
}

static int reporter_prepare(struct error *err)
{
	struct view local, domain;
	int r = dnsbl_watch_check(err);

	if (r < 0 || !param.dmarc_reports)
		return r;
	address_split(view_of(param.dmarc_report_from), &local, &domain);
	if (local.len == 0 || !domain_is_valid(domain, false) ||
	    view_has_control(view_of(param.dmarc_report_from)))
		return error_set(err, -EINVAL, "dmarc_report_from: %s is no address",
				 param.dmarc_report_from);
	return ledger_open(err);
}

static void reporter_start(void)
{
	if (param.dmarc_reports)
		task_spawn("send reports", report_send_run, NULL);
	if (param.dnsbl_watch[0] != '\0')
		task_spawn("watch lists", dnsbl_watch_run, NULL);
}

/* The next one waits for the database. */
static void reporter_retire(void)
{
	ledger_close();
}

static const struct daemon_program program = {
	.name = "reporter",
	.prepare = reporter_prepare,
	.start = reporter_start,
	.serve_ipc = reporter_serve,
	.retire = reporter_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

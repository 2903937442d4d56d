/*
 * Which milters a message gets: those that smtpd has been asking about its client already, or, where
 * none has seen it come, non_smtpd_milters, who are told of it as if it came by SMTP from this host. Of
 * the suite's own mail they see what internal_mail_filter_classes names.
 */
#include "services/milter.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "milters.h"

static struct milter_list list;

int cleanup_milters_open(struct error *err)
{
	int r = edits_open(err);

	if (r == 0)
		r = milter_list_parse(
			view_of(conf_overrides("no_milters") ? "" : param.non_smtpd_milters), &list,
			err);
	if (r < 0)
		error_prefix(err, "non_smtpd_milters");
	return r;
}

static bool is_for_milters(const struct intake *in)
{
	bool is_ours = in->flags & MAIL_FLAG_INTERNAL;

	return (in->local_submission || is_ours) && !in->unfiltered && list.count > 0;
}

void cleanup_milters_recipient(struct intake *in, struct view address)
{
	if (!is_for_milters(in))
		return;
	str_append(&in->recipients, address);
	str_append_byte(&in->recipients, '\n');
}

static void milters_tell_client(struct intake *in, struct milters *milters)
{
	milters_macro(milters, "daemon_addr", VIEW("127.0.0.1"));
	milters_macro(milters, "client_addr", VIEW("127.0.0.1"));
	milters_macro(milters, "client_name", VIEW("localhost"));
	milters_macro(milters, "client_ptr", VIEW("localhost"));
	milters_macro(milters, "client_port", VIEW("0"));
	milters_macro(milters, "client_resolve", VIEW("OK"));
	milters_macro(milters, "_", VIEW("localhost [127.0.0.1]"));
	milters_macro(milters, "i", view_of(queue_writer_id(in->writer)));
	milters_macro(milters, "mail_addr", str_view(&in->sender));
}

/* Tells one step. 0, or -EACCES after intake_fail. */
static int milters_tell(struct intake *in, struct milters *milters, enum milter_event event,
			const char *step, struct view text, struct view argument)
{
	struct milter_verdict verdict = { .hold = false };
	int r;

	milters_event(milters, event, text, argument, 0, &verdict);
	/* Who sees a message of many recipients refused could not say which of them was meant. */
	if (event == MILTER_RCPT && verdict.reply.len > 0)
		str_set(&verdict.reply, VIEW("451 4.3.5 Error: a milter refuses a recipient"));
	r = judge_verdict(in, step, str_view(&verdict.reply), verdict.discard, verdict.hold,
			  str_view(&verdict.reason));
	milter_verdict_free(&verdict);
	return r;
}

static int milters_tell_recipients(struct intake *in, struct milters *milters)
{
	struct view rest = str_view(&in->recipients), address;
	int r = 0;

	while (r == 0 && view_next(&rest, '\n', &address)) {
		if (address.len == 0)
			continue;
		milters_macro(milters, "rcpt_addr", address);
		r = milters_tell(in, milters, MILTER_RCPT, "RCPT", address, VIEW_NONE);
	}
	return r;
}

/* The steps that smtpd would have told. */
static int milters_tell_envelope(struct intake *in, struct milters *milters)
{
	int r;

	milters_tell_client(in, milters);
	r = milters_tell(in, milters, MILTER_CONNECT, "CONNECT", VIEW("localhost"),
			 VIEW("127.0.0.1"));
	if (r == 0)
		r = milters_tell(in, milters, MILTER_HELO, "HELO", view_of(param.myhostname),
				 VIEW_NONE);
	if (r == 0)
		r = milters_tell(in, milters, MILTER_MAIL, "MAIL", str_view(&in->sender),
				 VIEW_NONE);
	if (r == 0)
		r = milters_tell_recipients(in, milters);
	return r < 0 ? r : milters_tell(in, milters, MILTER_DATA, "DATA", VIEW_NONE, VIEW_NONE);
}

/* Long enough for all that the milters may take; filter sees to it that they do not take longer. */
static void be_patient(struct ipc *ipc)
{
	ipc_finish_first(ipc, true);
	ipc_set_timeout(ipc, 2 * param.milter_time_limit + param.milter_content_timeout);
}

int cleanup_milters_ask(struct intake *in)
{
	struct milters *milters;
	int r;

	if (in->channel != NULL) {
		be_patient(in->channel);
		return judge_content(in, in->channel);
	}
	if (!is_for_milters(in))
		return 0;
	milters = milters_begin(&list);
	r = milters_tell_envelope(in, milters);
	if (r == 0 && milters_ipc(milters) != NULL) {
		be_patient(milters_ipc(milters));
		r = judge_content(in, milters_ipc(milters));
	}
	milters_end(milters);
	return r;
}

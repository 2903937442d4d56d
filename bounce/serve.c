/* qmgr's requests. A report goes into the queue like any other mail, through cleanup. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "compose.h"
#include "conf/conf.h"
#include "services/clients.h"

static int write_submission(void *argument, struct view bytes)
{
	return submission_data(argument, bytes);
}

static const char *report_kind_name(uint8_t kind)
{
	return kind == REPORT_FAILURE ? "sender non-delivery notification"
	       : kind == REPORT_DELAY ? "sender delay notification"
				      : "sender delivery status notification";
}

/* One message to the sender, or to the postmaster. 0 when it is in the queue. */
static int submit(struct report *report)
{
	const struct queue_envelope *e = queue_file_envelope(report->file);
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	int has_8bit = report_needs_8bit(report);
	_cleanup_(submission_verdict_free) struct submission_verdict verdict = { 0 };

	if (has_8bit < 0)
		return has_8bit;
	/* Nobody is told of what becomes of a copy. */
	if (report->postmaster != NULL)
		notice_sender(&sender);
	struct submission *s = submission_begin(
		"private/cleanup",
		&(struct msg_mail){
			.sender = str_view(&sender),
			.flags = (uint8_t)(MAIL_FLAG_INTERNAL |
					   (report_is_utf8(report) ? MAIL_FLAG_SMTPUTF8 : 0)),
			.kind = report->postmaster != NULL ? INTERNAL_NOTIFY : INTERNAL_BOUNCE,
			.body = has_8bit ? BODY_8BITMIME : BODY_7BIT });

	report->argument = s;
	int r = submission_rcpt(
		s, report->postmaster != NULL ? view_of(report->postmaster) : e->sender, VIEW_NONE,
		NOTIFY_NEVER);

	if (r == 0)
		r = report_compose(report);
	if (r < 0) {
		submission_abort(s);
		log_warning("%s: report was not written: %s", queue_file_id(report->file),
			    strerror(-r));
		return r;
	}
	r = submission_commit(s, &verdict);
	if (r == 0 && verdict.code != 250) {
		log_warning("%s: report was refused: %u %s", queue_file_id(report->file),
			    verdict.code, str_cstr(&verdict.text));
		r = -EAGAIN;
	}
	if (r == 0)
		log_info("%s: %s: %s", queue_file_id(report->file),
			 report->postmaster != NULL ? "postmaster notification"
						    : report_kind_name(report->kind),
			 str_cstr(&verdict.queue_id));
	return r;
}

/* Mail that comes back says something about who sent it, if it was a login. */
static void login_note_failures(const struct report *report)
{
	struct view login = queue_file_envelope(report->file)->login;
	_cleanup_(str_free) struct str reason = STR_EMPTY;

	if (report->kind == REPORT_FAILURE && login.len > 0 && report->named > 0 &&
	    anvil_bounced(login, report->named, &reason) == ANVIL_SENDER_STOPS)
		(void)sender_notice(login, str_view(&reason));
}

/* Who of this site wants a copy (notify_classes), or NULL. */
static const char *postmaster_of(const struct report *report)
{
	bool is_report = queue_file_envelope(report->file)->sender.len == 0;

	if (report->kind == REPORT_DELAY)
		return notice_is_wanted("delay") ? param.delay_notice_recipient : NULL;
	if (report->kind != REPORT_FAILURE)
		return NULL;
	if (is_report)
		return notice_is_wanted("2bounce") ? conf_get("2bounce_notice_recipient") : NULL;
	return notice_is_wanted("bounce") ? param.bounce_notice_recipient : NULL;
}

/* Whatever becomes of it, the sender has been told. */
static void postmaster_tell(const struct report *of)
{
	struct report copy = { .kind = of->kind, .file = of->file, .from = of->from };
	unsigned passed_over;

	copy.postmaster = postmaster_of(of);
	copy.write = write_submission;
	if (copy.postmaster != NULL && notice_may(&passed_over))
		(void)submit(&copy);
}

/* As many reports as the recipients need. */
static int recipients_report(struct queue_file *file, uint8_t kind)
{
	struct report report = { .kind = kind, .file = file };
	int r = 0;

	if (kind > REPORT_SUCCESS)
		return 0;
	report.write = write_submission;
	if (!report_is_needed(&report))
		return 0;
	/* Of the fate of a report the postmaster alone may hear. */
	if (queue_file_envelope(file)->sender.len == 0) {
		postmaster_tell(&report);
		return 0;
	}
	do {
		r = submit(&report);
		if (r == 0)
			postmaster_tell(&report);
		report.from = report.next;
	} while (r == 0 && report.more);
	/* Not for one that is made again. */
	if (r == 0)
		login_note_failures(&report);
	return r;
}

static int report_answer(struct ipc *ipc, struct message *m)
{
	struct error err = ERROR_NONE;
	struct queue_file *file = NULL;
	int fd = m->report.file, r;

	m->report.file = -1;
	r = queue_file_from_fd(fd, m->report.queue_id, &file, &err);
	if (r < 0) {
		log_error("cannot report: %s", err.text);
		return ipc_send(ipc, verdict, .code = 451, .status = VIEW("4.3.0"),
				.text = view_of(err.text));
	}
	r = recipients_report(file, m->report.kind);
	queue_file_close(file);
	if (r < 0)
		return ipc_send(ipc, verdict, .code = 451, .status = VIEW("4.3.0"),
				.text = VIEW("the report could not be written"));
	return ipc_send(ipc, verdict, .code = 250, .status = VIEW("2.0.0"), .text = VIEW("Ok"));
}

void bounce_serve(struct ipc *ipc)
{
	for (;;) {
		struct message m;
		int r = ipc_next_request(ipc, &m);

		if (r < 0)
			return;
		if (m.type == MSG_report) {
			r = report_answer(ipc, &m);
		} else {
			message_close_fd(&m);
			r = -EBADMSG;
		}
		if (r < 0)
			return;
	}
}

/* What became other addresses goes into the queue as one new message. */
#include "local.h"

#include <errno.h>
#include <stdio.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"
#include "table/tokens.h"

#define COPY_BLOCK ((size_t)32768)

static int send_recipients(struct submission *s, const struct plan *plan, const struct job *job)
{
	/* A success report is given here: the message became others. */
	uint8_t notify = job->recipient->notify & (uint8_t)~NOTIFY_SUCCESS;
	int r = 0;

	for (size_t i = 0; i < plan->count && r == 0; i++)
		if (plan->actions[i].kind == ACTION_ADDRESS)
			r = submission_forward_rcpt(s, view_of(plan->actions[i].text),
						    str_view(&job->recipient->original),
						    str_view(&job->recipient->orcpt), notify);
	return r;
}

static int forward_send_content(struct submission *s, const struct io_source *content)
{
	_cleanup_free_ char *block = mem_new_bytes(COPY_BLOCK);
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < content->size;) {
		size_t want = (size_t)MIN((uint64_t)COPY_BLOCK, content->size - done);

		r = io_source_read(content, block, want, done);
		if (r == 0)
			r = submission_data(s, view_make(block, want));
		done += want;
	}
	return r;
}

/* What ends loops: delivery_is_loop looks for it. */
static int forward_send_mark(struct submission *s, const struct job *job)
{
	_cleanup_(str_free) struct str first = STR_EMPTY;

	str_append(&first, VIEW("Delivered-To: "));
	address_quote(&first, str_view(&job->recipient->address));
	str_append(&first, VIEW("\r\n"));
	return submission_data(s, str_view(&first));
}

static void forward_commit(struct submission *s, struct outcome *outcome)
{
	_cleanup_(submission_verdict_free) struct submission_verdict answer = { .code = 451 };
	int r = submission_commit(s, &answer);

	if (r < 0)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "cannot forward: %s",
			    strerror(-r));
	else if (answer.code / 100 == 2)
		outcome_set(outcome, OUTCOME_EXPANDED, "2.0.0", VIEW_NONE, "forwarded as %s",
			    str_cstr(&answer.queue_id));
	else
		outcome_set(outcome, answer.code / 100 == 5 ? OUTCOME_FAILED : OUTCOME_DEFERRED,
			    str_cstr(&answer.status), VIEW_NONE, "forwarding refused: %s",
			    str_cstr(&answer.text));
}

static void forward_send(const struct plan *plan, struct job *job, const struct io_source *content,
			 bool marked, struct outcome *outcome)
{
	const struct delivery *d = job->d;
	struct msg_mail mail = {
		.sender = str_view(&job->sender),
		.flags = (uint8_t)((d->flags & MAIL_FLAG_SMTPUTF8) | MAIL_FLAG_REMOTE |
				   MAIL_FLAG_INTERNAL),
		.body = d->body,
		.ret = d->ret,
		.envid = str_view(&d->envid),
		.size = content->size,
	};
	struct submission *s = submission_begin("private/cleanup", &mail);
	int r = send_recipients(s, plan, job);

	if (r == 0 && marked)
		r = forward_send_mark(s, job);
	if (r == 0)
		r = forward_send_content(s, content);
	if (r < 0) {
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "cannot forward: %s",
			    strerror(-r));
		submission_abort(s);
		return;
	}
	forward_commit(s, outcome);
}

void forward_submit(const struct plan *plan, struct job *job, struct outcome *outcome)
{
	forward_send(plan, job, &job->d->content,
		     token_list_has(param.prepend_delivered_header, "forward"), outcome);
}

void forward_redirect(const struct plan *plan, struct job *job, const struct io_source *content,
		      struct outcome *outcome)
{
	forward_send(plan, job, content != NULL ? content : &job->d->content, true, outcome);
}

void forward_answer(const struct job *job, struct view recipient, const struct io_source *content,
		    struct outcome *outcome)
{
	struct msg_mail mail = { .flags = (uint8_t)((job->d->flags & MAIL_FLAG_SMTPUTF8) |
						    MAIL_FLAG_INTERNAL),
				 .body = BODY_8BITMIME,
				 .size = content->size };
	struct submission *s = submission_begin("private/cleanup", &mail);
	int r = submission_rcpt(s, recipient, VIEW_NONE, NOTIFY_NEVER);

	if (r == 0)
		r = forward_send_content(s, content);
	if (r < 0) {
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "cannot answer: %s",
			    strerror(-r));
		submission_abort(s);
		return;
	}
	forward_commit(s, outcome);
}

/* From the null sender: a notice about a notice would help nobody. */
void forward_tell_owner(struct job *job, const char *reason, struct outcome *outcome)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct msg_mail mail = { .flags = MAIL_FLAG_INTERNAL };
	struct submission *s = submission_begin("private/cleanup", &mail);
	int r = submission_rcpt(s, str_view(&job->sender), VIEW_NONE, NOTIFY_NEVER);

	str_printf(&text,
		   "From: MAILER-DAEMON@%s (Mail Delivery System)\r\nTo: ", param.myhostname);
	address_quote(&text, str_view(&job->sender));
	str_append_cstr(&text, "\r\nSubject: A member of a list was passed over\r\n"
			       "Auto-Submitted: auto-generated\r\n\r\n"
			       "Mail to ");
	address_quote(&text, str_view(&job->recipient->address));
	str_printf(&text,
		   " did not reach one of its members:\r\n\r\n    %s\r\n\r\n"
		   "The others have got it. Queue ID of the message: %s\r\n",
		   reason, str_cstr(&job->d->queue_id));
	if (r == 0)
		r = submission_data(s, str_view(&text));
	if (r < 0) {
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "cannot tell the owner: %s", strerror(-r));
		submission_abort(s);
		return;
	}
	forward_commit(s, outcome);
	if (outcome->kind == OUTCOME_FAILED)
		outcome_set(outcome, OUTCOME_FAILED, "5.7.1", VIEW_NONE, "%s", reason);
}

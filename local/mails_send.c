/*
 * Sending what a user's scripts want sent: redirects become one new message, as what a .forward names
 * does; answers are messages of their own, from the null sender.
 */
#include "base/log.h"
#include "base/mem.h"
#include "local.h"

/* Those with the same content are one message. */
static int mails_redirect(const struct mails *mails, struct job *job, struct outcome *outcome)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	const struct io_source *content = NULL;

	for (size_t i = 0; i < mails->count; i++) {
		const struct wanted_mail *mail = &mails->items[i];

		if (mail->kind != SIEVE_MAIL_REDIRECT)
			continue;
		if (mail->content.size > 0)
			content = &mail->content;
		plan_add(&plan, ACTION_ADDRESS, str_view(&mail->recipient), NULL, NULL, false);
	}
	if (plan.count == 0)
		return 0;
	forward_redirect(&plan, job, content, outcome);
	return outcome->kind == OUTCOME_EXPANDED ? 1 : -1;
}

static int mails_answer(const struct mails *mails, struct job *job, struct outcome *outcome)
{
	int sent = 0;

	for (size_t i = 0; i < mails->count; i++) {
		const struct wanted_mail *mail = &mails->items[i];

		if (mail->kind != SIEVE_MAIL_ANSWER)
			continue;
		forward_answer(job, str_view(&mail->recipient), &mail->content, outcome);
		if (outcome->kind == OUTCOME_DEFERRED)
			return -1;
		/* One that may not be sent is no reason to return the message that it answers. */
		if (outcome->kind == OUTCOME_FAILED)
			log_warning("%s: an answer to <%s> was refused: %s",
				    str_cstr(&job->d->queue_id), str_cstr(&mail->recipient),
				    str_cstr(&outcome->text));
		sent = 1;
	}
	return sent;
}

/* Whoever wanted it need not want it again. What goes wrong here costs a second copy at most. */
static void mails_note(const struct job *job, struct view user, uint8_t kind, uint8_t sent)
{
	_cleanup_(outcome_free) struct outcome outcome = OUTCOME_NONE;

	agent_sent(job, user, kind, sent, &outcome);
	if (outcome.kind != OUTCOME_DELIVERED)
		log_warning("%s: cannot note what was sent: %s", str_cstr(&job->d->queue_id),
			    str_cstr(&outcome.text));
}

void mails_send(const struct mails *mails, struct job *job, struct view user, uint8_t kind,
		struct outcome *outcome)
{
	_cleanup_(outcome_free) struct outcome part = OUTCOME_NONE;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = mails_redirect(mails, job, &part);

	if (r > 0) {
		mails_note(job, user, kind, SIEVE_MAIL_REDIRECT);
		str_printf(&text, "%s; %s", str_cstr(&outcome->text), str_cstr(&part.text));
		str_set(&outcome->text, view_first(str_view(&text), IPC_TEXT_MAX));
	}
	if (r >= 0)
		r = mails_answer(mails, job, &part);
	if (r > 0)
		mails_note(job, user, kind, SIEVE_MAIL_ANSWER);
	/* A redirect that failed for good, or what is worth another attempt. */
	if (r < 0)
		outcome_copy(outcome, &part);
}

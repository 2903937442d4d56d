/*
 * One recipient: the loop check, then aliases, the forwarding file and the mailbox, in local(8)'s
 * order. How each is done is other files' affair.
 */
#include "local.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

static void job_begin(struct job *job, struct delivery *d, size_t which)
{
	*job = (struct job){ .d = d, .recipient = &d->recipients[which] };
	str_append_lower(&job->folded, str_view(&job->recipient->address));
	job->address = str_view(&job->folded);
	address_split(job->address, &job->local, &job->domain);
	job->user = job->local;
	address_split_extension(job->local, param.recipient_delimiter, &job->user, &job->extension);
	str_append(&job->sender, str_view(&d->sender));
}

static void job_end(struct job *job)
{
	str_free(&job->folded);
	str_free(&job->sender);
}

/* A user of this system whom no alias leads elsewhere: .forward, or else the mailbox. */
static void deliver_to_user(struct job *job, struct view user, struct outcome *outcome)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	/* A probe asks whether there is such a user, not where the mail goes from there. */
	int r = job->d->probe ? 0 : expand_forward(job, user, &plan, outcome);

	if (r == 1)
		plan_execute(&plan, job, outcome);
	else if (r == 0)
		mailbox_deliver_to(job, user, outcome);
}

static void deliver_local(struct job *job, struct outcome *outcome)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	int r = expand_alias(job, &plan, outcome);

	if (r < 0)
		return;
	if (r == 0) {
		deliver_to_user(job, job->user, outcome);
	} else if (plan.count == 1 && plan.actions[0].leaf) {
		/* "root: alice" needs no message of its own. */
		struct view user, domain;

		address_split(view_of(plan.actions[0].text), &user, &domain);
		address_split_extension(user, param.recipient_delimiter, &user, &job->extension);
		deliver_to_user(job, user, outcome);
	} else if (job->d->probe) {
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE,
			    "aliased to other recipients");
	} else {
		plan_execute(&plan, job, outcome);
	}
}

static void recipient_decide(struct job *job, bool is_virtual, struct outcome *outcome)
{
	int r = job->d->probe ? 0 : delivery_is_loop(job->d, job->address);

	if (r < 0)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "cannot read the message: %s", strerror(-r));
	else if (r == 1)
		outcome_set(outcome, OUTCOME_FAILED, "5.4.6", VIEW_NONE,
			    "mail forwarding loop for %.*s", VIEW_ARG(job->address));
	else if (is_virtual)
		mailbox_store(job, job->address, MAILBOX_VIRTUAL_USER, outcome);
	else
		deliver_local(job, outcome);
}

bool recipient_deliver(struct delivery *d, size_t which, bool is_virtual, struct outcome *outcome)
{
	_cleanup_(job_end) struct job job;

	job_begin(&job, d, which);
	recipient_decide(&job, is_virtual, outcome);
	return job.is_logged;
}

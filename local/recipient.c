/* One recipient from its address to its result. How it expands is in expand.c and forward.c. */
#include "local.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

void verdict_free(struct verdict *verdict)
{
	str_free(&verdict->text);
}

uint8_t verdict_set(struct verdict *verdict, uint8_t outcome, const char *status,
		    const char *format, ...)
{
	va_list args;

	verdict->outcome = outcome;
	snprintf(verdict->status, sizeof(verdict->status), "%s", status);
	str_clear(&verdict->text);
	va_start(args, format);
	str_vprintf(&verdict->text, format, args);
	va_end(args);
	return outcome;
}

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
static void deliver_to_user(struct job *job, struct view user, struct verdict *verdict)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	int r = expand_forward(job, user, &plan, verdict);

	if (r == 1)
		plan_execute(&plan, job, verdict);
	else if (r == 0)
		agent_mailbox(job, user, MAILBOX_SYSTEM_USER, verdict);
}

static void deliver_local(struct job *job, struct verdict *verdict)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	int r = expand_alias(job, &plan, verdict);

	if (r < 0)
		return;
	if (r == 0) {
		deliver_to_user(job, job->user, verdict);
	} else if (plan.count == 1 && plan.actions[0].leaf) {
		/* "root: alice" needs no message of its own. */
		struct view user, domain;

		address_split(view_of(plan.actions[0].text), &user, &domain);
		address_split_extension(user, param.recipient_delimiter, &user, &job->extension);
		deliver_to_user(job, user, verdict);
	} else {
		plan_execute(&plan, job, verdict);
	}
}

static void recipient_decide(struct job *job, bool is_virtual, struct verdict *verdict)
{
	int r = loop_was_delivered_to(job->d, job->address);

	if (r < 0)
		verdict_set(verdict, OUTCOME_DEFERRED, "4.3.0", "cannot read the message: %s",
			    strerror(-r));
	else if (r == 1)
		verdict_set(verdict, OUTCOME_FAILED, "5.4.6", "mail forwarding loop for %.*s",
			    VIEW_ARG(job->address));
	else if (is_virtual)
		agent_mailbox(job, job->address, MAILBOX_VIRTUAL_USER, verdict);
	else
		deliver_local(job, verdict);
}

void recipient_deliver(struct delivery *d, size_t which, bool is_virtual, struct verdict *verdict)
{
	_cleanup_(job_end) struct job job;

	job_begin(&job, d, which);
	recipient_decide(&job, is_virtual, verdict);
}

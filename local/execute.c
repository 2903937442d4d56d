/*
 * Doing what an alias or a forwarding file came to: what is local first, then one new message for
 * the addresses.
 */
#include "local.h"

#include "base/log.h"
#include "base/mem.h"

/* The mailbox of a name that leads back to itself; if there is none, the circle is the reason. */
static void execute_mailbox(const struct action *action, struct job *job, struct outcome *outcome)
{
	mailbox_deliver_to(job, view_of(action->text), outcome);
	if (!action->circle || outcome->cause != CAUSE_NO_USER)
		return;
	log_warning("%s: the aliases %s and %s lead to each other", str_cstr(&job->d->queue_id),
		    action->owner, action->text);
	outcome_set(outcome, OUTCOME_FAILED, "5.4.6", VIEW_NONE,
		    "the aliases %s and %s lead to each other", action->owner, action->text);
}

/* Whoever answers for the list is told, if an owner- alias says who; else the sender. */
static void execute_refused(const struct action *action, struct job *job, struct outcome *outcome)
{
	log_warning("%s: %s: %s", str_cstr(&job->d->queue_id), action->owner, action->text);
	if (view_eq(str_view(&job->sender), str_view(&job->d->sender)))
		outcome_set(outcome, OUTCOME_FAILED, "5.7.1", VIEW_NONE, "%s", action->text);
	else
		forward_tell_owner(job, action->text, outcome);
}

static void execute_one(const struct action *action, struct job *job, struct outcome *outcome)
{
	if (action->kind == ACTION_MAILBOX)
		execute_mailbox(action, job, outcome);
	else if (action->kind == ACTION_REFUSED)
		execute_refused(action, job, outcome);
	else
		agent_program(job, action, outcome);
}

static bool all_are_refused(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->actions[i].kind != ACTION_REFUSED)
			return false;
	return plan->count > 0;
}

static void outcome_move(struct outcome *to, struct outcome *from)
{
	outcome_free(to);
	*to = *from;
	*from = OUTCOME_NONE;
}

/*
 * What may have to be tried again comes first, and the first thing that is put off ends it: what
 * was done before is done again next time, so as little as possible should lie before. A failure
 * for good lets the rest go on, and is what the sender is told.
 */
static void execute_all(struct plan *plan, struct job *job, struct outcome *outcome)
{
	_cleanup_(outcome_free) struct outcome failure = OUTCOME_NONE;
	bool has_addresses = false;

	outcome_set(outcome, OUTCOME_FAILED, "5.2.4", VIEW_NONE,
		    "the alias or .forward expands to nothing");
	if (all_are_refused(plan)) {
		outcome_set(outcome, OUTCOME_FAILED, "5.7.1", VIEW_NONE, "%s",
			    plan->actions[0].text);
		return;
	}
	for (int kind = ACTION_COMMAND; kind <= ACTION_REFUSED; kind++) {
		for (size_t i = 0; i < plan->count; i++) {
			_cleanup_(outcome_free) struct outcome part = OUTCOME_NONE;

			has_addresses |= plan->actions[i].kind == ACTION_ADDRESS;
			if ((int)plan->actions[i].kind != kind)
				continue;
			execute_one(&plan->actions[i], job, &part);
			if (part.kind == OUTCOME_FAILED && failure.kind == OUTCOME_PENDING) {
				outcome_move(&failure, &part);
				continue;
			}
			outcome_move(outcome, &part);
			if (outcome->kind == OUTCOME_DEFERRED)
				return;
		}
	}
	if (has_addresses)
		forward_submit(plan, job, outcome);
	if (failure.kind == OUTCOME_FAILED && outcome->kind != OUTCOME_DEFERRED)
		outcome_move(outcome, &failure);
}

void plan_execute(struct plan *plan, struct job *job, struct outcome *outcome)
{
	execute_all(plan, job, outcome);
	/* What another agent has written is of a part. */
	job->is_logged = false;
}

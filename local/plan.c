/*
 * What is to be done for one recipient, as a list of deliveries without doubles. It is carried out
 * only when it is whole.
 */
#include "local.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void delivery_plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->actions[i].text);
		free(plan->actions[i].owner);
		free(plan->actions[i].via);
	}
	free(plan->actions);
}

bool plan_add(struct plan *plan, enum action_kind kind, struct view text, const char *owner,
	      const char *via, bool forward)
{
	if (plan->count >= PLAN_ACTIONS_MAX)
		return false;
	array_grow(plan->actions, plan->count);
	plan->actions[plan->count++] = (struct action){
		.kind = kind,
		.text = mem_strndup(text.data, text.len),
		.owner = owner != NULL ? mem_strdup(owner) : NULL,
		.via = via != NULL ? mem_strdup(via) : NULL,
		.forward = forward,
	};
	return true;
}

/* The mailbox of a name that leads back to itself; if there is none, the circle is the reason. */
static void execute_mailbox(const struct action *action, struct job *job, struct verdict *verdict)
{
	agent_mailbox(job, view_of(action->text), MAILBOX_SYSTEM_USER, verdict);
	if (!action->circle || verdict->outcome != OUTCOME_FAILED ||
	    strcmp(verdict->status, "5.1.1") != 0)
		return;
	log_warning("%s: the aliases %s and %s lead to each other", str_cstr(&job->d->queue_id),
		    action->owner, action->text);
	verdict_set(verdict, OUTCOME_FAILED, "5.4.6", "the aliases %s and %s lead to each other",
		    action->owner, action->text);
}

/* Whoever answers for the list is told, if an owner- alias says who; else the sender. */
static void execute_refused(const struct action *action, struct job *job, struct verdict *verdict)
{
	log_warning("%s: %s: %s", str_cstr(&job->d->queue_id), action->owner, action->text);
	if (view_eq(str_view(&job->sender), str_view(&job->d->sender)))
		verdict_set(verdict, OUTCOME_FAILED, "5.7.1", "%s", action->text);
	else
		forward_tell_owner(job, action->text, verdict);
}

static void execute_one(const struct action *action, struct job *job, struct verdict *verdict)
{
	if (action->kind == ACTION_MAILBOX)
		execute_mailbox(action, job, verdict);
	else if (action->kind == ACTION_REFUSED)
		execute_refused(action, job, verdict);
	else
		agent_program(job, action, verdict);
}

static bool all_are_refused(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->actions[i].kind != ACTION_REFUSED)
			return false;
	return plan->count > 0;
}

static void verdict_move(struct verdict *to, struct verdict *from)
{
	verdict_free(to);
	*to = *from;
	*from = (struct verdict){ .outcome = OUTCOME_DEFERRED, .text = STR_EMPTY };
}

/*
 * What may have to be tried again comes first, and the first thing that is put off ends it: what
 * was done before is done again next time, so as little as possible should lie before. A failure
 * for good lets the rest go on, and is what the sender is told.
 */
void plan_execute(struct plan *plan, struct job *job, struct verdict *verdict)
{
	_cleanup_(verdict_free) struct verdict failure = { .outcome = OUTCOME_PENDING };
	bool has_addresses = false;

	verdict_set(verdict, OUTCOME_FAILED, "5.2.4", "the alias or .forward expands to nothing");
	if (all_are_refused(plan)) {
		verdict_set(verdict, OUTCOME_FAILED, "5.7.1", "%s", plan->actions[0].text);
		return;
	}
	for (int kind = ACTION_COMMAND; kind <= ACTION_REFUSED; kind++) {
		for (size_t i = 0; i < plan->count; i++) {
			_cleanup_(verdict_free) struct verdict part = { .outcome =
										OUTCOME_DEFERRED };

			has_addresses |= plan->actions[i].kind == ACTION_ADDRESS;
			if ((int)plan->actions[i].kind != kind)
				continue;
			execute_one(&plan->actions[i], job, &part);
			if (part.outcome == OUTCOME_FAILED && failure.outcome == OUTCOME_PENDING) {
				verdict_move(&failure, &part);
				continue;
			}
			verdict_move(verdict, &part);
			if (verdict->outcome == OUTCOME_DEFERRED)
				return;
		}
	}
	if (has_addresses)
		forward_submit(plan, job, verdict);
	if (failure.outcome == OUTCOME_FAILED && verdict->outcome != OUTCOME_DEFERRED)
		verdict_move(verdict, &failure);
}

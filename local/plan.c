#include "local.h"

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

static void execute_one(const struct action *action, struct job *job, struct verdict *verdict)
{
	if (action->kind == ACTION_MAILBOX)
		agent_mailbox(job, view_of(action->text), MAILBOX_SYSTEM_USER, verdict);
	else
		agent_program(job, action, verdict);
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
	for (int kind = ACTION_COMMAND; kind <= ACTION_MAILBOX; kind++) {
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

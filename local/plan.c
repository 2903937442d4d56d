/* The list of what an alias or a forwarding file came to. Doing it is execute.c's affair. */
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

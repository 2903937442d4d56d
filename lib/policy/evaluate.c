/* Walking a list of restrictions. */
#include "base/log.h"
#include "policy/internal.h"

static const char *verdict_name(enum verdict verdict)
{
	return verdict == PERMIT ? "permit" : verdict == REFUSE ? "refuse" : "goes on";
}

static enum verdict run_rule(struct evaluation *e, const struct rule *rule)
{
	bool warned = e->warn_next;
	enum verdict verdict;

	if (rule->list != NULL) {
		if (e->depth == POLICY_DEPTH_MAX) {
			log_warning("%s: restriction lists nested too deeply", rule->list->name);
			return policy_refuse(e, 451, "4.3.5", "Server configuration error");
		}
		e->depth++;
		verdict = policy_run_list(e, rule->list);
		e->depth--;
	} else {
		verdict = rule->element->check(e, rule);
	}
	/* warn_if_reject holds for the restriction after it. */
	if (warned && (rule->list != NULL || rule->element->check != policy_warn_if_reject))
		e->warn_next = false;
	trail_add(e->why, "%s: %s", rule->list ? rule->list->name : rule->element->name,
		  verdict_name(verdict));
	return verdict;
}

enum verdict policy_run_list(struct evaluation *e, const struct rule_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		enum verdict verdict = run_rule(e, &list->rules[i]);

		if (verdict != DUNNO)
			return verdict;
	}
	return DUNNO;
}

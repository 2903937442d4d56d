/*
 * Asking the restrictions of a stage in order, until one decides. What each one asks is in a file
 * of its own.
 */
#include <errno.h>

#include "policy/internal.h"

#include "base/log.h"
#include "conf/conf.h"

/* A word stands in a list parameter. */
static bool list_has(const char *list, const char *word)
{
	struct view rest = view_of(list), element;

	while (conf_next_element(&rest, &element)) {
		if (view_is(element, word))
			return true;
	}
	return false;
}

static int compile_stages(struct policy *policy, struct error *err)
{
	const struct {
		const char *name, *text;
	} lists[POLICY_STAGES] = {
		[POLICY_CLIENT] = { "smtpd_client_restrictions", param.smtpd_client_restrictions },
		[POLICY_HELO] = { "smtpd_helo_restrictions", param.smtpd_helo_restrictions },
		[POLICY_SENDER] = { "smtpd_sender_restrictions", param.smtpd_sender_restrictions },
		[POLICY_RELAY] = { "smtpd_relay_restrictions", param.smtpd_relay_restrictions },
		[POLICY_RECIPIENT] = { "smtpd_recipient_restrictions",
				       param.smtpd_recipient_restrictions },
		[POLICY_DATA] = { "smtpd_data_restrictions", param.smtpd_data_restrictions },
		[POLICY_END_OF_DATA] = { "smtpd_end_of_data_restrictions",
					 param.smtpd_end_of_data_restrictions },
		[POLICY_ETRN] = { "smtpd_etrn_restrictions", param.smtpd_etrn_restrictions },
	};

	for (size_t i = 0; i < POLICY_STAGES; i++) {
		struct rule_list *list = &policy->stages[i];

		list->name = mem_strdup(lists[i].name);

		int r = policy_compile(policy, view_of(lists[i].text), (enum policy_stage)i, true,
				       list, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int policy_open_lists(struct policy *policy, struct error *err)
{
	policy->mynetworks =
		matchlist_open(param.mynetworks, MATCH_ADDRESSES,
			       list_has(param.parent_domain_matches_subdomains, "mynetworks"), err);
	if (policy->mynetworks == NULL) {
		error_prefix(err, "mynetworks");
		return -EINVAL;
	}
	policy->login_maps = tables_open(param.smtpd_sender_login_maps, 0, err);
	if (policy->login_maps == NULL) {
		error_prefix(err, "smtpd_sender_login_maps");
		return -EINVAL;
	}
	policy->rbl_replies = tables_open(param.rbl_reply_maps, 0, err);
	policy->footers = tables_open(param.smtpd_reject_footer_maps, 0, err);
	policy->screen_footers = tables_open(param.postscreen_reject_footer_maps, 0, err);
	policy->certificates = tables_open(param.relay_clientcerts, 0, err);
	policy->backup_networks =
		matchlist_open(param.permit_mx_backup_networks, MATCH_ADDRESSES, false, err);
	if (policy->rbl_replies == NULL || policy->footers == NULL ||
	    policy->screen_footers == NULL || policy->certificates == NULL ||
	    policy->backup_networks == NULL) {
		error_prefix(err, "rbl_reply_maps, smtpd_reject_footer_maps, "
				  "postscreen_reject_footer_maps, relay_clientcerts, "
				  "permit_mx_backup_networks");
		return -EINVAL;
	}
	policy->own = own_addresses_load(err);
	if (policy->own == NULL)
		return -EINVAL;
	policy->access_parents =
		list_has(param.parent_domain_matches_subdomains, "smtpd_access_maps");

	int r = policy_compile_classes(policy, err);

	return r < 0 ? r : compile_stages(policy, err);
}

struct policy *policy_open(const struct routes *routes, struct error *err)
{
	struct policy *policy = mem_new(struct policy);

	policy->routes = routes;
	if (policy_open_lists(policy, err) < 0)
		goto failed;
	if (!policy_list_guards(&policy->stages[POLICY_RELAY]) &&
	    !policy_list_guards(&policy->stages[POLICY_RECIPIENT])) {
		error_set(
			err, -1,
			"This would be an open relay: smtpd_relay_restrictions or "
			"smtpd_recipient_restrictions must have one of reject_unauth_destination, "
			"defer_unauth_destination, reject, defer, defer_if_permit");
		goto failed;
	}
	return policy;
failed:
	policy_close(policy);
	return NULL;
}

void policy_close(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < POLICY_STAGES; i++)
		policy_list_free(&policy->stages[i]);
	for (size_t i = 0; i < policy->class_count; i++)
		policy_list_free(&policy->classes[i]);
	free(policy->classes);
	matchlist_close(policy->mynetworks);
	tables_close(policy->login_maps);
	tables_close(policy->rbl_replies);
	tables_close(policy->footers);
	tables_close(policy->screen_footers);
	tables_close(policy->certificates);
	matchlist_close(policy->backup_networks);
	own_addresses_free(policy->own);
	free(policy);
}

void policy_answer_free(struct policy_answer *answer)
{
	str_free(&answer->reply);
	str_free(&answer->prepend);
	str_free(&answer->redirect);
	str_free(&answer->filter);
	str_free(&answer->bcc);
	str_free(&answer->held);
	str_free(&answer->why.lines);
	*answer = (struct policy_answer){ 0 };
}

bool policy_is_empty(const struct policy *policy, enum policy_stage stage)
{
	return policy->stages[stage].count == 0;
}

int policy_is_my_network(struct policy *policy, struct view client_address)
{
	return matchlist_match(policy->mynetworks, client_address, NULL);
}

bool policy_is_own_address(const struct policy *policy, struct view address)
{
	return own_addresses_match(policy->own, address);
}

static enum policy_action refusal_of(const struct str *reply)
{
	return reply->len > 0 && reply->data[0] == '4' ? POLICY_DEFER : POLICY_REJECT;
}

/* Evaluates one list into `answer`, which keeps what earlier lists put in. */
static void ask_list(struct policy *policy, const struct rule_list *list, enum policy_stage stage,
		     const struct policy_question *question, struct policy_answer *answer)
{
	struct evaluation e = { .policy = policy,
				.q = question,
				.answer = answer,
				.stage = stage,
				.why = question->explain ? &answer->why : NULL };
	enum verdict verdict = policy_run_list(&e, list);

	if (verdict == REFUSE) {
		answer->action = refusal_of(&answer->reply);
		answer->conditional = false;
	} else if (e.defer_if_permit.len > 0 && !answer->conditional) {
		str_set(&answer->reply, str_view(&e.defer_if_permit));
		answer->action = POLICY_DEFER;
		answer->conditional = true;
	} else if (!answer->conditional) {
		if (e.discard)
			answer->action = POLICY_DISCARD;
		else if (e.hold && answer->action == POLICY_PERMIT)
			answer->action = POLICY_HOLD;
	}
	str_free(&e.client);
	str_free(&e.defer_if_permit);
	str_free(&e.defer_if_reject);
}

void policy_ask(struct policy *policy, enum policy_stage stage,
		const struct policy_question *question, struct policy_answer *answer)
{
	*answer = (struct policy_answer){ 0 };
	if (policy->stages[stage].count > 0)
		ask_list(policy, &policy->stages[stage], stage, question, answer);
}

static bool is_refused(const struct policy_answer *answer)
{
	return (answer->action == POLICY_REJECT || answer->action == POLICY_DEFER) &&
	       !answer->conditional;
}

/* One restriction by itself, after the lists. */
static void ask_one(struct policy *policy, const char *name, rule_function *check,
		    enum policy_stage stage, const struct policy_question *question,
		    struct policy_answer *answer)
{
	const struct element element = { .name = name, .check = check };
	struct rule rule = { .element = &element };
	const struct rule_list list = { .rules = &rule, .count = 1 };

	ask_list(policy, &list, stage, question, answer);
}

void policy_ask_recipient(struct policy *policy, bool delayed,
			  const struct policy_question *question, struct policy_answer *answer)
{
	bool relay_first = param.smtpd_relay_before_recipient_restrictions;
	const enum policy_stage stages[] = { POLICY_CLIENT, POLICY_HELO, POLICY_SENDER,
					     relay_first ? POLICY_RELAY : POLICY_RECIPIENT,
					     relay_first ? POLICY_RECIPIENT : POLICY_RELAY };

	*answer = (struct policy_answer){ 0 };
	for (size_t i = delayed ? 0 : 3; i < ARRAY_SIZE(stages) && !is_refused(answer); i++) {
		enum policy_stage stage = stages[i];

		if (policy->stages[stage].count > 0)
			ask_list(policy, &policy->stages[stage], stage, question, answer);
	}
	if (conf_overrides("no_unknown_recipient_checks"))
		return;
	if (!is_refused(answer) && param.smtpd_reject_unlisted_sender)
		ask_one(policy, "smtpd_reject_unlisted_sender", policy_unlisted_sender,
			POLICY_SENDER, question, answer);
	if (!is_refused(answer) && param.smtpd_reject_unlisted_recipient)
		ask_one(policy, "smtpd_reject_unlisted_recipient", policy_unlisted_recipient,
			POLICY_RECIPIENT, question, answer);
}

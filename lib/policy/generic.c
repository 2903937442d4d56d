/* Restrictions that look at nothing, or at the client and its connection. */
#include "base/log.h"
#include "conf/conf.h"
#include "policy/internal.h"
#include "task/task.h"

enum verdict policy_permit(struct evaluation *e, const struct rule *rule)
{
	(void)e;
	(void)rule;
	return PERMIT;
}

enum verdict policy_reject(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return policy_refuse_subject(e, subject_of_stage(e), param.reject_code, "5.7.1",
				     VIEW("Access denied"));
}

enum verdict policy_defer(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return policy_refuse_subject(e, subject_of_stage(e), param.defer_code, "4.3.2",
				     VIEW("Try again later"));
}

enum verdict policy_do_defer_if_permit(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	policy_defer_if_permit(e, subject_of_stage(e), "4.7.0", VIEW("defer_if_permit requested"));
	return DUNNO;
}

enum verdict policy_do_defer_if_reject(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	policy_defer_if_reject(e, subject_of_stage(e), "4.7.0", VIEW("defer_if_reject requested"));
	return DUNNO;
}

enum verdict policy_warn_if_reject(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	e->warn_next = true;
	return DUNNO;
}

enum verdict policy_sleep(struct evaluation *e, const struct rule *rule)
{
	if (!e->q->explain)
		(void)task_pause(rule->seconds * 1000);
	return DUNNO;
}

enum verdict policy_permit_mynetworks(struct evaluation *e, const struct rule *rule)
{
	int r = matchlist_match(e->policy->mynetworks, e->q->client_address, NULL);

	(void)rule;
	if (r < 0) {
		log_warning("mynetworks: a table cannot answer now");
		return policy_lookup_failed(e, subject_client(e));
	}
	return r > 0 ? PERMIT : DUNNO;
}

enum verdict policy_permit_sasl(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return e->q->login.len > 0 ? PERMIT : DUNNO;
}

enum verdict policy_permit_interfaces(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return own_addresses_match(e->policy->own, e->q->client_address) ? PERMIT : DUNNO;
}

enum verdict policy_reject_plaintext(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	if (e->q->secured)
		return DUNNO;
	return policy_refuse(e, param.plaintext_reject_code, "4.7.1",
			     "Session encryption is required");
}

enum verdict policy_reject_pipelining(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	if (!e->q->early_input)
		return DUNNO;
	return policy_refuse_subject(e, subject_of_stage(e), 503, "5.5.0",
				     VIEW("Improper use of SMTP command pipelining"));
}

enum verdict policy_unknown_client(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	if (!view_is(e->q->client_name, "unknown"))
		return DUNNO;
	return policy_refuse(e,
			     e->q->client_name_temporary ? 450 : param.unknown_client_reject_code,
			     "4.7.25", "Client host rejected: cannot find your hostname, [%.*s]",
			     VIEW_ARG(e->q->client_address));
}

enum verdict policy_unknown_reverse_client(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	if (e->q->reverse_name.len > 0 && !view_is(e->q->reverse_name, "unknown"))
		return DUNNO;
	return policy_refuse(
		e, e->q->client_name_temporary ? 450 : param.unknown_client_reject_code, "4.7.1",
		"Client host rejected: cannot find your reverse hostname, [%.*s]",
		VIEW_ARG(e->q->client_address));
}

/* A name that the address has, but that does not lead back to it. */
enum verdict policy_unknown_forward_client(struct evaluation *e, const struct rule *rule)
{
	if (e->q->reverse_name.len == 0 || view_is(e->q->reverse_name, "unknown"))
		return DUNNO;
	return policy_unknown_client(e, rule);
}

/* relay_clientcerts: the certificate, or its key, by its fingerprint. */
enum verdict policy_permit_certificate(struct evaluation *e, const struct rule *rule)
{
	const struct view keys[] = { e->q->certificate.fingerprint,
				     e->q->certificate.key_fingerprint };
	_cleanup_(str_free) struct str value = STR_EMPTY;

	(void)rule;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct error err = ERROR_NONE;
		int r = keys[i].len == 0
				? 0
				: tables_lookup(e->policy->certificates, keys[i], &value, &err);

		if (r < 0) {
			log_warning("relay_clientcerts: %s", err.text);
			return policy_lookup_failed(e, subject_client(e));
		}
		if (r > 0)
			return PERMIT;
	}
	return DUNNO;
}

/* Any that a certificate authority of ours vouches for. */
enum verdict policy_permit_any_certificate(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return e->q->certificate.trusted ? PERMIT : DUNNO;
}

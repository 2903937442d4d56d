/* Restrictions on the name that the client gave with HELO or EHLO. */
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"
#include "services/clients.h"

/* One dot at the end is allowed (a name from the root). */
static struct view helo_name(const struct evaluation *e)
{
	struct view name = e->q->helo;

	if (name.len > 1 && name.data[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool is_literal(struct view name)
{
	return name.len > 0 && name.data[0] == '[';
}

enum verdict policy_invalid_helo(struct evaluation *e, const struct rule *rule)
{
	struct view name = helo_name(e);

	(void)rule;
	if (name.len == 0 || (is_literal(name) ? domain_is_literal(name, NULL)
					       : domain_is_valid(name, false) || ip_family(name)))
		return DUNNO;
	return policy_refuse_subject(e, subject_helo(e), param.invalid_hostname_reject_code,
				     "5.5.2", VIEW("Invalid name"));
}

enum verdict policy_non_fqdn_helo(struct evaluation *e, const struct rule *rule)
{
	struct view name = helo_name(e);

	(void)rule;
	if (is_literal(name))
		return policy_invalid_helo(e, rule);
	if (name.len == 0 ||
	    (domain_is_valid(name, false) && view_find_byte(name, '.') != VIEW_NOT_FOUND))
		return DUNNO;
	return policy_refuse_subject(e, subject_helo(e), param.non_fqdn_reject_code, "5.5.2",
				     VIEW("need fully-qualified hostname"));
}

/* Has it an address or an exchanger? */
enum verdict policy_unknown_helo(struct evaluation *e, const struct rule *rule)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA, DNS_MX };
	struct view name = helo_name(e);
	bool unclear = false, found = false;

	if (name.len == 0)
		return DUNNO;
	if (is_literal(name))
		return policy_invalid_helo(e, rule);
	for (size_t i = 0; i < ARRAY_SIZE(types) && !found && domain_is_valid(name, false); i++) {
		struct dns_answer answer = { 0 };

		unclear |= dns_query(name, types[i], &answer) < 0 ||
			   answer.outcome == RESOLVE_TEMPORARY || answer.outcome == RESOLVE_BOGUS;
		found = answer.count > 0;
		dns_answer_free(&answer);
	}
	if (found)
		return DUNNO;
	if (unclear)
		return policy_tempfail(e, param.unknown_helo_hostname_tempfail_action,
				       subject_helo(e), "4.7.1", VIEW("Host not found"));
	return policy_refuse_subject(e, subject_helo(e), param.unknown_hostname_reject_code,
				     "4.7.1", VIEW("Host not found"));
}

/* Restrictions on the name that the client gave with HELO or EHLO. */
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"

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

/* Restrictions on sender and recipient: ours or not, known or not, with a domain that exists. */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"
#include "services/clients.h"

static enum verdict check_destination(struct evaluation *e, int64_t code, const char *status,
				      bool permits)
{
	if (e->q->recipient.len == 0)
		return DUNNO; /* evaluated before RCPT: nothing to say yet */

	int r = route_is_authorized_destination(e->policy->routes, e->q->recipient, e->why);

	if (r < 0)
		return policy_lookup_failed(e, subject_recipient(e));
	if (permits)
		return r > 0 ? PERMIT : DUNNO;
	if (r > 0)
		return DUNNO;
	return policy_refuse(e, code, status, "<%.*s>: Relay access denied",
			     VIEW_ARG(subject_recipient(e).name));
}

enum verdict policy_permit_auth_destination(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_destination(e, 0, NULL, true);
}

enum verdict policy_reject_unauth_destination(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_destination(e, param.relay_domains_reject_code, "5.7.1", false);
}

enum verdict policy_defer_unauth_destination(struct evaluation *e, const struct rule *rule)
{
	int64_t code = param.relay_domains_reject_code;

	(void)rule;
	return check_destination(e, code >= 500 ? code - 100 : code, "4.7.1", false);
}

static int64_t unknown_code(enum address_class address_class)
{
	switch (address_class) {
	case CLASS_LOCAL:
		return param.unknown_local_recipient_reject_code;
	case CLASS_VIRTUAL_ALIAS:
		return param.unknown_virtual_alias_reject_code;
	case CLASS_VIRTUAL_MAILBOX:
		return param.unknown_virtual_mailbox_reject_code;
	case CLASS_RELAY:
		return param.unknown_relay_recipient_reject_code;
	case CLASS_DEFAULT:
		break;
	}
	return 550;
}

static enum verdict check_listed(struct evaluation *e, struct view address, struct subject subject,
				 const char *status)
{
	_cleanup_(unreachable_free) struct unreachable why_not = { 0 };
	int64_t code;
	int r;

	if (address.len == 0)
		return DUNNO;
	r = route_recipient_exists(e->policy->routes, e->q->sender, address, &why_not, e->why);
	if (r < 0)
		return policy_lookup_failed(e, subject);
	if (r > 0)
		return DUNNO;
	code = unknown_code(why_not.address_class);
	if (why_not.by_route && why_not.address_class != CLASS_VIRTUAL_ALIAS)
		code = why_not.later ? 450 : 550;
	return policy_refuse_subject(e, subject, code,
				     why_not.status.len > 0 ? str_cstr(&why_not.status) : status,
				     str_view(&why_not.text));
}

enum verdict policy_unlisted_sender(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_listed(e, e->q->sender, subject_sender(e), "5.1.0");
}

enum verdict policy_unlisted_recipient(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_listed(e, e->q->recipient, subject_recipient(e), "5.1.1");
}

static enum verdict check_fqdn(struct evaluation *e, struct subject subject)
{
	struct view local, domain;

	if (subject.name.len == 0)
		return DUNNO;
	address_split(subject.name, &local, &domain);
	if (domain.len > 1 && domain.data[domain.len - 1] == '.')
		domain.len--;
	if (domain_is_literal(domain, NULL) ||
	    (domain_is_valid(domain, true) && view_find_byte(domain, '.') != VIEW_NOT_FOUND))
		return DUNNO;
	return policy_refuse_subject(e, subject, param.non_fqdn_reject_code, "5.5.2",
				     VIEW("need fully-qualified address"));
}

enum verdict policy_non_fqdn_sender(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_fqdn(e, subject_sender(e));
}

enum verdict policy_non_fqdn_recipient(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_fqdn(e, subject_recipient(e));
}

enum existence { EXISTS, EXISTS_NOT, EXISTS_NULL_MX, EXISTS_UNCLEAR };

static enum existence ask_dns(struct view domain)
{
	static const uint32_t types[] = { DNS_MX, DNS_A, DNS_AAAA };
	bool unclear = false;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct dns_answer answer = { 0 };
		enum existence found = EXISTS_NOT;
		bool gone = false;

		if (dns_query(domain, types[i], &answer) < 0 ||
		    answer.outcome == RESOLVE_TEMPORARY || answer.outcome == RESOLVE_BOGUS)
			unclear = true;
		else if (answer.outcome == RESOLVE_NXDOMAIN)
			gone = true;
		else if (answer.count > 0)
			found = types[i] == DNS_MX && answer.count == 1 &&
						answer.records[0].name != NULL &&
						view_is(view_of(answer.records[0].name), ".")
					? EXISTS_NULL_MX
					: EXISTS;
		dns_answer_free(&answer);
		if (found != EXISTS_NOT)
			return found;
		if (gone)
			return EXISTS_NOT;
	}
	return unclear ? EXISTS_UNCLEAR : EXISTS_NOT;
}

/* What differs between sender and recipient where their domains do not exist. */
struct domain_check {
	struct subject subject;
	const char *status, *null_status;
	int64_t null_code;
};

static enum verdict check_domain(struct evaluation *e, struct view address,
				 const struct domain_check *check)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;
	struct view local, domain;

	address_split(address, &local, &domain);
	if (domain.len == 0 || domain.data[0] == '[')
		return DUNNO;

	int address_class = route_class(e->policy->routes, domain, NULL);

	if (address_class < 0)
		return policy_lookup_failed(e, check->subject);
	if (address_class != CLASS_DEFAULT && address_class != CLASS_RELAY)
		return DUNNO;
	switch (domain_to_ascii(domain, &ascii) < 0 ? EXISTS_NOT : ask_dns(str_view(&ascii))) {
	case EXISTS:
		return DUNNO;
	case EXISTS_NULL_MX:
		return policy_refuse(e, check->null_code, check->null_status,
				     "<%.*s>: %s rejected: Domain %.*s does not accept mail "
				     "(nullMX)",
				     VIEW_ARG(check->subject.name), check->subject.what,
				     VIEW_ARG(domain));
	case EXISTS_UNCLEAR:
		return policy_tempfail(e, param.unknown_address_tempfail_action, check->subject,
				       check->status, VIEW("Domain not found"));
	case EXISTS_NOT:
		break;
	}
	return policy_refuse_subject(e, check->subject, param.unknown_address_reject_code,
				     check->status, VIEW("Domain not found"));
}

enum verdict policy_unknown_sender_domain(struct evaluation *e, const struct rule *rule)
{
	const struct domain_check check = { subject_sender(e), "4.1.8", "5.7.27", 550 };

	(void)rule;
	return check_domain(e, e->q->sender, &check);
}

enum verdict policy_unknown_recipient_domain(struct evaluation *e, const struct rule *rule)
{
	const struct domain_check check = { subject_recipient(e), "4.1.2", "5.1.10", 556 };

	(void)rule;
	return check_domain(e, e->q->recipient, &check);
}

enum verdict policy_multi_recipient_bounce(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	/* recipient_count is that of the recipients accepted so far; at RCPT one more is asked for. */
	uint32_t count = e->q->recipient_count + (e->stage == POLICY_RECIPIENT);

	if (!e->q->has_sender || e->q->sender.len > 0 || count < 2)
		return DUNNO;
	return policy_refuse_subject(e, subject_of_stage(e),
				     param.multi_recipient_bounce_reject_code, "5.5.3",
				     VIEW("Multi-recipient bounce"));
}

/*
 * permit_mx_backup: mail for a domain whose MX records name this host, and (by
 * permit_mx_backup_networks) whose best exchangers are in known networks.
 */
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"
#include "services/clients.h"

#define EXCHANGERS_MAX 64 /* of one domain that are looked at */

enum answer { NO, YES, UNCLEAR };

typedef bool address_test(const struct policy *policy, struct view address);

static bool is_own(const struct policy *policy, struct view address)
{
	return own_addresses_match(policy->own, address);
}

static bool is_in_backup_networks(const struct policy *policy, struct view address)
{
	return matchlist_match(policy->backup_networks, address, NULL) > 0;
}

/* Has the host an address for which the test is true? */
static enum answer host_has(const struct policy *policy, struct view name, address_test *test)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA };
	enum answer found = NO;

	if (view_is_nocase(name, param.myhostname) && test == is_own)
		return YES;
	for (size_t i = 0; i < ARRAY_SIZE(types) && found != YES; i++) {
		struct dns_answer answer = { 0 };

		if (dns_query(name, types[i], &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY ||
		    answer.outcome == RESOLVE_BOGUS)
			found = UNCLEAR;
		for (size_t n = 0; n < answer.count; n++)
			if (test(policy, view_of(answer.records[n].name)))
				found = YES;
		dns_answer_free(&answer);
	}
	return found;
}

/* All exchangers of the best preference are in the networks. */
static enum answer primaries_are_known(const struct policy *policy, const struct dns_answer *mx)
{
	uint32_t best = UINT32_MAX;
	size_t asked = 0;

	for (size_t i = 0; i < mx->count; i++)
		best = MIN(best, mx->records[i].preference);
	for (size_t i = 0; i < mx->count; i++) {
		enum answer known;

		if (mx->records[i].preference != best)
			continue;
		/* One that was not looked at is not known. */
		if (asked++ == EXCHANGERS_MAX)
			return NO;
		known = host_has(policy, view_of(mx->records[i].name), is_in_backup_networks);
		if (known != YES)
			return known;
	}
	return YES;
}

static enum answer is_backup(const struct policy *policy, struct view domain,
			     const struct dns_answer *mx)
{
	enum answer found = NO;

	if (mx->count == 0)
		return host_has(policy, domain, is_own);
	for (size_t i = 0; i < mx->count && i < EXCHANGERS_MAX && found != YES; i++) {
		enum answer one = host_has(policy, view_of(mx->records[i].name), is_own);

		if (one != NO)
			found = one;
	}
	if (found == YES && *param.permit_mx_backup_networks != '\0')
		found = primaries_are_known(policy, mx);
	return found;
}

enum verdict policy_permit_mx_backup(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY, reason = STR_EMPTY;
	struct dns_answer mx = { 0 };
	struct view local, domain;
	enum answer found = UNCLEAR;
	int r;

	(void)rule;
	if (e->q->recipient.len == 0)
		return DUNNO;
	r = route_is_authorized_destination(e->policy->routes, e->q->recipient, e->why);
	if (r < 0)
		return policy_lookup_failed(e, subject_recipient(e));
	if (r > 0)
		return PERMIT;
	address_split(e->q->recipient, &local, &domain);
	/* What asks to be sent on is no mail for that domain. */
	if (view_find_byte(local, '@') != VIEW_NOT_FOUND ||
	    view_find_byte(local, '%') != VIEW_NOT_FOUND ||
	    view_find_byte(local, '!') != VIEW_NOT_FOUND || domain.len == 0 ||
	    domain.data[0] == '[' || domain_to_ascii(domain, &ascii) < 0)
		return DUNNO;
	if (dns_query(str_view(&ascii), DNS_MX, &mx) == 0 && mx.outcome != RESOLVE_TEMPORARY &&
	    mx.outcome != RESOLVE_BOGUS)
		found = is_backup(e->policy, str_view(&ascii), &mx);
	dns_answer_free(&mx);
	if (found == UNCLEAR) {
		str_printf(&reason, "Unable to look up mail exchanger information for %s",
			   str_cstr(&ascii));
		policy_defer_if_reject(e, subject_recipient(e), "4.4.4", str_view(&reason));
	}
	return found == YES ? PERMIT : DUNNO;
}

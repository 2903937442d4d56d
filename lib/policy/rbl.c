/* DNS block lists of addresses and of names. */
#include <arpa/inet.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"
#include "services/clients.h"

#define OCTET_TOO_LARGE 1000 /* any value that no octet has */

/* Digits at *at; false if there are none. */
static bool rbl_take_number(struct view pattern, size_t *at, uint32_t *number)
{
	size_t start = *at;

	for (*number = 0; *at < pattern.len && ascii_is_digit(pattern.data[*at]); (*at)++) {
		*number = *number * 10 + (uint32_t)(pattern.data[*at] - '0');
		if (*number > OCTET_TOO_LARGE)
			*number = OCTET_TOO_LARGE;
	}
	return *at > start;
}

/* One octet against "2" or "[2..11;14]" at *at, which moves after it. */
static bool octet_matches(struct view pattern, size_t *at, uint32_t octet)
{
	bool matches = false, bracket = *at < pattern.len && pattern.data[*at] == '[';
	uint32_t low, high;

	*at += bracket;
	for (;;) {
		if (!rbl_take_number(pattern, at, &low))
			return false;
		high = low;
		if (bracket && view_starts(view_from(pattern, *at), VIEW(".."))) {
			*at += 2;
			if (!rbl_take_number(pattern, at, &high))
				return false;
		}
		matches = matches || (octet >= low && octet <= high);
		if (!bracket || *at >= pattern.len || pattern.data[*at] != ';')
			break;
		(*at)++;
	}
	if (bracket && (*at >= pattern.len || pattern.data[(*at)++] != ']'))
		return false;
	return matches;
}

static bool address_matches(struct view pattern, const char *text)
{
	unsigned char octets[4];
	size_t at = 0;

	if (pattern.len == 0)
		return true;
	if (text == NULL || inet_pton(AF_INET, text, octets) != 1)
		return false;
	for (int i = 0; i < 4; i++) {
		if (i > 0 && (at >= pattern.len || pattern.data[at++] != '.'))
			return false;
		if (!octet_matches(pattern, &at, octets[i]))
			return false;
	}
	return at == pattern.len;
}

/* Asks for name.list; true if it is listed. */
static bool rbl_is_listed(const struct rbl *rbl, struct view name, struct str *query)
{
	struct dns_answer answer = { 0 };
	bool listed = false;

	str_clear(query);
	str_printf(query, "%.*s.%s", VIEW_ARG(name), str_cstr(&rbl->domain));
	if (query->len > DOMAIN_MAX)
		return false;
	if (dns_query(str_view(query), DNS_A, &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY ||
	    answer.outcome == RESOLVE_BOGUS)
		log_warning("%s: DNS list does not answer", str_cstr(query));
	else
		for (size_t i = 0; i < answer.count && !listed; i++)
			listed = address_matches(str_view(&rbl->filter), answer.records[i].name);
	dns_answer_free(&answer);
	return listed;
}

static enum verdict refuse_listed(struct evaluation *e, const struct rbl *rbl,
				  const struct str *query, struct view what, const char *class)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct dns_answer answer = { 0 };

	str_printf(&text, "Service unavailable; %s [%.*s] blocked using %s", class, VIEW_ARG(what),
		   str_cstr(&rbl->domain));
	if (dns_query(str_view(query), DNS_TXT, &answer) == 0 && answer.count > 0) {
		str_append_cstr(&text, "; ");
		str_append(&text, view_first(str_view(&answer.records[0].data), 300));
	}
	dns_answer_free(&answer);
	return policy_refuse(e, param.maps_rbl_reject_code, "5.7.1", "%s", str_cstr(&text));
}

enum verdict policy_rbl_client(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, query = STR_EMPTY;
	unsigned char octets[16];
	_cleanup_free_ char *text =
		mem_strndup(e->q->client_address.data, e->q->client_address.len);

	if (inet_pton(AF_INET, text, octets) == 1) {
		str_printf(&name, "%u.%u.%u.%u", octets[3], octets[2], octets[1], octets[0]);
	} else if (inet_pton(AF_INET6, text, octets) == 1) {
		for (int i = 15; i >= 0; i--)
			str_printf(&name, "%x.%x%s", octets[i] & 15U, octets[i] >> 4U,
				   i > 0 ? "." : "");
	} else {
		return DUNNO;
	}
	if (!rbl_is_listed(&rule->rbl, str_view(&name), &query))
		return DUNNO;
	return refuse_listed(e, &rule->rbl, &query, e->q->client_address, "Client host");
}

static enum verdict rbl_check_name(struct evaluation *e, const struct rule *rule, struct view name,
				   struct view what, const char *class)
{
	_cleanup_(str_free) struct str query = STR_EMPTY;

	if (!domain_is_valid(name, false) || !rbl_is_listed(&rule->rbl, name, &query))
		return DUNNO;
	return refuse_listed(e, &rule->rbl, &query, what, class);
}

enum verdict policy_rhsbl_client(struct evaluation *e, const struct rule *rule)
{
	struct view name = e->q->client_name;

	return view_is(name, "unknown") ? DUNNO
					: rbl_check_name(e, rule, name, name, "Client host");
}

enum verdict policy_rhsbl_reverse(struct evaluation *e, const struct rule *rule)
{
	struct view name = e->q->reverse_name;

	return view_is(name, "unknown")
		       ? DUNNO
		       : rbl_check_name(e, rule, name, name, "Unverified Client host");
}

enum verdict policy_rhsbl_helo(struct evaluation *e, const struct rule *rule)
{
	return rbl_check_name(e, rule, e->q->helo, e->q->helo, "Helo command");
}

static enum verdict check_address(struct evaluation *e, const struct rule *rule,
				  struct view address, struct subject subject)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;
	struct view local, domain;

	address_split(address, &local, &domain);
	if (domain.len == 0 || domain_to_ascii(domain, &ascii) < 0)
		return DUNNO;
	return rbl_check_name(e, rule, str_view(&ascii), subject.name, subject.what);
}

enum verdict policy_rhsbl_sender(struct evaluation *e, const struct rule *rule)
{
	return check_address(e, rule, e->q->sender, subject_sender(e));
}

enum verdict policy_rhsbl_recipient(struct evaluation *e, const struct rule *rule)
{
	return check_address(e, rule, e->q->recipient, subject_recipient(e));
}

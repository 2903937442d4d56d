/* DNS block lists of addresses and of names. */
#include <arpa/inet.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "mailauth/records.h"
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

bool policy_rbl_filter_matches(struct view pattern, const char *text)
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

enum listing { NOT_LISTED, LISTED, LISTING_UNKNOWN };

/* Asks for name.list. */
static enum listing rbl_ask(const struct rbl *rbl, struct view name, struct str *query)
{
	struct dns_answer answer = { 0 };
	enum listing listing = NOT_LISTED;

	str_clear(query);
	str_printf(query, "%.*s.%s", VIEW_ARG(name), str_cstr(&rbl->domain));
	if (query->len > DOMAIN_MAX)
		return NOT_LISTED;
	if (dns_query(str_view(query), DNS_A, &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY ||
	    answer.outcome == RESOLVE_BOGUS) {
		log_warning("%s: DNS list does not answer", str_cstr(query));
		listing = LISTING_UNKNOWN;
	}
	for (size_t i = 0; i < answer.count && listing == NOT_LISTED; i++)
		if (policy_rbl_filter_matches(str_view(&rbl->filter), answer.records[i].name))
			listing = LISTED;
	dns_answer_free(&answer);
	return listing;
}

/* The text that is to be sent: of the list, or the default. */
static int find_reply(const struct evaluation *e, const struct rbl *rbl, struct str *text)
{
	struct error err = ERROR_NONE;
	int r = tables_lookup(e->policy->rbl_replies, str_view(&rbl->domain), text, &err);

	if (r < 0)
		log_warning("rbl_reply_maps: %s", err.text);
	if (r <= 0)
		str_set(text, view_of(param.default_rbl_reply));
	return r;
}

/* "554 5.7.1 text" or "554 text". */
static enum verdict refuse_with_reply(struct evaluation *e, struct view text)
{
	struct view word = VIEW_NONE, status = VIEW("5.7.1");
	_cleanup_(str_free) struct str kept = STR_EMPTY;
	uint32_t code = 0;

	view_next_word(&text, " ", &word);
	if (word.len != 3 || view_parse_u32(word, 599, &code) < 0 || code < 400) {
		log_warning("rbl_reply_maps, default_rbl_reply: a reply begins with its code, not "
			    "\"%.*s\"",
			    VIEW_ARG(word));
		return policy_refuse(e, 450, "4.7.1", "Service unavailable");
	}
	text = view_trim(text);
	outcome_status_take(&text, word.data[0], &status);
	str_append(&kept, status);
	return policy_refuse(e, code, str_cstr(&kept), "%.*s",
			     VIEW_ARG(text.len > 0 ? text : VIEW("Service unavailable")));
}

static enum verdict refuse_listed(struct evaluation *e, const struct rbl *rbl,
				  const struct str *query, struct view what, const char *class)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, template = STR_EMPTY, code = STR_EMPTY,
				       reason = STR_EMPTY;
	struct dns_answer answer = { 0 };
	struct error err = ERROR_NONE;

	if (dns_query(str_view(query), DNS_TXT, &answer) == 0 && answer.count > 0)
		str_append(&reason, view_first(str_view(&answer.records[0].data), 300));
	dns_answer_free(&answer);
	str_printf(&code, "%d", (int)param.maps_rbl_reject_code);
	find_reply(e, rbl, &template);

	const struct template_value values[] = {
		{ "rbl_code", str_view(&code) },
		{ "rbl_class", view_of(class) },
		{ "rbl_what", what },
		{ "rbl_domain", str_view(&rbl->domain) },
		{ "rbl_reason", str_view(&reason) },
		{ "rbl_txt", str_view(&reason) },
	};

	if (policy_expand(e->q, values, ARRAY_SIZE(values), str_view(&template), &text, &err) < 0) {
		log_warning("rbl_reply_maps, default_rbl_reply: %s", err.text);
		str_set(&text, VIEW("450 4.7.1 Service unavailable"));
	}
	return refuse_with_reply(e, str_view(&text));
}

void policy_rbl_name(struct view address, struct str *name)
{
	records_list_name(address, name);
}

bool policy_is_listed_in(const struct evaluation *e, const char *lists)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, query = STR_EMPTY;
	struct view rest = view_of(lists), word;
	bool listed = false;

	policy_rbl_name(e->q->client_address, &name);
	while (name.len > 0 && !listed && conf_next_element(&rest, &word)) {
		size_t equals = view_find_byte(word, '=');
		struct rbl rbl = { 0 };

		str_append(&rbl.domain, view_first(word, MIN(equals, word.len)));
		if (equals != VIEW_NOT_FOUND)
			str_append(&rbl.filter, view_from(word, equals + 1));
		listed = rbl_ask(&rbl, str_view(&name), &query) == LISTED;
		str_free(&rbl.domain);
		str_free(&rbl.filter);
	}
	return listed;
}

enum verdict policy_rbl_client(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, query = STR_EMPTY;

	policy_rbl_name(e->q->client_address, &name);
	if (name.len == 0 || rbl_ask(&rule->rbl, str_view(&name), &query) != LISTED)
		return DUNNO;
	return refuse_listed(e, &rule->rbl, &query, e->q->client_address, "Client host");
}

/*
 * A list of those who are welcome. It never lets anybody relay; one that does not answer makes of a
 * later refusal one for now.
 */
static enum verdict check_welcome(struct evaluation *e, const struct rule *rule, struct view name)
{
	_cleanup_(str_free) struct str query = STR_EMPTY;
	int r = 1;

	if (e->q->recipient.len > 0)
		r = route_is_authorized_destination(e->policy->routes, e->q->recipient, NULL);
	if (r < 0)
		return policy_lookup_failed(e, subject_recipient(e));
	if (r == 0 || name.len == 0)
		return DUNNO;
	switch (rbl_ask(&rule->rbl, name, &query)) {
	case LISTED:
		return PERMIT;
	case LISTING_UNKNOWN:
		policy_defer_if_reject(e, subject_client(e), "4.7.1",
				       VIEW("Service unavailable: a list does not answer"));
		break;
	case NOT_LISTED:
		break;
	}
	return DUNNO;
}

enum verdict policy_dnswl_client(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	policy_rbl_name(e->q->client_address, &name);
	return check_welcome(e, rule, str_view(&name));
}

enum verdict policy_rhswl_client(struct evaluation *e, const struct rule *rule)
{
	struct view name = e->q->client_name;

	return domain_is_valid(name, false) && !view_is(name, "unknown")
		       ? check_welcome(e, rule, name)
		       : DUNNO;
}

static enum verdict rbl_check_name(struct evaluation *e, const struct rule *rule, struct view name,
				   struct view what, const char *class)
{
	_cleanup_(str_free) struct str query = STR_EMPTY;

	if (!domain_is_valid(name, false) || rbl_ask(&rule->rbl, name, &query) != LISTED)
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

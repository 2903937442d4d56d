/*
 * check_*_a_access, _mx_access and _ns_access: what an access map says of the servers of a name, of
 * their names and of their addresses. Such a map can refuse, but nobody may let himself in by the
 * records of his own zone: OK is an error of the configuration, as in Postfix.
 */
#include "base/log.h"
#include "mail/address.h"
#include "policy/internal.h"
#include "services/clients.h"

#define SERVERS_MAX 20 /* of one name that are looked at */

/* The name that the restriction is about, or an empty view: then it says nothing. */
static struct view server_name(const struct evaluation *e, unsigned detail)
{
	struct view local, domain, name = VIEW_NONE;

	switch (detail & SERVER_OF) {
	case SERVER_OF_CLIENT:
		name = e->q->client_name;
		break;
	case SERVER_OF_REVERSE_CLIENT:
		name = e->q->reverse_name;
		break;
	case SERVER_OF_HELO:
		return e->q->helo;
	case SERVER_OF_SENDER:
		address_split(e->q->sender, &local, &domain);
		return domain;
	case SERVER_OF_RECIPIENT:
		address_split(e->q->recipient, &local, &domain);
		return domain;
	}
	return view_is(name, "unknown") ? VIEW_NONE : name;
}

static struct subject server_subject(struct evaluation *e, unsigned detail)
{
	switch (detail & SERVER_OF) {
	case SERVER_OF_CLIENT:
		return subject_client(e);
	case SERVER_OF_REVERSE_CLIENT:
		return subject_reverse_client(e);
	case SERVER_OF_HELO:
		return subject_helo(e);
	case SERVER_OF_SENDER:
		return subject_sender(e);
	}
	return subject_recipient(e);
}

/* The addresses of one server. True when the search is over. */
static bool try_addresses_of(struct access *a, struct view name)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA };
	bool over = false;

	for (size_t i = 0; i < ARRAY_SIZE(types) && !over; i++) {
		struct dns_answer answer = { 0 };

		if (dns_query(name, types[i], &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY ||
		    answer.outcome == RESOLVE_BOGUS)
			log_warning("unable to look up host %.*s", VIEW_ARG(name));
		for (size_t n = 0; n < answer.count && n < SERVERS_MAX && !over; n++)
			over = access_try_address(a, view_of(answer.records[n].name));
		dns_answer_free(&answer);
	}
	return over;
}

static bool try_server(struct access *a, struct view name)
{
	if (ip_family(name) != 0)
		return access_try_address(a, name);
	return access_try_domain(a, name) || try_addresses_of(a, name);
}

/* The servers of a name; NS records are those of the nearest parent that has some. */
static void find_servers(struct view name, uint32_t type, struct dns_answer *answer)
{
	for (;;) {
		size_t dot = view_find_byte(name, '.');
		int r = dns_query(name, type, answer);

		if (r < 0 || answer->outcome == RESOLVE_TEMPORARY ||
		    answer->outcome == RESOLVE_BOGUS)
			log_warning("unable to look up %s host for %.*s",
				    type == DNS_MX ? "MX" : "NS", VIEW_ARG(name));
		if (r < 0 || type != DNS_NS || answer->count > 0 ||
		    answer->outcome == RESOLVE_TEMPORARY || answer->outcome == RESOLVE_BOGUS ||
		    dot == VIEW_NOT_FOUND)
			return;
		name = view_from(name, dot + 1);
		if (view_find_byte(name, '.') == VIEW_NOT_FOUND)
			return; /* a top level domain's servers are not the name's */
		dns_answer_free(answer);
	}
}

static bool is_null_mx(const struct dns_answer *answer)
{
	return answer->count == 1 && strcmp(answer->records[0].name, ".") == 0;
}

static void try_servers(struct access *a, struct view name, uint32_t type)
{
	struct dns_answer answer = { 0 };
	bool over = false;

	find_servers(name, type, &answer);
	for (size_t i = 0; i < answer.count && i < SERVERS_MAX && !over; i++)
		over = !is_null_mx(&answer) && try_server(a, view_of(answer.records[i].name));
	/* A name without MX records is its own exchanger. */
	if (type == DNS_MX && answer.count == 0 &&
	    (answer.outcome == RESOLVE_NODATA || answer.outcome == RESOLVE_NXDOMAIN))
		try_server(a, name);
	dns_answer_free(&answer);
}

enum verdict policy_check_server_access(struct evaluation *e, const struct rule *rule)
{
	unsigned detail = rule->element->detail, type = detail & SERVER_TYPE;
	_cleanup_(str_free) struct str literal = STR_EMPTY, ascii = STR_EMPTY;
	struct access a = { .e = e, .table = &rule->table, .subject = server_subject(e, detail) };
	struct view name = server_name(e, detail);
	enum verdict verdict;

	if (name.len == 0)
		return DUNNO;
	if (domain_is_literal(name, &literal)) {
		if (type != DNS_NS)
			access_try_address(&a, str_view(&literal));
	} else if (domain_to_ascii(name, &ascii) == 0) {
		if (type == DNS_A)
			try_addresses_of(&a, str_view(&ascii));
		else
			try_servers(&a, str_view(&ascii), type);
	}
	verdict = access_finish(&a);
	return policy_forbid_permit(e, rule, verdict);
}

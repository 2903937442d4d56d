/*
 * From a next hop to the addresses to try, in their order (RFC 5321, 5.1). Reasons say which look-
 * up failed.
 */
#include "hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "names.h"
#include "services/clients.h"
#include "settings.h"

static void host_clear(struct host *host)
{
	str_free(&host->name);
	str_free(&host->canonical);
}

void hosts_free(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++)
		host_clear(&hosts->items[i]);
	free(hosts->items);
	*hosts = (struct hosts){ 0 };
}

static struct host *hosts_add_host(struct hosts *hosts, struct view name)
{
	struct host *host;

	array_grow(hosts->items, hosts->count);
	host = &hosts->items[hosts->count++];
	*host = (struct host){ 0 };
	str_append(&host->name, name);
	return host;
}

static void drop_last(struct hosts *hosts, size_t keep)
{
	while (hosts->count > keep)
		host_clear(&hosts->items[--hosts->count]);
}

static bool has_address(const struct hosts *hosts, const char *text)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (strcmp(hosts->items[i].text, text) == 0)
			return true;
	return false;
}

/* A numeric address; nothing happens if it is none, or there already. */
static void hosts_add_address(struct hosts *hosts, struct view name, struct view ip, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;

	if (ip.len == 0 || ip.len >= sizeof(text))
		return;
	memcpy(text, ip.data, ip.len);
	text[ip.len] = '\0';

	bool is_v4 = inet_pton(AF_INET, text, &v4) == 1;

	if ((!is_v4 && inet_pton(AF_INET6, text, &v6) != 1) || has_address(hosts, text))
		return;

	struct host *host = hosts_add_host(hosts, name);

	snprintf(host->text, sizeof(host->text), "%s", text);
	if (is_v4) {
		struct sockaddr_in *to = (struct sockaddr_in *)(void *)&host->address;

		to->sin_family = AF_INET;
		to->sin_port = htons(port);
		to->sin_addr = v4;
		host->address_length = sizeof(*to);
	} else {
		struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)&host->address;

		to->sin6_family = AF_INET6;
		to->sin6_port = htons(port);
		to->sin6_addr = v6;
		host->address_length = sizeof(*to);
	}
}

/* ---- addresses of a name ---- */

/* Worst first: what a look-up of several names and types comes to. */
enum found { FOUND_TEMPORARY, FOUND_NOTHING, FOUND_SOME };

/* The last look-up that gave nothing, in words: which name, which type, what was said. */
static void describe_lookup(struct str *reason, struct view name, const char *type,
			    struct view answer)
{
	str_clear(reason);
	str_printf(reason,
		   "Host or domain name not found. Name service error for name=%.*s type=%s: %.*s",
		   VIEW_ARG(name), type, VIEW_ARG(answer));
}

static struct view describe_answer(int r, const struct dns_answer *answer)
{
	if (r < 0)
		return VIEW("the resolver does not answer");
	if (answer->outcome == RESOLVE_NXDOMAIN)
		return VIEW("Host not found");
	if (answer->outcome == RESOLVE_NODATA || answer->outcome == RESOLVE_OK)
		return VIEW("Host found but no data record of requested type");
	return answer->reason.len > 0 ? str_view(&answer->reason)
				      : VIEW("Host not found, try again");
}

static bool protocol_is_used(const char *name)
{
	struct view rest = view_of(param.inet_protocols), element;

	while (conf_next_element(&rest, &element))
		if (view_is_nocase(element, name) || view_is_nocase(element, "all"))
			return true;
	return false;
}

static enum found ask_for(struct view name, uint32_t type, uint16_t port, struct hosts *hosts,
			  struct str *reason)
{
	struct dns_answer answer;
	size_t before = hosts->count;
	enum found found = FOUND_NOTHING;
	int r = dns_query(name, type, &answer);

	if (r < 0 || answer.outcome == RESOLVE_TEMPORARY || answer.outcome == RESOLVE_BOGUS)
		found = FOUND_TEMPORARY;
	describe_lookup(reason, name, type == DNS_A ? "A" : "AAAA", describe_answer(r, &answer));
	for (size_t i = 0; r == 0 && answer.outcome == RESOLVE_OK && i < answer.count; i++)
		hosts_add_address(hosts, name, view_of(answer.records[i].name), port);
	for (size_t i = before; i < hosts->count; i++) {
		hosts->items[i].secure = answer.secure;
		if (answer.secure && !view_eq_nocase(str_view(&answer.canonical), name))
			str_append_lower(&hosts->items[i].canonical, str_view(&answer.canonical));
	}
	dns_answer_free(&answer);
	return hosts->count > before ? FOUND_SOME : found;
}

/* What the file of this host says of it. */
static bool take_named(struct view name, uint16_t port, struct hosts *hosts)
{
	struct view rest = names_find(name), address;
	size_t before = hosts->count;

	while (view_next(&rest, '\n', &address))
		if (protocol_is_used(ip_family(address) == AF_INET6 ? "ipv6" : "ipv4"))
			hosts_add_address(hosts, name, address, port);
	return hosts->count > before;
}

static enum found ask_for_both(struct view name, uint16_t port, struct hosts *hosts,
			       struct str *reason)
{
	size_t before = hosts->count;
	bool temporary = false;

	if (protocol_is_used("ipv6"))
		temporary |= ask_for(name, DNS_AAAA, port, hosts, reason) == FOUND_TEMPORARY;
	if (protocol_is_used("ipv4"))
		temporary |= ask_for(name, DNS_A, port, hosts, reason) == FOUND_TEMPORARY;
	if (hosts->count > before)
		return FOUND_SOME;
	return temporary ? FOUND_TEMPORARY : FOUND_NOTHING;
}

static enum found find_addresses(struct view name, uint16_t port, struct hosts *hosts,
				 struct str *reason)
{
	enum names_use use = names_use();
	enum found found;

	/* Never a matter for the DNS (RFC 6761 6.3). */
	if (view_is_nocase(name, "localhost")) {
		if (protocol_is_used("ipv4"))
			hosts_add_address(hosts, name, VIEW("127.0.0.1"), port);
		if (protocol_is_used("ipv6"))
			hosts_add_address(hosts, name, VIEW("::1"), port);
		return FOUND_SOME;
	}
	if (use == NAMES_FIRST && take_named(name, port, hosts))
		return FOUND_SOME;
	found = ask_for_both(name, port, hosts, reason);
	/* What the DNS cannot say now it may say later. */
	if (found == FOUND_NOTHING && use == NAMES_LAST && take_named(name, port, hosts))
		return FOUND_SOME;
	return found;
}

/* ---- order ---- */

static void swap(struct host *a, struct host *b)
{
	struct host kept = *a;

	*a = *b;
	*b = kept;
}

static bool is_preferred(const struct host *host)
{
	if (view_is_nocase(view_of(settings.address_preference), "ipv6"))
		return host->address.ss_family == AF_INET6;
	if (view_is_nocase(view_of(settings.address_preference), "ipv4"))
		return host->address.ss_family == AF_INET;
	return false;
}

/* The hosts from `first` on are equally good: random order, the preferred family in front. */
static void order_group(struct hosts *hosts, size_t first)
{
	_cleanup_free_ struct host *others = mem_new_array(struct host, hosts->count - first);
	size_t front = first, count = 0;

	if (settings.randomize_addresses)
		for (size_t i = hosts->count; i > first + 1; i--)
			swap(&hosts->items[i - 1],
			     &hosts->items[first + random_below((uint32_t)(i - first))]);
	/* A domain may name very many: each is moved once, and each family keeps its order. */
	for (size_t i = first; i < hosts->count; i++) {
		if (is_preferred(&hosts->items[i]))
			hosts->items[front++] = hosts->items[i];
		else
			others[count++] = hosts->items[i];
	}
	for (size_t i = 0; i < count; i++)
		hosts->items[front + i] = others[i];
}

/* Only one of IPv4 and IPv6 is there. */
static bool hosts_are_of_one_family(const struct hosts *hosts, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (hosts->items[i].address.ss_family != hosts->items[0].address.ss_family)
			return false;
	return true;
}

/* The last of those that are tried gives way to the best of the other family, if it has none. */
static void hosts_balance(struct hosts *hosts, size_t limit)
{
	size_t best = limit;

	if (limit < 2 || hosts->count <= limit || !hosts_are_of_one_family(hosts, limit))
		return;
	while (best < hosts->count &&
	       hosts->items[best].address.ss_family == hosts->items[0].address.ss_family)
		best++;
	if (best < hosts->count)
		swap(&hosts->items[limit - 1], &hosts->items[best]);
}

/* There are enough addresses, whatever else the domain names. */
static bool hosts_suffice(const struct hosts *hosts, size_t limit)
{
	return limit > 0 && hosts->count >= limit &&
	       !(settings.balance_inet_protocols && hosts_are_of_one_family(hosts, hosts->count));
}

static bool group_has_ourselves(const struct hosts *hosts, size_t first,
				const struct own_addresses *own)
{
	for (size_t i = first; i < hosts->count; i++)
		if (own_addresses_match(own, view_of(hosts->items[i].text)))
			return true;
	return false;
}

/* ---- mail exchangers ---- */

static int compare_preference(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;

	return x->preference < y->preference ? -1 : x->preference > y->preference;
}

static int hosts_fail_lookup(enum found found, const struct str *reason, struct outcome *failure)
{
	bool permanent = found == FOUND_NOTHING;

	outcome_set(failure, permanent ? OUTCOME_FAILED : OUTCOME_DEFERRED,
		    permanent ? "5.4.4" : "4.4.3", VIEW_NONE, "%s", str_cstr(reason));
	return -1;
}

static int fail_loop(const struct destination *d, struct outcome *failure)
{
	outcome_set(failure, OUTCOME_FAILED, "5.4.6", VIEW_NONE, "mail for %s loops back to myself",
		    str_cstr(&d->text));
	failure->cause = CAUSE_LOOP;
	return -1;
}

/* The addresses of one exchanger. What is no name of a host is said, and as Postfix takes it. */
static enum found take_exchanger(const struct destination *d, struct view name, struct hosts *hosts,
				 struct str *reason)
{
	bool is_address = ip_family(name) != 0;

	if (is_address || !domain_is_valid(name, false))
		log_warning("%s domain name in resource data of MX record for %s: %.*s",
			    is_address ? "numeric" : "malformed", str_cstr(&d->host),
			    VIEW_ARG(name));
	if (is_address) {
		hosts_add_address(hosts, name, name, d->port);
		return FOUND_SOME;
	}
	if (domain_is_valid(name, false))
		return find_addresses(name, d->port, hosts, reason);
	describe_lookup(reason, str_view(&d->host), "MX",
			VIEW("Malformed or unexpected name server reply"));
	return FOUND_NOTHING;
}

/* No exchanger has an address. */
static int fail_exchangers(const struct destination *d, enum found found, const struct str *reason,
			   struct outcome *failure)
{
	log_warning("no MX host for %s has a valid address record", str_cstr(&d->host));
	hosts_fail_lookup(found, reason, failure);
	if (settings.defer_if_no_mx_address_found)
		outcome_soften(failure);
	return -1;
}

/* We are the best of those that have an address; but better ones are named. */
static int fail_primary(const struct destination *d, struct outcome *failure)
{
	outcome_set(failure, OUTCOME_DEFERRED, "4.4.4", VIEW_NONE,
		    "unable to find primary relay for %s", str_cstr(&d->host));
	return -1;
}

/*
 * Goes through the records, which are sorted: groups of equal preference, until there are enough
 * addresses, or we find ourselves: this group and the worse ones are then no way forward.
 */
static int take_exchangers(const struct destination *d, const struct own_addresses *own,
			   size_t limit, const struct dns_answer *answer, struct hosts *hosts,
			   struct outcome *failure)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;
	size_t count = MIN(answer->count, (size_t)MX_RECORDS_MAX);
	bool temporary = false;

	for (size_t i = 0; i < count && !hosts_suffice(hosts, limit);) {
		uint32_t preference = answer->records[i].preference;
		size_t first = hosts->count;

		for (; i < count && answer->records[i].preference == preference; i++) {
			struct view name = view_of(answer->records[i].name);

			if (take_exchanger(d, name, hosts, &reason) == FOUND_TEMPORARY)
				temporary = true;
		}
		if (d->own_port && group_has_ourselves(hosts, first, own)) {
			drop_last(hosts, first);
			/* A better one that cannot be looked up now is one all the same. */
			if (first == 0 && !temporary)
				return preference == answer->records[0].preference
					       ? fail_loop(d, failure)
					       : fail_primary(d, failure);
			break;
		}
		order_group(hosts, first);
	}
	if (hosts->count == 0)
		return fail_exchangers(d, temporary ? FOUND_TEMPORARY : FOUND_NOTHING, &reason,
				       failure);
	return 0;
}

static int take_addresses(const struct destination *d, const struct own_addresses *own,
			  struct hosts *hosts, struct outcome *failure)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;
	enum found found = FOUND_SOME;

	if (ip_family(str_view(&d->host)) != 0)
		hosts_add_address(hosts, str_view(&d->host), str_view(&d->host), d->port);
	else
		found = find_addresses(str_view(&d->host), d->port, hosts, &reason);
	if (hosts->count == 0)
		return hosts_fail_lookup(found, &reason, failure);
	if (!settings.lmtp && d->own_port && group_has_ourselves(hosts, 0, own))
		return fail_loop(d, failure);
	order_group(hosts, 0);
	return 0;
}

static int find_exchangers(const struct destination *d, const struct own_addresses *own,
			   size_t limit, struct hosts *hosts, struct outcome *failure)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;
	struct dns_answer answer;
	int r = dns_query(str_view(&d->host), DNS_MX, &answer);

	describe_lookup(&reason, str_view(&d->host), "MX", describe_answer(r, &answer));
	if ((r < 0 || answer.outcome == RESOLVE_TEMPORARY || answer.outcome == RESOLVE_BOGUS) &&
	    !settings.ignore_mx_lookup_error) {
		r = hosts_fail_lookup(FOUND_TEMPORARY, &reason, failure);
	} else if (answer.outcome == RESOLVE_NXDOMAIN && names_use() == NAMES_UNUSED) {
		r = hosts_fail_lookup(FOUND_NOTHING, &reason, failure);
	} else if (answer.count == 0) {
		r = take_addresses(d, own, hosts, failure); /* RFC 5321 5.1: an implicit MX */
	} else if (answer.count == 1 && strcmp(answer.records[0].name, ".") == 0) {
		/* RFC 7505 */
		outcome_set(failure, OUTCOME_FAILED, "5.1.10", VIEW_NONE,
			    "Domain %s does not accept mail (nullMX)", str_cstr(&d->host));
		failure->cause = CAUSE_NULL_MX;
		r = -1;
	} else {
		qsort(answer.records, answer.count, sizeof(*answer.records), compare_preference);
		r = take_exchangers(d, own, limit, &answer, hosts, failure);
	}
	for (size_t i = 0; i < hosts->count; i++)
		hosts->items[i].secure_mx = answer.secure;
	dns_answer_free(&answer);
	return r;
}

static int take_path(const struct destination *d, struct hosts *hosts, struct outcome *failure)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct view name = str_view(&d->host);

	/* What cannot be reached within the chroot is reached from outside. */
	if (name.len == 0 || name.data[0] != '/') {
		str_append_cstr(&path, conf_foreign_directory());
		str_append_byte(&path, '/');
	}
	str_append(&path, name);
	if (path.len >= sizeof(to.sun_path)) {
		outcome_set(failure, OUTCOME_DEFERRED, "4.3.5", VIEW_NONE,
			    "socket path too long: %s", str_cstr(&path));
		return -1;
	}
	memcpy(to.sun_path, str_cstr(&path), path.len + 1);

	struct host *host = hosts_add_host(hosts, view_of(param.myhostname));

	memcpy(&host->address, &to, sizeof(to));
	host->address_length = sizeof(to);
	return 0;
}

int hosts_find(const struct destination *d, const struct own_addresses *own, size_t limit,
	       struct hosts *hosts, struct outcome *failure)
{
	bool use_mx = d->use_mx && names_by_dns();
	int r;

	*hosts = (struct hosts){ 0 };
	if (d->is_path)
		r = take_path(d, hosts, failure);
	else if (use_mx)
		r = find_exchangers(d, own, limit, hosts, failure);
	else
		r = take_addresses(d, own, hosts, failure);
	/* A host that the configuration names needs no other records. */
	for (size_t i = 0; !use_mx && i < hosts->count; i++)
		hosts->items[i].secure_mx = true;
	/* Then no TLSA records are asked for either. */
	for (size_t i = 0; !names_by_dns() && i < hosts->count; i++)
		hosts->items[i].secure = false;
	if (r < 0)
		hosts_free(hosts);
	else if (settings.balance_inet_protocols)
		hosts_balance(hosts, limit);
	if (r == 0 && limit > 0)
		drop_last(hosts, MIN(limit, hosts->count));
	return r;
}

/*
 * posta dns: which records a domain needs so that mail comes, is believed, and clients find their
 * servers. Made of the configuration and the certificate alone; nothing is asked.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/dkim_keys.h"
#include "tools/dns.h"
#include "tools/tool.h"

const char *dns_type_name(enum record_type type)
{
	switch (type) {
	case RECORD_A:
		return "A";
	case RECORD_CNAME:
		return "CNAME";
	case RECORD_PTR:
		return "PTR";
	case RECORD_MX:
		return "MX";
	case RECORD_TXT:
		return "TXT";
	case RECORD_AAAA:
		return "AAAA";
	case RECORD_SRV:
		return "SRV";
	case RECORD_TLSA:
		return "TLSA";
	case RECORD_CAA:
		return "CAA";
	}
	return "?";
}

void dns_wish_free(struct dns_wish *wish)
{
	for (size_t i = 0; i < wish->count; i++) {
		free(wish->items[i].owner);
		free(wish->items[i].value);
		free(wish->items[i].match);
		free(wish->items[i].certificate);
	}
	free(wish->items);
	str_free(&wish->notes);
	str_free(&wish->addresses);
}

static struct dns_wanted *wish_add(struct dns_wish *wish, enum dns_need need, enum record_type type,
				   const char *why)
{
	array_grow(wish->items, wish->count);
	wish->items[wish->count] = (struct dns_wanted){ .need = need, .type = type, .why = why };
	return &wish->items[wish->count++];
}

static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text_of(const char *format, ...)
{
	struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	return str_take(&text);
}

/* A TXT record: of its beginning there may be one. */
static void wish_add_text(struct dns_wish *wish, enum dns_need need, char *owner,
			  const char *beginning, char *text, const char *why)
{
	struct dns_wanted *w = wish_add(wish, need, RECORD_TXT, why);

	w->owner = owner;
	w->value = text_of("\"%s\"", text);
	w->match = mem_strdup(beginning);
	w->one = true;
	free(text);
}

/* ---- this host ---- */

/* RFC 1918, 6598, 3927, 5735; 4193, 4291: nobody on the Internet reaches those. */
static bool is_public_ipv4(uint32_t a)
{
	return (a >> 24) != 10 && (a >> 20) != 0xac1 && (a >> 16) != 0xc0a8 && (a >> 24) != 127 &&
	       (a >> 16) != 0xa9fe && (a >> 22) != (0x64400000 >> 22) && (a >> 28) < 14 &&
	       (a >> 24) != 0;
}

static bool is_public_ipv6(const struct in6_addr *a)
{
	return (a->s6_addr[0] & 0xe0) == 0x20; /* 2000::/3 */
}

static void note_address(struct dns_wish *wish, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN];

	if (address == NULL)
		return;
	if (address->sa_family == AF_INET) {
		const struct in_addr *a = &((const struct sockaddr_in *)address)->sin_addr;

		if (is_public_ipv4(ntohl(a->s_addr)) &&
		    inet_ntop(AF_INET, a, text, sizeof(text)) != NULL)
			str_printf(&wish->addresses, "%s\n", text);
	} else if (address->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)address)->sin6_addr;

		if (is_public_ipv6(a) && inet_ntop(AF_INET6, a, text, sizeof(text)) != NULL)
			str_printf(&wish->addresses, "%s\n", text);
	}
}

/* Those of the interfaces; after address translation those that proxy_interfaces names. */
static void dns_wanted_find_addresses(struct dns_wish *wish)
{
	struct view rest = view_of(param.proxy_interfaces), word;
	struct ifaddrs *all = NULL;

	while (conf_next_element(&rest, &word))
		str_printf(&wish->addresses, "%.*s\n", VIEW_ARG(word));
	if (wish->addresses.len > 0 || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next)
		note_address(wish, at->ifa_addr);
	freeifaddrs(all);
}

static void wish_host_addresses(struct dns_wish *wish)
{
	static const char why[] = "where the host is";
	struct view rest, address;

	dns_wanted_find_addresses(wish);
	rest = str_view(&wish->addresses);
	while (view_next_word(&rest, "\n", &address)) {
		bool ipv6 = view_find_byte(address, ':') != VIEW_NOT_FOUND;
		struct dns_wanted *w =
			wish_add(wish, DNS_NEEDED, ipv6 ? RECORD_AAAA : RECORD_A, why);

		w->owner = mem_strdup(param.myhostname);
		w->value = mem_strndup(address.data, address.len);
		w->match = mem_strndup(address.data, address.len);
		w = wish_add(wish, DNS_NEEDED, RECORD_PTR,
			     "who is at that address: others refuse mail from nameless ones");
		w->owner = mem_strndup(address.data, address.len);
		w->value = text_of("%s.", param.myhostname);
		w->match = mem_strdup(param.myhostname);
	}
	if (wish->addresses.len == 0)
		str_printf(
			&wish->notes,
			"no interface has an address of the Internet: %s needs A (and AAAA) with "
			"that of the router (proxy_interfaces), and that address a PTR\n",
			param.myhostname);
}

static void wish_tlsa(struct dns_wish *wish)
{
	struct view rest = view_of(param.smtpd_tls_chain_files[0] ? param.smtpd_tls_chain_files
								  : param.smtpd_tls_cert_file);
	struct view path;

	while (conf_next_element(&rest, &path)) {
		_cleanup_free_ char *name = mem_strndup(path.data, path.len);
		_cleanup_(str_free) struct str hex = STR_EMPTY;
		struct dns_wanted *w;

		/* Of the key: stays right when the certificate is renewed with the same one. */
		if (!dns_tlsa_of_key(name, &hex))
			continue;
		w = wish_add(wish, DNS_OPTIONAL, RECORD_TLSA,
			     "DANE, in a zone signed by DNSSEC only; a wrong one stops mail");
		w->owner = text_of("_25._tcp.%s", param.myhostname);
		w->value = text_of("3 1 1 %s", str_cstr(&hex));
		w->certificate = TAKE(name);
		w->if_published = true;
	}
}

static void wish_host(struct dns_wish *wish)
{
	wish_host_addresses(wish);
	wish_add_text(wish, DNS_ADVISED, mem_strdup(param.myhostname), "v=spf1",
		      mem_strdup("v=spf1 a -all"),
		      "SPF of the host itself: reports have no sender");
	wish_tlsa(wish);
}

/* ---- a domain ---- */

/* Whether a port is served at all; 0: not. */
static int port_of(const struct services *services, const char *name)
{
	const struct servent *known = getservbyname(name, "tcp");

	for (size_t i = 0; known != NULL && i < services->count; i++)
		if (services->items[i].type == SERVICE_INET &&
		    strcmp(services->items[i].name, name) == 0)
			return ntohs((uint16_t)known->s_port) + (int)param.base_port;
	return 0;
}

/* RFC 6186, 8314, 5804. */
static void wish_services(struct dns_wish *wish, const char *domain)
{
	static const struct {
		const char *name, *service;
		int priority;
	} all[] = {
		{ "submissions", "submissions", 0 },
		{ "submission", "submission", 10 },
		{ "imaps", "imaps", 0 },
		{ "imap", "imap", 10 },
		{ "pop3s", "pop3s", 20 },
		{ "pop3", "pop3", 30 },
		{ "sieve", "sieve", 0 },
	};
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };

	(void)services_load(tool_directory(), &services, &report);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int port = port_of(&services, all[i].service);
		struct dns_wanted *w;

		if (port == 0)
			continue;
		w = wish_add(wish, DNS_OPTIONAL, RECORD_SRV, "where clients find the server");
		w->owner = text_of("_%s._tcp.%s", all[i].name, domain);
		w->value = text_of("%d 1 %d %s.", all[i].priority, port, param.myhostname);
		/* Priority and weight are anybody's choice. */
		w->match = text_of("%d %s", port, param.myhostname);
	}
	services_free(&services);
}

/* Of each key that signs, or is to sign when its record is there (posta dkim). */
static void wish_keys(struct dns_wish *wish, const char *domain)
{
	struct dkim_keys keys = { .count = 0 };
	struct error err = ERROR_NONE;

	if (dkim_keys_read(&keys, &err) < 0)
		str_printf(&wish->notes, "%s\n", err.text);
	for (size_t i = 0; i < keys.count; i++) {
		const struct dkim_entry *entry = &keys.entries[i];
		_cleanup_(private_key_freep) struct private_key *key = NULL;
		_cleanup_(str_free) struct str owner = STR_EMPTY, record = STR_EMPTY;
		struct dns_wanted *w;

		if (entry->state == DKIM_RETIRED || strcasecmp(entry->domain, domain) != 0)
			continue;
		key = dkim_entry_key(entry, &err);
		if (key == NULL) {
			str_printf(&wish->notes, "%s\n", err.text);
			continue;
		}
		dkim_entry_owner(entry, &owner);
		private_key_record(key, &record);
		w = wish_add(wish, entry->state == DKIM_ACTIVE ? DNS_NEEDED : DNS_ADVISED,
			     RECORD_TXT,
			     entry->state == DKIM_ACTIVE
				     ? "DKIM: the key that signs its mail"
				     : "DKIM: signs when posta dkim check has seen the record");
		w->owner = str_take(&owner);
		w->value = text_of("\"%s\"", str_cstr(&record));
		w->match = mem_strdup(str_cstr(&record) + view_find(str_view(&record), VIEW("p=")));
		w->within = true;
	}
	dkim_keys_free(&keys);
	if (param.dkim_key_table[0] == '\0' && keys.count == 0)
		str_printf(&wish->notes, "nothing signs mail of %s: posta dkim add %s\n", domain,
			   domain);
}

static void wish_domain(struct dns_wish *wish, const char *domain)
{
	struct dns_wanted *w = wish_add(wish, DNS_NEEDED, RECORD_MX, "where its mail goes");

	w->owner = mem_strdup(domain);
	w->value = text_of("10 %s.", param.myhostname);
	w->match = mem_strdup(param.myhostname);
	wish_add_text(wish, DNS_NEEDED, mem_strdup(domain), "v=spf1", mem_strdup("v=spf1 mx -all"),
		      "SPF: who may send its mail");
	wish_add_text(wish, DNS_NEEDED, text_of("_dmarc.%s", domain), "v=dmarc1",
		      text_of("v=DMARC1; p=none; rua=mailto:postmaster@%s", domain),
		      "DMARC: what others do with forged mail");
	wish_add_text(wish, DNS_ADVISED, text_of("_smtp._tls.%s", domain), "v=tlsrptv1",
		      text_of("v=TLSRPTv1; rua=mailto:postmaster@%s", domain),
		      "TLSRPT: others report where TLS fails");
	wish_keys(wish, domain);
	wish_services(wish, domain);
	wish_add_text(
		wish, DNS_OPTIONAL, text_of("_mta-sts.%s", domain), "v=stsv1",
		mem_strdup("v=STSv1; id=1"),
		"MTA-STS; needs a web server for https://mta-sts.DOMAIN/.well-known/mta-sts.txt");
	w = wish_add(wish, DNS_OPTIONAL, RECORD_CNAME,
		     "Thunderbird; needs a web server for /mail/config-v1.1.xml");
	w->owner = text_of("autoconfig.%s", domain);
	w->value = text_of("%s.", param.myhostname);
	w = wish_add(wish, DNS_OPTIONAL, RECORD_CAA, "who may issue certificates for its names");
	w->owner = mem_strdup(domain);
	w->value = mem_strdup("0 issue \"letsencrypt.org\"");
}

void dns_wish_make(const char *domain, bool host, struct dns_wish *wish)
{
	if (host)
		wish_host(wish);
	wish_domain(wish, domain);
}

/*
 * The addresses that an inet service listens on. Names are resolved once, at start and reload.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/mem.h"
#include "master.h"

/* Beside /etc/services, which a small system may not have. */
static const struct {
	const char *name;
	uint16_t port;
} known_ports[] = {
	{ "smtp", 25 },	 { "submission", 587 }, { "submissions", 465 }, { "smtps", 465 },
	{ "pop3", 110 }, { "pop3s", 995 },	{ "imap", 143 },	{ "imaps", 993 },
	{ "http", 80 },	 { "lmtp", 24 },	{ "sieve", 4190 },
};

/* A number is taken as it is; to the port of a name base_port is added. 0: there is none. */
static uint16_t find_port(const char *name)
{
	uint32_t number = 0;
	const struct servent *entry;

	if (view_parse_u32(view_of(name), UINT16_MAX, &number) == 0)
		return (uint16_t)number;
	for (size_t i = 0; i < ARRAY_SIZE(known_ports) && number == 0; i++)
		if (strcmp(name, known_ports[i].name) == 0)
			number = known_ports[i].port;
	entry = number == 0 ? getservbyname(name, "tcp") : NULL;
	if (entry != NULL)
		number = ntohs((uint16_t)entry->s_port);
	if (number != 0)
		number += (uint32_t)param.base_port;
	return number > UINT16_MAX ? 0 : (uint16_t)number;
}

static bool protocol_is_wanted(int family)
{
	struct view list = view_of(param.inet_protocols), word;

	while (conf_next_element(&list, &word))
		if (view_is_nocase(word, "all") ||
		    view_is_nocase(word, family == AF_INET ? "ipv4" : "ipv6"))
			return true;
	return false;
}

static void listener_add_address(struct plan_service *service, const struct sockaddr *address,
				 socklen_t len, uint16_t port, bool optional)
{
	struct plan_socket *s = &service->sockets[service->socket_count];
	char text[INET6_ADDRSTRLEN], name[INET6_ADDRSTRLEN + 10];

	if (service->socket_count == PLAN_SOCKETS_MAX || !protocol_is_wanted(address->sa_family))
		return;
	memcpy(&s->address, address, len);
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 *v6 = (void *)&s->address;

		v6->sin6_port = htons(port);
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(name, sizeof(name), "[%s]:%u", text, port);
	} else {
		struct sockaddr_in *v4 = (void *)&s->address;

		v4->sin_port = htons(port);
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(name, sizeof(name), "%s:%u", text, port);
	}
	for (size_t i = 0; i < service->socket_count; i++)
		if (strcmp(service->sockets[i].name, name) == 0)
			return;
	s->name = mem_strdup(name);
	s->optional = optional;
	service->socket_count++;
}

static void add_v4(struct plan_service *service, uint32_t address, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };

	listener_add_address(service, (struct sockaddr *)&v4, sizeof(v4), port, false);
}

/* A machine without IPv6 is no error unless IPv6 is all that is asked for. */
static void add_v6(struct plan_service *service, struct in6_addr address, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = address };

	listener_add_address(service, (struct sockaddr *)&v6, sizeof(v6), port,
			     protocol_is_wanted(AF_INET));
}

static void listener_add_host(struct plan_service *service, const char *host, uint16_t port,
			      struct str *report)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0) {
		str_printf(report, "master.cf, line %d: address %s: %s\n", service->line->line,
			   host, gai_strerror(r));
		return;
	}
	for (struct addrinfo *a = list; a != NULL; a = a->ai_next)
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			listener_add_address(service, a->ai_addr, a->ai_addrlen, port,
					     a->ai_next != NULL);
	freeaddrinfo(list);
}

static void add_interfaces(struct plan_service *service, uint16_t port, struct str *report)
{
	struct view list = view_of(param.inet_interfaces), word;

	while (conf_next_element(&list, &word)) {
		if (view_is_nocase(word, "all")) {
			add_v4(service, INADDR_ANY, port);
			add_v6(service, in6addr_any, port);
		} else if (view_is_nocase(word, "loopback-only")) {
			add_v4(service, INADDR_LOOPBACK, port);
			add_v6(service, in6addr_loopback, port);
		} else {
			if (view_starts(word, VIEW("[")) && view_ends(word, VIEW("]")))
				word = view_make(word.data + 1, word.len - 2);

			_cleanup_free_ char *host = mem_strndup(word.data, word.len);

			listener_add_host(service, host, port, report);
		}
	}
}

void addresses_find(struct plan_service *service, struct str *report)
{
	const struct service *line = service->line;
	struct view name = view_of(line->name);
	size_t colon = view_find_last_byte(name, ':');
	const char *port_name = line->name + (colon == VIEW_NOT_FOUND ? 0 : colon + 1);
	uint16_t port = find_port(port_name);

	if (port == 0) {
		str_printf(report,
			   "master.cf, line %d: \"%s\" is no port: expected a number or a "
			   "service's name\n",
			   line->line, port_name);
		return;
	}
	if (colon == VIEW_NOT_FOUND) {
		add_interfaces(service, port, report);
	} else {
		struct view host = view_first(name, colon);

		if (view_starts(host, VIEW("[")) && view_ends(host, VIEW("]")))
			host = view_make(host.data + 1, host.len - 2);

		_cleanup_free_ char *text = mem_strndup(host.data, host.len);

		listener_add_host(service, text, port, report);
	}
	if (service->socket_count == 0)
		str_printf(report,
			   "master.cf, line %d: inet_interfaces and inet_protocols leave service "
			   "%s no address to listen on\n",
			   line->line, line->name);
}

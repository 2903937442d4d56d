/* Names of servers, and connections to them. What they say is for policy.c. */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"
#include "task/stream.h"

/* All that may name a server: values of main.cf and of master.cf's -o, a line feed after each. */
static struct str configured;

static void endpoints_add(const char *value)
{
	struct error err = ERROR_NONE;

	/* What cannot be expanded stops those who read it. */
	if (value != NULL && conf_expand(view_of(value), &configured, &err) == 0)
		str_append_byte(&configured, '\n');
}

int endpoints_load(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	endpoints_forget();
	for (size_t i = 0; i < count; i++)
		endpoints_add(settings[i].value);
	if (services_load(conf_directory(), &services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	for (size_t i = 0; i < services.count; i++)
		for (size_t k = 0; k < services.items[i].override_count; k++)
			endpoints_add(services.items[i].overrides[k].value);
	services_free(&services);
	return 0;
}

void endpoints_forget(void)
{
	str_free(&configured);
}

static bool is_separator(struct view text, size_t at)
{
	return at >= text.len || strchr(", \t\r\n{}=", text.data[at]) != NULL;
}

bool endpoint_is_configured(struct view endpoint)
{
	struct view rest = str_view(&configured);

	while (endpoint.len > 0) {
		size_t at = view_find(rest, endpoint);

		if (at == VIEW_NOT_FOUND)
			return false;
		if ((at == 0 || is_separator(rest, at - 1)) &&
		    is_separator(rest, at + endpoint.len))
			return true;
		rest = view_from(rest, at + 1);
	}
	return false;
}

static int connect_unix(struct view path, msec_t deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool absolute = path.len > 0 && path.data[0] == '/';
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s%s%.*s",
			 absolute ? "" : param.queue_directory, absolute ? "" : "/",
			 VIEW_ARG(path));

	if (path.len == 0 || n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -EINVAL;
	return stream_connect((const struct sockaddr *)&address, sizeof(address), NULL, 0,
			      deadline);
}

static int connect_address(struct view ip, uint16_t port, msec_t deadline)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char text[64];

	snprintf(text, sizeof(text), "%.*s", VIEW_ARG(ip));
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return stream_connect((const struct sockaddr *)&v4, sizeof(v4), NULL, 0, deadline);
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		return stream_connect((const struct sockaddr *)&v6, sizeof(v6), NULL, 0, deadline);
	return -EINVAL;
}

/* The addresses of a name, in turn. */
static int connect_name(struct view host, uint16_t port, msec_t deadline)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA };
	int r = -EHOSTUNREACH;

	for (size_t i = 0; r < 0 && i < ARRAY_SIZE(types); i++) {
		struct dns_answer answer = { 0 };

		if (dns_query(host, types[i], &answer) == 0)
			for (size_t k = 0; r < 0 && k < answer.count; k++)
				if (answer.records[k].name != NULL)
					r = connect_address(view_of(answer.records[k].name), port,
							    deadline);
		dns_answer_free(&answer);
	}
	return r;
}

/* "host:port", "[::1]:port", "port". */
static int connect_inet(struct view text, msec_t deadline)
{
	size_t colon = view_find_last_byte(text, ':');
	struct view host = colon == VIEW_NOT_FOUND ? VIEW("localhost") : view_first(text, colon);
	uint32_t port;

	if (view_parse_u32(colon == VIEW_NOT_FOUND ? text : view_from(text, colon + 1), 65535,
			   &port) < 0 ||
	    port == 0)
		return -EINVAL;
	if (view_starts(host, VIEW("[")) && view_ends(host, VIEW("]")))
		host = view_make(host.data + 1, host.len - 2);
	if (host.len == 0 || view_is_nocase(host, "localhost"))
		host = VIEW("127.0.0.1");
	if (ip_family(host) != 0)
		return connect_address(host, (uint16_t)port, deadline);
	return connect_name(host, (uint16_t)port, deadline);
}

int endpoint_connect(struct view endpoint, msec_t deadline)
{
	if (view_starts(endpoint, VIEW("inet:")))
		return connect_inet(view_from(endpoint, strlen("inet:")), deadline);
	if (view_starts(endpoint, VIEW("unix:")))
		return connect_unix(view_from(endpoint, strlen("unix:")), deadline);
	return -EINVAL;
}

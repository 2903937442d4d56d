/* Connections to servers that an administrator names. Reads nothing of what they say. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "task/stream.h"

/* While connector is being started again nobody waits for long: what is asked for is tried again. */
#define CONNECTOR_TIME ((msec_t)200)
#define CONNECTOR_IDLE 4

/* For a program that sees no files, or that the server does not let in: connector does it. */
static int connect_for_us(const char *path, int failure)
{
	static struct ipc_pool *pool;
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(ipc_pool_once(&pool, "private/connector", CONNECTOR_IDLE, 0),
			     clock_after(CONNECTOR_TIME), &ipc, &m, socket_ask,
			     .path = view_of(path));

	if (r < 0)
		return failure;
	if (m.type != MSG_socket_given ||
	    (m.socket_given.connection < 0) != (m.socket_given.failure > 0)) {
		message_close_fd(&m);
		ipc_pool_put(pool, ipc, false);
		return -EBADMSG;
	}
	ipc_pool_put(pool, ipc, true);
	return m.socket_given.failure > 0 ? -(int)MIN(m.socket_given.failure, 4095)
					  : m.socket_given.connection;
}

/* Below that directory, unless it is absolute. */
static int connect_below(const char *directory, struct view path, msec_t deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool absolute = path.len > 0 && path.data[0] == '/';
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s%s%.*s",
			 absolute ? "" : directory, absolute ? "" : "/", VIEW_ARG(path));

	if (path.len == 0 || n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -EINVAL;

	int r = stream_connect((const struct sockaddr *)&address, sizeof(address), NULL, 0,
			       deadline);

	return r == -EACCES || r == -ENOENT ? connect_for_us(address.sun_path, r) : r;
}

int foreign_socket_connect(struct view path, msec_t deadline)
{
	int r = connect_below(conf_foreign_directory(), path, deadline);

	/* At a site of Postfix a server that master.cf runs (spawn) has its socket in our queue. */
	if ((r == -ENOENT || r == -ECONNREFUSED) && conf_is_of_postfix() && path.data[0] != '/')
		r = connect_below(param.queue_directory, path, deadline);
	return r;
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

	int r = connect_address(host, (uint16_t)port, deadline);

	return r != -EINVAL ? r : connect_name(host, (uint16_t)port, deadline);
}

int service_endpoint_connect(struct view endpoint, msec_t deadline)
{
	if (view_starts(endpoint, VIEW("inet:")))
		return connect_inet(view_from(endpoint, strlen("inet:")), deadline);
	if (view_starts(endpoint, VIEW("unix:")))
		return foreign_socket_connect(view_from(endpoint, strlen("unix:")), deadline);
	return -EINVAL;
}

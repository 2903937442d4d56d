/* Addresses of the two ends of a connection, as they stand in logs, rules and headers. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "daemon/internal.h"

/* An IPv4 client on an IPv6 socket is an IPv4 client. */
static void peer_describe(const struct sockaddr_storage *address, char *text, size_t size,
			  uint16_t *port)
{
	const struct sockaddr_in6 *v6 = (const void *)address;
	const struct sockaddr_in *v4 = (const void *)address;

	if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, (socklen_t)size);
		*port = ntohs(v6->sin6_port);
	} else if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, text, (socklen_t)size);
		*port = ntohs(v6->sin6_port);
	} else if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, text, (socklen_t)size);
		*port = ntohs(v4->sin_port);
	} else {
		snprintf(text, size, "localhost");
		*port = 0;
	}
}

void peer_set_client(struct peer *peer, const struct sockaddr_storage *address, socklen_t length)
{
	peer->address = *address;
	peer->address_length = length;
	peer_describe(address, peer->text, sizeof(peer->text), &peer->port);
}

void peer_set_server(struct peer *peer, const struct sockaddr_storage *address)
{
	peer_describe(address, peer->server_text, sizeof(peer->server_text), &peer->server_port);
}

/*
 * Reads the header of the PROXY protocol. It looks at what has come before it takes it (MSG_PEEK), so
 * that nothing of what follows, TLS mostly, ends up in a buffer in the clear.
 */
#include "daemon/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/internal.h"
#include "table/table.h"

#define V1_LINE_MAX 107 /* with its CR LF, section 2.1 */
#define V2_FIXED    16	/* bytes before the addresses, section 2.2 */
#define V2_INET	    12	/* two addresses, two ports */
#define V2_INET6    36

#define V1_START VIEW("PROXY ")
#define V2_START VIEW("\r\n\r\n\0\r\nQUIT\n")

/* ---- addresses ---- */

struct endpoints {
	struct sockaddr_storage client, server;
	socklen_t length;
};

static void endpoints_apply(const struct endpoints *ends, struct peer *peer)
{
	peer_set_client(peer, &ends->client, ends->length);
	peer_set_server(peer, &ends->server);
}

static void endpoint_set(struct sockaddr_storage *to, int family, const void *address,
			 uint16_t network_port)
{
	struct sockaddr_in6 *v6 = (void *)to;
	struct sockaddr_in *v4 = (void *)to;

	*to = (struct sockaddr_storage){ .ss_family = (sa_family_t)family };
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, address, sizeof(v4->sin_addr));
		v4->sin_port = network_port;
	} else {
		memcpy(&v6->sin6_addr, address, sizeof(v6->sin6_addr));
		v6->sin6_port = network_port;
	}
}

static socklen_t endpoint_length(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* ---- version 1 ---- */

/* "192.0.2.1": of that family, as inet_pton knows it. */
static bool v1_address(struct view word, int family, unsigned char *address)
{
	char text[INET6_ADDRSTRLEN];

	if (word.len == 0 || word.len >= sizeof(text) ||
	    view_find_byte(word, '\0') != VIEW_NOT_FOUND)
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return inet_pton(family, text, address) == 1;
}

static bool v1_port(struct view word, uint16_t *network_port)
{
	uint32_t value;

	if ((word.len > 1 && word.data[0] == '0') || view_parse_u32(word, UINT16_MAX, &value) < 0)
		return false;
	*network_port = htons((uint16_t)value);
	return true;
}

/* Up to the next space, of which there is one between two words. */
static struct view v1_word(struct view *rest)
{
	size_t end = view_find_byte(*rest, ' ');
	struct view word = view_first(*rest, end);

	*rest = end == VIEW_NOT_FOUND ? VIEW_NONE : view_from(*rest, end + 1);
	return word;
}

static bool v1_endpoints(struct view rest, int family, struct endpoints *ends)
{
	unsigned char from[16], to[16];
	uint16_t from_port, to_port;

	if (!v1_address(v1_word(&rest), family, from) || !v1_address(v1_word(&rest), family, to) ||
	    !v1_port(v1_word(&rest), &from_port) || !v1_port(rest, &to_port))
		return false;
	endpoint_set(&ends->client, family, from, from_port);
	endpoint_set(&ends->server, family, to, to_port);
	ends->length = endpoint_length(family);
	return true;
}

static int v1_parse(struct view bytes, struct peer *peer, const char **problem)
{
	size_t end = view_find_byte(view_first(bytes, V1_LINE_MAX), '\n');
	struct endpoints ends;
	struct view rest, kind;
	int family;

	*problem = "a line that is too long";
	if (end == VIEW_NOT_FOUND)
		return bytes.len < V1_LINE_MAX ? 0 : -EPROTO;
	*problem = "a line without CR LF";
	if (bytes.data[end - 1] != '\r')
		return -EPROTO;
	rest = view_from(view_first(bytes, end - 1), V1_START.len);
	kind = v1_word(&rest);
	if (view_is(kind, "UNKNOWN"))
		return (int)end + 1;
	*problem = "neither TCP4, TCP6 nor UNKNOWN";
	if (!view_is(kind, "TCP4") && !view_is(kind, "TCP6"))
		return -EPROTO;
	family = view_is(kind, "TCP4") ? AF_INET : AF_INET6;
	*problem = "bad addresses or ports";
	if (!v1_endpoints(rest, family, &ends))
		return -EPROTO;
	endpoints_apply(&ends, peer);
	return (int)end + 1;
}

/* ---- version 2 ---- */

static uint16_t v2_network_port(struct view at)
{
	uint16_t port;

	memcpy(&port, at.data, sizeof(port));
	return port;
}

static void v2_endpoints(struct view addresses, int family, struct endpoints *ends)
{
	size_t size = family == AF_INET ? 4 : 16;

	endpoint_set(&ends->client, family, addresses.data,
		     v2_network_port(view_from(addresses, 2 * size)));
	endpoint_set(&ends->server, family, addresses.data + size,
		     v2_network_port(view_from(addresses, 2 * size + 2)));
	ends->length = endpoint_length(family);
}

/* What the command and the family say; TLVs after the addresses are nobody's here. */
static bool v2_apply(unsigned command, unsigned family, struct view body, struct peer *peer,
		     const char **problem)
{
	struct endpoints ends;
	bool is_v6 = family == 0x21;

	*problem = "an unknown version or command";
	if (command == 0x20) /* LOCAL */
		return true;
	if (command != 0x21)
		return false;
	if (family == 0x00) /* a client that the proxy does not know */
		return true;
	*problem = "a client that does not speak TCP over IPv4 or IPv6";
	if (family != 0x11 && !is_v6)
		return false;
	*problem = "too short for its addresses";
	if (body.len < (is_v6 ? V2_INET6 : V2_INET))
		return false;
	v2_endpoints(body, is_v6 ? AF_INET6 : AF_INET, &ends);
	endpoints_apply(&ends, peer);
	return true;
}

static int v2_parse(struct view bytes, struct peer *peer, const char **problem)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	size_t length;

	if (bytes.len < V2_FIXED)
		return 0;
	length = V2_FIXED + ((size_t)at[14] << 8 | at[15]);
	*problem = "too long";
	if (length > UPSTREAM_HEADER_MAX)
		return -EPROTO;
	if (bytes.len < length)
		return 0;
	return v2_apply(at[12], at[13], view_from(view_first(bytes, length), V2_FIXED), peer,
			problem)
		       ? (int)length
		       : -EPROTO;
}

int upstream_parse(struct view bytes, struct peer *peer, const char **problem)
{
	if (view_starts(bytes, V2_START))
		return v2_parse(bytes, peer, problem);
	if (view_starts(bytes, V1_START))
		return v1_parse(bytes, peer, problem);
	if (view_starts(V2_START, bytes) || view_starts(V1_START, bytes))
		return 0;
	*problem = "not a header of the PROXY protocol";
	return -EPROTO;
}

/* ---- a connection ---- */

static struct {
	bool expected;
	const char *setting;
	msec_t timeout;
	struct matchlist *networks;
} upstream;

int upstream_open(const struct upstream_options *options, struct error *err)
{
	struct view protocol = view_trim(view_of(options->protocol));

	if (protocol.len == 0)
		return 0;
	if (!view_is_nocase(protocol, "haproxy"))
		return error_set(err, -EINVAL,
				 "the only upstream proxy protocol is haproxy, not %s",
				 options->protocol);
	upstream.networks = matchlist_open(options->networks, MATCH_ADDRESSES, false, err);
	if (upstream.networks == NULL) {
		error_prefix(err, "%s", options->setting);
		return -EINVAL;
	}
	upstream.expected = true;
	upstream.setting = options->setting;
	upstream.timeout = options->timeout;
	return 0;
}

void upstream_close(void)
{
	matchlist_close(TAKE(upstream.networks));
	upstream.expected = false;
}

bool upstream_is_expected(void)
{
	return upstream.expected;
}

/* Takes `len` bytes that have been seen already. */
static int header_take(int fd, char *to, size_t len)
{
	ssize_t n = recv(fd, to, len, 0);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EPROTO;
}

/* One look at what has come: as upstream_parse, and the header's part of it is taken. */
static int header_look(int fd, char *header, size_t *have, struct peer *peer, const char **problem)
{
	ssize_t n = recv(fd, header + *have, UPSTREAM_HEADER_MAX - *have, MSG_PEEK);
	size_t belongs;
	int r, taken;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ENODATA;
	r = upstream_parse(view_make(header, *have + (size_t)n), peer, problem);
	if (r < 0)
		return r;
	/* What is not yet a whole header is all of it one. */
	belongs = r > 0 ? (size_t)r - *have : (size_t)n;
	taken = header_take(fd, header + *have, belongs);
	*have += belongs;
	return taken < 0 ? taken : r;
}

static int header_read(struct stream *io, struct peer *peer, const char **problem)
{
	_cleanup_free_ char *header = mem_new_bytes(UPSTREAM_HEADER_MAX);
	msec_t deadline = clock_after(upstream.timeout);
	size_t have = 0;
	int r = 0;

	while (r == 0) {
		r = stream_wait(io, deadline);
		if (r == 0)
			r = header_look(stream_fd(io), header, &have, peer, problem);
	}
	return r < 0 ? r : 0;
}

int upstream_receive(struct stream *io, struct peer *peer)
{
	struct peer proxy = *peer;
	const char *problem = NULL;
	int r = matchlist_match(upstream.networks, view_of(peer->text), NULL);

	if (r <= 0) {
		log_warning("connection from %s closed: %s: %s", peer->text, upstream.setting,
			    r < 0 ? "a table cannot answer now" : "it may not speak for clients");
		return -EACCES;
	}
	r = header_read(io, peer, &problem);
	if (r < 0 && r != -ESHUTDOWN)
		log_warning("connection from %s closed: no header of the PROXY protocol: %s",
			    proxy.text,
			    r == -EPROTO && problem != NULL ? problem
			    : r == -ENODATA		    ? "it has hung up"
							    : strerror(-r));
	return r;
}

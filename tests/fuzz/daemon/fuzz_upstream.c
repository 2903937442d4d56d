/*
 * Headers of the PROXY protocol: whatever a proxy sends, the header ends within what has come, more
 * bytes never change what is said already, and a peer has an address that is one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer before = { .text = "192.0.2.9", .server_text = "192.0.2.25" }, peer = before;
	const char *problem = NULL;
	struct view bytes = view_make(data, size);
	int r = upstream_parse(bytes, &peer, &problem);

	if (r > 0 && ((size_t)r > size || r > UPSTREAM_HEADER_MAX))
		abort();
	if (r < 0 && (r != -EPROTO || problem == NULL))
		abort();
	if (r == 0 && size >= UPSTREAM_HEADER_MAX)
		abort();
	if (r <= 0 && memcmp(&peer, &before, sizeof(peer)) != 0)
		abort();
	if (r > 0 && (!is_address(peer.text) || !is_address(peer.server_text)))
		abort();
	/* What is there of a whole header is never taken for a whole one, nor for a bad one. */
	for (size_t len = 0; r > 0 && len < (size_t)r; len++)
		if (upstream_parse(view_first(bytes, len), &before, &problem) != 0)
			abort();
	return 0;
}

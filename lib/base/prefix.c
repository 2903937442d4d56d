/*
 * The network part of an address as text. Written with inet_ntop, so that two spellings of one
 * address are one key.
 */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void prefix_clear_host(unsigned char *bytes, size_t size, unsigned bits)
{
	for (size_t i = 0; i < size; i++) {
		unsigned kept = bits > 8 * i ? MIN(bits - 8 * (unsigned)i, 8U) : 0;

		bytes[i] &= (unsigned char)(0xff00U >> kept);
	}
}

static void prefix_append(int family, unsigned char *bytes, size_t size, unsigned bits,
			  struct str *key)
{
	char text[INET6_ADDRSTRLEN];

	prefix_clear_host(bytes, size, bits);
	inet_ntop(family, bytes, text, sizeof(text));
	str_append_cstr(key, text);
	if (bits < 8 * size)
		str_printf(key, "/%u", bits);
}

void address_prefix(struct view address, unsigned v4_bits, unsigned v6_bits, struct str *key)
{
	unsigned char bytes[16] __attribute__((aligned(4)));
	char text[INET6_ADDRSTRLEN];

	if (address.len < sizeof(text)) {
		snprintf(text, sizeof(text), "%.*s", VIEW_ARG(address));
		if (inet_pton(AF_INET, text, bytes) == 1) {
			prefix_append(AF_INET, bytes, 4, v4_bits, key);
			return;
		}
		if (inet_pton(AF_INET6, text, bytes) == 1) {
			if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)bytes)) {
				prefix_append(AF_INET, bytes + 12, 4, v4_bits, key);
				return;
			}
			prefix_append(AF_INET6, bytes, 16, v6_bits, key);
			return;
		}
	}
	str_append_lower(key, address);
}

/* Addresses and networks as text. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "table/internal.h"

static bool parse_bytes(struct view text, struct network *network)
{
	char buffer[INET6_ADDRSTRLEN + 1];

	if (text.len == 0 || text.len >= sizeof(buffer) ||
	    view_find_byte(text, '\0') != VIEW_NOT_FOUND)
		return false;
	memcpy(buffer, text.data, text.len);
	buffer[text.len] = '\0';
	network->family = view_find_byte(text, ':') != VIEW_NOT_FOUND ? AF_INET6 : AF_INET;
	network->prefix = network->family == AF_INET ? 32 : 128;
	return inet_pton(network->family, buffer, network->address) == 1;
}

/* ::ffff:192.0.2.1 is 192.0.2.1, for networks too as long as the prefix is within. */
static void address_unmap(struct network *network)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (network->family != AF_INET6 || network->prefix < 96 ||
	    memcmp(network->address, mapped, sizeof(mapped)) != 0)
		return;
	network->family = AF_INET;
	network->prefix -= 96;
	memmove(network->address, network->address + 12, 4);
	memset(network->address + 4, 0, 12);
}

bool network_parse_address(struct view text, struct network *address)
{
	size_t zone = view_find_byte(text, '%');

	*address = (struct network){ 0 };
	if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']')
		text = view_first(view_from(text, 1), text.len - 2);
	/* The zone of a link-local address says by which interface, not who. */
	else if (zone != VIEW_NOT_FOUND)
		text = view_first(text, zone);
	if (!parse_bytes(text, address))
		return false;
	address_unmap(address);
	return true;
}

static bool bit_is_set(const uint8_t *address, unsigned bit)
{
	return address[bit / 8] & (0x80 >> bit % 8);
}

int network_parse(struct view text, struct network *network, struct error *err)
{
	struct view address = text, prefix = VIEW_NONE;
	size_t slash = view_find_byte(text, '/');
	uint32_t length;

	*network = (struct network){ 0 };
	if (slash != VIEW_NOT_FOUND) {
		address = view_first(text, slash);
		prefix = view_from(text, slash + 1);
	}
	/* Brackets around the address, or, as some write, around all of it. */
	if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']' &&
	    slash != VIEW_NOT_FOUND) {
		address = view_from(address, 1);
		prefix.len--;
	} else if (address.len >= 2 && address.data[0] == '[' &&
		   address.data[address.len - 1] == ']') {
		address = view_first(view_from(address, 1), address.len - 2);
	}
	if (!parse_bytes(address, network))
		return error_set(err, -EINVAL, "not an address or network: \"%.*s\"",
				 VIEW_ARG(view_first(text, 60)));
	if (slash != VIEW_NOT_FOUND) {
		if (view_parse_u32(prefix, network->prefix, &length) < 0)
			return error_set(err, -EINVAL, "not a prefix length from 0 to %u: \"%.*s\"",
					 network->prefix, VIEW_ARG(view_first(text, 60)));
		for (unsigned bit = length; bit < network->prefix; bit++)
			if (bit_is_set(network->address, bit))
				return error_set(err, -EINVAL,
						 "the address has bits after the prefix: \"%.*s\"",
						 VIEW_ARG(view_first(text, 60)));
		network->prefix = length;
	}
	address_unmap(network);
	return 0;
}

bool network_contains(const struct network *network, const struct network *address)
{
	unsigned whole = network->prefix / 8;
	uint8_t mask = (uint8_t)(0xff00 >> network->prefix % 8);

	if (network->family != address->family || address->prefix < network->prefix)
		return false;
	if (memcmp(network->address, address->address, whole) != 0)
		return false;
	return mask == 0 || ((network->address[whole] ^ address->address[whole]) & mask) == 0;
}

bool networks_have(struct view list, struct view text)
{
	struct network address, network;
	struct error ignored = ERROR_NONE;
	struct view word;

	if (!network_parse_address(text, &address))
		return false;
	while (view_next_word(&list, ", \t", &word))
		if (network_parse(word, &network, &ignored) == 0 &&
		    network_contains(&network, &address))
			return true;
	return false;
}

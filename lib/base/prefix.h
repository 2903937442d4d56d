/*
 * Clients are counted by the network that one of them has: an IPv6 host chooses freely among the
 * addresses of its /64, so each of them alone says nothing.
 *
 *	address_prefix(VIEW("2001:db8::1:2"), 32, 64, &key);	"2001:db8::/64"
 *	address_prefix(VIEW("192.0.2.7"), 32, 64, &key);	"192.0.2.7"
 */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

#include "base/str.h"

#define PREFIX_V4_HOST 32
#define PREFIX_V6_HOST 128
/* What one IPv6 host or household has at least. */
#define PREFIX_V6_CLIENT 64

/*
 * Appends the first bits of the address, and the length after a slash unless it is the whole. What
 * is no address is appended in lower case as it is.
 */
void address_prefix(struct view address, unsigned v4_bits, unsigned v6_bits, struct str *key);

#endif

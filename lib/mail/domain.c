/*
 * Domain names and address literals: valid or not, and the A-label form. No question to the DNS is
 * asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>

#include "base/mem.h"
#include "mail/address.h"

#define LABEL_MAX 63 /* RFC 1035 2.3.4 */

static bool is_label_byte(char c, bool utf8)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || (utf8 && (unsigned char)c >= 0x80);
}

/* One label: 1 to 63 octets, no hyphen at either end. */
static bool label_is_valid(struct view label, bool utf8)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' ||
	    label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!is_label_byte(label.data[i], utf8))
			return false;
	}
	return true;
}

bool domain_is_valid(struct view domain, bool utf8)
{
	struct view rest = domain, label = VIEW_NONE;
	bool numeric = true;

	if (domain.len == 0 || domain.len > DOMAIN_MAX || (utf8 && !view_is_utf8(domain)))
		return false;
	while (view_next(&rest, '.', &label)) {
		if (!label_is_valid(label, utf8))
			return false;
		for (size_t i = 0; i < label.len; i++)
			numeric = numeric && ascii_is_digit(label.data[i]);
	}
	/* "192.0.2.1" is an address, whatever the labels look like. */
	return !numeric;
}

int ip_family(struct view text)
{
	char copy[INET6_ADDRSTRLEN + 1];
	unsigned char address[16];

	if (text.len == 0 || text.len >= sizeof(copy) || view_find_byte(text, '\0') != SIZE_MAX)
		return 0;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, address) == 1)
		return 4;
	return inet_pton(AF_INET6, copy, address) == 1 ? 6 : 0;
}

bool domain_is_literal(struct view domain, struct str *address)
{
	if (domain.len < 3 || domain.data[0] != '[' || domain.data[domain.len - 1] != ']')
		return false;

	struct view inside = view_make(domain.data + 1, domain.len - 2);
	int family = 4;

	if (view_starts_nocase(inside, VIEW("IPv6:"))) {
		inside = view_from(inside, 5);
		family = 6;
	}
	if (ip_family(inside) != family)
		return false;
	if (address != NULL)
		str_append(address, inside);
	return true;
}

int domain_to_ascii(struct view domain, struct str *out)
{
	if (view_is_ascii(domain)) {
		str_append(out, domain);
		return 0;
	}
	if (domain.len > DOMAIN_MAX * 4 || !view_is_utf8(domain) || view_has_control(domain))
		return -EINVAL;

	_cleanup_(str_free) struct str text = STR_EMPTY;
	uint8_t *ascii = NULL;

	str_append(&text, domain);
	if (idn2_lookup_u8((const uint8_t *)str_cstr(&text), &ascii,
			   IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -EINVAL;
	str_append_cstr(out, (const char *)ascii);
	idn2_free(ascii);
	return 0;
}

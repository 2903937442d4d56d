/*
 * The data of DNS records, parsed with every length checked. It trusts the library for the message
 * and nobody for the content.
 */
#include "rdata.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "mail/address.h"
#include "services/clients.h"

/* RFC 1035 2.3.4 */
#define LABEL_MAX     63
#define WIRE_NAME_MAX 255

void rdata_free(struct rdata *record)
{
	str_free(&record->name);
	str_free(&record->data);
}

static uint32_t u16(struct view bytes, size_t at)
{
	const unsigned char *p = (const unsigned char *)bytes.data + at;

	return (uint32_t)p[0] << 8 | p[1];
}

static void append_label(struct view label, struct str *text)
{
	for (size_t i = 0; i < label.len; i++) {
		char c = label.data[i];

		if (ascii_is_alnum(c) || c == '-' || c == '_')
			str_append_byte(text, c);
		else
			str_printf(text, "\\%03u", (unsigned)(unsigned char)c);
	}
}

int rdata_name(struct view wire, struct str *text)
{
	size_t at = 0, start = text->len;

	for (;;) {
		size_t len;

		if (at >= wire.len || at >= WIRE_NAME_MAX)
			return -EBADMSG;
		len = (unsigned char)wire.data[at++];
		if (len == 0)
			break;
		if (len > LABEL_MAX || len > wire.len - at)
			return -EBADMSG; /* also compression, which has no place here */
		if (text->len > start)
			str_append_byte(text, '.');
		append_label(view_make(wire.data + at, len), text);
		at += len;
	}
	if (text->len == start)
		str_append_byte(text, '.');
	/* So long only with escapes: no host's name. */
	return text->len - start > IPC_HOST_MAX ? -EBADMSG : (int)at;
}

/* A name that fills the rest of the data. */
static int whole_name(struct view bytes, size_t from, struct rdata *record)
{
	struct view wire = view_from(bytes, from);
	int r = rdata_name(wire, &record->name);

	return r >= 0 && (size_t)r == wire.len ? 0 : -EBADMSG;
}

static int parse_address(int family, size_t len, struct view bytes, struct rdata *record)
{
	char text[INET6_ADDRSTRLEN];

	if (bytes.len != len || inet_ntop(family, bytes.data, text, sizeof(text)) == NULL)
		return -EBADMSG;
	str_append_cstr(&record->name, text);
	return 0;
}

static int parse_mx(struct view bytes, struct rdata *record)
{
	if (bytes.len < 2)
		return -EBADMSG;
	record->preference = u16(bytes, 0);
	return whole_name(bytes, 2, record);
}

static int parse_srv(struct view bytes, struct rdata *record)
{
	if (bytes.len < 6)
		return -EBADMSG;
	record->preference = u16(bytes, 0);
	record->weight = u16(bytes, 2);
	record->port = u16(bytes, 4);
	return whole_name(bytes, 6, record);
}

/* One or more strings, each after its length; joined. */
static int parse_txt(struct view bytes, struct rdata *record)
{
	if (bytes.len == 0)
		return -EBADMSG;
	for (size_t at = 0; at < bytes.len;) {
		size_t len = (unsigned char)bytes.data[at++];

		if (len > bytes.len - at || record->data.len + len > IPC_RDATA_MAX)
			return -EBADMSG;
		str_append(&record->data, view_make(bytes.data + at, len));
		at += len;
	}
	return 0;
}

/* RFC 6698 2.1: three octets and the association data, which cannot be empty. */
static int parse_tlsa(struct view bytes, struct rdata *record)
{
	if (bytes.len < 4 || bytes.len > IPC_RDATA_MAX)
		return -EBADMSG;
	str_append(&record->data, bytes);
	return 0;
}

int rdata_parse(uint32_t type, struct view bytes, struct rdata *record)
{
	*record = (struct rdata){ 0 };
	switch (type) {
	case DNS_A:
		return parse_address(AF_INET, 4, bytes, record);
	case DNS_AAAA:
		return parse_address(AF_INET6, 16, bytes, record);
	case DNS_MX:
		return parse_mx(bytes, record);
	case DNS_NS:
	case DNS_PTR:
		return whole_name(bytes, 0, record);
	case DNS_TXT:
		return parse_txt(bytes, record);
	case DNS_SRV:
		return parse_srv(bytes, record);
	case DNS_TLSA:
		return parse_tlsa(bytes, record);
	default:
		return -EBADMSG;
	}
}

/* ---- questions ---- */

/* "192.0.2.1" to "1.2.0.192.in-addr.arpa."; an IPv6 address by its nibbles. */
static int reverse_name(struct view address, struct str *question)
{
	unsigned char bytes[16];
	int family = ip_family(address);
	_cleanup_free_ char *text = mem_strndup(address.data, address.len);

	if (family == 4 && inet_pton(AF_INET, text, bytes) == 1) {
		str_printf(question, "%u.%u.%u.%u.in-addr.arpa.", bytes[3], bytes[2], bytes[1],
			   bytes[0]);
		return 0;
	}
	if (family != 6 || inet_pton(AF_INET6, text, bytes) != 1)
		return -EINVAL;
	for (size_t i = sizeof(bytes); i-- > 0;)
		str_printf(question, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4);
	str_append_cstr(question, "ip6.arpa.");
	return 0;
}

/* Bytes that the DNS library would take for itself, or that no log line should have. */
static bool is_question_byte(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-_./:+=", c) != NULL);
}

static int check_labels(struct view name)
{
	struct view rest = name, label;
	size_t wire = 1;

	while (view_next(&rest, '.', &label)) {
		if (label.len == 0 || label.len > LABEL_MAX)
			return -EINVAL;
		wire += label.len + 1;
	}
	return wire <= WIRE_NAME_MAX ? 0 : -EINVAL;
}

int rdata_question(struct view name, uint32_t type, struct str *question)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;

	str_clear(question);
	if (type == DNS_PTR && ip_family(name) != 0)
		return reverse_name(name, question);
	if (name.len > 1 && view_ends(name, VIEW(".")))
		name = view_first(name, name.len - 1);
	if (!view_is_ascii(name)) {
		if (!view_is_utf8(name) || domain_to_ascii(name, &ascii) < 0)
			return -EINVAL;
		name = str_view(&ascii);
	}
	for (size_t i = 0; i < name.len; i++)
		if (!is_question_byte(name.data[i]))
			return -EINVAL;
	if (name.len == 0 || check_labels(name) < 0)
		return -EINVAL;
	str_append(question, name);
	str_append_byte(question, '.');
	return 0;
}

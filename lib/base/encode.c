/* Hex, xtext, and comparing secrets in constant time. Base64 is a library's. */
#include "base/encode.h"

#include <errno.h>

#include "base/mem.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str *out, struct view in)
{
	const unsigned char *p = (const unsigned char *)in.data;
	size_t left = in.len;

	for (; left >= 3; left -= 3, p += 3) {
		char *at = str_reserve(out, 4);

		at[0] = base64_digits[p[0] >> 2];
		at[1] = base64_digits[(p[0] & 3) << 4 | p[1] >> 4];
		at[2] = base64_digits[(p[1] & 15) << 2 | p[2] >> 6];
		at[3] = base64_digits[p[2] & 63];
		str_grow(out, 4);
	}
	if (left == 1) {
		str_append_byte(out, base64_digits[p[0] >> 2]);
		str_append_byte(out, base64_digits[(p[0] & 3) << 4]);
		str_append_cstr(out, "==");
	} else if (left == 2) {
		str_append_byte(out, base64_digits[p[0] >> 2]);
		str_append_byte(out, base64_digits[(p[0] & 3) << 4 | p[1] >> 4]);
		str_append_byte(out, base64_digits[(p[1] & 15) << 2]);
		str_append_byte(out, '=');
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct str *out, struct view in)
{
	size_t before = out->len, pad = 0;

	if (in.len % 4 != 0)
		return -EINVAL;
	while (pad < 2 && in.len > 0 && in.data[in.len - 1] == '=') {
		in.len--;
		pad++;
	}

	uint32_t bits = 0;
	int held = 0;

	for (size_t i = 0; i < in.len; i++) {
		int value = base64_value(in.data[i]);

		if (value < 0)
			goto bad;
		bits = (bits << 6 | (uint32_t)value) & 0xffffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			str_append_byte(out, (char)(bits >> held & 0xff));
		}
	}
	if ((bits & ((1U << held) - 1)) != 0 || held >= 6)
		goto bad;
	return 0;
bad:
	str_truncate(out, before);
	return -EINVAL;
}

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(struct str *out, struct view in)
{
	for (size_t i = 0; i < in.len; i++) {
		str_append_byte(out, hex_digits[(unsigned char)in.data[i] >> 4]);
		str_append_byte(out, hex_digits[(unsigned char)in.data[i] & 15]);
	}
}

int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct str *out, struct view in)
{
	size_t before = out->len;

	if (in.len % 2 != 0)
		return -EINVAL;
	for (size_t i = 0; i < in.len; i += 2) {
		int high = hex_value(in.data[i]), low = hex_value(in.data[i + 1]);

		if (high < 0 || low < 0) {
			str_truncate(out, before);
			return -EINVAL;
		}
		str_append_byte(out, (char)(high << 4 | low));
	}
	return 0;
}

void xtext_encode(struct str *out, struct view in)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (c > 32 && c < 127 && c != '+' && c != '=')
			str_append_byte(out, c);
		else
			str_printf(out, "+%02X", (unsigned)(unsigned char)c);
	}
}

int xtext_decode(struct str *out, struct view in)
{
	size_t before = out->len;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (c == '+') {
			int high = i + 2 < in.len ? hex_value(in.data[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				goto bad;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c <= 32 || c >= 127 || c == '=') {
			goto bad;
		}
		if ((unsigned char)c < 32 || c == 127)
			goto bad;
		str_append_byte(out, c);
	}
	return 0;
bad:
	str_truncate(out, before);
	return -EINVAL;
}

int percent_decode(struct str *out, struct view in)
{
	size_t before = out->len;

	for (size_t i = 0; i < in.len; i++) {
		int high, low;

		if (in.data[i] != '%') {
			str_append_byte(out, in.data[i]);
			continue;
		}
		high = i + 2 < in.len ? hex_value(in.data[i + 1]) : -1;
		low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;
		if (high < 0 || low < 0 || (high == 0 && low == 0)) {
			str_truncate(out, before);
			return -EINVAL;
		}
		str_append_byte(out, (char)(high << 4 | low));
		i += 2;
	}
	return 0;
}

static const struct {
	char byte, escaped;
} tab_escapes[] = { { '\0', '0' }, { '\001', '1' }, { '\t', 't' }, { '\r', 'r' }, { '\n', 'l' } };
#define TAB_ESCAPE '\001'

void tab_escape(struct str *out, struct view field)
{
	for (size_t i = 0; i < field.len; i++) {
		char byte = field.data[i];

		for (size_t k = 0; k < ARRAY_SIZE(tab_escapes); k++) {
			if (byte != tab_escapes[k].byte)
				continue;
			str_append_byte(out, TAB_ESCAPE);
			byte = tab_escapes[k].escaped;
			break;
		}
		str_append_byte(out, byte);
	}
}

void tab_unescape(struct str *out, struct view field)
{
	for (size_t i = 0; i < field.len; i++) {
		char byte = field.data[i];

		if (byte == TAB_ESCAPE && i + 1 < field.len) {
			byte = field.data[++i];
			for (size_t k = 0; k < ARRAY_SIZE(tab_escapes); k++)
				if (byte == tab_escapes[k].escaped) {
					byte = tab_escapes[k].byte;
					break;
				}
		}
		str_append_byte(out, byte);
	}
}

bool secret_equal(struct view a, struct view b)
{
	unsigned char difference = a.len != b.len;

	for (size_t i = 0; i < a.len && b.len > 0; i++)
		difference |= (unsigned char)(a.data[i] ^ b.data[i % b.len]);
	return difference == 0;
}

/* Names of folders in UTF-8 and in modified UTF-7 (RFC 3501 5.1.3). Which names may be: names.c. */
#include <errno.h>

#include "store/store.h"

static const char name_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* A run of UTF-16 in base64, as far as it has come. */
struct utf7_run {
	struct str *out;
	uint32_t bits;
	unsigned bit_count;
	bool open;
};

static void utf7_put_unit(struct utf7_run *run, uint32_t unit)
{
	if (!run->open)
		str_append_byte(run->out, '&');
	run->open = true;
	run->bits = run->bits << 16 | unit;
	run->bit_count += 16;
	while (run->bit_count >= 6) {
		run->bit_count -= 6;
		str_append_byte(run->out, name_digits[run->bits >> run->bit_count & 63]);
	}
}

static void utf7_close(struct utf7_run *run)
{
	if (!run->open)
		return;
	if (run->bit_count > 0)
		str_append_byte(run->out, name_digits[run->bits << (6 - run->bit_count) & 63]);
	str_append_byte(run->out, '-');
	run->bits = run->bit_count = 0;
	run->open = false;
}

/* Of text that is UTF-8: takes a character off the front. */
static uint32_t utf8_take(struct view *text)
{
	const unsigned char *p = (const unsigned char *)text->data;
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	*text = view_from(*text, len);
	return c;
}

int store_name_from_utf8(struct view text, struct str *name)
{
	struct utf7_run run = { .out = name };

	if (!view_is_utf8(text))
		return -EINVAL;
	while (text.len > 0) {
		uint32_t c = utf8_take(&text);

		if (c >= 32 && c < 127) {
			utf7_close(&run);
			str_append_byte(name, (char)c);
			if (c == '&')
				str_append_byte(name, '-');
		} else if (c < 0x10000) {
			utf7_put_unit(&run, c);
		} else {
			utf7_put_unit(&run, 0xd800 + ((c - 0x10000) >> 10));
			utf7_put_unit(&run, 0xdc00 + ((c - 0x10000) & 0x3ff));
		}
	}
	utf7_close(&run);
	return 0;
}

static void utf8_put(struct str *out, uint32_t c)
{
	if (c < 0x80) {
		str_append_byte(out, (char)c);
		return;
	}
	if (c < 0x800) {
		str_append_byte(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		str_append_byte(out, (char)(0xe0 | c >> 12));
		str_append_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		str_append_byte(out, (char)(0xf0 | c >> 18));
		str_append_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		str_append_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	str_append_byte(out, (char)(0x80 | (c & 0x3f)));
}

/* The units after '&', which store_name_check has found to be in order. */
static void utf7_decode_run(struct view run, struct str *text)
{
	uint32_t bits = 0, high = 0;
	unsigned bit_count = 0;

	for (size_t i = 0; i < run.len; i++) {
		bits = bits << 6 | (uint32_t)(strchr(name_digits, run.data[i]) - name_digits);
		bit_count += 6;
		if (bit_count < 16)
			continue;
		bit_count -= 16;

		uint32_t unit = bits >> bit_count & 0xffff;

		bits &= (1U << bit_count) - 1;
		if (unit >= 0xd800 && unit < 0xdc00)
			high = unit;
		else if (unit >= 0xdc00 && unit < 0xe000)
			utf8_put(text, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
		else
			utf8_put(text, unit);
	}
}

int store_name_to_utf8(struct view name, struct str *text)
{
	if (name.len > 0 && store_name_check(name, NULL) < 0)
		return -EINVAL;
	while (name.len > 0) {
		size_t run = view_find_byte(name, '&'), end;

		str_append(text, view_first(name, run));
		if (run == VIEW_NOT_FOUND)
			break;
		name = view_from(name, run + 1);
		end = view_find_byte(name, '-');
		if (end == 0)
			str_append_byte(text, '&');
		else
			utf7_decode_run(view_first(name, end), text);
		name = view_from(name, end + 1);
	}
	return 0;
}

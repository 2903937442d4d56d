/* A string that grows. It may hold any bytes; the NUL after them is for C's sake. */
#include "base/str.h"

#include <stdio.h>

#include "base/mem.h"

void str_free(struct str *s)
{
	free(s->data);
	*s = STR_EMPTY;
}

void str_wipe(struct str *s)
{
	if (s->data != NULL)
		mem_wipe(s->data, s->size);
	str_free(s);
}

void str_clear(struct str *s)
{
	str_truncate(s, 0);
}

char *str_reserve(struct str *s, size_t more)
{
	size_t needed;

	if (__builtin_add_overflow(s->len, more, &needed) || needed > SIZE_MAX / 2)
		mem_exhausted();
	if (needed + 1 > s->size) {
		size_t size = s->size ? s->size : 32;

		while (size < needed + 1)
			size *= 2;
		s->data = mem_resize(s->data, size, 1);
		s->size = size;
		/* What is reserved and never used is an empty text all the same. */
		s->data[s->len] = '\0';
	}
	return s->data + s->len;
}

void str_grow(struct str *s, size_t by)
{
	s->len += by;
	s->data[s->len] = '\0';
}

void str_truncate(struct str *s, size_t len)
{
	if (len < s->len || (len == 0 && s->data != NULL)) {
		s->len = len;
		s->data[len] = '\0';
	}
}

void str_append(struct str *s, struct view v)
{
	char *at = str_reserve(s, v.len);

	if (v.len > 0)
		memcpy(at, v.data, v.len);
	str_grow(s, v.len);
}

void str_append_cstr(struct str *s, const char *text)
{
	str_append(s, view_of(text));
}

void str_append_byte(struct str *s, char byte)
{
	*str_reserve(s, 1) = byte;
	str_grow(s, 1);
}

void str_vprintf(struct str *s, const char *format, va_list args)
{
	va_list again;
	size_t room = 128;
	int len;

	va_copy(again, args);
	len = vsnprintf(str_reserve(s, room), room, format, args);
	if (len >= 0 && (size_t)len >= room)
		len = vsnprintf(str_reserve(s, (size_t)len + 1), (size_t)len + 1, format, again);
	va_end(again);
	if (len > 0)
		str_grow(s, (size_t)len);
	else
		s->data[s->len] = '\0';
}

void str_printf(struct str *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	str_vprintf(s, format, args);
	va_end(args);
}

void str_append_printable(struct str *s, struct view v)
{
	bool utf8 = view_is_utf8(v);
	char *at = str_reserve(s, v.len);

	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.data[i];

		at[i] = c < 32 || c == 127 || (c >= 128 && !utf8) ? '?' : v.data[i];
		/* U+0080 to U+009F are control characters, too: some terminals obey them. */
		if (utf8 && c < 0xa0 && c >= 0x80 && i > 0 && (unsigned char)v.data[i - 1] == 0xc2)
			at[i - 1] = at[i] = '?';
	}
	str_grow(s, v.len);
}

void str_append_lower(struct str *s, struct view v)
{
	char *at = str_reserve(s, v.len);

	for (size_t i = 0; i < v.len; i++)
		at[i] = ascii_lower(v.data[i]);
	str_grow(s, v.len);
}

void str_set(struct str *s, struct view v)
{
	str_clear(s);
	str_append(s, v);
}

void str_consume(struct str *s, size_t len)
{
	if (len >= s->len) {
		str_clear(s);
		return;
	}
	memmove(s->data, s->data + len, s->len - len);
	str_truncate(s, s->len - len);
}

const char *str_cstr(const struct str *s)
{
	return s->data ? s->data : "";
}

char *str_take(struct str *s)
{
	char *data = s->data ? s->data : mem_strdup("");

	*s = STR_EMPTY;
	return data;
}

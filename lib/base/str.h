/*
 * A growing string of bytes. Always NUL-terminated after its last byte once it has held one, so
 * that str_cstr can be handed to C functions (which see it end at the first NUL inside).
 *
 *	_cleanup_(str_free) struct str text = STR_EMPTY;
 *	str_append(&text, VIEW("Received: "));
 *	str_printf(&text, "from %s", name);
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>

#include "base/view.h"

struct str {
	char *data;
	size_t len;
	size_t size; /* allocated */
};

#define STR_EMPTY ((struct str){ NULL, 0, 0 })

void str_free(struct str *s);
/* The same of a secret: overwritten first. */
void str_wipe(struct str *s);
/* Empty, memory kept. */
void str_clear(struct str *s);
/* Room for `more` bytes after the end; returns where they go. str_grow then makes them part. */
char *str_reserve(struct str *s, size_t more);
void str_grow(struct str *s, size_t by);
void str_truncate(struct str *s, size_t len);

void str_append(struct str *s, struct view v);
void str_append_cstr(struct str *s, const char *text);
void str_append_byte(struct str *s, char byte);
/* Formats at the end. */
void str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *s, const char *format, va_list args);
/* For logs and replies: control bytes and bytes that are not UTF-8 become '?'. */
void str_append_printable(struct str *s, struct view v);
void str_append_lower(struct str *s, struct view v);
/* Replaces the content. */
void str_set(struct str *s, struct view v);
/* Removes `len` bytes at the front. */
void str_consume(struct str *s, size_t len);

static inline struct view str_view(const struct str *s)
{
	return (struct view){ s->data, s->len };
}
/* Never NULL. */
const char *str_cstr(const struct str *s);
/* The malloc'd content (caller frees), leaving the string empty. */
char *str_take(struct str *s);

#endif

/*
 * A view: pointer and length of bytes that somebody else owns. Text from the network is always a
 * view or a str, never a bare char *: it may hold NUL and need not end in one.
 *
 * A view is passed by value. It is valid as long as the bytes behind it are.
 */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view {
	const char *data;
	size_t len;
};

#define VIEW(literal) ((struct view){ "" literal, sizeof(literal) - 1 })
#define VIEW_NONE     ((struct view){ NULL, 0 })
/* For printf("%.*s"): two arguments. Bytes that are not text belong through str_append_printable. */
#define VIEW_ARG(v) (int)(v).len, (v).data ? (v).data : ""

static inline struct view view_of(const char *text)
{
	return (struct view){ text, text ? strlen(text) : 0 };
}

static inline struct view view_make(const void *data, size_t len)
{
	return (struct view){ data, len };
}

/* Bytes from `start` (past the end: nothing left). */
struct view view_from(struct view v, size_t start);
/* At most the first `len` bytes. */
struct view view_first(struct view v, size_t len);

bool view_eq(struct view a, struct view b);
/* ASCII case is ignored; other bytes are compared as they are. */
bool view_eq_nocase(struct view a, struct view b);
bool view_is(struct view a, const char *text);
bool view_is_nocase(struct view a, const char *text);
bool view_starts(struct view v, struct view prefix);
bool view_starts_nocase(struct view v, struct view prefix);
bool view_ends(struct view v, struct view suffix);
bool view_ends_nocase(struct view v, struct view suffix);
/* Byte order; shorter first when one begins the other. */
int view_compare(struct view a, struct view b);

#define VIEW_NOT_FOUND SIZE_MAX
/* Offset of the first (last) such byte, or VIEW_NOT_FOUND. */
size_t view_find_byte(struct view v, char byte);
size_t view_find_last_byte(struct view v, char byte);
size_t view_find(struct view v, struct view needle);
size_t view_find_nocase(struct view v, struct view needle);

/* Without white space (SP, HT, CR, LF) at both ends. */
struct view view_trim(struct view v);

/*
 * Takes the next piece up to `separator` (left out of both) off *rest. False when nothing is
 * left. "a,,b" gives "a", "" and "b"; "a," gives "a" and ""; VIEW_NONE gives nothing.
 */
bool view_next(struct view *rest, char separator, struct view *piece);
/* The same, where any run of the bytes in `separators` separates, and empty pieces are skipped. */
bool view_next_word(struct view *rest, const char *separators, struct view *word);

/* Decimal digits only, whole view. 0, or -EINVAL, or -ERANGE beyond max. */
int view_parse_u64(struct view v, uint64_t max, uint64_t *value);
int view_parse_u32(struct view v, uint32_t max, uint32_t *value);

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool view_is_utf8(struct view v);
bool view_is_ascii(struct view v);
/* Has a byte below 32 or 127: never to be put into a header, a log line or a record as it is. */
bool view_has_control(struct view v);

/*
 * How many letters must be changed, added, left out or swapped with their neighbour to make `a`
 * into `b`, in any case (the restricted Damerau-Levenshtein distance). Of longer ones only the
 * first VIEW_DISTANCE_MAX bytes are compared.
 */
#define VIEW_DISTANCE_MAX 80
size_t view_distance(struct view a, struct view b);

/* Locale-free character tests and case. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}
static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}
static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}
static inline bool ascii_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif

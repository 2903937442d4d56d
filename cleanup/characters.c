/*
 * message_strip_characters and message_reject_characters: bytes that are left out of every message,
 * or that no message may have. They go by before anything else looks at the content.
 */
#include "characters.h"

#include <errno.h>
#include <limits.h>

#include "conf/conf.h"

static struct {
	bool stripped[UCHAR_MAX + 1], rejected[UCHAR_MAX + 1];
	bool strips, rejects;
} characters;

/* One character of the list, or an escape of C's. False: there is no such escape. */
static bool character_next(struct view *rest, unsigned char *byte)
{
	static const char letters[] = "abfnrtv\\", bytes[] = "\a\b\f\n\r\t\v\\";
	const char *letter;
	size_t digits = 0;
	unsigned value = 0;

	*byte = (unsigned char)rest->data[0];
	*rest = view_from(*rest, 1);
	if (*byte != '\\')
		return true;
	while (digits < 3 && digits < rest->len && rest->data[digits] >= '0' &&
	       rest->data[digits] <= '7')
		value = value * 8 + (unsigned)(rest->data[digits++] - '0');
	if (digits > 0) {
		*byte = (unsigned char)value;
		*rest = view_from(*rest, digits);
		return value <= UCHAR_MAX;
	}
	letter = rest->len > 0 ? strchr(letters, rest->data[0]) : NULL;
	if (letter == NULL || *letter == '\0')
		return false;
	*byte = (unsigned char)bytes[letter - letters];
	*rest = view_from(*rest, 1);
	return true;
}

static int characters_read(const char *name, const char *list, bool table[UCHAR_MAX + 1], bool *any,
			   struct error *err)
{
	struct view rest = view_of(list);
	unsigned char byte;

	memset(table, 0, UCHAR_MAX + 1);
	*any = rest.len > 0;
	while (rest.len > 0) {
		if (!character_next(&rest, &byte))
			return error_set(err, -EINVAL, "%s: %s is no list of characters", name,
					 list);
		table[byte] = true;
	}
	return 0;
}

int characters_open(struct error *err)
{
	int r = characters_read("message_strip_characters", param.message_strip_characters,
				characters.stripped, &characters.strips, err);

	if (r == 0)
		r = characters_read("message_reject_characters", param.message_reject_characters,
				    characters.rejected, &characters.rejects, err);
	return r;
}

bool characters_are_refused(struct view bytes)
{
	if (!characters.rejects)
		return false;
	for (size_t i = 0; i < bytes.len; i++)
		if (characters.rejected[(unsigned char)bytes.data[i]])
			return true;
	return false;
}

struct view characters_strip(struct view bytes, struct str *room)
{
	if (!characters.strips)
		return bytes;
	str_clear(room);
	for (size_t i = 0; i < bytes.len; i++)
		if (!characters.stripped[(unsigned char)bytes.data[i]])
			str_append_byte(room, bytes.data[i]);
	return str_view(room);
}

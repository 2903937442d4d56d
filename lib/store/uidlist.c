/*
 * UIDs and UIDVALIDITY that outlive the index: our own small file, and what Dovecot left behind. Keywords and
 * subscriptions are files.c's matter.
 */
#include "store/uidlist.h"

#include <errno.h>

#include "base/mem.h"
#include "store/names.h"
#include "store/small_file.h"

#define UIDLIST_MAX ((size_t)256 << 20)

/* A number after a letter, as one word of the line. */
static bool letter_number(struct view line, char letter, uint32_t *value)
{
	struct view word;

	while (view_next_word(&line, " \t\r\n", &word))
		if (word.data[0] == letter &&
		    view_parse_u32(view_from(word, 1), UINT32_MAX, value) == 0 && *value > 0)
			return true;
	return false;
}

/* "3 V1275660208 N25022 G...": first line of version 3; version 1 is "1 <uidvalidity> <next>". */
static bool uidlist_header(struct view line, uint32_t *uidvalidity, uint32_t *next)
{
	struct view word;

	if (view_starts(line, VIEW("3 ")))
		return letter_number(line, 'V', uidvalidity) && letter_number(line, 'N', next);
	return view_starts(line, VIEW("1 ")) && view_next_word(&line, " ", &word) &&
	       view_next_word(&line, " ", &word) &&
	       view_parse_u32(word, UINT32_MAX, uidvalidity) == 0 && *uidvalidity > 0 &&
	       view_next_word(&line, " \r", &word) && view_parse_u32(word, UINT32_MAX, next) == 0;
}

int uidvalidity_read(const char *directory, uint32_t *uidvalidity, uint32_t *bound)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;

	if (small_file_read(directory, "posta-uidvalidity", SMALL_FILE_MAX, &text) == 0 &&
	    letter_number(str_view(&text), 'V', uidvalidity) &&
	    letter_number(str_view(&text), 'N', bound))
		return 0;
	str_clear(&text);
	*uidvalidity = *bound = 0;
	if (small_file_read(directory, "dovecot-uidlist", UIDLIST_MAX, &text) < 0)
		return -ENOENT;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &line) || !uidlist_header(line, uidvalidity, bound)) {
		*uidvalidity = *bound = 0;
		return -ENOENT;
	}
	return 0;
}

int uidvalidity_write(const char *directory, uint32_t uidvalidity, uint32_t bound)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "V%u N%u\n", uidvalidity, bound);
	return small_file_write(directory, "posta-uidvalidity", str_view(&text));
}

/* "17 W1234 :1275660208.M1P2.host,S=1": extension fields, then the name after " :". */
static void uidlist_line(struct map *map, struct view line)
{
	struct view number = view_first(line, view_find_byte(line, ' '));
	size_t at = view_find(line, VIEW(" :"));
	struct file_name name;
	uint32_t uid;

	if (number.len == line.len || view_parse_u32(number, UINT32_MAX - 1, &uid) < 0 || uid == 0)
		return;
	line = at != VIEW_NOT_FOUND ? view_from(line, at + 2) : view_from(line, number.len + 1);
	if (file_name_parse(line, &name))
		map_put(map, name.base, (void *)(uintptr_t)uid);
}

struct map *dovecot_uids_read(const char *directory)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	uint32_t uidvalidity, next;

	if (small_file_read(directory, "dovecot-uidlist", UIDLIST_MAX, &text) < 0)
		return NULL;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &line) || !uidlist_header(line, &uidvalidity, &next))
		return NULL;

	struct map *map = map_new();

	while (view_next(&rest, '\n', &line))
		uidlist_line(map, line);
	return map;
}

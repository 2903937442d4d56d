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

static const char *const saved_lists[] = { "dovecot-uidlist", "courierimapuiddb" };

/* The first that is there and can be used; *rest: its lines after the first. -ENOENT: there is none. */
static int saved_list_read(const char *directory, struct str *text, struct view *rest,
			   uint32_t *uidvalidity, uint32_t *next)
{
	struct view line;

	for (size_t i = 0; i < ARRAY_SIZE(saved_lists); i++) {
		int r;

		str_clear(text);
		r = small_file_read(directory, saved_lists[i], UIDLIST_MAX, text);
		if (r < 0 && !small_file_is_none(r))
			return r;
		*rest = str_view(text);
		if (r == 0 && view_next(rest, '\n', &line) &&
		    uidlist_header(line, uidvalidity, next))
			return 0;
	}
	return -ENOENT;
}

int uidvalidity_read(const char *directory, uint32_t *uidvalidity, uint32_t *bound)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest;
	int r = small_file_read(directory, "posta-uidvalidity", SMALL_FILE_MAX, &text);

	if (r < 0 && !small_file_is_none(r))
		return r;
	if (r == 0 && letter_number(str_view(&text), 'V', uidvalidity) &&
	    letter_number(str_view(&text), 'N', bound))
		return 0;
	*uidvalidity = *bound = 0;
	r = saved_list_read(directory, &text, &rest, uidvalidity, bound);
	if (r < 0)
		*uidvalidity = *bound = 0;
	return r;
}

int uidvalidity_write(const char *directory, uint32_t uidvalidity, uint32_t bound)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "V%u N%u\n", uidvalidity, bound);
	return small_file_write(directory, "posta-uidvalidity", str_view(&text));
}

/* "17 W1234 P42 :1275660208.M1P2.host,S=1": extension fields, then the name after " :". */
static bool uidlist_line(struct view line, uint32_t *uid, struct view *fields, struct view *base)
{
	struct view number = view_first(line, view_find_byte(line, ' '));
	size_t at = view_find(line, VIEW(" :"));
	struct file_name name;

	if (number.len == line.len || view_parse_u32(number, UINT32_MAX - 1, uid) < 0 || *uid == 0)
		return false;
	*fields = at != VIEW_NOT_FOUND ? view_make(line.data + number.len, at - number.len)
				       : VIEW_NONE;
	line = at != VIEW_NOT_FOUND ? view_from(line, at + 2) : view_from(line, number.len + 1);
	if (!file_name_parse(line, &name))
		return false;
	*base = name.base;
	return true;
}

int saved_uids_read(const char *directory, struct map *uids)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line, fields, base;
	uint32_t uidvalidity, next, uid;
	int r = saved_list_read(directory, &text, &rest, &uidvalidity, &next);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (view_next(&rest, '\n', &line))
		if (uidlist_line(line, &uid, &fields, &base))
			map_put(uids, base, (void *)(uintptr_t)uid);
	return 0;
}

int saved_uidls_read(const char *directory, struct map *uidls)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line, fields, word, base;
	uint32_t uidvalidity, next, uid;
	int r = saved_list_read(directory, &text, &rest, &uidvalidity, &next);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (view_next(&rest, '\n', &line)) {
		if (!uidlist_line(line, &uid, &fields, &base))
			continue;
		while (view_next_word(&fields, " ", &word))
			if (word.len > 1 && word.data[0] == 'P')
				free(map_put(uidls, base,
					     mem_strndup(word.data + 1, word.len - 1)));
	}
	return 0;
}

void saved_uidls_free(struct map *uidls)
{
	if (uidls == NULL)
		return;
	map_for_each (uidls, i)
		free(map_value_at(uidls, i));
	map_free(uidls);
}

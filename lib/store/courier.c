/* Courier's files in a Maildir that is taken over. UIDs are uidlist.c's matter. */
#include "store/courier.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "store/small_file.h"

#define KEYWORD_LIST	 "courierimapkeywords/:list"
#define SIZE_LIST	 "courierpop3dsizelist"
#define COURIER_FILE_MAX ((size_t)256 << 20)

/* ---- keywords ---- */

int courier_keywords_restore(struct tx *tx, const struct folder *folder, const char *directory)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	uint8_t bit = 0;
	int r = small_file_read_if_there(directory, KEYWORD_LIST, COURIER_FILE_MAX, &text);

	if (r <= 0)
		return r;
	r = 0;
	rest = str_view(&text);
	for (; r == 0 && bit < LETTERS && view_next(&rest, '\n', &line) && line.len > 0; bit++) {
		struct key key = key_word(folder->r.id, bit);

		if (store_keyword_is_valid(line))
			r = tx_put(tx, DB_KEYWORDS, key_view(&key), line);
	}
	return r;
}

/* "<file>:<number> <number>..." */
static void courier_keywords_line(struct map *map, struct view line)
{
	size_t colon = view_find_last_byte(line, ':');
	struct view numbers = view_from(line, colon), word;
	struct file_name name;
	uintptr_t letters = 0;
	uint32_t bit;

	if (colon == VIEW_NOT_FOUND || !file_name_parse(view_first(line, colon), &name))
		return;
	numbers = view_from(numbers, 1);
	while (view_next_word(&numbers, " ", &word))
		if (view_parse_u32(word, LETTERS - 1, &bit) == 0)
			letters |= (uintptr_t)1 << bit;
	if (letters != 0)
		map_put(map, name.base, (void *)letters);
}

int courier_keywords_adopt(struct listing *list, const char *directory)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(map_freep) struct map *map = map_new();
	struct view rest, line;
	size_t head;
	int r = small_file_read_if_there(directory, KEYWORD_LIST, COURIER_FILE_MAX, &text);

	if (r <= 0)
		return r;
	head = view_find(str_view(&text), VIEW("\n\n"));
	if (head == VIEW_NOT_FOUND)
		return 0;
	rest = view_from(str_view(&text), head + 2);
	while (view_next(&rest, '\n', &line))
		courier_keywords_line(map, line);
	for (size_t i = 0; i < list->count; i++)
		list->items[i].parsed.letters |=
			(uint32_t)(uintptr_t)map_get(map, list->items[i].parsed.base);
	return 0;
}

/* ---- POP3 ---- */

/*
 * "UID<uid>-<uidvalidity>" is what Courier's clients have seen, or the file's name where that has no number.
 * Before version 2 of the file the line has no UIDVALIDITY: what was told then cannot be known.
 */
static void courier_uidl_line(struct map *uidls, struct view line)
{
	struct view file, size, uid, uidvalidity;
	struct file_name name;
	size_t colon;
	char *text = NULL;

	if (!view_next_word(&line, " ", &file) || !view_next_word(&line, " ", &size) ||
	    !view_next_word(&line, " \r", &uid) || !file_name_parse(file, &name) ||
	    map_get(uidls, name.base) != NULL)
		return;
	colon = view_find_byte(uid, ':');
	if (colon == VIEW_NOT_FOUND)
		return;
	uidvalidity = view_from(uid, colon + 1);
	uid = view_first(uid, colon);
	if (view_is(uid, "0"))
		text = mem_strndup(file.data, view_first(file, view_find_byte(file, ':')).len);
	else if (asprintf(&text, "UID%.*s-%.*s", VIEW_ARG(uid), VIEW_ARG(uidvalidity)) < 0)
		mem_exhausted();
	map_put(uidls, name.base, text);
}

int courier_uidls_read(const char *directory, struct map *uidls)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	int r = small_file_read_if_there(directory, SIZE_LIST, COURIER_FILE_MAX, &text);

	if (r <= 0)
		return r;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &line) || !view_starts(line, VIEW("/2 ")))
		return 0;
	while (view_next(&rest, '\n', &line))
		courier_uidl_line(uidls, line);
	return 0;
}

/* ---- subscriptions ---- */

int courier_subscriptions_read(const char *maildir, int (*each)(void *argument, struct view name),
			       void *argument)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	int r = small_file_read_if_there(maildir, "courierimapsubscribed", SMALL_FILE_MAX, &text);

	if (r <= 0)
		return r;
	r = 0;
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		line = view_trim(line);
		if (view_starts_nocase(line, VIEW("INBOX.")))
			line = view_from(line, strlen("INBOX."));
		r = each(argument, line);
	}
	return r;
}

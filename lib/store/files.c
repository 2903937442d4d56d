#include "store/files.h"

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

#define SMALL_FILE_MAX ((size_t)4 << 20)
#define UIDLIST_MAX    ((size_t)256 << 20)

static int read_small(const char *directory, const char *name, size_t limit, struct str *out)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", directory, name);
	return io_read_file(str_cstr(&path), limit, out, NULL);
}

static int write_small(const char *directory, const char *name, struct view content)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err;

	str_printf(&path, "%s/%s", directory, name);

	int r = io_replace_file(str_cstr(&path), content, 0600, &err);

	if (r < 0)
		log_warning("%s", err.text);
	return r;
}

/* ---- UIDVALIDITY ---- */

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

	if (read_small(directory, "posta-uidvalidity", SMALL_FILE_MAX, &text) == 0 &&
	    letter_number(str_view(&text), 'V', uidvalidity) &&
	    letter_number(str_view(&text), 'N', bound))
		return 0;
	str_clear(&text);
	*uidvalidity = *bound = 0;
	if (read_small(directory, "dovecot-uidlist", UIDLIST_MAX, &text) < 0)
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
	return write_small(directory, "posta-uidvalidity", str_view(&text));
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

	if (read_small(directory, "dovecot-uidlist", UIDLIST_MAX, &text) < 0)
		return NULL;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &line) || !uidlist_header(line, &uidvalidity, &next))
		return NULL;

	struct map *map = map_new();

	while (view_next(&rest, '\n', &line))
		uidlist_line(map, line);
	return map;
}

/* ---- keywords ---- */

int keywords_restore(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY;
	struct view rest, line;
	int r = 0;

	folder_directory(tx->store, folder, &directory);
	if (read_small(str_cstr(&directory), "posta-keywords", SMALL_FILE_MAX, &text) < 0) {
		str_clear(&text);
		if (read_small(str_cstr(&directory), "dovecot-keywords", SMALL_FILE_MAX, &text) < 0)
			return 0;
	}
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		size_t space = view_find_byte(line, ' ');
		struct view name = view_trim(view_from(line, space));
		uint32_t bit;

		if (space == VIEW_NOT_FOUND || !store_keyword_is_valid(name) ||
		    view_parse_u32(view_first(line, space), LETTERS - 1, &bit) < 0)
			continue;

		struct key key = key_word(folder->r.id, (uint8_t)bit);

		r = tx_put(tx, DB_WORDS, key_view(&key), name);
	}
	return r;
}

int keywords_write(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY;
	struct key prefix = key_folder(folder->r.id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_WORDS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		if (walk.key.len != KEY_WORD_SIZE || (unsigned char)walk.key.data[4] >= LETTERS ||
		    !store_keyword_is_valid(walk.value))
			continue;
		str_printf(&text, "%u ", (unsigned char)walk.key.data[4]);
		str_append(&text, walk.value);
		str_append_byte(&text, '\n');
	}
	walk_end(&walk);
	if (r < 0)
		return r;
	folder_directory(tx->store, folder, &directory);
	return write_small(str_cstr(&directory), "posta-keywords", str_view(&text));
}

/* ---- subscriptions ---- */

int subscriptions_restore(struct tx *tx)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, name = STR_EMPTY;
	const char *root = tx->store->path;
	struct view rest, line;
	size_t count = 0;
	int r = 0;

	if (read_small(root, "subscriptions", SMALL_FILE_MAX, &text) < 0)
		return 0;
	/* Version 2 begins with "V\t2" and separates the parts of a name with tabs. */
	bool tabs = view_starts(str_view(&text), VIEW("V\t2"));

	for (size_t i = 0; tabs && i < text.len; i++)
		if (text.data[i] == '\t')
			text.data[i] = '.';
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line) && count < STORE_FOLDERS_MAX) {
		str_clear(&name);
		line = view_trim(line);
		if ((tabs && count == 0 && view_is(line, "V.2")) ||
		    store_name_normalize(line, &name, NULL) < 0)
			continue;
		count++;
		r = tx_put(tx, DB_WANTED, str_view(&name), VIEW(""));
	}
	return r;
}

int subscriptions_write(struct tx *tx)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_WANTED, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		str_append(&text, walk.key);
		str_append_byte(&text, '\n');
	}
	walk_end(&walk);
	return r < 0 ? r : write_small(tx->store->path, "subscriptions", str_view(&text));
}

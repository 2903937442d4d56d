/* Keywords and subscriptions in the files that outlive the index. */
#include "store/files.h"

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/adopt.h"
#include "store/courier.h"
#include "store/small_file.h"

/* ---- keywords ---- */

int keywords_restore(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY;
	struct view rest, line;
	int r;

	folder_directory(tx->store, folder, &directory);
	r = small_file_read_if_there(str_cstr(&directory), "posta-keywords", SMALL_FILE_MAX, &text);
	if (r == 0)
		r = small_file_read_if_there(str_cstr(&directory), "dovecot-keywords",
					     SMALL_FILE_MAX, &text);
	if (r == 0)
		return courier_keywords_restore(tx, folder, str_cstr(&directory));
	if (r < 0)
		return r;
	r = 0;
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		size_t space = view_find_byte(line, ' ');
		struct view name = view_trim(view_from(line, space));
		uint32_t bit;

		if (space == VIEW_NOT_FOUND || !store_keyword_is_valid(name) ||
		    view_parse_u32(view_first(line, space), LETTERS - 1, &bit) < 0)
			continue;

		struct key key = key_word(folder->r.id, (uint8_t)bit);

		r = tx_put(tx, DB_KEYWORDS, key_view(&key), name);
	}
	return r;
}

int keywords_write(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY;
	struct key prefix = key_folder(folder->r.id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_KEYWORDS, key_view(&prefix), key_view(&prefix)); r > 0;
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
	return small_file_write(str_cstr(&directory), "posta-keywords", str_view(&text));
}

/* ---- subscriptions ---- */

struct restored {
	struct tx *tx;
	size_t count;
};

/* A name that is none is not worth a failure. */
static int subscription_restore(void *argument, struct view text)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct restored *restored = argument;

	if (adopt_name(text, &name) < 0 || restored->count >= STORE_FOLDERS_MAX)
		return 0;
	restored->count++;
	return tx_put(restored->tx, DB_SUBSCRIPTIONS,
		      view_is_nocase(text, "INBOX") ? VIEW("INBOX") : str_view(&name), VIEW(""));
}

int subscriptions_restore(struct tx *tx)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct restored restored = { .tx = tx };
	struct view rest, line;
	bool tabs;
	int r = small_file_read(tx->store->path, "subscriptions", SMALL_FILE_MAX, &text);

	if (r < 0 && !small_file_is_none(r))
		return r;
	if (r < 0)
		return courier_subscriptions_read(tx->store->path, subscription_restore, &restored);
	/* Version 2 begins with "V\t2" and separates the parts of a name with tabs. */
	tabs = view_starts(str_view(&text), VIEW("V\t2"));
	for (size_t i = 0; tabs && i < text.len; i++)
		if (text.data[i] == '\t')
			text.data[i] = '.';
	rest = str_view(&text);
	if (tabs)
		view_next(&rest, '\n', &line);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		line = view_trim(line);
		if (line.len > 0)
			r = subscription_restore(&restored, line);
	}
	return r;
}

int subscriptions_write(struct tx *tx)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_SUBSCRIPTIONS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		str_append(&text, walk.key);
		str_append_byte(&text, '\n');
	}
	walk_end(&walk);
	return r < 0 ? r : small_file_write(tx->store->path, "subscriptions", str_view(&text));
}

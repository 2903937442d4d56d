/*
 * What a delivery asks of folders, from the files alone: which there are, what they are for, and
 * their keywords. Only a keyword that is new to a folder opens the index.
 */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/deliver.h"
#include "store/deliver_keywords.h"
#include "store/files.h"
#include "store/folders.h"
#include "store/names.h"
#include "store/small_file.h"

/* ---- which there are ---- */

/* False: the name cannot be one. */
static bool folder_place(const char *maildir, struct view folder, struct str *name,
			 struct str *directory)
{
	if (store_name_normalize(folder, name, NULL) < 0)
		return false;
	folder_path_append(directory, maildir, str_view(name));
	return true;
}

static bool is_folder(struct str *directory)
{
	str_append_cstr(directory, "/cur");
	return access(str_cstr(directory), F_OK) == 0;
}

bool maildir_has_folder(const char *maildir, struct view folder)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, directory = STR_EMPTY;

	return folder_place(maildir, folder, &name, &directory) &&
	       (view_is(str_view(&name), "INBOX") || is_folder(&directory));
}

unsigned maildir_special_use(const char *maildir, struct view folder)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, directory = STR_EMPTY;
	unsigned use = 0;

	if (folder_place(maildir, folder, &name, &directory))
		(void)folder_special_use(str_cstr(&directory), str_view(&name), &use);
	return use;
}

void maildir_mailbox_id(const char *maildir, struct view folder, struct str *id)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, directory = STR_EMPTY;

	if (folder_place(maildir, folder, &name, &directory))
		(void)folder_mailbox_id(str_cstr(&directory), id);
}

bool maildir_each_folder(const char *maildir, bool (*each)(void *argument, struct view folder),
			 void *argument)
{
	struct dirent *entry;
	DIR *directory;
	bool found = each(argument, VIEW("INBOX"));
	size_t count = 0;

	if (found || (directory = opendir(maildir)) == NULL)
		return found;
	while (!found && count < STORE_FOLDERS_MAX && (entry = readdir(directory)) != NULL) {
		struct view name = view_of(entry->d_name);

		if (!view_starts(name, VIEW(".")) || store_name_check(view_from(name, 1), NULL) < 0)
			continue;
		count++;
		found = each(argument, view_from(name, 1));
	}
	closedir(directory);
	return found;
}

/* ---- the index ---- */

int delivery_open_index(const struct mail_source *source, const char *maildir, struct store **store,
			struct error *err)
{
	return store_open(maildir, source->index != NULL ? source->index : &STORE_DEFAULTS, store,
			  err);
}

/* ---- keywords ---- */

/* Those that posta-keywords has: the words that it has not are counted. */
static uint64_t letters_known(const char *directory, struct view words, size_t *missing)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view word, line;
	uint64_t letters = 0;

	*missing = 0;
	(void)small_file_read(directory, "posta-keywords", SMALL_FILE_MAX, &text);
	while (view_next_word(&words, " ", &word)) {
		uint32_t bit = LETTERS;

		for (struct view rest = str_view(&text); view_next(&rest, '\n', &line);) {
			size_t space = view_find_byte(line, ' ');

			if (space != VIEW_NOT_FOUND &&
			    view_eq_nocase(view_from(line, space + 1), word) &&
			    view_parse_u32(view_first(line, space), LETTERS - 1, &bit) == 0)
				break;
			bit = LETTERS;
		}
		if (bit < LETTERS)
			letters |= UINT64_C(1) << bit;
		else
			*missing += store_keyword_is_valid(word);
	}
	return letters;
}

struct letters_work {
	struct view folder, words;
};

static int letters_work(struct tx *tx, void *argument)
{
	const struct letters_work *work = argument;
	struct view words = work->words, word;
	struct folder folder;
	int r = folder_find(tx, work->folder, &folder);

	while (r >= 0 && view_next_word(&words, " ", &word))
		if (store_keyword_is_valid(word))
			r = keyword_add(tx, folder.r.id, word);
	/* -ERANGE: a folder has so many keywords and no more. */
	if (r >= 0 || r == -ERANGE)
		r = keywords_write(tx, &folder);
	return r;
}

/* The index gives numbers; it is told of words that it does not have yet. */
static void letters_add(const struct mail_source *source, const char *maildir, struct view folder)
{
	_cleanup_(store_closep) struct store *store = NULL;
	struct letters_work work = { folder, source->keywords };
	struct error err = ERROR_NONE;
	int r = delivery_open_index(source, maildir, &store, &err);

	if (r < 0) {
		log_warning("%s", err.text);
		return;
	}
	r = store_write(store, WRITE_DURABLE, letters_work, &work);
	if (r < 0)
		log_warning("keywords of a message for %.*s: %s", VIEW_ARG(folder), strerror(-r));
}

uint64_t delivery_letters(const struct mail_source *source, const char *maildir, struct view folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	uint64_t letters;
	size_t missing;

	folder_path_append(&directory, maildir, folder);
	letters = letters_known(str_cstr(&directory), source->keywords, &missing);
	if (missing == 0)
		return letters;
	letters_add(source, maildir, folder);
	return letters_known(str_cstr(&directory), source->keywords, &missing);
}

/*
 * The way back to Dovecot. First its lists are written, then the index goes, then the files are renamed:
 * whatever is interrupted, each message has its UID in its name or in a list.
 */
#include "store/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/env.h"
#include "store/index_files.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/small_file.h"

#define GUID_BYTES 16

/* One message: where its file is, and what it will be called. */
struct released_message {
	struct str now, then; /* without the directory; `then` without flags */
};

struct released_folder {
	struct str directory;
	struct str name, uidlist, keywords;
	struct released_message *messages;
	size_t count;
};

struct release {
	struct store *store;
	struct released_folder *folders;
	size_t count;
};

static void release_free(struct release *release)
{
	for (size_t i = 0; i < release->count; i++) {
		struct released_folder *f = &release->folders[i];

		for (size_t k = 0; k < f->count; k++) {
			str_free(&f->messages[k].now);
			str_free(&f->messages[k].then);
		}
		free(f->messages);
		str_free(&f->directory);
		str_free(&f->name);
		str_free(&f->uidlist);
		str_free(&f->keywords);
	}
	free(release->folders);
}

/* ---- collecting ---- */

static void release_header(struct released_folder *f, const struct mailbox *box)
{
	uint8_t guid[GUID_BYTES];

	random_bytes(guid, sizeof(guid));
	str_printf(&f->uidlist, "3 V%u N%u G", mailbox_uidvalidity(box), mailbox_uidnext(box));
	for (size_t i = 0; i < sizeof(guid); i++)
		str_printf(&f->uidlist, "%02x", guid[i]);
	str_append_byte(&f->uidlist, '\n');
	for (unsigned bit = 0; bit < LETTERS; bit++)
		if (mailbox_keyword_name(box, bit) != NULL)
			str_printf(&f->keywords, "%u %s\n", bit, mailbox_keyword_name(box, bit));
}

/* As the name has them that it had: the file's own size is not the message's where it is packed. */
static void release_sizes(const struct file_name *name, const struct mail *mail, struct str *then)
{
	uint64_t size = name->size != SIZE_UNKNOWN ? name->size : mail->r.size;

	if (name->wire_size == SIZE_UNKNOWN)
		str_printf(then, ",S=%llu", (unsigned long long)size);
	else
		file_name_add_sizes(then, size, name->wire_size,
				    name->packed != SIZE_UNKNOWN ? name->packed : 0);
}

/* A copy in the same folder has the same name but for its UID: it gets another. */
static void release_name(struct map *names, const struct mail *mail, struct str *then)
{
	struct file_name name;

	str_append(then, file_name_parse(mail->r.file, &name) ? name.base : mail->r.file);
	if (map_get(names, str_view(then)) != NULL) {
		str_clear(then);
		file_name_unique(then);
		release_sizes(&name, mail, then);
	}
	map_put(names, str_view(then), names);
}

static int release_message(struct released_folder *f, struct mailbox *box, uint32_t seq,
			   struct map *names)
{
	_cleanup_(str_free) struct str uidl = STR_EMPTY;
	struct released_message *m;
	struct mail mail;
	int r = message_record(box, seq, &mail);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	array_grow(f->messages, f->count);
	m = &f->messages[f->count++];
	*m = (struct released_message){ STR_EMPTY, STR_EMPTY };
	str_printf(&m->now, "%s/%s", part_name(mail.r.part), mail.file);
	release_name(names, &mail, &m->then);
	str_printf(&f->uidlist, "%u ", mailbox_uid(box, seq));
	if (mailbox_saved_uidl(box, seq, &uidl) == 0)
		str_printf(&f->uidlist, "P%s ", str_cstr(&uidl));
	str_printf(&f->uidlist, ":%s\n", str_cstr(&m->then));
	return 0;
}

static int release_folder(void *argument, const struct folder_info *folder)
{
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	_cleanup_(map_freep) struct map *names = map_new();
	struct release *release = argument;
	struct released_folder *f;
	int r;

	if (!folder->exists)
		return 0;
	array_grow(release->folders, release->count);
	f = &release->folders[release->count++];
	*f = (struct released_folder){ 0 };
	r = mailbox_open(release->store, folder->name, MAILBOX_READ_ONLY, &box);
	if (r < 0)
		return r;
	folder_path_append(&f->directory, release->store->path, view_of(mailbox_name(box)));
	str_append_cstr(&f->name, mailbox_name(box));
	release_header(f, box);
	for (uint32_t seq = 1; r == 0 && seq <= mailbox_count(box); seq++)
		r = release_message(f, box, seq, names);
	return r;
}

/* ---- doing ---- */

static int release_write_lists(const struct released_folder *f)
{
	int r = small_file_write(str_cstr(&f->directory), "dovecot-uidlist", str_view(&f->uidlist));

	return r < 0 ? r
		     : small_file_write(str_cstr(&f->directory), "dovecot-keywords",
					str_view(&f->keywords));
}

static int release_rename(const struct released_folder *f, const struct released_message *m)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY;
	const char *flags = strchr(str_cstr(&m->now), ':');
	int r;

	str_printf(&from, "%s/%s", str_cstr(&f->directory), str_cstr(&m->now));
	str_printf(&to, "%s/cur/%s%s", str_cstr(&f->directory), str_cstr(&m->then),
		   flags != NULL ? flags : ":2,");
	if (strcmp(str_cstr(&from), str_cstr(&to)) == 0)
		return 0;
	r = io_rename_new(str_cstr(&from), str_cstr(&to));
	return r == -ENOENT ? 0 : r;
}

static int release_files(const struct released_folder *f)
{
	static const char *const own[] = { "posta-uidvalidity", "posta-keywords", SPECIAL_USE_FILE,
					   MAILBOX_ID_FILE,	"posta-import",	  "posta-uidls" };
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r = 0;

	for (size_t i = 0; i < f->count && r == 0; i++)
		r = release_rename(f, &f->messages[i]);
	str_printf(&path, "%s/cur", str_cstr(&f->directory));
	if (r == 0)
		r = io_sync_directory(str_cstr(&path));
	for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", str_cstr(&f->directory), own[i]);
		if (unlink(str_cstr(&path)) < 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}

static int release_index(struct store *store, struct error *err)
{
	_cleanup_(str_free) struct str mark = STR_EMPTY;
	int r = store_drop_index(store_path(store), err);

	str_printf(&mark, "%s/" MARK_FILE, store->index);
	unlink(str_cstr(&mark));
	if (r == 0 && rmdir(store->index) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return error_errno(err, "remove %s", store->index);
	return r;
}

static int release_settle(struct store *store)
{
	int r;

	do
		r = store_settle(store, STORE_SETTLE_BATCH);
	while (r > 0);
	return r;
}

int store_release(struct store *store,
		  void (*told)(void *argument, const char *folder, size_t count), void *argument,
		  struct error *err)
{
	_cleanup_(release_free) struct release release = { .store = store };
	int r = release_settle(store);

	if (r == 0 && environment_is_shared(&store->env))
		return error_set(err, -EBUSY, "a session of the user is open");
	if (r == 0)
		r = store_list(store, release_folder, &release);
	/* Opening a mailbox may have numbered what was new. */
	if (r == 0 && store_owes(store)) {
		r = release_settle(store);
		release_free(&release);
		release = (struct release){ .store = store };
		if (r == 0)
			r = store_list(store, release_folder, &release);
	}
	for (size_t i = 0; i < release.count && r == 0; i++)
		r = release_write_lists(&release.folders[i]);
	if (r < 0)
		return error_code(err, r, "read the mailboxes of %s", store_path(store));
	index_close(store);
	r = release_index(store, err);
	for (size_t i = 0; i < release.count && r == 0; i++) {
		r = release_files(&release.folders[i]);
		if (r < 0)
			return error_code(err, r, "rename the files of %s",
					  str_cstr(&release.folders[i].name));
		told(argument, str_cstr(&release.folders[i].name), release.folders[i].count);
	}
	return r;
}

/* What is done to folders as a whole: making, deleting, subscribing, counting. */
#include <errno.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/deliver.h"
#include "store/files.h"
#include "store/folders.h"
#include "store/owed.h"
#include "store/recent.h"
#include "store/settle.h"
#include "store/small_file.h"
#include "store/sync.h"

/* ---- making and removing ---- */

struct folder_work {
	struct view name, to;
	unsigned special_use;
	bool subscribed;
	struct error *err;
};

/* Runs it with a checked name; says why it failed unless that was said already. */
static int change_folders(struct store *store, struct view name, store_work *run,
			  struct folder_work *work)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct error scratch = ERROR_NONE;
	int r;

	if (work->err == NULL)
		work->err = &scratch;
	work->err->text[0] = '\0';
	r = store_name_normalize(name, &normal, work->err);
	if (r < 0)
		return r;
	work->name = str_view(&normal);
	r = folders_write(store, run, work);
	if (r < 0 && work->err->text[0] == '\0')
		error_set(work->err, r, "%s",
			  r == -ENOENT	 ? "No such folder"
			  : r == -EEXIST ? "There is a folder of that name already"
					 : strerror(-r));
	return r;
}

/* In a file, for an index that is made anew. */
static int special_use_write(const struct store *store, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY;

	if (folder->r.special_use == store_name_special_use(folder->r.name))
		return 0;
	for (size_t i = 0; store_use_at(i) != 0; i++)
		if (folder->r.special_use & store_use_at(i))
			str_printf(&text, "%s\n", store_use_name(store_use_at(i)));
	folder_directory(store, folder, &directory);
	return small_file_write(str_cstr(&directory), SPECIAL_USE_FILE, str_view(&text));
}

static int create_work(struct tx *tx, void *argument)
{
	struct folder_work *work = argument;
	struct folder folder;
	int r = owed_settle_all(tx);

	if (r == 0)
		r = folder_find(tx, work->name, &folder);
	if (r != -ENOENT)
		return r == 0 ? -EEXIST : r;
	r = store_name_may_be_made(work->name, work->err);
	if (r == 0)
		r = maildir_create(store_path(tx->store), work->name, work->err);
	if (r == 0)
		r = folder_insert(tx, work->name, &folder);
	if (r < 0 || work->special_use == 0)
		return r;
	folder.r.special_use = work->special_use;
	r = special_use_write(tx->store, &folder);
	return r < 0 ? r : folder_save(tx, &folder);
}

int store_create(struct store *store, struct view name, unsigned special_use, struct error *err)
{
	struct folder_work work = { .special_use = special_use, .err = err };

	return change_folders(store, name, create_work, &work);
}

static int delete_work(struct tx *tx, void *argument)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	struct folder_work *work = argument;
	struct folder folder;
	int r = owed_settle_all(tx);

	if (r == 0)
		r = folder_find(tx, work->name, &folder);
	if (r == 0)
		r = folder_erase(tx, &folder);
	if (r < 0)
		return r;
	str_append_byte(&directory, '.');
	str_append(&directory, work->name);
	return owe_removal(tx, 0, PART_DIRECTORY, str_view(&directory));
}

int store_delete(struct store *store, struct view name, struct error *err)
{
	struct folder_work work = { .err = err };
	int r;

	if (view_is_nocase(name, "INBOX"))
		return error_set(err, -EPERM, "INBOX cannot be deleted");
	r = change_folders(store, name, delete_work, &work);
	/* The name is free, and the space, before the client asks again. */
	if (r == 0)
		(void)store_settle(store, STORE_SETTLE_BATCH);
	return r;
}

#define MAILBOX_ID_BYTES 8

int store_mailbox_id(struct store *store, struct view name, struct str *out)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, normal = STR_EMPTY, text = STR_EMPTY;
	uint8_t id[MAILBOX_ID_BYTES];
	int r = store_name_normalize(name, &normal, NULL);

	if (r < 0)
		return r;
	folder_path_append(&directory, store->path, str_view(&normal));
	r = folder_mailbox_id(str_cstr(&directory), out);
	if (r != -ENOENT)
		return r;
	random_bytes(id, sizeof(id));
	hex_encode(&text, view_make(id, sizeof(id)));
	r = small_file_write(str_cstr(&directory), MAILBOX_ID_FILE, str_view(&text));
	if (r == 0)
		str_append(out, str_view(&text));
	return r;
}

/* ---- subscriptions ---- */

static int subscribe_work(struct tx *tx, void *argument)
{
	struct folder_work *work = argument;
	int r = work->subscribed ? tx_put(tx, DB_SUBSCRIPTIONS, work->name, VIEW(""))
				 : tx_delete(tx, DB_SUBSCRIPTIONS, work->name);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : subscriptions_write(tx);
}

int store_subscribe(struct store *store, struct view name, bool subscribed, struct error *err)
{
	struct folder_work work = { .subscribed = subscribed, .err = err };

	return change_folders(store, name, subscribe_work, &work);
}

/* ---- status ---- */

/* How many have a UID that no session has seen yet. */
static int count_recent(struct tx *tx, const struct folder *folder, uint32_t *count)
{
	struct key prefix = key_folder(folder->r.id);
	uint32_t first = recent_first(tx->store, folder);
	struct key from = key_uid(folder->r.id, first);
	struct walk walk;
	int r;

	*count = 0;
	if (first >= folder->r.uidnext)
		return 0;
	for (r = walk_begin(&walk, tx, DB_STATES, key_view(&prefix), key_view(&from)); r > 0;
	     r = walk_next(&walk))
		++*count;
	walk_end(&walk);
	return r;
}

static int folder_read_status(struct store *store, struct view name, struct folder *folder,
			      struct folder_status *status)
{
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = folder_find(&tx, name, folder);
	if (r == 0)
		r = count_recent(&tx, folder, &status->recent);
	tx_end(&tx);
	return r;
}

static int fresh_status(struct store *store, struct view name, struct folder *folder,
			struct folder_status *status)
{
	int r = store_follow(store);

	if (r == 0)
		r = folder_read_status(store, name, folder, status);
	if (r == -ENOENT) {
		/* Perhaps another program made it just now. */
		r = folders_sync(store);
		if (r == 0)
			r = folder_read_status(store, name, folder, status);
	}
	if (r == 0)
		r = folder_sync(store, folder->r.id);
	return r < 0 ? r : folder_read_status(store, name, folder, status);
}

int store_status(struct store *store, struct view name, struct folder_status *status)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct folder folder;
	int r = store_name_normalize(name, &normal, NULL);

	*status = (struct folder_status){ 0 };
	/* Its mod-sequence is told. */
	if (r == 0)
		r = store_commit(store);
	if (r == 0)
		r = fresh_status(store, str_view(&normal), &folder, status);
	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = fresh_status(store, str_view(&normal), &folder, status);
	if (r < 0)
		return r;
	status->id = folder.r.id;
	status->messages = folder.r.messages;
	status->unseen = folder.r.unseen;
	status->deleted = folder.r.deleted;
	status->uidnext = folder.r.uidnext;
	status->uidvalidity = folder.r.uidvalidity;
	status->highest_modseq = folder.r.modseq;
	status->size = folder.r.size;
	return 0;
}

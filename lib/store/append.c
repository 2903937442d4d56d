/*
 * A message on its way into a folder: written, synced, named, indexed. Until the last step nobody
 * sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/files.h"
#include "store/folders.h"
#include "store/mailbox_folder.h"
#include "store/pack.h"
#include "store/usage.h"

#define UNIQUE_MAX 128 /* bytes of a unique part that is given */

struct append {
	struct store *store;
	uint32_t folder;
	unsigned generation; /* of the index that gave the folder's number */
	char folder_name[STORE_NAME_MAX + 1];
	int64_t date; /* seconds */
	int fd;
	char *directory;   /* of tmp/ */
	struct str name;   /* in it */
	struct str unique; /* what is to be the begin of its name; empty: that stays */
	struct packer *packer;
	uint64_t size, bare; /* bytes; LFs without a CR */
	uint64_t packed;     /* bytes of the file; 0: it is not packed */
	char last;
	bool complete;
};

static void file_path(const struct append *append, struct str *out)
{
	str_printf(out, "%s/%s", append->directory, str_cstr(&append->name));
}

int append_begin(struct store *store, struct view name, int64_t date, struct append **out)
{
	_cleanup_(append_freep) struct append *append = NULL;
	_cleanup_(str_free) struct str path = STR_EMPTY, normal = STR_EMPTY;
	struct folder folder;
	int r = store_name_normalize(name, &normal, NULL);

	if (r == 0)
		r = folder_prepare(store, str_view(&normal), &folder);
	if (r < 0)
		return r;
	folder_part_path(store, &folder, PART_TMP, &path);
	append = mem_new(struct append);
	append->store = store;
	append->date = date != APPEND_NOW ? date : clock_wall();
	append->folder = folder.r.id;
	append->generation = store->generation;
	memcpy(append->folder_name, folder.name, sizeof(folder.name));
	append->directory = str_take(&path);
	file_name_unique(&append->name);
	file_path(append, &path);
	append->fd = open(str_cstr(&path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (append->fd < 0)
		return -errno;
	append->packer = packer_new(append->fd, store->packs);
	*out = TAKE(append);
	return 0;
}

int append_set_unique(struct append *append, struct view unique)
{
	struct file_name name;

	if (unique.len > UNIQUE_MAX || !file_name_parse(unique, &name) ||
	    !view_eq(name.unique, unique) || view_has_control(unique) ||
	    view_find_byte(unique, '/') != VIEW_NOT_FOUND)
		return -EINVAL;
	str_set(&append->unique, unique);
	return 0;
}

void append_set_date(struct append *append, int64_t date)
{
	append->date = date;
}

int append_write(struct append *append, struct view bytes)
{
	for (size_t at = 0; at < bytes.len;) {
		const char *lf = memchr(bytes.data + at, '\n', bytes.len - at);

		if (lf == NULL)
			break;
		at = (size_t)(lf - bytes.data);
		append->bare += (at > 0 ? bytes.data[at - 1] : append->last) != '\r';
		at++;
	}
	if (bytes.len > 0)
		append->last = bytes.data[bytes.len - 1];
	append->size += bytes.len;
	return packer_write(append->packer, bytes);
}

int append_end(struct append *append)
{
	int r = append->packer != NULL ? packer_end(append->packer, &append->packed) : 0;

	packer_free(TAKE(append->packer));
	return r;
}

void append_free(struct append *append)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	if (append == NULL)
		return;
	if (append->fd >= 0) {
		file_path(append, &path);
		unlink(str_cstr(&path));
		close(append->fd);
	}
	packer_free(append->packer);
	str_free(&append->name);
	str_free(&append->unique);
	free(append->directory);
	free(append);
}

void append_freep(struct append **append)
{
	append_free(*append);
}

/*
 * Its name then says that it is complete: should the index be lost before the message has its place in
 * cur/, it is found by that.
 */
static int append_take_name(struct append *append)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY, before = STR_EMPTY;
	int r;

	file_path(append, &from);
	str_set(&before, str_view(&append->name));
	if (append->unique.len > 0)
		str_set(&append->name, str_view(&append->unique));
	file_name_add_sizes(&append->name, append->size, append->size + append->bare,
			    append->packed);
	file_path(append, &to);
	r = io_rename_new(str_cstr(&from), str_cstr(&to));
	if (r == -EEXIST && append->unique.len > 0) {
		/* The same message twice, and the first one's file has not got its place yet. */
		str_printf(&append->name, ",N=%016llx", (unsigned long long)random_u64());
		str_clear(&to);
		file_path(append, &to);
		r = io_rename_new(str_cstr(&from), str_cstr(&to));
	}
	if (r < 0) {
		/* The name that it still has, by which it is removed. */
		str_set(&append->name, str_view(&before));
		return r;
	}
	append->complete = true;
	return 0;
}

static void append_start_writing(struct append *append)
{
	struct timespec times[2] = { { .tv_sec = append->date }, { .tv_sec = append->date } };

	(void)futimens(append->fd, times);
	(void)sync_file_range(append->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* The disk gets all before it is waited for the first: the files share what the file system commits. */
int append_complete(void *argument)
{
	struct append_list *list = argument;
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = append_end(list->appends[i]);
	for (size_t i = 0; i < list->count && r == 0; i++)
		append_start_writing(list->appends[i]);
	for (size_t i = 0; i < list->count && r == 0; i++)
		r = fsync(list->appends[i]->fd) < 0 ? -errno : 0;
	for (size_t i = 0; i < list->count && r == 0; i++)
		r = append_take_name(list->appends[i]);
	return r == 0 && list->count > 0 ? io_sync_directory(list->appends[0]->directory) : r;
}

struct append_work {
	struct append **appends;
	const struct append_meta *metas;
	size_t count;
	uint32_t uidvalidity, *uids;
	unsigned generation;
	struct mailbox *mailbox; /* of the message that is replaced; NULL: none is */
	uint32_t replaced;	 /* its UID */
};

static int add_keywords(struct tx *tx, const struct folder *folder, const struct append_meta *meta,
			uint64_t *mask)
{
	bool is_new = false;

	for (size_t i = 0; i < meta->keyword_count; i++) {
		int bit = keyword_find(tx, folder->r.id, meta->keywords[i]);

		if (bit == -ENOENT) {
			if (!store_keyword_is_valid(meta->keywords[i]))
				return -EINVAL;
			bit = keyword_add(tx, folder->r.id, meta->keywords[i]);
			is_new = true;
		}
		if (bit < 0)
			return bit;
		*mask |= 1ULL << bit;
	}
	if (is_new)
		(void)keywords_write(tx, folder);
	return 0;
}

/* At a UID that was kept for it, if it has one: those that come next are not touched by that. */
static int insert_at(struct tx *tx, struct folder *folder, uint32_t uid,
		     const struct state_record *state, const struct mail_record *mail)
{
	uint32_t next = folder->r.uidnext;
	struct state_record there;
	int r;

	if (uid == 0)
		return message_insert(tx, folder, state, mail);
	r = uid < next ? state_load(tx, folder->r.id, uid, &there) : -EINVAL;
	if (r != -ENOENT)
		return r == 0 ? -EEXIST : r;
	folder->r.uidnext = uid;
	r = message_insert(tx, folder, state, mail);
	folder->r.uidnext = next;
	return r;
}

static int insert_append(struct tx *tx, struct folder *folder, const struct append *append,
			 const struct append_meta *meta)
{
	struct state_record state = { .flags = meta->flags & FLAGS_SYSTEM };
	struct mail_record mail = {
		.size = append->packed > 0 ? append->packed : append->size,
		.wire_size = append->size + append->bare,
		.date = append->date,
		.saved = clock_wall(),
		.where = folder->r.id,
		.part = PART_TMP,
		.counted = true,
		.file = str_view(&append->name),
	};
	int r = add_keywords(tx, folder, meta, &state.keywords);

	if (r == 0)
		r = meta_next(tx, "content", &mail.content);
	return r < 0 ? r : insert_at(tx, folder, meta->uid, &state, &mail);
}

/* `folder` is the one that the new message is in, and saved by the caller. */
static int expunge_replaced(struct tx *tx, const struct append_work *work, struct folder *folder)
{
	struct folder other;
	int r = mailbox_load_folder(tx, work->mailbox, &other);

	if (r < 0)
		return r;
	if (other.r.id == folder->r.id)
		return message_expunge(tx, folder, work->replaced);
	folder_advance(&other);
	r = message_expunge(tx, &other, work->replaced);
	return r < 0 ? r : folder_save(tx, &other);
}

/* Is there room for all of them, where the one that is replaced goes? */
static int append_check_quota(struct tx *tx, const struct append_work *work,
			      const struct folder *folder)
{
	struct quota_size more = { .messages = work->count }, less = { 0 };
	struct folder other;
	struct mail mail;
	int r = 0;

	if (store_quota(tx->store) == NULL)
		return 0;
	for (size_t i = 0; i < work->count; i++)
		more.bytes += work->appends[i]->size + work->appends[i]->bare;
	if (work->mailbox != NULL)
		r = mailbox_load_folder(tx, work->mailbox, &other);
	if (r == 0 && work->mailbox != NULL)
		r = mail_load(tx, other.r.id, work->replaced, &mail);
	if (r == 0 && work->mailbox != NULL)
		less = (struct quota_size){ mail_wire_size(&mail.r), 1 };
	return r < 0 ? r : usage_check(tx, folder, &more, &less, false);
}

static int append_work(struct tx *tx, void *argument)
{
	struct append_work *work = argument;
	struct folder folder;
	int r = tx->store->generation == work->generation
			? folder_load(tx, work->appends[0]->folder, &folder)
			: -EAGAIN;

	if (r == 0)
		r = append_check_quota(tx, work, &folder);
	if (r == 0)
		r = folder_reserve_uids(tx, &folder, (uint32_t)work->count);
	if (r < 0)
		return r;
	folder_advance(&folder);
	work->uidvalidity = folder.r.uidvalidity;
	for (size_t i = 0; i < work->count && r == 0; i++) {
		work->uids[i] = work->metas[i].uid != 0 ? work->metas[i].uid : folder.r.uidnext;
		r = insert_append(tx, &folder, work->appends[i], &work->metas[i]);
	}
	if (r == 0 && work->mailbox != NULL)
		r = expunge_replaced(tx, work, &folder);
	return r < 0 ? r : folder_save(tx, &folder);
}

/* In the index that is there now, which may be another than at the beginning. */
static int find_folder_again(struct append *append)
{
	struct store *store = append->store;
	struct folder folder;
	int r = store_follow(store);

	if (r < 0 || append->generation == store->generation)
		return r;
	r = folder_prepare(store, view_of(append->folder_name), &folder);
	append->folder = r == 0 ? folder.r.id : 0;
	append->generation = store->generation;
	return r;
}

static int append_write_all(struct append_work *work)
{
	struct append **appends = work->appends;
	_cleanup_free_ struct append **written = mem_new_array(struct append *, work->count);
	struct append_list list = { written, 0 };
	int r = usage_refresh(appends[0]->store);

	for (size_t i = 0; i < work->count && r == 0; i++)
		r = find_folder_again(appends[i]);
	work->generation = appends[0]->store->generation;
	for (size_t i = 0; i < work->count && r == 0; i++) {
		if (appends[i]->folder != appends[0]->folder)
			r = -EINVAL;
		else if (!appends[i]->complete)
			written[list.count++] = appends[i];
	}
	if (r == 0)
		r = append_complete(&list);
	return r < 0 ? r : store_write(appends[0]->store, WRITE_DURABLE, append_work, work);
}

static int append_run(struct append_work *work, uint32_t *uidvalidity)
{
	struct append **appends = work->appends;
	int r = work->count > 0 ? -EAGAIN : 0;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = append_write_all(work);
	*uidvalidity = work->uidvalidity;
	for (size_t i = 0; i < work->count; i++) {
		/* It is the index's now. */
		if (r == 0)
			mem_closep(&appends[i]->fd);
		if (r == 0)
			appends[i]->fd = -1;
		append_free(TAKE(appends[i]));
	}
	return r;
}

int append_finish(struct append **appends, const struct append_meta *metas, size_t count,
		  uint32_t *uidvalidity, uint32_t *uids)
{
	struct append_work work = {
		.appends = appends, .metas = metas, .count = count, .uids = uids
	};

	return append_run(&work, uidvalidity);
}

int append_replace(struct append **append, const struct append_meta *meta, struct mailbox *mailbox,
		   uint32_t seq, uint32_t *uidvalidity, uint32_t *uid)
{
	struct append_work work = { .appends = append,
				    .metas = meta,
				    .count = 1,
				    .uids = uid,
				    .mailbox = mailbox,
				    .replaced = mailbox_uid(mailbox, seq) };

	return append_run(&work, uidvalidity);
}

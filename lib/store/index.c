/*
 * The records of folders and messages in a transaction: found, changed, numbered. Files are not
 * touched here.
 */
#include "store/index.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/small_file.h"
#include "store/uidlist.h"

/* UIDs promised to be unused so far, beyond those given out: one fsync for so many messages. */
#define UID_RESERVE 1000
/* Expunged UIDs that a folder remembers one by one; then the older half is dropped. */
#define TOMBSTONES_MAX 100000

/* ---- folders ---- */

int folder_load(struct tx *tx, uint32_t id, struct folder *folder)
{
	struct key key = key_folder(id);
	struct view value;
	int r = tx_get(tx, DB_FOLDERS, key_view(&key), &value);

	if (r < 0)
		return r;
	if (folder_record_decode(value, &folder->r) < 0 || folder->r.id != id)
		return tx_damaged(tx, "folder");
	memcpy(folder->name, folder->r.name.data, folder->r.name.len);
	folder->name[folder->r.name.len] = '\0';
	folder->r.name.data = folder->name;
	return 0;
}

int folder_find(struct tx *tx, struct view name, struct folder *folder)
{
	struct view value;
	uint32_t id;
	int r = tx_get(tx, DB_NAMES, name, &value);

	if (r < 0)
		return r;
	if (value.len != sizeof(id))
		return tx_damaged(tx, "name");
	memcpy(&id, value.data, sizeof(id));
	r = folder_load(tx, id, folder);
	return r == -ENOENT ? tx_damaged(tx, "name") : r;
}

int folder_save(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct key key = key_folder(folder->r.id);

	folder_record_encode(&value, &folder->r);
	return tx_put(tx, DB_FOLDERS, key_view(&key), str_view(&value));
}

/* Greater than all before, so that a name that is used again does not look like the old folder. */
static int new_uidvalidity(struct tx *tx, uint32_t *uidvalidity)
{
	uint64_t last, now = (uint64_t)clock_wall();
	int r = meta_get(tx, "uidvalidity", &last);

	if (r < 0)
		return r;
	last = MIN(MAX(last + 1, now), UINT32_MAX);
	*uidvalidity = (uint32_t)last;
	return meta_put(tx, "uidvalidity", last);
}

/*
 * A mod-sequence of that time, in 1/65536 seconds. Each is at least the time at which it was given out: so they are above
 * all that an index before this one can have given out, and a tombstone tells how old it is.
 */
#define MODSEQS_PER_SECOND 65536

static uint64_t modseq_of_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * MODSEQS_PER_SECOND +
	       (uint64_t)now.tv_nsec * MODSEQS_PER_SECOND / 1000000000;
}

int folder_insert(struct tx *tx, struct view name, struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	uint64_t id;
	int r = meta_next(tx, "folder", &id);

	if (r < 0)
		return r;
	if (id > UINT32_MAX)
		return -EOVERFLOW;
	*folder = (struct folder){ .r = { .id = (uint32_t)id, .uidnext = 1, .adopt = 1 } };
	memcpy(folder->name, name.data, name.len);
	folder->r.name = view_make(folder->name, name.len);
	folder->r.modseq = folder->r.modseq_floor = modseq_of_now();
	folder_directory(tx->store, folder, &directory);
	r = folder_special_use(str_cstr(&directory), name, &folder->r.special_use);
	if (r == 0)
		r = uidvalidity_read(str_cstr(&directory), &folder->r.uidvalidity,
				     &folder->r.uid_bound);
	if (r == -ENOENT)
		r = new_uidvalidity(tx, &folder->r.uidvalidity);
	if (r < 0)
		return r;
	r = tx_put(tx, DB_NAMES, name, view_make(&folder->r.id, sizeof(folder->r.id)));
	return r < 0 ? r : folder_save(tx, folder);
}

/* Deletes all items of one folder in a database; `each` (may be NULL) sees them first. */
static int erase_items(struct tx *tx, enum db db, uint32_t folder,
		       int (*each)(struct tx *, struct view value))
{
	struct key prefix = key_folder(folder);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, db, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		if (each != NULL)
			r = each(tx, walk.value);
		if (r >= 0)
			r = walk_delete(&walk);
		if (r < 0)
			break;
	}
	walk_end(&walk);
	return r;
}

static int release_mail(struct tx *tx, struct view value)
{
	struct mail_record mail;

	if (mail_record_decode(value, &mail) < 0)
		return 0;
	return content_release(tx, mail.content);
}

int folder_erase(struct tx *tx, const struct folder *folder)
{
	struct key key = key_folder(folder->r.id);
	static const enum db others[] = { DB_STATES, DB_CHANGES, DB_TIDY, DB_KEYWORDS };
	int r = erase_items(tx, DB_MAILS, folder->r.id, release_mail);

	for (size_t i = 0; i < ARRAY_SIZE(others) && r >= 0; i++)
		r = erase_items(tx, others[i], folder->r.id, NULL);
	if (r >= 0)
		r = tx_delete(tx, DB_NAMES, folder->r.name);
	return r < 0 ? r : tx_delete(tx, DB_FOLDERS, key_view(&key));
}

void folder_advance(struct folder *folder)
{
	folder->r.modseq = MAX(folder->r.modseq + 1, modseq_of_now());
}

int folder_reserve_uids(struct tx *tx, struct folder *folder, uint32_t count)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	uint64_t needed = (uint64_t)folder->r.uidnext + count;
	int r;

	if (needed < folder->r.uid_bound)
		return 0;
	if (needed + UID_RESERVE >= UINT32_MAX)
		return -EOVERFLOW;
	folder_directory(tx->store, folder, &directory);
	r = uidvalidity_write(str_cstr(&directory), folder->r.uidvalidity,
			      (uint32_t)needed + UID_RESERVE);
	if (r == 0)
		folder->r.uid_bound = (uint32_t)needed + UID_RESERVE;
	return r;
}

int folder_restart(struct tx *tx, struct folder *folder, uint32_t uidvalidity)
{
	uint64_t last;
	int r = meta_get(tx, "uidvalidity", &last);

	/* Those that are made later are greater. */
	if (r == 0)
		r = meta_put(tx, "uidvalidity", MAX(last, (uint64_t)uidvalidity));
	if (r == 0)
		r = erase_items(tx, DB_CHANGES, folder->r.id, NULL);
	if (r < 0)
		return r;
	folder_advance(folder);
	folder->r.modseq_floor = folder->r.modseq;
	folder->r.tombstones = 0;
	folder->r.uidvalidity = uidvalidity;
	folder->r.uidnext = folder->r.first_recent = 1;
	folder->r.uid_bound = 0;
	return folder_reserve_uids(tx, folder, 1);
}

void folder_directory(const struct store *store, const struct folder *folder, struct str *out)
{
	folder_path_append(out, store->path, folder->r.name);
}

const char *part_name(enum part part)
{
	return part == PART_NEW ? "new" : part == PART_CUR ? "cur" : "tmp";
}

void folder_part_path(const struct store *store, const struct folder *folder, enum part part,
		      struct str *out)
{
	folder_directory(store, folder, out);
	str_append_byte(out, '/');
	str_append_cstr(out, part_name(part));
}

/* ---- messages ---- */

int state_load(struct tx *tx, uint32_t folder, uint32_t uid, struct state_record *state)
{
	struct key key = key_uid(folder, uid);
	struct view value;
	int r = tx_get(tx, DB_STATES, key_view(&key), &value);

	if (r == 0 && state_record_decode(value, state) < 0)
		return tx_damaged(tx, "state");
	return r;
}

static int state_save(struct tx *tx, uint32_t folder, uint32_t uid,
		      const struct state_record *state)
{
	struct key key = key_uid(folder, uid);
	uint8_t value[STATE_RECORD_SIZE];

	state_record_encode(value, state);
	return tx_put(tx, DB_STATES, key_view(&key), view_make(value, sizeof(value)));
}

int mail_load(struct tx *tx, uint32_t folder, uint32_t uid, struct mail *mail)
{
	struct key key = key_uid(folder, uid);
	struct view value;
	int r = tx_get(tx, DB_MAILS, key_view(&key), &value);

	if (r < 0)
		return r;
	if (mail_record_decode(value, &mail->r) < 0)
		return tx_damaged(tx, "message");
	memcpy(mail->file, mail->r.file.data, mail->r.file.len);
	mail->file[mail->r.file.len] = '\0';
	mail->r.file.data = mail->file;
	return 0;
}

int mail_save(struct tx *tx, uint32_t folder, uint32_t uid, const struct mail_record *mail)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct key key = key_uid(folder, uid);

	mail_record_encode(&value, mail);
	return tx_put(tx, DB_MAILS, key_view(&key), str_view(&value));
}

static int change_save(struct tx *tx, uint32_t folder, uint64_t modseq, uint32_t uid, uint8_t kind)
{
	struct key key = key_change(folder, modseq, uid);

	return tx_put(tx, DB_CHANGES, key_view(&key), view_make(&kind, 1));
}

static int change_delete(struct tx *tx, uint32_t folder, uint64_t modseq, uint32_t uid)
{
	struct key key = key_change(folder, modseq, uid);
	int r = tx_delete(tx, DB_CHANGES, key_view(&key));

	return r == -ENOENT ? 0 : r;
}

/* The counters that STATUS shows. `by` is 1 or -1. */
static void count_state(struct folder_record *r, const struct state_record *state, int by)
{
	r->unseen += (uint32_t)(state->flags & FLAG_SEEN ? 0 : by);
	r->deleted += (uint32_t)(state->flags & FLAG_DELETED ? by : 0);
}

static void count_mail(struct folder_record *r, const struct mail_record *mail, int by)
{
	r->messages += (uint32_t)by;
	r->size += (uint64_t)by * mail_wire_size(mail);
	r->unsized += (uint32_t)(mail->wire_size == SIZE_UNKNOWN ? by : 0);
}

int message_insert(struct tx *tx, struct folder *folder, const struct state_record *state,
		   const struct mail_record *mail)
{
	_cleanup_(str_free) struct str target = STR_EMPTY;
	struct state_record now = *state;
	uint32_t uid = folder->r.uidnext, id = folder->r.id;
	int r;

	now.modseq = folder->r.modseq;
	r = state_save(tx, id, uid, &now);
	if (r == 0)
		r = mail_save(tx, id, uid, mail);
	if (r == 0)
		r = change_save(tx, id, now.modseq, uid, CHANGE_STATE);
	if (r < 0)
		return r;
	folder->r.uidnext = uid + 1;
	count_state(&folder->r, &now, 1);
	count_mail(&folder->r, mail, 1);
	mail_target_name(&target, uid, mail, &now);
	if (mail->where == id && mail->part == PART_CUR && view_eq(str_view(&target), mail->file))
		return 0;
	return owe_tidy(tx, id, uid);
}

int message_change(struct tx *tx, struct folder *folder, uint32_t uid,
		   const struct state_record *before, struct state_record *now)
{
	uint32_t id = folder->r.id;
	int r = change_delete(tx, id, before->modseq, uid);

	now->modseq = folder->r.modseq;
	if (r == 0)
		r = state_save(tx, id, uid, now);
	if (r == 0)
		r = change_save(tx, id, now->modseq, uid, CHANGE_STATE);
	if (r < 0)
		return r;
	count_state(&folder->r, before, -1);
	count_state(&folder->r, now, 1);
	return owe_tidy(tx, id, uid);
}

/* Up to which mod-sequence tombstones are too old. */
static uint64_t oldest_tombstone(const struct store *store)
{
	uint64_t now = modseq_of_now(), kept = (uint64_t)store->tombstone_time * MODSEQS_PER_SECOND;

	return now > kept ? now - kept : 0;
}

/* Forgets those that are too old, and where there are too many the older half. */
static int drop_tombstones(struct tx *tx, struct folder *folder, uint64_t oldest)
{
	uint32_t most = folder->r.tombstones > TOMBSTONES_MAX ? TOMBSTONES_MAX / 2 : UINT32_MAX;
	struct key prefix = key_folder(folder->r.id);
	struct key from = key_change(folder->r.id, folder->r.modseq_floor, 0);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_CHANGES, key_view(&prefix), key_view(&from)); r > 0;
	     r = walk_next(&walk)) {
		uint32_t id, uid;
		uint64_t modseq;

		r = key_change_decode(walk.key, &id, &modseq, &uid);
		if (r < 0 || (modseq > oldest && folder->r.tombstones <= most))
			break;
		if (walk.value.len != 1 || walk.value.data[0] != CHANGE_EXPUNGED)
			continue;
		r = walk_delete(&walk);
		if (r < 0)
			break;
		folder->r.tombstones--;
		folder->r.modseq_floor = modseq;
	}
	walk_end(&walk);
	if (r >= 0)
		folder->r.modseq_floor = MAX(folder->r.modseq_floor, oldest);
	return MIN(r, 0);
}

/* Not at each expunge: that something is too old is looked for thirty times in the time that tombstones are kept. */
static int limit_tombstones(struct tx *tx, struct folder *folder)
{
	uint64_t oldest = oldest_tombstone(tx->store);
	uint64_t pause = (uint64_t)tx->store->tombstone_time * MODSEQS_PER_SECOND / 30;

	if (folder->r.tombstones <= TOMBSTONES_MAX && oldest <= folder->r.modseq_floor + pause)
		return 0;
	return drop_tombstones(tx, folder, oldest);
}

int message_remove(struct tx *tx, struct folder *folder, uint32_t uid,
		   const struct state_record *state, const struct mail_record *mail)
{
	struct key key = key_uid(folder->r.id, uid);
	uint32_t id = folder->r.id;
	int r = change_delete(tx, id, state->modseq, uid);

	if (r == 0)
		r = tx_delete(tx, DB_STATES, key_view(&key));
	if (r == 0)
		r = tx_delete(tx, DB_MAILS, key_view(&key));
	if (r == 0)
		r = tx_delete(tx, DB_TIDY, key_view(&key));
	if (r == 0 || r == -ENOENT)
		r = change_save(tx, id, folder->r.modseq, uid, CHANGE_EXPUNGED);
	if (r < 0)
		return r;
	count_state(&folder->r, state, -1);
	count_mail(&folder->r, mail, -1);
	tx->store->made_room = true;
	folder->r.tombstones++;
	return limit_tombstones(tx, folder);
}

int message_expunge(struct tx *tx, struct folder *folder, uint32_t uid)
{
	struct state_record state;
	struct mail mail;
	int r = state_load(tx, folder->r.id, uid, &state);

	if (r == 0)
		r = mail_load(tx, folder->r.id, uid, &mail);
	if (r == 0)
		r = message_remove(tx, folder, uid, &state, &mail.r);
	if (r == 0)
		r = owe_removal(tx, mail.r.where, mail.r.part, mail.r.file);
	return r < 0 ? r : content_release(tx, mail.r.content);
}

/* ---- contents ---- */

static int copies_get(struct tx *tx, uint64_t content, uint32_t *count)
{
	struct key key = key_serial(content);
	struct view value;
	int r = tx_get(tx, DB_COPIES, key_view(&key), &value);

	*count = 1;
	if (r == 0 && value.len == sizeof(*count))
		memcpy(count, value.data, sizeof(*count));
	return r == -ENOENT ? 0 : r;
}

static int copies_put(struct tx *tx, uint64_t content, uint32_t count)
{
	struct key key = key_serial(content);

	return tx_put(tx, DB_COPIES, key_view(&key), view_make(&count, sizeof(count)));
}

int content_share(struct tx *tx, uint64_t content)
{
	uint32_t count;
	int r = copies_get(tx, content, &count);

	return r < 0 ? r : copies_put(tx, content, count + 1);
}

int content_release(struct tx *tx, uint64_t content)
{
	struct key key = key_serial(content);
	uint32_t count;
	int r = copies_get(tx, content, &count);

	if (r < 0)
		return r;
	if (count > 2)
		return copies_put(tx, content, count - 1);
	r = tx_delete(tx, count == 2 ? DB_COPIES : DB_CACHE, key_view(&key));
	if (count < 2 && (r == 0 || r == -ENOENT))
		r = tx_delete(tx, DB_FILTERS, key_view(&key));
	return r == -ENOENT ? 0 : r;
}

/* ---- what is owed ---- */

int owe_tidy(struct tx *tx, uint32_t folder, uint32_t uid)
{
	struct key key = key_uid(folder, uid);

	return tx_put(tx, DB_TIDY, key_view(&key), VIEW(""));
}

int owe_removal(struct tx *tx, uint32_t where, enum part part, struct view file)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct gone_record record = { .where = where, .part = (uint8_t)part, .file = file };
	uint64_t serial;
	int r = meta_next(tx, "gone", &serial);

	if (r < 0)
		return r;

	struct key key = key_serial(serial);

	gone_record_encode(&value, &record);
	return tx_put(tx, DB_GONE, key_view(&key), str_view(&value));
}

void mail_target_name(struct str *out, uint32_t uid, const struct mail_record *mail,
		      const struct state_record *state)
{
	_cleanup_(str_free) struct str replacement = STR_EMPTY;
	struct file_name name;
	struct view base = mail->file;

	if (file_name_parse(mail->file, &name))
		base = name.base;
	/* Other programs' names may leave no room for ours: one that follows from theirs. */
	if (base.len > FILE_BASE_MAX) {
		uint8_t id[16];

		file_name_id(base, id);
		for (size_t i = 0; i < sizeof(id); i++)
			str_printf(&replacement, "%02x", id[i]);
		str_printf(&replacement, ",S=%llu", (unsigned long long)mail->size);
		base = str_view(&replacement);
	}
	file_name_build(out, base, uid, state->flags, state->keywords);
}

/* ---- keywords ---- */

int keyword_find(struct tx *tx, uint32_t folder, struct view name)
{
	struct key prefix = key_folder(folder);
	struct walk walk;
	int r, found = -ENOENT;

	for (r = walk_begin(&walk, tx, DB_KEYWORDS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk))
		if (walk.key.len == KEY_WORD_SIZE && view_eq_nocase(walk.value, name)) {
			found = (unsigned char)walk.key.data[4];
			break;
		}
	walk_end(&walk);
	if (r < 0)
		return r;
	return found < KEYWORDS_MAX ? found : -ENOENT;
}

int keyword_add(struct tx *tx, uint32_t folder, struct view name)
{
	struct key prefix = key_folder(folder);
	struct walk walk;
	unsigned next = 0;
	int r = keyword_find(tx, folder, name);

	if (r != -ENOENT)
		return r;
	for (r = walk_begin(&walk, tx, DB_KEYWORDS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk))
		if (walk.key.len == KEY_WORD_SIZE && (unsigned char)walk.key.data[4] == next)
			next++;
	walk_end(&walk);
	if (r < 0)
		return r;
	if (next >= KEYWORDS_MAX)
		return -ERANGE;

	struct key key = key_word(folder, (uint8_t)next);

	r = tx_put(tx, DB_KEYWORDS, key_view(&key), name);
	return r < 0 ? r : (int)next;
}

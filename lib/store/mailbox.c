/* An open mailbox: the snapshot in memory, and how it comes about. How it is brought up to date: refresh.c. */
#include "store/mailbox.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/files.h"
#include "store/folders.h"
#include "store/mailbox_folder.h"
#include "store/pending.h"
#include "store/recent.h"
#include "store/settle.h"
#include "store/sync.h"
#include "store/uidlist.h"

/* ---- looking at the snapshot ---- */

const char *mailbox_name(const struct mailbox *mailbox)
{
	return mailbox->name;
}

uint32_t mailbox_folder_id(const struct mailbox *mailbox)
{
	return mailbox->id;
}

uint32_t mailbox_uidvalidity(const struct mailbox *mailbox)
{
	return mailbox->uidvalidity;
}

uint32_t mailbox_uidnext(const struct mailbox *mailbox)
{
	return mailbox->uidnext;
}

uint64_t mailbox_highest_modseq(const struct mailbox *mailbox)
{
	return mailbox->modseq;
}

uint64_t mailbox_modseq_floor(const struct mailbox *mailbox)
{
	return mailbox->modseq_floor;
}

bool mailbox_is_writable(const struct mailbox *mailbox)
{
	return mailbox->mode == MAILBOX_READ_WRITE;
}

uint32_t mailbox_count(const struct mailbox *mailbox)
{
	return (uint32_t)mailbox->count;
}

uint32_t mailbox_recent(const struct mailbox *mailbox)
{
	return mailbox->recent;
}

static bool is_in(const struct mailbox *mailbox, uint32_t seq)
{
	return seq >= 1 && seq <= mailbox->count;
}

uint32_t mailbox_first_unseen(const struct mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		if (!(mailbox->flags[i] & (FLAG_SEEN | GONE)))
			return (uint32_t)i + 1;
	return 0;
}

uint32_t mailbox_uid(const struct mailbox *mailbox, uint32_t seq)
{
	return is_in(mailbox, seq) ? mailbox->uids[seq - 1] : 0;
}

uint32_t mailbox_find_from(const struct mailbox *mailbox, uint32_t uid)
{
	size_t low = 0, high = mailbox->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mailbox->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low + 1;
}

uint32_t mailbox_find(const struct mailbox *mailbox, uint32_t uid)
{
	uint32_t seq = mailbox_find_from(mailbox, uid);

	return uid != 0 && mailbox_uid(mailbox, seq) == uid ? seq : 0;
}

unsigned mailbox_flags(const struct mailbox *mailbox, uint32_t seq)
{
	return is_in(mailbox, seq) ? mailbox->flags[seq - 1] & ~(unsigned)(GONE | FLAG_PASSED) : 0;
}

uint64_t mailbox_keywords(const struct mailbox *mailbox, uint32_t seq)
{
	return is_in(mailbox, seq) && mailbox->keywords != NULL ? mailbox->keywords[seq - 1] : 0;
}

uint64_t mailbox_modseq(const struct mailbox *mailbox, uint32_t seq)
{
	return is_in(mailbox, seq) ? mailbox->modseqs[seq - 1] : 0;
}

bool mailbox_is_gone(const struct mailbox *mailbox, uint32_t seq)
{
	return !is_in(mailbox, seq) || mailbox->flags[seq - 1] & GONE;
}

/* ---- keywords ---- */

const char *mailbox_keyword_name(const struct mailbox *mailbox, unsigned bit)
{
	return bit < KEYWORDS_MAX ? mailbox->words[bit] : NULL;
}

uint64_t mailbox_keyword_mask(const struct mailbox *mailbox, struct view name)
{
	for (unsigned bit = 0; bit < KEYWORDS_MAX; bit++)
		if (mailbox->words[bit] != NULL && view_is_nocase(name, mailbox->words[bit]))
			return 1ULL << bit;
	return 0;
}

static void keyword_set(struct mailbox *mailbox, unsigned bit, char *word)
{
	free(mailbox->words[bit]);
	mailbox->words[bit] = word;
	mailbox->words_changed = true;
}

int mailbox_read_words(struct tx *tx, struct mailbox *mailbox)
{
	struct key prefix = key_folder(mailbox->id);
	uint64_t found = 0;
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_KEYWORDS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		unsigned bit = walk.key.len == KEY_WORD_SIZE ? (unsigned char)walk.key.data[4]
							     : KEYWORDS_MAX;

		if (bit >= KEYWORDS_MAX || !store_keyword_is_valid(walk.value))
			continue;
		found |= 1ULL << bit;
		if (mailbox->words[bit] == NULL || !view_is(walk.value, mailbox->words[bit]))
			keyword_set(mailbox, bit, mem_strndup(walk.value.data, walk.value.len));
	}
	walk_end(&walk);
	/* A keyword that stands in no file does not outlast its index, and its number is free. */
	for (unsigned bit = 0; bit < KEYWORDS_MAX && r == 0; bit++)
		if (mailbox->words[bit] != NULL && !(found >> bit & 1))
			keyword_set(mailbox, bit, NULL);
	return r;
}

struct keyword_work {
	struct mailbox *mailbox;
	struct view name;
};

static int keyword_work(struct tx *tx, void *argument)
{
	struct keyword_work *work = argument;
	struct folder folder;
	int bit, r = mailbox_load_folder(tx, work->mailbox, &folder);

	if (r < 0)
		return r;
	bit = keyword_add(tx, folder.r.id, work->name);
	/* Only a rebuild needs the file; it is not worth failing for. */
	if (bit >= 0 && bit < LETTERS)
		(void)keywords_write(tx, &folder);
	return bit;
}

int mailbox_keyword_add(struct mailbox *mailbox, struct view name)
{
	struct keyword_work work = { mailbox, name };
	uint64_t mask = mailbox_keyword_mask(mailbox, name);
	int bit;

	if (!store_keyword_is_valid(name))
		return -EINVAL;
	if (mask != 0)
		return __builtin_ctzll(mask);
	if (mailbox->mode != MAILBOX_READ_WRITE)
		return -EPERM;
	bit = mailbox_write(mailbox, WRITE_DURABLE, keyword_work, &work);
	if (bit >= 0 && mailbox->words[bit] == NULL)
		mailbox->words[bit] = mem_strndup(name.data, name.len);
	if (bit >= 0)
		mailbox->words_changed = true;
	return bit;
}

bool mailbox_take_new_keywords(struct mailbox *mailbox)
{
	bool changed = mailbox->words_changed;

	mailbox->words_changed = false;
	return changed;
}

/* ---- the arrays ---- */

void mailbox_set_keywords(struct mailbox *mailbox, uint32_t seq, uint64_t keywords)
{
	if (mailbox->keywords == NULL && keywords == 0)
		return;
	if (mailbox->keywords == NULL)
		mailbox->keywords = mem_new_array(uint64_t, mailbox->size);
	mailbox->keywords[seq - 1] = keywords;
}

void mailbox_append_message(struct mailbox *mailbox, uint32_t uid, const struct state_record *state,
			    bool recent)
{
	if (mailbox->count == mailbox->size) {
		size_t size = mailbox->size + MAX((size_t)64, mailbox->size / 4);

		mailbox->uids = mem_resize(mailbox->uids, size, sizeof(*mailbox->uids));
		mailbox->flags = mem_resize(mailbox->flags, size, sizeof(*mailbox->flags));
		mailbox->modseqs = mem_resize(mailbox->modseqs, size, sizeof(*mailbox->modseqs));
		if (mailbox->keywords != NULL)
			mailbox->keywords =
				mem_resize(mailbox->keywords, size, sizeof(*mailbox->keywords));
		mailbox->size = size;
	}
	mailbox->uids[mailbox->count] = uid;
	mailbox->modseqs[mailbox->count] = state->modseq;
	mailbox->flags[mailbox->count] = (uint8_t)(state->flags | (recent ? FLAG_RECENT : 0));
	if (mailbox->keywords != NULL)
		mailbox->keywords[mailbox->count] = 0;
	mailbox->count++;
	mailbox->recent += recent;
	mailbox_set_keywords(mailbox, (uint32_t)mailbox->count, state->keywords);
}

/* ---- opening ---- */

static int sync_once(struct mailbox *mailbox)
{
	struct tx tx;
	int r = store_follow(mailbox->store);

	if (r == 0)
		r = store_read(mailbox->store, &tx);
	if (r < 0)
		return r;
	r = mailbox_find_folder(&tx, mailbox);
	tx_end(&tx);
	return r == 0 ? folder_sync(mailbox->store, mailbox->id) : r;
}

int mailbox_sync(struct mailbox *mailbox)
{
	int r = sync_once(mailbox);

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++) {
		r = folders_sync(mailbox->store);
		if (r == 0)
			r = sync_once(mailbox);
	}
	if (r == 0)
		mailbox->behind = false;
	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	if (!mailbox->behind)
		log_warning("folder %s in %s: no room to note what has changed: %s", mailbox->name,
			    store_path(mailbox->store), strerror(-r));
	mailbox->behind = true;
	return 0;
}

int mailbox_write(struct mailbox *mailbox, int how, store_work *work, void *argument)
{
	int r = store_write(mailbox->store, how, work, argument);

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++) {
		r = mailbox_sync(mailbox);
		if (r == 0)
			r = store_write(mailbox->store, how, work, argument);
	}
	return r;
}

int mailbox_read(struct mailbox *mailbox, struct tx *tx)
{
	int r = store_read(mailbox->store, tx);

	if (r < 0)
		return r;
	r = mailbox_find_folder(tx, mailbox);
	if (r < 0)
		tx_end(tx);
	if (r != -EAGAIN)
		return r;
	r = mailbox_sync(mailbox);
	return r < 0 ? r : store_read(mailbox->store, tx);
}

static int read_states(struct tx *tx, struct mailbox *mailbox, uint32_t first_recent)
{
	struct key prefix = key_folder(mailbox->id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_STATES, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		struct state_record state;
		uint32_t folder, uid;

		if (key_uid_decode(walk.key, &folder, &uid) < 0 ||
		    state_record_decode(walk.value, &state) < 0) {
			r = tx_damaged(tx, "state");
			break;
		}
		mailbox_append_message(mailbox, uid, &state, uid >= first_recent);
	}
	walk_end(&walk);
	return r;
}

static void clear_snapshot(struct mailbox *mailbox)
{
	mailbox->count = mailbox->recent = 0;
	free(mailbox->keywords);
	mailbox->keywords = NULL;
}

static int take_snapshot(struct tx *tx, struct mailbox *mailbox)
{
	struct folder folder;
	int r = mailbox_load_folder(tx, mailbox, &folder);

	clear_snapshot(mailbox);
	if (r == 0)
		r = mailbox_read_words(tx, mailbox);
	if (r == 0)
		r = read_states(tx, mailbox, recent_first(mailbox->store, &folder));
	if (r < 0)
		return r;
	memcpy(mailbox->name, folder.name, sizeof(mailbox->name));
	mailbox->uidvalidity = folder.r.uidvalidity;
	mailbox->uidnext = folder.r.uidnext;
	mailbox->modseq = folder.r.modseq;
	mailbox->modseq_floor = folder.r.modseq_floor;
	mailbox->found_again = false;
	recent_claim(mailbox, &folder);
	return 0;
}

static int open_snapshot(struct mailbox *mailbox)
{
	struct tx tx;
	int r = store_read(mailbox->store, &tx);

	if (r < 0)
		return r;
	r = take_snapshot(&tx, mailbox);
	tx_end(&tx);
	return r;
}

/* Of a folder that may have been made by another program just now. */
static int mailbox_sync_new(struct mailbox *mailbox)
{
	int r = mailbox_sync(mailbox);

	if (r != -ENOENT && r != -ESTALE)
		return r;
	mailbox->id = 0;
	r = folders_sync(mailbox->store);
	return r < 0 ? r : mailbox_sync(mailbox);
}

int mailbox_open(struct store *store, struct view name, enum mailbox_mode mode,
		 struct mailbox **out)
{
	_cleanup_(mailbox_closep) struct mailbox *mailbox = mem_new(struct mailbox);
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	int r = store_name_normalize(name, &normal, NULL);

	mailbox->store = store;
	mailbox->mode = mode;
	list_push_back(&store->mailboxes, &mailbox->link);
	if (r == 0)
		r = store_commit(store);
	if (r < 0)
		return r;
	memcpy(mailbox->name, str_cstr(&normal), normal.len + 1);
	r = mailbox_sync_new(mailbox);
	/* There is always an INBOX: an index without one is damaged. */
	if ((r == -ENOENT || r == -ESTALE) && view_is(str_view(&normal), "INBOX")) {
		environment_condemn(&store->env);
		r = mailbox_sync_new(mailbox);
	}
	if (r == 0)
		r = open_snapshot(mailbox);
	/* Damage was found: once more, in the index that comes after it. */
	if (r == -EUCLEAN) {
		r = mailbox_sync_new(mailbox);
		if (r == 0)
			r = open_snapshot(mailbox);
	}
	if (r == -EAGAIN && mailbox->behind) /* the index has nothing of it yet */
		return -ENOSPC;
	if (r < 0)
		return r == -ESTALE ? -ENOENT : r;
	mailbox->words_changed = false;
	*out = TAKE(mailbox);
	return 0;
}

void mailbox_close(struct mailbox *mailbox)
{
	if (mailbox == NULL)
		return;
	(void)cache_flush(mailbox->store);
	if (mailbox->claimed != 0)
		(void)store_settle_recent(mailbox->store);
	list_remove(&mailbox->link);
	for (size_t i = 0; i < KEYWORDS_MAX; i++)
		free(mailbox->words[i]);
	free(mailbox->uids);
	free(mailbox->flags);
	free(mailbox->keywords);
	free(mailbox->modseqs);
	saved_uidls_free(mailbox->uidls);
	free(mailbox);
}

void mailbox_closep(struct mailbox **mailbox)
{
	mailbox_close(*mailbox);
}

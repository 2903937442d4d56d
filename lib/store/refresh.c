/* What has changed since a session looked last. It tells, and changes nothing. */
#include <errno.h>

#include "base/mem.h"
#include "store/mailbox_folder.h"
#include "store/recent.h"

/* A growing array of numbers. */
struct numbers {
	uint32_t *items;
	size_t count, size;
};

static void add_number(struct numbers *n, uint32_t value)
{
	if (n->count == n->size) {
		n->size = n->size ? n->size * 2 : 16;
		n->items = mem_resize(n->items, n->size, sizeof(*n->items));
	}
	n->items[n->count++] = value;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sort_numbers(struct numbers *n)
{
	if (n->count > 0)
		qsort(n->items, n->count, sizeof(*n->items), compare_numbers);
}

static void mark_gone(struct mailbox *mailbox, size_t i)
{
	mailbox->gone += !(mailbox->flags[i] & GONE);
	mailbox->flags[i] |= GONE;
}

/* Calls `each` for the last change of each UID since a mod-sequence. */
static int walk_changes(struct tx *tx, uint32_t folder, uint64_t since,
			int (*each)(void *argument, uint32_t uid, bool expunged), void *argument)
{
	struct key prefix = key_folder(folder);
	struct key from = key_change(folder, since + 1, 0);
	struct walk walk;
	int r;

	if (since == UINT64_MAX)
		return 0;
	for (r = walk_begin(&walk, tx, DB_CHANGES, key_view(&prefix), key_view(&from)); r > 0;
	     r = walk_next(&walk)) {
		uint32_t id, uid;
		uint64_t modseq;

		if (key_change_decode(walk.key, &id, &modseq, &uid) < 0 || walk.value.len != 1) {
			r = tx_damaged(tx, "change");
			break;
		}

		int result = each(argument, uid, walk.value.data[0] == CHANGE_EXPUNGED);

		if (result < 0) {
			r = result;
			break;
		}
	}
	walk_end(&walk);
	return r;
}

/* ---- in an index that was made from the files ---- */

/* It has no tombstones of what was lost with the other: messages of the snapshot that are not in it. */
static int mark_lost(struct tx *tx, struct mailbox *mailbox)
{
	struct key prefix = key_folder(mailbox->id);
	struct walk walk;
	size_t i = 0;
	int r;

	for (r = walk_begin(&walk, tx, DB_STATES, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		uint32_t folder, uid;

		if (key_uid_decode(walk.key, &folder, &uid) < 0) {
			r = tx_damaged(tx, "change");
			break;
		}
		for (; i < mailbox->count && mailbox->uids[i] < uid; i++)
			mark_gone(mailbox, i);
		i += i < mailbox->count && mailbox->uids[i] == uid;
	}
	walk_end(&walk);
	for (; r == 0 && i < mailbox->count; i++)
		mark_gone(mailbox, i);
	return r;
}

/* ---- bringing the snapshot up to date ---- */

struct refresh {
	struct tx *tx;
	struct mailbox *mailbox;
	uint32_t uidnext_before;
	struct numbers added, flags; /* UIDs */
};

static int note_change(void *argument, uint32_t uid, bool expunged)
{
	struct refresh *refresh = argument;
	struct mailbox *mailbox = refresh->mailbox;
	struct state_record state;
	uint32_t seq;
	int r;

	if (uid >= refresh->uidnext_before) {
		if (!expunged)
			add_number(&refresh->added, uid);
		return 0;
	}
	seq = mailbox_find(mailbox, uid);
	if (seq == 0)
		return 0;

	uint8_t *flags = &mailbox->flags[seq - 1];

	if (expunged) {
		mark_gone(mailbox, seq - 1);
		return 0;
	}
	r = state_load(refresh->tx, mailbox->id, uid, &state);
	if (r < 0)
		return r;
	if ((*flags & FLAGS_STORED) != state.flags ||
	    mailbox_keywords(mailbox, seq) != state.keywords)
		add_number(&refresh->flags, uid);
	*flags = (uint8_t)((*flags & ~FLAGS_STORED) | state.flags);
	mailbox->modseqs[seq - 1] = state.modseq;
	mailbox_set_keywords(mailbox, seq, state.keywords);
	return 0;
}

static int append_added(struct refresh *refresh, uint32_t first_recent)
{
	struct mailbox *mailbox = refresh->mailbox;

	sort_numbers(&refresh->added);
	for (size_t i = 0; i < refresh->added.count; i++) {
		uint32_t uid = refresh->added.items[i];
		struct state_record state;
		int r = state_load(refresh->tx, mailbox->id, uid, &state);

		if (r < 0)
			return r;
		mailbox_append_message(mailbox, uid, &state, uid >= first_recent);
	}
	return 0;
}

struct refresh_work {
	struct mailbox *mailbox;
	struct numbers flags;
	bool exists, recent;
};

static int refresh_work(struct tx *tx, void *argument)
{
	struct refresh_work *work = argument;
	struct mailbox *mailbox = work->mailbox;
	struct refresh refresh = { tx, mailbox, mailbox->uidnext, { 0 }, { 0 } };
	uint32_t recent = mailbox->recent;
	struct folder folder;
	int r = mailbox_load_folder(tx, mailbox, &folder);

	if (r < 0 || (folder.r.modseq == mailbox->modseq && !mailbox->found_again)) {
		if (r == 0)
			memcpy(mailbox->name, folder.name, sizeof(mailbox->name));
		return r;
	}
	r = mailbox_read_words(tx, mailbox);
	if (r == 0 && mailbox->found_again)
		r = mark_lost(tx, mailbox);
	if (r == 0)
		r = walk_changes(tx, mailbox->id, mailbox->found_again ? 0 : mailbox->modseq,
				 note_change, &refresh);
	if (r == 0)
		r = append_added(&refresh, recent_first(mailbox->store, &folder));
	free(refresh.added.items);
	if (r < 0) {
		free(refresh.flags.items);
		return r;
	}
	work->exists = refresh.added.count > 0;
	work->recent = mailbox->recent != recent;
	free(work->flags.items);
	work->flags = refresh.flags;
	memcpy(mailbox->name, folder.name, sizeof(mailbox->name));
	if (refresh.added.count > 0)
		recent_claim(mailbox, &folder);
	mailbox->uidnext = folder.r.uidnext;
	mailbox->modseq = folder.r.modseq;
	mailbox->modseq_floor = folder.r.modseq_floor;
	mailbox->found_again = false;
	return 0;
}

/* Takes what is gone out of the arrays. */
static void drop_gone(struct mailbox *mailbox, struct mailbox_changes *changes)
{
	struct numbers seqs = { 0 }, uids = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < mailbox->count; i++) {
		if (mailbox->flags[i] & GONE) {
			add_number(&seqs, (uint32_t)i + 1);
			add_number(&uids, mailbox->uids[i]);
			mailbox->recent -= (mailbox->flags[i] & FLAG_RECENT) != 0;
			continue;
		}
		mailbox->uids[kept] = mailbox->uids[i];
		mailbox->flags[kept] = mailbox->flags[i];
		mailbox->modseqs[kept] = mailbox->modseqs[i];
		if (mailbox->keywords != NULL)
			mailbox->keywords[kept] = mailbox->keywords[i];
		kept++;
	}
	mailbox->count = kept;
	mailbox->gone = 0;
	/* Highest first: so each number is right when it is told. */
	for (size_t i = 0, last = seqs.count; i < last / 2; i++) {
		uint32_t seq = seqs.items[i], uid = uids.items[i];

		seqs.items[i] = seqs.items[last - 1 - i];
		uids.items[i] = uids.items[last - 1 - i];
		seqs.items[last - 1 - i] = seq;
		uids.items[last - 1 - i] = uid;
	}
	changes->expunged = seqs.items;
	changes->expunged_uids = uids.items;
	changes->expunged_count = seqs.count;
}

/* UIDs to the sequence numbers that they have now; what is gone is left out. */
static void tell_flags(struct mailbox *mailbox, struct numbers *uids,
		       struct mailbox_changes *changes)
{
	size_t kept = 0;

	sort_numbers(uids);
	for (size_t i = 0; i < uids->count; i++) {
		uint32_t seq = mailbox_find(mailbox, uids->items[i]);

		if (seq != 0 && !mailbox_is_gone(mailbox, seq))
			uids->items[kept++] = seq;
	}
	changes->flags = uids->items;
	changes->flags_count = kept;
}

int mailbox_refresh(struct mailbox *mailbox, bool may_expunge, struct mailbox_changes *changes)
{
	struct refresh_work work = { .mailbox = mailbox };
	struct tx tx;
	int r = mailbox_sync(mailbox);

	*changes = (struct mailbox_changes){ 0 };
	if (r == 0)
		r = store_read(mailbox->store, &tx);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	r = refresh_work(&tx, &work);
	tx_end(&tx);
	if (r < 0) {
		free(work.flags.items);
		return r;
	}
	if (may_expunge && mailbox->gone > 0)
		drop_gone(mailbox, changes);
	tell_flags(mailbox, &work.flags, changes);
	changes->exists = work.exists;
	changes->recent = work.recent;
	changes->keywords = mailbox->words_changed;
	mailbox->words_changed = false;
	return 0;
}

void mailbox_changes_free(struct mailbox_changes *changes)
{
	free(changes->expunged);
	free(changes->expunged_uids);
	free(changes->flags);
	*changes = (struct mailbox_changes){ 0 };
}

int mailbox_has_news(struct mailbox *mailbox)
{
	struct folder folder;
	struct tx tx;
	int r = mailbox_sync(mailbox);

	if (r == 0)
		r = store_read(mailbox->store, &tx);
	if (r < 0)
		return r;
	r = mailbox_load_folder(&tx, mailbox, &folder);
	tx_end(&tx);
	if (r < 0)
		return r;
	return folder.r.modseq != mailbox->modseq || mailbox->found_again || mailbox->gone > 0;
}

/* ---- since a mod-sequence ---- */

struct since {
	struct numbers uids;
	bool expunged;
};

static int note_since(void *argument, uint32_t uid, bool expunged)
{
	struct since *since = argument;

	if (expunged == since->expunged)
		add_number(&since->uids, uid);
	return 0;
}

static int list_since(struct mailbox *mailbox, uint64_t modseq, bool expunged, uint32_t **uids,
		      size_t *count)
{
	struct since since = { .expunged = expunged };
	struct tx tx;
	int r = mailbox_read(mailbox, &tx);

	if (r == 0) {
		r = walk_changes(&tx, mailbox->id, modseq, note_since, &since);
		tx_end(&tx);
	}
	sort_numbers(&since.uids);
	*uids = since.uids.items;
	*count = since.uids.count;
	return r;
}

int mailbox_changed_since(struct mailbox *mailbox, uint64_t modseq, uint32_t **uids, size_t *count)
{
	return list_since(mailbox, modseq, false, uids, count);
}

int mailbox_vanished_since(struct mailbox *mailbox, uint64_t modseq, uint32_t **uids, size_t *count)
{
	return list_since(mailbox, modseq, true, uids, count);
}

/*
 * A snapshot that outlives its process. What is saved is small whatever the mailbox holds: the index knows
 * which messages there were at a mod-sequence (those of today with lower UIDs, and those whose tombstones are
 * younger), and a sum over their UIDs tells whether it still knows that exactly.
 */
#include <errno.h>

#include "base/mem.h"
#include "store/folders.h"
#include "store/mailbox_folder.h"

/* Bytes of the UIDs that are \Recent for the session, as ranges. */
#define RECENT_TEXT_MAX 1000

/* FNV-1a, 64 bits: against loss, not against anybody. */
#define SUM_START UINT64_C(0xcbf29ce484222325)

static uint64_t sum_add(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static uint64_t sum_of_uids(const struct mailbox *mailbox)
{
	return sum_add(SUM_START, mailbox->uids, mailbox->count * sizeof(*mailbox->uids));
}

/* The client has been told of these keywords. */
static uint64_t sum_of_words(const struct mailbox *mailbox)
{
	uint64_t sum = SUM_START;

	for (unsigned bit = 0; bit < KEYWORDS_MAX; bit++) {
		const char *word = mailbox->words[bit] != NULL ? mailbox->words[bit] : "";

		sum = sum_add(sum, word, strlen(word) + 1);
	}
	return sum;
}

static void save_recent(const struct mailbox *mailbox, struct str *out)
{
	const char *separator = "";

	for (size_t i = 0; i < mailbox->count; i++) {
		size_t last = i;

		if (!(mailbox->flags[i] & FLAG_RECENT))
			continue;
		while (last + 1 < mailbox->count && mailbox->flags[last + 1] & FLAG_RECENT)
			last++;
		str_printf(out, "%s%u:%u", separator, mailbox->uids[i], mailbox->uids[last]);
		separator = ",";
		i = last;
	}
}

int mailbox_save(const struct mailbox *mailbox, struct str *out)
{
	_cleanup_(str_free) struct str recent = STR_EMPTY;

	if (mailbox->gone > 0 || mailbox->found_again || mailbox->behind || mailbox->claimed != 0 ||
	    mailbox->words_changed || mailbox->generation != mailbox->store->generation)
		return -EBUSY;
	save_recent(mailbox, &recent);
	if (recent.len > RECENT_TEXT_MAX)
		return -E2BIG;
	str_printf(out, "%d %u %u %u %llu %zu %llu %llu %s %s", mailbox->mode == MAILBOX_READ_WRITE,
		   mailbox->id, mailbox->uidvalidity, mailbox->uidnext,
		   (unsigned long long)mailbox->modseq, mailbox->count,
		   (unsigned long long)sum_of_uids(mailbox),
		   (unsigned long long)sum_of_words(mailbox),
		   recent.len > 0 ? str_cstr(&recent) : "-", mailbox->name);
	return 0;
}

/* ---- back again ---- */

enum {
	SAVED_MODE,
	SAVED_ID,
	SAVED_VALIDITY,
	SAVED_NEXT,
	SAVED_MODSEQ,
	SAVED_COUNT,
	SAVED_UIDS,
	SAVED_WORDS,
	SAVED_NUMBERS
};

struct saved_mailbox {
	uint64_t numbers[SAVED_NUMBERS];
	struct view recent, name;
};

static int saved_parse(struct view text, struct saved_mailbox *saved)
{
	struct view word;

	for (size_t i = 0; i < SAVED_NUMBERS; i++)
		if (!view_next_word(&text, " ", &word) ||
		    view_parse_u64(word, UINT64_MAX, &saved->numbers[i]) < 0)
			return -EBADMSG;
	if (!view_next_word(&text, " ", &saved->recent) || text.len < 2)
		return -EBADMSG;
	saved->name = view_from(text, 1);
	if (saved->name.len > STORE_NAME_MAX || saved->numbers[SAVED_ID] > UINT32_MAX ||
	    saved->numbers[SAVED_VALIDITY] > UINT32_MAX || saved->numbers[SAVED_NEXT] > UINT32_MAX)
		return -EBADMSG;
	return 0;
}

/* Goes along the ranges as the UIDs ascend. */
static bool is_recent(struct view *ranges, uint32_t uid)
{
	struct view rest = *ranges, range, first, last;

	while (view_next_word(&rest, ",-", &range)) {
		uint64_t from, to;

		if (!view_next_word(&range, ":", &first) || !view_next_word(&range, ":", &last) ||
		    view_parse_u64(first, UINT32_MAX, &from) < 0 ||
		    view_parse_u64(last, UINT32_MAX, &to) < 0)
			return false;
		if (uid <= to)
			return uid >= from;
		*ranges = rest;
	}
	return false;
}

/* Messages that are there, and were there then. What has changed of them is to be noticed by the next refresh. */
static int restore_states(struct tx *tx, struct mailbox *now)
{
	struct key prefix = key_folder(now->id);
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
		if (uid >= now->uidnext)
			break;
		/* What the flags were nobody knows: anything else than what they are. */
		if (state.modseq > now->modseq)
			state.flags ^= FLAG_SEEN;
		mailbox_append_message(now, uid, &state, false);
	}
	walk_end(&walk);
	return MIN(r, 0);
}

/* Puts those that have gone since between them, where their UIDs are. */
static void restore_gone(struct mailbox *mailbox, const uint32_t *gone, size_t gone_count)
{
	static const struct state_record unknown = { 0 };
	struct mailbox left = *mailbox;
	size_t at = 0;

	mailbox->uids = NULL;
	mailbox->flags = NULL;
	mailbox->keywords = NULL;
	mailbox->modseqs = NULL;
	mailbox->count = mailbox->size = 0;
	for (uint32_t seq = 1; seq <= left.count + 1; seq++) {
		uint32_t uid = seq <= left.count ? left.uids[seq - 1] : mailbox->uidnext;
		struct state_record state = { 0 };

		for (; at < gone_count && gone[at] < uid; at++)
			mailbox_append_message(mailbox, gone[at], &unknown, false);
		at += at < gone_count && gone[at] == uid;
		if (seq > left.count)
			break;
		state.modseq = left.modseqs[seq - 1];
		state.flags = left.flags[seq - 1];
		state.keywords = mailbox_keywords(&left, seq);
		mailbox_append_message(mailbox, uid, &state, false);
	}
	free(left.uids);
	free(left.flags);
	free(left.keywords);
	free(left.modseqs);
}

static int restore_snapshot(struct mailbox *mailbox, const struct saved_mailbox *saved)
{
	uint64_t modseq = saved->numbers[SAVED_MODSEQ];
	_cleanup_free_ uint32_t *gone = NULL;
	size_t gone_count = 0;
	struct folder folder = { 0 };
	struct tx tx;
	int r = store_read(mailbox->store, &tx);

	if (r < 0)
		return r;
	r = mailbox_load_folder(&tx, mailbox, &folder);
	/* Of another index, or of one that has forgotten what was expunged. */
	if (r == 0 &&
	    (mailbox->found_again || folder.r.modseq < modseq || folder.r.modseq_floor > modseq))
		r = -ESTALE;
	if (r == 0)
		r = mailbox_read_words(&tx, mailbox);
	mailbox->modseq = modseq;
	mailbox->modseq_floor = folder.r.modseq_floor;
	mailbox->uidnext = (uint32_t)saved->numbers[SAVED_NEXT];
	if (r == 0)
		r = restore_states(&tx, mailbox);
	tx_end(&tx);
	/* After the others: what is expunged between the two is in both. */
	if (r == 0)
		r = mailbox_vanished_since(mailbox, modseq, &gone, &gone_count);
	if (r < 0)
		return r;
	memcpy(mailbox->name, folder.name, sizeof(mailbox->name));
	if (gone_count > 0)
		restore_gone(mailbox, gone, gone_count);
	if (mailbox->count != saved->numbers[SAVED_COUNT] ||
	    sum_of_uids(mailbox) != saved->numbers[SAVED_UIDS])
		return -ESTALE;
	return 0;
}

static void restore_recent(struct mailbox *mailbox, struct view ranges)
{
	for (size_t i = 0; i < mailbox->count; i++)
		if (is_recent(&ranges, mailbox->uids[i])) {
			mailbox->flags[i] |= FLAG_RECENT;
			mailbox->recent++;
		}
}

/* By its number, or where that is another index's, by its name. */
static int restore_sync(struct mailbox *mailbox)
{
	int r = mailbox_sync(mailbox);

	if (r != -ENOENT && r != -ESTALE)
		return r;
	mailbox->id = 0;
	r = folders_sync(mailbox->store);
	return r < 0 ? r : mailbox_sync(mailbox);
}

int mailbox_restore(struct store *store, struct view text, struct mailbox **out)
{
	_cleanup_(mailbox_closep) struct mailbox *mailbox = mem_new(struct mailbox);
	struct saved_mailbox saved;
	int r = saved_parse(text, &saved);

	mailbox->store = store;
	list_push_back(&store->mailboxes, &mailbox->link);
	if (r < 0)
		return r;
	mailbox->mode = saved.numbers[SAVED_MODE] ? MAILBOX_READ_WRITE : MAILBOX_READ_ONLY;
	memcpy(mailbox->name, saved.name.data, saved.name.len);
	mailbox->uidvalidity = (uint32_t)saved.numbers[SAVED_VALIDITY];
	mailbox->id = (uint32_t)saved.numbers[SAVED_ID];
	mailbox->generation = store->generation;
	r = restore_sync(mailbox);
	if (r == 0)
		r = restore_snapshot(mailbox, &saved);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	restore_recent(mailbox, saved.recent);
	mailbox->words_changed = sum_of_words(mailbox) != saved.numbers[SAVED_WORDS];
	*out = TAKE(mailbox);
	return 0;
}

/* Changing flags and keywords of messages. One transaction, however many there are. */
#include <errno.h>

#include "base/mem.h"
#include "store/mailbox_folder.h"
#include "store/shared.h"

/* What the snapshot gets once the transaction is durable. */
struct update {
	uint32_t seq;
	uint8_t flags;
	uint64_t keywords, modseq;
};

struct flag_work {
	struct mailbox *mailbox;
	const uint32_t *seqs;
	size_t count;
	const struct flag_change *change;
	struct flag_result *result;
	struct update *updates; /* room for `count` */
	size_t update_count;
};

static void apply_change(const struct flag_change *change, struct state_record *state)
{
	unsigned flags = change->flags & FLAGS_SYSTEM;
	unsigned kept = state->flags & ~(unsigned)FLAGS_SYSTEM;

	switch (change->operation) {
	case FLAGS_REPLACE:
		state->flags = (uint8_t)(kept | flags);
		state->keywords = change->keywords;
		break;
	case FLAGS_ADD:
		state->flags = (uint8_t)(state->flags | flags);
		state->keywords |= change->keywords;
		break;
	case FLAGS_REMOVE:
		state->flags = (uint8_t)(state->flags & ~flags);
		state->keywords &= ~change->keywords;
		break;
	}
}

static bool states_equal(const struct state_record *a, const struct state_record *b)
{
	return a->flags == b->flags && a->keywords == b->keywords;
}

static int change_one(struct tx *tx, struct flag_work *work, struct folder *folder, uint32_t seq)
{
	struct mailbox *mailbox = work->mailbox;
	struct flag_result *result = work->result;
	uint32_t uid = mailbox_uid(mailbox, seq);
	struct state_record state, now, shown;
	int r = uid != 0 ? state_load(tx, folder->r.id, uid, &state) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (work->change->conditional && state.modseq > work->change->unchanged_since) {
		result->modified[result->modified_count++] = seq;
		return 0;
	}
	shown = (struct state_record){ .flags = mailbox->flags[seq - 1] & FLAGS_STORED,
				       .keywords = mailbox_keywords(mailbox, seq) };
	now = state;
	apply_change(work->change, &now);
	if (!states_equal(&state, &shown))
		result->others[result->others_count++] = seq;
	if (!states_equal(&now, &shown))
		result->changed[result->changed_count++] = seq;
	work->updates[work->update_count++] =
		(struct update){ seq, now.flags, now.keywords, state.modseq };
	if (states_equal(&now, &state))
		return 0;
	if (result->modseq == 0) {
		folder_advance(folder);
		result->modseq = folder->r.modseq;
	}
	work->updates[work->update_count - 1].modseq = result->modseq;
	return message_change(tx, folder, uid, &state, &now);
}

/* Another session may have given a message a keyword that this one has not heard of. */
static int learn_keywords(struct tx *tx, struct flag_work *work)
{
	uint64_t used = 0;

	for (size_t i = 0; i < work->update_count; i++)
		used |= work->updates[i].keywords;
	for (; used != 0; used &= used - 1)
		if (mailbox_keyword_name(work->mailbox, (unsigned)__builtin_ctzll(used)) == NULL)
			return mailbox_read_words(tx, work->mailbox);
	return 0;
}

static int flag_work(struct tx *tx, void *argument)
{
	struct flag_work *work = argument;
	struct flag_result *result = work->result;
	struct folder folder;
	int r = mailbox_load_folder(tx, work->mailbox, &folder);

	result->changed_count = result->others_count = result->modified_count = 0;
	result->modseq = 0;
	work->update_count = 0;
	for (size_t i = 0; i < work->count && r == 0; i++)
		r = change_one(tx, work, &folder, work->seqs[i]);
	if (r == 0)
		r = learn_keywords(tx, work);
	if (r < 0 || result->modseq == 0)
		return r;
	return folder_save(tx, &folder);
}

int mailbox_change_flags(struct mailbox *mailbox, const uint32_t *seqs, size_t count,
			 const struct flag_change *change, struct flag_result *result)
{
	_cleanup_free_ struct update *updates = mem_new_array(struct update, count + 1);
	struct flag_work work = { mailbox, seqs, count, change, result, updates, 0 };
	int r;

	*result = (struct flag_result){ 0 };
	if (mailbox->mode != MAILBOX_READ_WRITE)
		return -EPERM;
	result->changed = mem_new_array(uint32_t, count + 1);
	result->others = mem_new_array(uint32_t, count + 1);
	result->modified = mem_new_array(uint32_t, count + 1);
	r = mailbox_write(mailbox,
			  change->may_wait && count <= SHARED_MESSAGES_MAX ? WRITE_SHARED
									   : WRITE_DURABLE,
			  flag_work, &work);
	if (r < 0) {
		flag_result_free(result);
		return r;
	}
	for (size_t i = 0; i < work.update_count; i++) {
		uint8_t *flags = &mailbox->flags[updates[i].seq - 1];

		*flags = (uint8_t)((*flags & ~FLAGS_STORED) | updates[i].flags);
		mailbox->modseqs[updates[i].seq - 1] = updates[i].modseq;
		mailbox_set_keywords(mailbox, updates[i].seq, updates[i].keywords);
	}
	return 0;
}

void flag_result_free(struct flag_result *result)
{
	free(result->changed);
	free(result->others);
	free(result->modified);
	*result = (struct flag_result){ 0 };
}

/* The bytes of a queue file: head, slots, state. Pure: no file is touched. */
#include "queue/format.h"

#include <errno.h>
#include <zlib.h>

uint64_t queue_recipients_end(const struct queue_head *head)
{
	return QUEUE_HEAD_SIZE + head->envelope_size + head->recipients_size;
}

uint32_t queue_crc(uint32_t crc, const void *data, size_t len)
{
	return (uint32_t)crc32_z(crc, data, len);
}

uint32_t queue_crc_join(uint32_t first, uint32_t second, uint64_t second_len)
{
	return (uint32_t)crc32_combine(first, second, (z_off_t)second_len);
}

void queue_state_pack(char out[static QUEUE_STATE_SIZE], uint32_t flags, int64_t next_attempt)
{
	put_u32(out, flags);
	put_u64(out + 4, (uint64_t)next_attempt);
	put_u32(out + 12, queue_crc(0, out, 12));
}

void queue_head_pack(char out[static QUEUE_HEAD_SIZE], const struct queue_head *head)
{
	memset(out, 0, QUEUE_HEAD_SIZE);
	memcpy(out, QUEUE_MAGIC, QUEUE_MAGIC_SIZE);
	out[12] = (char)head->flags;
	out[13] = (char)head->body;
	out[14] = (char)head->ret;
	put_u64(out + 16, (uint64_t)head->arrival);
	put_u32(out + 24, head->envelope_size);
	put_u32(out + 28, head->recipient_count);
	put_u64(out + 32, head->recipients_size);
	put_u64(out + 40, head->content_offset);
	put_u64(out + 48, head->content_size);
	put_u32(out + 8, queue_crc(0, out + 12, QUEUE_HEAD_FIXED_END - 12));
	queue_state_pack(out + QUEUE_STATE_OFFSET, head->state_flags, head->next_attempt);
}

/* Do the sizes fit each other and the file, so that no later sum can leave it? */
static bool sizes_fit(const struct queue_head *head, uint64_t file_size)
{
	uint64_t limit = (uint64_t)INT64_MAX / 4;

	if (head->envelope_size > QUEUE_ENVELOPE_MAX || head->recipients_size > limit ||
	    head->content_size > limit)
		return false;
	if (head->recipients_size / QUEUE_RECIPIENT_MIN < head->recipient_count)
		return false;
	if (head->content_offset < queue_recipients_end(head) ||
	    head->content_offset - queue_recipients_end(head) > QUEUE_RESERVE_MAX)
		return false;
	return head->content_offset + head->content_size + QUEUE_MARK_SIZE <= file_size;
}

int queue_head_unpack(const char in[static QUEUE_HEAD_SIZE], uint64_t file_size,
		      struct queue_head *head)
{
	const char *state = in + QUEUE_STATE_OFFSET;

	if (memcmp(in, QUEUE_MAGIC, QUEUE_MAGIC_SIZE) != 0)
		return -ENODATA;
	if (get_u32(in + 8) != queue_crc(0, in + 12, QUEUE_HEAD_FIXED_END - 12))
		return -EBADMSG;
	*head = (struct queue_head){
		.flags = (uint8_t)in[12],
		.body = (uint8_t)in[13],
		.ret = (uint8_t)in[14],
		.arrival = (int64_t)get_u64(in + 16),
		.envelope_size = get_u32(in + 24),
		.recipient_count = get_u32(in + 28),
		.recipients_size = get_u64(in + 32),
		.content_offset = get_u64(in + 40),
		.content_size = get_u64(in + 48),
	};
	if (!sizes_fit(head, file_size))
		return -ENODATA;
	if (get_u32(state + 12) == queue_crc(0, state, 12)) {
		head->state_flags = get_u32(state);
		head->next_attempt = (int64_t)get_u64(state + 4);
	}
	return 0;
}

void queue_slot_pack(char out[static QUEUE_SLOT_SIZE], uint8_t outcome, bool reported, int64_t when,
		     uint64_t reason)
{
	memset(out, 0, QUEUE_SLOT_SIZE);
	out[0] = (char)outcome;
	out[1] = (char)reported;
	put_u64(out + 4, (uint64_t)when);
	put_u64(out + 12, reason);
	put_u32(out + 20, queue_crc(0, out, 20));
}

void queue_slot_unpack(const char in[static QUEUE_SLOT_SIZE], struct queue_recipient *recipient)
{
	recipient->outcome = OUTCOME_PENDING;
	recipient->reported = false;
	recipient->when = 0;
	recipient->reason = 0;
	/* Fresh (zeros) or torn: nothing is known to have happened to this recipient. */
	if (get_u32(in + 20) != queue_crc(0, in, 20) || (uint8_t)in[0] > OUTCOME_EXPANDED)
		return;
	recipient->outcome = (uint8_t)in[0];
	recipient->reported = in[1] != 0;
	recipient->when = (int64_t)get_u64(in + 4);
	recipient->reason = get_u64(in + 12);
}

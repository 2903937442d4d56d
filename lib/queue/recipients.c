/* The recipients of a queue file, and what is recorded about them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/outcome.h"
#include "queue/file.h"
#include "queue/journal.h"

int queue_file_next_recipient(struct queue_file *file, struct queue_cursor *cursor,
			      struct queue_recipient *recipient)
{
	uint64_t end = queue_recipients_end(&file->head);
	const char *bytes;

	if (cursor->offset == 0)
		cursor->offset = end - file->head.recipients_size;
	if (cursor->offset >= end)
		return 0;
	size_t left = (size_t)(end - cursor->offset);

	if (left < QUEUE_RECIPIENT_MIN)
		return -EBADMSG;
	int r = queue_file_window(file, cursor->offset, MIN(left, QUEUE_RECIPIENT_MAX), &bytes);

	if (r < 0)
		return r;
	size_t size = get_u32(bytes), address = get_u16(bytes + 30), original = get_u16(bytes + 32),
	       orcpt = get_u16(bytes + 34);

	if (size > left || address > IPC_ADDRESS_MAX || original > IPC_ADDRESS_MAX ||
	    orcpt > IPC_ADDRESS_MAX || size != QUEUE_RECIPIENT_MIN + address + original + orcpt)
		return -EBADMSG;
	*recipient = (struct queue_recipient){
		.index = cursor->index,
		.position = cursor->offset,
		.notify = (uint8_t)bytes[28],
		.address = view_make(bytes + QUEUE_RECIPIENT_MIN, address),
		.original = view_make(bytes + QUEUE_RECIPIENT_MIN + address, original),
		.orcpt = view_make(bytes + QUEUE_RECIPIENT_MIN + address + original, orcpt),
	};
	queue_slot_unpack(bytes + QUEUE_SLOT_OFFSET, recipient);
	cursor->offset += size;
	cursor->index++;
	return 1;
}

bool queue_file_has_cursor(const struct queue_file *file, const struct queue_cursor *cursor)
{
	return cursor->offset == 0 ||
	       (cursor->offset <= file->head.content_offset &&
		cursor->offset >= file->head.content_offset - file->head.recipients_size);
}

bool queue_recipient_is_unfinished(const struct queue_recipient *recipient)
{
	return recipient->outcome == OUTCOME_PENDING || recipient->outcome == OUTCOME_DEFERRED;
}

bool queue_recipient_wants_report(const struct queue_recipient *recipient, uint8_t kind)
{
	uint8_t notify = recipient->notify;

	switch (kind) {
	case REPORT_FAILURE:
		return recipient->outcome == OUTCOME_FAILED && !recipient->reported &&
		       (notify == 0 || (notify & NOTIFY_FAILURE));
	case REPORT_DELAY:
		return queue_recipient_is_unfinished(recipient) &&
		       (notify == 0 || (notify & NOTIFY_DELAY));
	case REPORT_SUCCESS:
		return outcome_kind_is_success(recipient->outcome) && !recipient->reported &&
		       (notify & NOTIFY_SUCCESS);
	default:
		return false;
	}
}

int queue_file_reason(struct queue_file *file, uint64_t reason, struct queue_reason *out)
{
	const char *bytes;

	*out = (struct queue_reason){ VIEW_NONE, VIEW_NONE, VIEW_NONE };
	if (reason < queue_file_mark_end(file) || reason >= file->size)
		return -EBADMSG;
	size_t left = (size_t)MIN(file->size - reason, (uint64_t)QUEUE_REASON_MAX);
	int r = queue_file_window(file, reason, left, &bytes);

	if (r < 0)
		return r;
	if (left < QUEUE_REASON_HEAD || get_u32(bytes) != QUEUE_REASON_MAGIC)
		return -EBADMSG;
	size_t status = get_u16(bytes + 4), remote = get_u16(bytes + 6),
	       diagnostic = get_u16(bytes + 8);
	const char *text = bytes + QUEUE_REASON_HEAD;

	if (status + remote + diagnostic > left - QUEUE_REASON_HEAD)
		return -EBADMSG;
	if (get_u32(bytes + 12) !=
	    queue_crc(queue_crc(0, bytes, 12), text, status + remote + diagnostic))
		return -EBADMSG;
	out->status = view_make(text, status);
	out->remote = view_make(text + status, remote);
	out->diagnostic = view_make(text + status + remote, diagnostic);
	return 0;
}

static int open_for_writing(struct queue_file *file)
{
	if (file->write_fd >= 0)
		return 0;
	if (file->queue == NULL)
		return -EROFS;
	int folder = queue_folder_fd(file->queue, view_of(file->id));

	if (folder < 0)
		return folder;
	file->write_fd = openat(folder, file->id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return file->write_fd < 0 ? -errno : 0;
}

static int write_record(struct queue_file *file, const void *bytes, size_t len, uint64_t offset)
{
	int fd = segment_fd(file->queue, file->place.segment);

	if (offset > file->size || len > file->size - offset)
		return -EXDEV; /* the next message is there */
	offset += file->place.offset + RECORD_HEAD_SIZE;
	return fd < 0 ? fd : io_pwrite_all(fd, bytes, len, (off_t)offset);
}

int queue_file_write(struct queue_file *file, const void *bytes, size_t len, uint64_t offset)
{
	int r;

	/* What was read before may be overwritten. */
	file->window_size = 0;
	if (queue_file_in_journal(file))
		return write_record(file, bytes, len, offset);
	r = open_for_writing(file);
	return r < 0 ? r : io_pwrite_all(file->write_fd, bytes, len, (off_t)offset);
}

int queue_file_add_reason(struct queue_file *file, const struct queue_reason *reason,
			  uint64_t *position)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	struct view status = view_first(reason->status, IPC_STATUS_MAX),
		    remote = view_first(reason->remote, IPC_HOST_MAX),
		    diagnostic = view_first(reason->diagnostic, IPC_TEXT_MAX);
	char *head = str_reserve(&bytes, QUEUE_REASON_HEAD);

	memset(head, 0, QUEUE_REASON_HEAD);
	put_u32(head, QUEUE_REASON_MAGIC);
	put_u16(head + 4, status.len);
	put_u16(head + 6, remote.len);
	put_u16(head + 8, diagnostic.len);
	str_grow(&bytes, QUEUE_REASON_HEAD);
	str_append(&bytes, status);
	str_append(&bytes, remote);
	str_append(&bytes, diagnostic);
	uint32_t crc = queue_crc(0, bytes.data, 12);

	crc = queue_crc(crc, bytes.data + QUEUE_REASON_HEAD, bytes.len - QUEUE_REASON_HEAD);
	put_u32(bytes.data + 12, crc);
	if (file->last_reason != 0 &&
	    view_eq(str_view(&bytes), str_view(&file->last_reason_bytes))) {
		*position = file->last_reason;
		return 0;
	}
	if (file->size + bytes.len > queue_file_mark_end(file) + QUEUE_REASONS_MAX)
		return -EFBIG;
	int r = queue_file_write(file, bytes.data, bytes.len, file->size);

	if (r < 0)
		return r;
	*position = file->last_reason = file->size;
	file->size += bytes.len;
	str_set(&file->last_reason_bytes, str_view(&bytes));
	return 0;
}

int queue_file_set_result(struct queue_file *file, uint64_t position, uint8_t outcome,
			  bool reported, int64_t when, uint64_t reason)
{
	char slot[QUEUE_SLOT_SIZE];

	if (position < QUEUE_HEAD_SIZE + file->head.envelope_size ||
	    position + QUEUE_RECIPIENT_MIN > queue_recipients_end(&file->head))
		return -EINVAL;
	queue_slot_pack(slot, outcome, reported, when, reason);
	return queue_file_write(file, slot, sizeof(slot), position + QUEUE_SLOT_OFFSET);
}

int queue_file_set_state(struct queue_file *file, uint32_t flags, int64_t next_attempt)
{
	char state[QUEUE_STATE_SIZE];

	queue_state_pack(state, flags, next_attempt);
	int r = queue_file_write(file, state, sizeof(state), QUEUE_STATE_OFFSET);

	if (r == 0) {
		file->head.state_flags = flags;
		file->head.next_attempt = next_attempt;
	}
	return r;
}

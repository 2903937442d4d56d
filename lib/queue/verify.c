/* The CRC over a whole queue file, as its writer computed it. */
#include <errno.h>

#include "base/mem.h"
#include "queue/file.h"

static int add_range(const struct queue_file *file, uint64_t from, uint64_t to, char *buffer,
		     uint32_t *crc)
{
	while (from < to) {
		size_t piece = (size_t)MIN(to - from, (uint64_t)QUEUE_WINDOW_SIZE);
		int r = queue_file_read(file, buffer, piece, from);

		if (r < 0)
			return r;
		*crc = queue_crc(*crc, buffer, piece);
		from += piece;
	}
	return 0;
}

/* The slots have been written since: they count as the zeros that they were. */
static int add_recipients(struct queue_file *file, uint32_t *crc)
{
	static const char fresh[QUEUE_SLOT_SIZE];
	struct queue_cursor cursor = { 0 };
	struct queue_recipient recipient;
	const char *bytes;
	int r;

	while ((r = queue_file_next_recipient(file, &cursor, &recipient)) > 0) {
		size_t size = (size_t)(cursor.offset - recipient.position);
		size_t behind = QUEUE_SLOT_OFFSET + QUEUE_SLOT_SIZE;

		r = queue_file_window(file, recipient.position, size, &bytes);
		if (r < 0)
			return r;
		*crc = queue_crc(*crc, bytes, QUEUE_SLOT_OFFSET);
		*crc = queue_crc(*crc, fresh, sizeof(fresh));
		*crc = queue_crc(*crc, bytes + behind, size - behind);
	}
	return r < 0 || cursor.index == file->head.recipient_count ? r : -EBADMSG;
}

int queue_file_verify(struct queue_file *file)
{
	_cleanup_free_ char *buffer = mem_resize(NULL, QUEUE_WINDOW_SIZE, 1);
	uint64_t end = queue_recipients_end(&file->head);
	uint64_t mark = queue_file_mark_end(file) - QUEUE_MARK_SIZE;
	char head[QUEUE_HEAD_SIZE], seal[QUEUE_MARK_SIZE];
	uint32_t crc = 0;
	int r = add_range(file, QUEUE_HEAD_SIZE, end - file->head.recipients_size, buffer, &crc);

	if (r == 0)
		r = add_recipients(file, &crc);
	if (r == 0)
		r = add_range(file, end, mark, buffer, &crc);
	if (r == 0)
		r = queue_file_read(file, head, sizeof(head), 0);
	if (r == 0)
		r = queue_file_read(file, seal, sizeof(seal), mark);
	if (r < 0)
		return r;
	crc = queue_crc(crc, head + 12, QUEUE_HEAD_FIXED_END - 12);
	return crc == get_u32(seal + QUEUE_MAGIC_SIZE) ? 0 : -EBADMSG;
}

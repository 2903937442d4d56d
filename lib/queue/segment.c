/* Segments of the journal: their format, what is in them, and when they are free again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "queue/journal.h"

void segment_path(char path[static SEGMENT_PATH_MAX], uint32_t number)
{
	snprintf(path, SEGMENT_PATH_MAX, "journal/%03u", number);
}

static int open_segment(struct queue *queue, uint32_t number)
{
	char path[SEGMENT_PATH_MAX];
	int fd;

	segment_path(path, number);
	fd = openat(queue->fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int segment_fd(struct queue *queue, uint32_t number)
{
	if (number == 0 || number > QUEUE_SEGMENTS_MAX)
		return -EINVAL;

	int *kept = &queue->segments[number - 1];
	int fd = __atomic_load_n(kept, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		return fd;
	fd = open_segment(queue, number);
	return fd < 0 ? fd : queue_keep_fd(kept, fd);
}

int segment_head_read(int fd, struct segment_head *head)
{
	char in[SEGMENT_HEAD_END];
	int r = io_pread_all(fd, in, sizeof(in), 0);

	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	if (memcmp(in, SEGMENT_MAGIC, QUEUE_MAGIC_SIZE) != 0 ||
	    get_u32(in + 8) != queue_crc(0, in + 12, SEGMENT_HEAD_END - 12))
		return -EBADMSG;
	*head = (struct segment_head){
		.state = get_u32(in + 12),
		.generation = get_u64(in + 16),
		.size = get_u64(in + 24),
	};
	return 0;
}

int segment_head_write(int fd, const struct segment_head *head)
{
	char out[SEGMENT_HEAD_END] = SEGMENT_MAGIC;

	put_u32(out + 12, head->state);
	put_u64(out + 16, head->generation);
	put_u64(out + 24, head->size);
	put_u32(out + 8, queue_crc(0, out + 12, SEGMENT_HEAD_END - 12));
	return io_pwrite_all(fd, out, sizeof(out), 0);
}

void record_head_pack(char out[static RECORD_HEAD_SIZE], const struct record_head *head)
{
	memset(out, 0, RECORD_HEAD_SIZE);
	memcpy(out, RECORD_MAGIC, QUEUE_MAGIC_SIZE);
	put_u32(out + 12, head->size);
	put_u64(out + 16, head->generation);
	memcpy(out + 24, head->id, QUEUE_ID_LENGTH_MAX);
	put_u32(out + 8, queue_crc(0, out + 12, RECORD_STATE - 12));
	put_u32(out + RECORD_STATE, head->state);
}

int record_head_unpack(const char in[static RECORD_HEAD_SIZE], struct record_head *head)
{
	const char *id = in + 24;
	size_t id_length = strnlen(id, QUEUE_ID_LENGTH_MAX);

	if (memcmp(in, RECORD_MAGIC, QUEUE_MAGIC_SIZE) != 0 ||
	    get_u32(in + 8) != queue_crc(0, in + 12, RECORD_STATE - 12))
		return -EBADMSG;
	*head = (struct record_head){
		.size = get_u32(in + 12),
		.generation = get_u64(in + 16),
		.state = get_u32(in + RECORD_STATE),
	};
	if (head->size < QUEUE_HEAD_SIZE + QUEUE_MARK_SIZE || head->size > QUEUE_IMAGE_MAX ||
	    !queue_id_is_valid(view_make(id, id_length)))
		return -EBADMSG;
	memcpy(head->id, id, id_length);
	return 0;
}

int record_mark(int fd, const struct queue_place *place, uint32_t state)
{
	char word[4];

	put_u32(word, state);
	return io_pwrite_all(fd, word, sizeof(word), (off_t)place->offset + RECORD_STATE);
}

int queue_mark(struct queue *queue, const struct queue_place *place, uint32_t state)
{
	int fd = segment_fd(queue, place->segment);

	return fd < 0 ? fd : record_mark(fd, place, state);
}

/* ---- scanning ---- */

/* A head that was torn while the segment was made free, or taken: no record counts in it. */
static int segment_read_head(int fd, struct segment_head *head)
{
	int r = segment_head_read(fd, head);

	if (r != -EBADMSG)
		return r;
	*head = (struct segment_head){ .state = SEGMENT_USED, .generation = 0 };
	return 0;
}

/* Tells of the records that are not done. `pending` counts these. */
static int segment_walk(int fd, uint32_t number, uint64_t generation, struct queue_scan *scan,
			size_t *pending)
{
	char bytes[RECORD_HEAD_SIZE];
	struct record_head head;
	uint64_t offset = SEGMENT_HEAD_SIZE;
	int r = 0;

	*pending = 0;
	for (; r == 0; offset += record_span(head.size)) {
		r = io_pread_all(fd, bytes, sizeof(bytes), (off_t)offset);
		if (r == -ENODATA || (r == 0 && (record_head_unpack(bytes, &head) < 0 ||
						 head.generation != generation)))
			return 0;
		if (r < 0 || head.state == QUEUE_RECORD_DONE)
			continue;
		(*pending)++;
		if (head.state == QUEUE_RECORD_BUSY && !scan->busy_too) {
			scan->busy++;
			continue;
		}
		struct queue_place place = { .segment = number,
					     .size = head.size,
					     .offset = offset };

		r = scan->each(scan->argument, head.id, &place);
	}
	return r;
}

/*
 * What is done must stay done before anything is written over it. The clock gives a generation
 * that this segment never had, also where its head was lost.
 */
static int make_free(int fd, struct segment_head *head, uint64_t size)
{
	if (fdatasync(fd) < 0)
		return -errno;
	head->state = SEGMENT_FREE;
	head->generation = MAX(head->generation + 1, (uint64_t)clock_wall_usec());
	head->size = size;
	return segment_head_write(fd, head);
}

static int scan_segment(struct queue *queue, uint32_t number, struct queue_scan *scan)
{
	struct segment_head head;
	size_t pending = 0;
	/* Of its own: this may be a thread beside the one that delivers. */
	_cleanup_fd_ int fd = open_segment(queue, number);

	if (fd < 0)
		return fd;
	off_t size = lseek(fd, 0, SEEK_END);

	if (size <= SEGMENT_HEAD_SIZE)
		return 0; /* who made it did not get far */
	/* While we hold it nobody can begin to write; where somebody does, only the walk is done. */
	bool unowned = flock(fd, LOCK_EX | LOCK_NB) == 0;
	int r = segment_read_head(fd, &head);

	if (r == 0 && head.state == SEGMENT_USED) {
		r = segment_walk(fd, number, head.generation, scan, &pending);
		if (r == 0 && unowned && pending == 0 && !scan->look_only)
			r = make_free(fd, &head, (uint64_t)size);
		else if (r == 0)
			scan->segments++;
		if (r == 0 && !unowned)
			scan->writers++;
	}
	return r;
}

int journal_scan(struct queue *queue, struct queue_scan *scan)
{
	int result = 0;

	for (uint32_t number = 1; result <= 0 && number <= QUEUE_SEGMENTS_MAX; number++) {
		int r = scan_segment(queue, number, scan);

		if (r == -ENOENT)
			break;
		if (r > 0 || result == 0)
			result = r;
	}
	return result;
}

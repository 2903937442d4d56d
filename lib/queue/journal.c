/*
 * Appending to the journal, one batch at a time (commit.c). Several processes append at the same
 * time, each to a segment of its own.
 */
#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/io.h"
#include "base/mem.h"

/* Written with one call; three pieces each, and IOV_MAX is 1024. */
#define RUN_MAX 300
/* A new segment may take this part of the free space. */
#define SPACE_PART  8
#define FILL_BLOCK  ((size_t)1 << 20)
#define RETRY_PAUSE ((msec_t)5000)

struct journal {
	uint32_t limit; /* segments */
	uint64_t segment_size;
	int fd; /* of the segment that we write to, or -1 */
	uint32_t number;
	uint64_t generation, tail, size;
	msec_t not_before; /* no segment was to be had: do not look again at each message */
};

void queue_use_journal(struct queue *queue, uint32_t segments, uint64_t segment_size)
{
	if (segments == 0)
		return;
	queue->journal = mem_new(struct journal);
	queue->journal->limit = MIN(segments, QUEUE_SEGMENTS_MAX);
	queue->journal->segment_size = segment_size;
	queue->journal->fd = -1;
}

void journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	mem_closep(&journal->fd);
	free(journal);
}

/* ---- segments ---- */

/*
 * Blocks that were written once: to write them again changes no metadata, so that the sync of a
 * message is the writing of its bytes and nothing else.
 */
static int segment_fill(int fd, uint64_t size)
{
	_cleanup_free_ char *zeros = mem_new_bytes(FILL_BLOCK);

	if (fallocate(fd, 0, 0, (off_t)size) < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	for (uint64_t done = 0; done < size; done += FILL_BLOCK) {
		size_t piece = (size_t)MIN(size - done, (uint64_t)FILL_BLOCK);
		int r = io_pwrite_all(fd, zeros, piece, (off_t)done);

		if (r < 0)
			return r;
	}
	return 0;
}

static int sync_new(struct queue *queue, int fd)
{
	_cleanup_fd_ int folder =
		openat(queue->fd, "journal", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0 || fsync(fd) < 0 || fsync(folder) < 0)
		return -errno;
	return 0;
}

/* Makes a segment of a new file, or of one that was never finished. It is ours and locked. */
static int furnish(struct queue *queue, int fd, struct segment_head *head)
{
	uint64_t space;
	int r = queue_free_space(queue, &space);

	*head = (struct segment_head){ SEGMENT_USED, (uint64_t)clock_wall_usec(),
				       queue->journal->segment_size };
	if (r < 0 || space / SPACE_PART < head->size)
		return r < 0 ? r : -ENOSPC;
	r = segment_fill(fd, head->size);
	if (r == 0)
		r = segment_head_write(fd, head);
	if (r == 0)
		r = sync_new(queue, fd);
	if (r < 0 && ftruncate(fd, 0) < 0)
		return -errno;
	return r;
}

/* That it is in use is made durable with the first records. */
static int reuse(int fd, struct segment_head *head)
{
	if (segment_head_read(fd, head) < 0 || head->state != SEGMENT_FREE ||
	    head->size <= SEGMENT_HEAD_SIZE)
		return -EBUSY;
	head->state = SEGMENT_USED;
	return segment_head_write(fd, head);
}

/* 0: it is ours; -EBUSY: it is in use; another errno. */
static int segment_take(struct queue *queue, uint32_t number)
{
	struct journal *journal = queue->journal;
	struct segment_head head;
	char path[SEGMENT_PATH_MAX];
	int r;

	segment_path(path, number);
	/* A descriptor of its own, for the lock that others must meet. */
	_cleanup_fd_ int fd = openat(queue->fd, path,
				     O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	r = lseek(fd, 0, SEEK_END) <= SEGMENT_HEAD_SIZE ? furnish(queue, fd, &head)
							: reuse(fd, &head);
	if (r < 0)
		return r;
	journal->fd = TAKE_FD(fd);
	journal->number = number;
	journal->generation = head.generation;
	journal->size = head.size;
	journal->tail = SEGMENT_HEAD_SIZE;
	return 0;
}

/* A segment with room, the first that there is. False: there is none now. */
static bool next_segment(struct queue *queue)
{
	struct journal *journal = queue->journal;
	int r = -EBUSY;

	mem_closep(&journal->fd);
	if (clock_now() < journal->not_before)
		return false;
	for (uint32_t number = 1; r == -EBUSY && number <= journal->limit; number++)
		r = segment_take(queue, number);
	if (r < 0)
		journal->not_before = clock_after(RETRY_PAUSE);
	return r == 0;
}

/* ---- records ---- */

static bool has_room(const struct journal *journal, const struct commit_job *job)
{
	return journal->fd >= 0 && record_span(job->image.len) <= journal->size - journal->tail;
}

struct run_parts {
	struct iovec parts[3 * RUN_MAX];
	char heads[RUN_MAX][RECORD_HEAD_SIZE];
};

/* Written in one piece, from the tail on. */
static int write_run(struct journal *journal, struct commit_job *const *jobs, size_t count)
{
	static const char zeros[RECORD_ALIGN];
	/* Too large for the stack of a task. */
	_cleanup_free_ struct run_parts *run = mem_new(struct run_parts);
	struct iovec *at = run->parts;
	uint64_t offset = journal->tail;

	/* A record begins where the one before ends, never in the head. */
	invariant(offset >= SEGMENT_HEAD_SIZE && offset % RECORD_ALIGN == 0);

	for (size_t i = 0; i < count; i++) {
		struct commit_job *job = jobs[i];
		struct record_head head = { .size = (uint32_t)job->image.len,
					    .generation = journal->generation };
		size_t span = (size_t)record_span(job->image.len);

		memcpy(head.id, job->id, sizeof(head.id));
		record_head_pack(run->heads[i], &head);
		*at++ = (struct iovec){ run->heads[i], RECORD_HEAD_SIZE };
		*at++ = (struct iovec){ (void *)(uintptr_t)job->image.data, job->image.len };
		*at++ = (struct iovec){ (void *)(uintptr_t)zeros,
					span - RECORD_HEAD_SIZE - job->image.len };
		job->place = (struct queue_place){ .segment = journal->number,
						   .size = head.size,
						   .offset = offset };
		offset += span;
	}
	return io_pwritev_all(journal->fd, run->parts, (size_t)(at - run->parts),
			      (off_t)journal->tail);
}

/*
 * Nobody may hear of these. What became of the blocks is not known after an error, so the segment
 * is left alone from here on; that a scan finds the records is made as unlikely as can be.
 */
static void segment_give_up(struct queue *queue, struct commit_job *const *jobs, size_t count,
			    int r)
{
	for (size_t i = 0; i < count; i++) {
		record_mark(queue->journal->fd, &jobs[i]->place, QUEUE_RECORD_DONE);
		jobs[i]->place = QUEUE_OWN_FILE;
		jobs[i]->result = r;
	}
	mem_closep(&queue->journal->fd);
}

static size_t run_length(const struct journal *journal, struct commit_job *const *jobs,
			 size_t count)
{
	uint64_t room = journal->size - journal->tail;
	size_t n = 0;

	while (n < MIN(count, (size_t)RUN_MAX) && record_span(jobs[n]->image.len) <= room)
		room -= record_span(jobs[n++]->image.len);
	return n;
}

void journal_append(struct queue *queue, struct commit_job *const *jobs, size_t count)
{
	struct journal *journal = queue->journal;
	size_t run;

	for (size_t i = 0; journal != NULL && i < count; i += run) {
		if (!has_room(journal, jobs[i]) && !next_segment(queue))
			return;
		run = run_length(journal, jobs + i, count - i);
		if (run == 0)
			return; /* larger than a segment */
		int r = write_run(journal, jobs + i, run);

		if (r == 0)
			r = queue_sync(journal->fd, true);
		if (r < 0) {
			segment_give_up(queue, jobs + i, run, r);
			continue;
		}
		journal->tail =
			jobs[i + run - 1]->place.offset + record_span(jobs[i + run - 1]->image.len);
		invariant(journal->tail <= journal->size);
	}
}

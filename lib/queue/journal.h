/*
 * The journal: a few files of fixed size, the segments, to which small messages are appended, so
 * that many become durable with one sync, and a message that goes out at once creates and unlinks
 * nothing. Segments are used over and over. Private to lib/queue; queue.h has what others see.
 *
 * Segment:	head (SEGMENT_HEAD_SIZE bytes), records one after the other
 * Head:	 0 magic	 8 CRC of 12..31 (u32)	12 state (u32)	16 generation (u64)
 *		24 size of the segment (u64)	zeros
 * Record:	 0 magic	 8 CRC of 12..47 (u32)	12 size of the image (u32)
 *		16 generation (u64)	24 id, filled up with NUL (24 bytes)
 *		48 state (u32)		zeros up to RECORD_HEAD_SIZE
 *		then the image, which is what a file of its own would hold; zeros up to RECORD_ALIGN
 *
 * The records of a segment end with the first that is not whole or of another generation: each
 * append begins only when the one before is durable, so nothing that anybody was told of lies
 * beyond. A segment has one writer, which holds an exclusive flock on it, and only when its records
 * are all done and nobody writes to it is it made free again, with a new generation.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "queue/format.h"

#define SEGMENT_MAGIC	  "PostaSg\n"
#define SEGMENT_HEAD_SIZE 4096
#define SEGMENT_HEAD_END  32
enum { SEGMENT_FREE = 1, SEGMENT_USED = 2 };

#define RECORD_MAGIC	 "PostaRc\n"
#define RECORD_HEAD_SIZE 64
#define RECORD_ALIGN	 64 /* no head lies across the end of a disk sector */
#define RECORD_STATE	 48

struct segment_head {
	uint32_t state;
	uint64_t generation, size;
};
struct record_head {
	uint32_t size;
	uint64_t generation;
	char id[QUEUE_ID_LENGTH_MAX];
	uint32_t state; /* QUEUE_RECORD_... */
};

/* "journal/007" below the queue directory. */
#define SEGMENT_PATH_MAX 32
void segment_path(char path[static SEGMENT_PATH_MAX], uint32_t number);
/* Open for reading and marking; kept open by the queue. Descriptor or a negative errno. */
int segment_fd(struct queue *queue, uint32_t number);
/* 0; -EBADMSG: torn or none; another errno. */
int segment_head_read(int fd, struct segment_head *head);
int segment_head_write(int fd, const struct segment_head *head);
void record_head_pack(char out[static RECORD_HEAD_SIZE], const struct record_head *head);
/* 0 or -EBADMSG. */
int record_head_unpack(const char in[static RECORD_HEAD_SIZE], struct record_head *head);
int record_mark(int fd, const struct queue_place *place, uint32_t state);
static inline uint64_t record_span(uint64_t image_size)
{
	return (RECORD_HEAD_SIZE + image_size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* segment.c: the journal's part of queue_scan. */
int journal_scan(struct queue *queue, struct queue_scan *scan);

/*
 * journal.c, for commit.c, one at a time: appends the images of these jobs and makes them durable.
 * Blocks. A job that was appended has its place; one that could not be, because it has
 * no image or no segment has room, has none and no error: it is to become a file of its own.
 */
void journal_append(struct queue *queue, struct commit_job *const *jobs, size_t count);
void journal_close(struct journal *journal);

#endif

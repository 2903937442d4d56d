/*
 * The queue file's numbers, shared by writer and reader. Private to lib/queue.
 *
 * Head:	 0 magic	 8 CRC of 12..63	12 flags, body, ret, 0	16 arrival (i64)
 *		24 size of the sender record (u32)	28 number of recipients (u32)
 *		32 size of the recipient records (u64)	40 offset of the content (u64)
 *		48 size of the content (u64)		56 zero
 *		64 state flags (u32)	68 next attempt (i64)	76 CRC of 64..75
 *		80 zeros up to QUEUE_HEAD_SIZE
 * Sender:	seven texts, each u16 length and bytes; then, from the last that is not empty on left
 *		out, the filter and why it is held
 * Recipient:	 0 size of the record (u32)
 *		 4 slot: outcome, reported, two zeros (u8), when (i64), reason (u64), CRC (u32)
 *		28 notify (u8), zero (u8), lengths of address, original, orcpt (u16), then these
 * Room:	zeros, where more was reserved in front of the content than was filled (queue_writer_reserve)
 * Mark:	magic, CRC, zero (u32)
 * Reason:	 0 magic (u32)	4 lengths of status, remote, diagnostic (u16), zero (u16)
 *		12 CRC of 0..11 and the texts (u32), then these
 */
#ifndef QUEUE_FORMAT_H
#define QUEUE_FORMAT_H

#include <endian.h>
#include <string.h>

#include "queue/queue.h"

#define QUEUE_MAGIC	   "PostaQ1\n"
#define QUEUE_MARK_MAGIC   "PostaEnd"
#define QUEUE_MAGIC_SIZE   8
#define QUEUE_REASON_MAGIC 0x52656173u

#define QUEUE_HEAD_SIZE	     128
#define QUEUE_HEAD_FIXED_END 64 /* what the CRCs cover ends here */
#define QUEUE_STATE_OFFSET   64
#define QUEUE_STATE_SIZE     16
#define QUEUE_MARK_SIZE	     16
#define QUEUE_SLOT_OFFSET    4
#define QUEUE_SLOT_SIZE	     24
#define QUEUE_RECIPIENT_MIN  36
#define QUEUE_RECIPIENT_MAX  (QUEUE_RECIPIENT_MIN + 3 * IPC_ADDRESS_MAX)
#define QUEUE_ENVELOPE_TEXTS 7
#define QUEUE_ENVELOPE_MAX                                                                         \
	((QUEUE_ENVELOPE_TEXTS + 2) * 2 + 2 * IPC_ADDRESS_MAX + IPC_TEXT_MAX + 5 * IPC_HOST_MAX +  \
	 IPC_STATUS_MAX)
#define QUEUE_REASON_HEAD 16
#define QUEUE_REASON_MAX  (QUEUE_REASON_HEAD + IPC_STATUS_MAX + IPC_HOST_MAX + IPC_TEXT_MAX)

struct queue_head {
	uint8_t flags, body, ret;
	int64_t arrival;
	uint32_t envelope_size, recipient_count;
	uint64_t recipients_size, content_offset, content_size;
	uint32_t state_flags;
	int64_t next_attempt;
};

/* Larger ones are files from the start. */
#define QUEUE_IMAGE_MAX ((size_t)64 * 1024)

/* folders.c */
int queue_folder_of(struct view id);
/* The open folder that holds the id (kept open by the queue), or a negative errno. */
int queue_folder_fd(struct queue *queue, struct view id);

/* An open queue directory. */
struct journal;
struct queue {
	int fd;
	int folders[QUEUE_HASH_FOLDERS];  /* -1: not opened yet; queue_keep_fd */
	int segments[QUEUE_SEGMENTS_MAX]; /* of the journal, by number - 1; the same */
	struct journal *journal;	  /* for writing; NULL: it is not used */
};
/*
 * Keeps a descriptor that was just opened, unless another thread was first: then this one is closed.
 * Returns the one that is kept.
 */
int queue_keep_fd(int *slot, int fd);
/* A descriptor of its own, for a walk; or a negative errno. */
int queue_open_folder(const struct queue *queue, int number);
/* fsync; `data`: fdatasync. 0 or a negative errno. */
int queue_sync(int fd, bool data);

/*
 * commit.c: makes a message durable, together with others; waits as a task. In the journal if there
 * is an image and room for it, else in a file that a worker thread has `write` make: creating and
 * writing files wait for the file system's journal just as fsync does.
 */
struct commit_job {
	int (*write)(void *argument, int *fd);
	void *argument;
	int folder_fd;	   /* of the file */
	const char *id;	   /* QUEUE_ID_LENGTH_MAX bytes */
	struct view image; /* all bytes of the file, or VIEW_NONE: not for the journal */
	/* Set: */
	struct queue_place place;
	int result; /* 0 or a negative errno */
	/* commit.c's own: */
	int fd;
};
int queue_commit(struct queue *queue, struct commit_job *job);

/* format.c */
void queue_head_pack(char out[static QUEUE_HEAD_SIZE], const struct queue_head *head);
void queue_state_pack(char out[static QUEUE_STATE_SIZE], uint32_t flags, int64_t next_attempt);
/* 0; -ENODATA: no head was written; -EBADMSG. Sizes are checked against the size of the file. */
int queue_head_unpack(const char in[static QUEUE_HEAD_SIZE], uint64_t file_size,
		      struct queue_head *head);
void queue_slot_pack(char out[static QUEUE_SLOT_SIZE], uint8_t outcome, bool reported, int64_t when,
		     uint64_t reason);
void queue_slot_unpack(const char in[static QUEUE_SLOT_SIZE], struct queue_recipient *recipient);
uint32_t queue_crc(uint32_t crc, const void *data, size_t len);
/* Of two runs of bytes whose CRCs are known, one after the other. */
uint32_t queue_crc_join(uint32_t first, uint32_t second, uint64_t second_len);
/* Where the recipient records end. What lies between there and the content was reserved. */
uint64_t queue_recipients_end(const struct queue_head *head);

static inline void put_u16(char *at, size_t value)
{
	uint16_t v = htobe16((uint16_t)value);

	memcpy(at, &v, sizeof(v));
}
static inline void put_u32(char *at, uint32_t value)
{
	uint32_t v = htobe32(value);

	memcpy(at, &v, sizeof(v));
}
static inline void put_u64(char *at, uint64_t value)
{
	uint64_t v = htobe64(value);

	memcpy(at, &v, sizeof(v));
}
static inline uint16_t get_u16(const char *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return be16toh(v);
}
static inline uint32_t get_u32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return be32toh(v);
}
static inline uint64_t get_u64(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return be64toh(v);
}

#endif

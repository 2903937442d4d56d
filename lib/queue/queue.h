/*
 * The queue file: one message, its envelope, and what became of each recipient.
 *
 * Layout (integers in network order):
 *	fixed head		QUEUE_HEAD_SIZE bytes: magic, version, times, offsets, counts, flags, CRC
 *	sender record		everything of struct queue_envelope
 *	recipient records	each with a fixed slot (outcome, time, offset of its reason) that is
 *				written in place as results come in
 *	content			exactly as it goes on the wire (CRLF, dots unstuffed)
 *	completion mark		with a CRC-32 over head, envelope and content
 *	reason records		appended while the message waits: status, remote, diagnostic
 *
 * A file is written under incoming/<hash>/<id>, made durable (file and folder) before anyone hears
 * of it, and stays there until it is unlinked; waiting, hold and so on are words in the head and
 * in qmgr's memory, not folders, so nothing is ever renamed. Without a whole completion mark whose
 * CRC fits, a file is no message: its writer died, and nobody got a 250 for it.
 *
 * The writer holds an exclusive flock until the message is handed over, and qmgr holds one while
 * a delivery is under way; who finds a file locked leaves it alone.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"

#define QUEUE_ID_LENGTH_MAX 24
#define QUEUE_HASH_FOLDERS  32 /* folders under incoming/ */

/* A new name, never used twice: time in microseconds and random bits, in Postfix's long form. */
void queue_id_new(char id[static QUEUE_ID_LENGTH_MAX]);
/* Syntax only: ids from other programs become parts of paths. */
bool queue_id_is_valid(struct view id);
/* "incoming/XX/ID" relative to the queue directory. */
void queue_path(struct str *out, struct view id);
/* Makes the folders below the queue directory. */
int queue_make_folders(const char *queue_directory, struct error *err);

struct queue_envelope {
	struct view sender, envid, client_address, client_name, helo, protocol, login;
	uint8_t flags, body, ret;
	int64_t arrival; /* microseconds, wall clock */
};

/* ---- writing (cleanup) ---- */

struct queue_writer;
/* Creates the file below the open folder `queue_fd` (or AT_FDCWD inside the chroot). */
struct queue_writer *queue_writer_new(int queue_fd, const struct queue_envelope *envelope,
				      struct error *err);
const char *queue_writer_id(const struct queue_writer *w);
/* All recipients before the first byte of content. */
int queue_writer_recipient(struct queue_writer *w, struct view address, struct view original,
			   struct view orcpt, uint8_t notify);
int queue_writer_content(struct queue_writer *w, struct view bytes);
uint64_t queue_writer_size(const struct queue_writer *w);
/*
 * Writes mark and head and makes file and folder durable (group commit: while one fsync runs,
 * others join the next; waits as a task). 0 only when the message cannot be lost any more.
 */
int queue_writer_commit(struct queue_writer *w, struct error *err);
/* Frees; removes the file unless it was committed. */
void queue_writer_free(struct queue_writer *w);

/* ---- reading and recording (qmgr, bounce, posta queue) ---- */

struct queue_file;
struct queue_recipient {
	uint32_t index;
	struct view address, original, orcpt; /* valid until the next read */
	uint8_t notify;
	uint8_t outcome;    /* OUTCOME_... */
	bool reported;      /* a bounce (or success report) for it is in the queue */
	int64_t when;       /* of the last result, seconds */
	uint64_t reason;    /* for queue_file_reason, 0: none */
};
enum { QUEUE_FLAG_HOLD = 1, QUEUE_FLAG_DELAY_WARNED = 2, QUEUE_FLAG_EXPIRED = 4 };
/*
 * Opens and checks the head. `verify`: the CRC over everything too (at recovery). -ENODATA: no
 * whole message (yet); -EBADMSG: damaged.
 */
int queue_file_open(int queue_fd, struct view id, bool writable, bool verify,
		    struct queue_file **file, struct error *err);
/* The same for a descriptor that was handed over (taken). */
int queue_file_from_fd(int fd, struct view id, struct queue_file **file, struct error *err);
void queue_file_close(struct queue_file *file);
int queue_file_fd(const struct queue_file *file);
const struct queue_envelope *queue_file_envelope(const struct queue_file *file);
uint64_t queue_file_content_offset(const struct queue_file *file);
uint64_t queue_file_content_size(const struct queue_file *file);
uint32_t queue_file_recipient_count(const struct queue_file *file);
uint32_t queue_file_flags(const struct queue_file *file);
int64_t queue_file_next_attempt(const struct queue_file *file); /* seconds */
/*
 * Reads the recipients from *cursor (0: the first) on; 1, or 0 at the end. Bounded memory: any
 * number of recipients can be walked.
 */
int queue_file_next_recipient(struct queue_file *file, uint64_t *cursor,
			      struct queue_recipient *recipient);
struct queue_reason {
	struct view status, remote, diagnostic;
};
int queue_file_reason(struct queue_file *file, uint64_t reason, struct queue_reason *out);
/* Appends a reason, to be shared by many recipients. 0 and its place, or a negative errno. */
int queue_file_add_reason(struct queue_file *file, const struct queue_reason *reason,
			  uint64_t *place);
int queue_file_set_result(struct queue_file *file, uint64_t recipient_cursor, uint8_t outcome,
			  bool reported, int64_t when, uint64_t reason);
/* Flags and the time of the next attempt. */
int queue_file_set_state(struct queue_file *file, uint32_t flags, int64_t next_attempt);
int queue_file_sync(struct queue_file *file);

#endif

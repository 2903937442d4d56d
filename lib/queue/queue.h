/*
 * The queue file: one message, its envelope, and what became of each recipient.
 *
 * Layout (integers in network order; format.h has the numbers):
 *	fixed head		QUEUE_HEAD_SIZE bytes: magic, counts, offsets, arrival and their CRC;
 *				then the words that change (flags, next attempt) with a CRC of their own
 *	sender record		everything of struct queue_envelope
 *	recipient records	each with a fixed slot (outcome, time, offset of its reason) that is
 *				written in place as results come in
 *	room			that was reserved in front of the content and not filled (zeros, mostly none)
 *	content			exactly as it goes on the wire (CRLF, dots unstuffed)
 *	completion mark		with a CRC-32 over envelope, content and head (slots as zeros)
 *	reason records		appended while the message waits: status, remote, diagnostic
 *
 * A small message begins in the journal (journal.h): its bytes are those of a queue file, appended
 * to a segment, durable together with others. If it goes out at once, that is all there ever is of
 * it. What stays gets a file of its own: written under incoming/<hash>/<id>, durable (file and
 * folder) before the journal forgets it, or anyone hears of it if it is large. A file stays there
 * until it is unlinked; waiting, hold and so on are words in the head and in qmgr's memory, not
 * folders, so nothing is ever renamed (but a damaged file, to corrupt/). Without a whole completion
 * mark a file is no message: its writer died, and nobody got a 250 for it. A slot or a state word that is torn reads as "nothing happened yet": a message may be
 * delivered twice, never lost.
 *
 * The writer holds an exclusive flock until the message is durable, and qmgr holds one while a
 * delivery is under way; who finds a file locked leaves it alone.
 *
 *	struct queue *queue = queue_open(param.queue_directory, &err);	before the chroot
 *	queue_use_journal(queue, 16, 8 << 20);
 *	w = queue_writer_new(queue, &envelope);
 *	queue_writer_recipient(w, ...); queue_writer_content(w, ...);
 *	if (queue_writer_commit(w, &err) == 0) ...			250
 *	queue_writer_free(w);
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"

#define QUEUE_ID_LENGTH_MAX 24	/* with the NUL */
#define QUEUE_HASH_FOLDERS  32	/* folders under incoming/ */
#define QUEUE_SEGMENTS_MAX  256 /* of the journal */

/* Where a message is: in a segment of the journal, or (segment 0) in a file of its own. */
struct queue_place {
	uint32_t segment;
	uint32_t size; /* of its bytes */
	uint64_t offset;
};
#define QUEUE_OWN_FILE ((struct queue_place){ 0, 0, 0 })
/* Functions that take a place take NULL for a file of its own. */

/* A new name, never used twice: time in microseconds and random bits, in Postfix's long form. */
void queue_id_new(char id[static QUEUE_ID_LENGTH_MAX]);
/* Syntax only: ids from other programs become parts of paths. */
bool queue_id_is_valid(struct view id);
/* A valid id as a C string. */
void queue_id_copy(char to[static QUEUE_ID_LENGTH_MAX], struct view id);
/* When it was made, microseconds of the wall clock; for a valid id. */
int64_t queue_id_time(struct view id);
/* "incoming/XX/ID" relative to the queue directory. */
void queue_path(struct str *out, struct view id);
/* Makes the folders below the queue directory. */
int queue_make_folders(const char *queue_directory, struct error *err);

/*
 * An open queue directory; stays usable after a chroot. Worker threads may open and read files of
 * it beside the tasks.
 */
struct queue;
struct queue *queue_open(const char *queue_directory, struct error *err);
void queue_close(struct queue *queue);
/* Bytes that can still be written, and whether inodes are left (else 0 bytes). */
int queue_free_space(const struct queue *queue, uint64_t *bytes);
/*
 * New small messages go to the journal: that many segments of that size at most. For cleanup; whoever
 * only reads and removes needs not call it.
 */
void queue_use_journal(struct queue *queue, uint32_t segments, uint64_t segment_size);

struct queue_scan {
	/* Called for every message; stops when it returns more than 0. First for those in the journal. */
	int (*each)(void *argument, const char *id, const struct queue_place *place);
	void *argument;
	bool only_journal;
	bool look_only; /* makes no segment free */
	bool busy_too;	/* also records that a queue manager marked as busy, because it is gone */
	/* Set: */
	size_t busy;	 /* such records that were passed over */
	size_t segments; /* in use */
	size_t writers;	 /* of these, those that somebody is appending to */
};
/*
 * Also makes segments free that nobody writes to and whose records are all done. Blocks. Returns 0,
 * what `each` returned, or a negative errno: something could not be read, but the rest was.
 */
int queue_scan(struct queue *queue, struct queue_scan *scan);
/* Forgets a message for good. */
int queue_remove(struct queue *queue, struct view id, const struct queue_place *place);
/* Moves a damaged message to corrupt/, for a human to look at. */
int queue_set_aside(struct queue *queue, struct view id, const struct queue_place *place);
/* Seconds since a message's own file was last written, or a negative errno. */
int64_t queue_file_age(struct queue *queue, struct view id);
/*
 * What is to become of a message in the journal: a queue manager that retires marks what it has
 * under way as busy, so that the next one leaves it alone. Not durable by itself: at worst it is
 * delivered again.
 */
enum { QUEUE_RECORD_LIVE = 0, QUEUE_RECORD_BUSY = 0x42757379, QUEUE_RECORD_DONE = 0x446f6e65 };
int queue_mark(struct queue *queue, const struct queue_place *place, uint32_t state);

struct queue_envelope {
	struct view sender, envid, client_address, client_name, helo, protocol, login;
	struct view filter; /* "transport:nexthop" that all of it goes to, or empty */
	struct view held;   /* why a filter or policy has put it on hold; empty: none has */
	uint8_t flags, body, ret;
	int64_t arrival; /* microseconds, wall clock */
};

/* ---- writing (cleanup) ---- */

struct queue_writer;
/* The file itself is made when the buffer is full for the first time, or at the commit. */
struct queue_writer *queue_writer_new(struct queue *queue, const struct queue_envelope *envelope);
const char *queue_writer_id(const struct queue_writer *w);
/* A valid id that the caller made (queue_id_new), before anything else. */
void queue_writer_set_id(struct queue_writer *w, struct view id);
/* All recipients before the first byte of content (-EINVAL after it). */
int queue_writer_recipient(struct queue_writer *w, struct view address, struct view original,
			   struct view orcpt, uint8_t notify);
int queue_writer_content(struct queue_writer *w, struct view bytes);
/*
 * Keeps room for `size` more bytes in front of the content, for what can be known only when all of
 * it has been seen (signatures, results). Before the first byte of content (-EINVAL after it);
 * several may reserve, QUEUE_RESERVE_MAX together (-E2BIG). Until the commit, queue_writer_fill puts
 * text into it, each in front of what was filled before: -ENOSPC if there is no room left. The CRC
 * covers what was filled, and what was not costs a message in the journal nothing.
 */
#define QUEUE_RESERVE_MAX ((size_t)256 * 1024)
int queue_writer_reserve(struct queue_writer *w, size_t size);
int queue_writer_fill(struct queue_writer *w, struct view text);
/*
 * The same message once more, with another envelope: a new writer under the same id, to which
 * recipients and content of the old one can be given. The old one is then only to be freed.
 */
struct queue_writer *queue_writer_again(struct queue_writer *old,
					const struct queue_envelope *envelope);
int queue_writer_take_recipients(struct queue_writer *w, struct queue_writer *old);
int queue_writer_take_content(struct queue_writer *w, struct queue_writer *old);
/* The same without those whose original address leave_out() names. */
int queue_writer_take_recipients_but(struct queue_writer *w, struct queue_writer *old,
				     bool (*leave_out)(void *argument, struct view original),
				     void *argument);
/* Up to `len` bytes of the content from `offset` on: how many, 0 at its end, or a negative errno. */
ssize_t queue_writer_read(struct queue_writer *w, uint64_t offset, char *to, size_t len);
/* To be put on hold; until the commit. */
void queue_writer_hold(struct queue_writer *w);
/* BODY_..., now that the content is known; until the commit. */
void queue_writer_set_body(struct queue_writer *w, uint8_t body);
/* Bytes of content so far. */
uint64_t queue_writer_size(const struct queue_writer *w);
uint32_t queue_writer_recipient_count(const struct queue_writer *w);
/*
 * Writes mark and head and makes file and folder durable (group commit: while one fsync runs,
 * others join the next; waits as a task). 0 only when the message cannot be lost any more; else a
 * negative errno, the first that a write met, and the file is gone.
 */
int queue_writer_commit(struct queue_writer *w, struct error *err);
/* Where it is, once it is committed. */
const struct queue_place *queue_writer_place(const struct queue_writer *w);
/* Frees; removes the file unless it was committed. NULL is allowed. */
void queue_writer_free(struct queue_writer *w);
void queue_writer_freep(struct queue_writer **w);

/* ---- reading and recording (qmgr, bounce, posta queue) ---- */

struct queue_file;
struct queue_recipient {
	uint32_t index;
	uint64_t position;		      /* of its record, for queue_file_set_result */
	struct view address, original, orcpt; /* valid until the next read */
	uint8_t notify;
	uint8_t outcome; /* OUTCOME_... */
	bool reported;	 /* a bounce (or success report) for it is in the queue */
	int64_t when;	 /* of the last result, seconds */
	uint64_t reason; /* for queue_file_reason, 0: none */
};
enum {
	QUEUE_FLAG_HOLD = 1,
	QUEUE_FLAG_DELAY_WARNED = 2,
	QUEUE_FLAG_EXPIRED = 4,
	QUEUE_FLAG_BY_HAND = 8 /* with HOLD: people want it there, whoever else does */
};
enum {
	QUEUE_OPEN_LOCK = 1,   /* take the lock; -EBUSY: somebody else is at it */
	QUEUE_OPEN_VERIFY = 2, /* the CRC over everything too: at recovery. Reads it all */
};
/*
 * Opens and checks the head and that the mark is there. -ENODATA: no whole message (yet);
 * -EBADMSG: damaged; -ENOENT: not, or no longer, in that place. In the journal there is no lock.
 */
int queue_file_open(struct queue *queue, struct view id, const struct queue_place *place,
		    unsigned how, struct queue_file **file, struct error *err);
/* The same for a descriptor that was handed over (taken in any case); results cannot be written. */
int queue_file_from_fd(int fd, struct view id, struct queue_file **file, struct error *err);
/* The CRC over everything. 0 or -EBADMSG or another negative errno. */
int queue_file_verify(struct queue_file *file);
/* Lets go of lock and file. NULL is allowed. */
void queue_file_close(struct queue_file *file);
void queue_file_closep(struct queue_file **file);
/* Gives the read buffer back, for a file that stays open for long. */
void queue_file_trim(struct queue_file *file);
/*
 * Open for reading only, and nothing but this message in it: it is handed to other programs. For
 * a message in the journal a copy in memory is made the first time. A negative errno if that fails.
 */
int queue_file_fd(struct queue_file *file);
/* In the journal? Then no reasons can be added. */
bool queue_file_in_journal(const struct queue_file *file);
/*
 * Gives a message in the journal a file of its own, locked, and makes the journal forget it. Waits
 * as a task; results may be recorded meanwhile. 0, or a negative errno: it stays where it was.
 */
int queue_file_settle(struct queue_file *file, struct error *err);
const char *queue_file_id(const struct queue_file *file);
const struct queue_envelope *queue_file_envelope(const struct queue_file *file);
uint64_t queue_file_content_offset(const struct queue_file *file);
uint64_t queue_file_content_size(const struct queue_file *file);
/*
 * The content, to be handed to other programs with this file: as bytes, valid until the next read,
 * where it is small and in the journal, else in queue_file_fd(). A negative errno if that fails.
 */
struct io_source;
int queue_file_content(struct queue_file *file, struct io_source *content);
uint32_t queue_file_recipient_count(const struct queue_file *file);
uint32_t queue_file_flags(const struct queue_file *file);
int64_t queue_file_next_attempt(const struct queue_file *file); /* seconds */
/*
 * Reads the recipients from *cursor (0: the first) on; 1, or 0 at the end. Bounded memory: any
 * number of recipients can be walked. The cursor may be kept and used with the same file later.
 */
struct queue_cursor {
	uint64_t offset;
	uint32_t index;
};
int queue_file_next_recipient(struct queue_file *file, struct queue_cursor *cursor,
			      struct queue_recipient *recipient);
/* A cursor that came from elsewhere: at the beginning, or within the recipients of this file? */
bool queue_file_has_cursor(const struct queue_file *file, const struct queue_cursor *cursor);
/* Is there still something to be done for it? */
bool queue_recipient_is_unfinished(const struct queue_recipient *recipient);
/*
 * Is a report of this kind (REPORT_...) to be made about this recipient? From its outcome, what was
 * reported already, and what the sender asked for (DSN NOTIFY). qmgr and bounce both ask here.
 */
bool queue_recipient_wants_report(const struct queue_recipient *recipient, uint8_t kind);

struct queue_reason {
	struct view status, remote, diagnostic; /* valid until the next read */
};
int queue_file_reason(struct queue_file *file, uint64_t reason, struct queue_reason *out);
/*
 * Appends a reason, to be shared by many recipients; what equals the last one shares its place.
 * 0 and its position, or a negative errno; -EFBIG when QUEUE_REASONS_MAX bytes of reasons are there.
 */
#define QUEUE_REASONS_MAX (32 * 1024 * 1024)
int queue_file_add_reason(struct queue_file *file, const struct queue_reason *reason,
			  uint64_t *position);
int queue_file_set_result(struct queue_file *file, uint64_t position, uint8_t outcome,
			  bool reported, int64_t when, uint64_t reason);
/* Flags and the time of the next attempt. */
int queue_file_set_state(struct queue_file *file, uint32_t flags, int64_t next_attempt);

#endif

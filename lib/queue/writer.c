/* Writing one message: in memory while it is small, else into its file as it comes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "queue/format.h"

/* A message of usual size is one write. */
#define BUFFER_SIZE QUEUE_IMAGE_MAX
/* Why somebody of a journaled message did not get it waits in qmgr's memory: so not for too many. */
#define JOURNAL_RECIPIENTS_MAX 100

struct queue_writer {
	struct queue *queue;
	char id[QUEUE_ID_LENGTH_MAX];
	int fd; /* -1: not made yet */
	int folder_fd;
	char *buffer; /* grows up to BUFFER_SIZE */
	size_t used, size;
	uint64_t written; /* bytes of the file before the buffer */
	uint32_t
		crc; /* of all after the head that left the buffer; after the room, if it is in the file */
	struct {
		size_t size, at; /* bytes kept; where in the buffer, while it has not left it */
		uint64_t offset; /* in the file then, 0: not yet */
		uint32_t crc;	 /* of all between the head and the room */
		struct str text; /* to be put at its end */
	} room;
	struct queue_head head;
	bool content_begun, sealed, committed;
	bool superseded;	  /* another writer has its id, and its file's name */
	struct queue_place place; /* once it is committed */
	int failure;		  /* the first error; everything later fails with it */
};

static int writer_fail(struct queue_writer *w, int r)
{
	if (r < 0 && w->failure == 0)
		w->failure = r;
	return r;
}

/* Before anything is written, and not in a worker thread: the queue opens folders as needed. */
static int find_folder(struct queue_writer *w)
{
	if (w->folder_fd < 0)
		w->folder_fd = queue_folder_fd(w->queue, view_of(w->id));
	return writer_fail(w, MIN(w->folder_fd, 0));
}

static int writer_create(struct queue_writer *w)
{
	w->fd = openat(w->folder_fd, w->id, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (w->fd < 0)
		return -errno;
	return flock(w->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static bool room_in_buffer(const struct queue_writer *w)
{
	return w->room.size > 0 && w->room.offset == 0;
}

/* The CRC over what has not left the buffer yet; the head in front is counted at the very end. */
static void count_buffer(struct queue_writer *w)
{
	size_t start = w->written == 0 ? QUEUE_HEAD_SIZE : 0;

	if (room_in_buffer(w)) {
		w->room.crc = queue_crc(w->crc, w->buffer + start, w->room.at - start);
		w->crc = 0;
		start = w->room.at;
	}
	w->crc = queue_crc(w->crc, w->buffer + start, w->used - start);
}

/* The buffer up to the room, and a hole for it. What is left of the buffer comes after it. */
static int write_front(struct queue_writer *w)
{
	int r = io_write_all(w->fd, w->buffer, w->room.at);

	w->room.offset = w->written + w->room.at;
	if (r == 0 && lseek(w->fd, (off_t)(w->room.offset + w->room.size), SEEK_SET) < 0)
		r = -errno;
	w->written = w->room.offset + w->room.size;
	w->used -= w->room.at;
	memmove(w->buffer, w->buffer + w->room.at, w->used);
	return r;
}

static int write_buffer(struct queue_writer *w)
{
	int r = w->fd < 0 ? writer_create(w) : 0;

	if (r == 0 && room_in_buffer(w))
		r = write_front(w);
	if (r == 0)
		r = io_write_all(w->fd, w->buffer, w->used);
	w->written += w->used;
	w->used = 0;
	return writer_fail(w, r);
}

static void writer_make_room(struct queue_writer *w, size_t more)
{
	if (w->used + more <= w->size)
		return;
	while (w->size < w->used + more)
		w->size *= 2;
	w->buffer = mem_resize(w->buffer, w->size, 1);
}

static int append(struct queue_writer *w, const char *data, size_t len)
{
	while (len > 0) {
		size_t room = BUFFER_SIZE - w->used, piece = MIN(len, room);

		writer_make_room(w, piece);
		memcpy(w->buffer + w->used, data, piece);
		w->used += piece;
		data += piece;
		len -= piece;
		if (w->used == BUFFER_SIZE) {
			int r = find_folder(w);

			count_buffer(w);
			if (r == 0)
				r = write_buffer(w);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int append_text(struct queue_writer *w, struct view text)
{
	char length[2];

	put_u16(length, text.len);
	int r = append(w, length, sizeof(length));

	return r < 0 ? r : append(w, text.data, text.len);
}

/* Longer than the reader would take: cut off rather than write a file that cannot be read. */
static int append_envelope_text(struct queue_writer *w, struct view text, size_t max)
{
	text = view_first(text, max);
	w->head.envelope_size += (uint32_t)(2 + text.len);
	return append_text(w, text);
}

struct queue_writer *queue_writer_new(struct queue *queue, const struct queue_envelope *envelope)
{
	struct queue_writer *w = mem_new(struct queue_writer);

	w->queue = queue;
	queue_id_new(w->id);
	w->fd = w->folder_fd = -1;
	w->size = BUFFER_SIZE / 8;
	w->buffer = mem_resize(NULL, w->size, 1);
	memset(w->buffer, 0, QUEUE_HEAD_SIZE);
	w->used = QUEUE_HEAD_SIZE;
	w->head.flags = envelope->flags;
	w->head.state_flags = envelope->flags & MAIL_FLAG_HOLD ? QUEUE_FLAG_HOLD : 0;
	w->head.body = envelope->body;
	w->head.ret = envelope->ret;
	w->head.arrival = envelope->arrival;
	if (envelope->sender.len > IPC_ADDRESS_MAX)
		writer_fail(w, -EMSGSIZE);
	append_envelope_text(w, envelope->sender, IPC_ADDRESS_MAX);
	append_envelope_text(w, envelope->envid, IPC_TEXT_MAX);
	append_envelope_text(w, envelope->client_address, IPC_HOST_MAX);
	append_envelope_text(w, envelope->client_name, IPC_HOST_MAX);
	append_envelope_text(w, envelope->helo, IPC_HOST_MAX);
	append_envelope_text(w, envelope->protocol, IPC_STATUS_MAX);
	append_envelope_text(w, envelope->login, IPC_ADDRESS_MAX);
	/* Left out where there is none: so were files of earlier versions. */
	if (envelope->filter.len > 0 || envelope->held.len > 0)
		append_envelope_text(w, envelope->filter, IPC_HOST_MAX);
	if (envelope->held.len > 0)
		append_envelope_text(w, envelope->held, IPC_HOST_MAX);
	return w;
}

const char *queue_writer_id(const struct queue_writer *w)
{
	return w->id;
}

void queue_writer_set_id(struct queue_writer *w, struct view id)
{
	memset(w->id, 0, sizeof(w->id));
	memcpy(w->id, id.data, MIN(id.len, sizeof(w->id) - 1));
}

uint64_t queue_writer_size(const struct queue_writer *w)
{
	return w->head.content_size;
}

uint32_t queue_writer_recipient_count(const struct queue_writer *w)
{
	return w->head.recipient_count;
}

int queue_writer_recipient(struct queue_writer *w, struct view address, struct view original,
			   struct view orcpt, uint8_t notify)
{
	char fixed[QUEUE_RECIPIENT_MIN] = "";
	size_t size = sizeof(fixed) + address.len + original.len + orcpt.len;

	if (w->failure < 0)
		return w->failure;
	if (w->content_begun)
		return -EINVAL;
	if (address.len > IPC_ADDRESS_MAX || original.len > IPC_ADDRESS_MAX ||
	    orcpt.len > IPC_ADDRESS_MAX)
		return -EMSGSIZE;
	put_u32(fixed, (uint32_t)size);
	fixed[28] = (char)notify;
	put_u16(fixed + 30, address.len);
	put_u16(fixed + 32, original.len);
	put_u16(fixed + 34, orcpt.len);
	w->head.recipient_count++;
	w->head.recipients_size += size;
	append(w, fixed, sizeof(fixed));
	append(w, address.data, address.len);
	append(w, original.data, original.len);
	append(w, orcpt.data, orcpt.len);
	return w->failure;
}

int queue_writer_content(struct queue_writer *w, struct view bytes)
{
	if (w->failure < 0)
		return w->failure;
	if (!w->content_begun)
		w->room.at = w->used;
	w->content_begun = true;
	w->head.content_size += bytes.len;
	return append(w, bytes.data, bytes.len);
}

int queue_writer_reserve(struct queue_writer *w, size_t size)
{
	if (w->failure < 0)
		return w->failure;
	if (w->content_begun)
		return -EINVAL;
	if (size > QUEUE_RESERVE_MAX - w->room.size)
		return -E2BIG;
	w->room.size += size;
	return 0;
}

int queue_writer_fill(struct queue_writer *w, struct view text)
{
	struct str whole = STR_EMPTY;

	if (w->failure < 0)
		return w->failure;
	if (text.len > w->room.size - w->room.text.len)
		return -ENOSPC;
	str_append(&whole, text);
	str_append(&whole, str_view(&w->room.text));
	str_free(&w->room.text);
	w->room.text = whole;
	w->head.content_size += text.len;
	return 0;
}

void queue_writer_set_body(struct queue_writer *w, uint8_t body)
{
	w->head.body = body;
}

void queue_writer_hold(struct queue_writer *w)
{
	w->head.state_flags |= QUEUE_FLAG_HOLD;
}

struct queue_writer *queue_writer_again(struct queue_writer *old,
					const struct queue_envelope *envelope)
{
	struct queue_writer *w = queue_writer_new(old->queue, envelope);

	queue_writer_set_id(w, view_of(old->id));
	w->head.state_flags = old->head.state_flags;
	w->head.body = old->head.body;
	writer_fail(w, old->failure);
	/* Its name is needed; what is in it can still be read. */
	if (old->fd >= 0 && unlinkat(old->folder_fd, old->id, 0) < 0)
		writer_fail(w, -errno);
	old->superseded = true;
	return w;
}

/* Appends bytes `at` to `end` of what the other one has written. */
static int writer_copy(struct queue_writer *w, const struct queue_writer *from, uint64_t at,
		       uint64_t end)
{
	_cleanup_free_ char *block = mem_resize(NULL, BUFFER_SIZE, 1);
	int r = w->failure;

	while (r == 0 && at < MIN(end, from->written)) {
		size_t piece = (size_t)MIN(MIN(end, from->written) - at, BUFFER_SIZE);

		r = io_pread_all(from->fd, block, piece, (off_t)at);
		if (r == 0)
			r = append(w, block, piece);
		at += piece;
	}
	if (r == 0 && at < end)
		r = append(w, from->buffer + (at - from->written), (size_t)(end - at));
	return writer_fail(w, r);
}

/* Bytes from `at` of what was written, from its file or its buffer: how many. */
static ssize_t writer_read(const struct queue_writer *w, uint64_t at, char *to, size_t len)
{
	uint64_t end = w->written + w->used;
	int r;

	len = (size_t)MIN((uint64_t)len, at < end ? end - at : 0);
	if (at < w->written) {
		len = (size_t)MIN((uint64_t)len, w->written - at);
		r = io_pread_all(w->fd, to, len, (off_t)at);
		return r < 0 ? r : (ssize_t)len;
	}
	if (len > 0)
		memcpy(to, w->buffer + (at - w->written), len);
	return (ssize_t)len;
}

/* All of them, which may lie in both. */
static int writer_read_all(const struct queue_writer *w, uint64_t at, char *to, size_t len)
{
	while (len > 0) {
		ssize_t n = writer_read(w, at, to, len);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		at += (uint64_t)n;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

static uint64_t writer_content_start(const struct queue_writer *w)
{
	return w->room.offset > 0 ? w->room.offset + w->room.size : queue_recipients_end(&w->head);
}

ssize_t queue_writer_read(struct queue_writer *w, uint64_t offset, char *to, size_t len)
{
	struct view text = str_view(&w->room.text);

	if (w->failure < 0)
		return w->failure;
	if (offset >= text.len)
		return writer_read(w, writer_content_start(w) + offset - text.len, to, len);
	text = view_first(view_from(text, (size_t)offset), len);
	memcpy(to, text.data, text.len);
	return (ssize_t)text.len;
}

/* One recipient's record at *at; the next is after it. */
static int writer_read_recipient(const struct queue_writer *w, uint64_t *at, struct str *record)
{
	char fixed[QUEUE_RECIPIENT_MIN];
	int r = writer_read_all(w, *at, fixed, sizeof(fixed));
	size_t size = r == 0 ? get_u32(fixed) : 0;

	if (r < 0)
		return r;
	if (size < sizeof(fixed) || size > sizeof(fixed) + 3 * (size_t)IPC_ADDRESS_MAX)
		return -EBADMSG;
	str_clear(record);
	r = writer_read_all(w, *at, str_reserve(record, size), size);
	str_grow(record, size);
	*at += size;
	return r;
}

int queue_writer_take_recipients_but(struct queue_writer *w, struct queue_writer *old,
				     bool (*leave_out)(void *argument, struct view original),
				     void *argument)
{
	_cleanup_(str_free) struct str record = STR_EMPTY;
	uint64_t end = queue_recipients_end(&old->head), at = end - old->head.recipients_size;
	int r = w->failure;

	while (r == 0 && at < end) {
		struct view rest, address, original;

		r = writer_read_recipient(old, &at, &record);
		if (r < 0)
			break;
		rest = view_from(str_view(&record), QUEUE_RECIPIENT_MIN);
		address = view_first(rest, get_u16(record.data + 30));
		rest = view_from(rest, address.len);
		original = view_first(rest, get_u16(record.data + 32));
		rest = view_from(rest, original.len);
		if (!leave_out(argument, original))
			r = queue_writer_recipient(w, address, original, rest,
						   (uint8_t)record.data[28]);
	}
	return writer_fail(w, r);
}

int queue_writer_take_recipients(struct queue_writer *w, struct queue_writer *old)
{
	uint64_t end = queue_recipients_end(&old->head);

	w->head.recipient_count = old->head.recipient_count;
	w->head.recipients_size = old->head.recipients_size;
	return writer_copy(w, old, end - old->head.recipients_size, end);
}

int queue_writer_take_content(struct queue_writer *w, struct queue_writer *old)
{
	uint64_t start = writer_content_start(old);
	int r = queue_writer_content(w, str_view(&old->room.text));

	w->head.content_size = old->head.content_size;
	return r < 0 ? r : writer_copy(w, old, start, old->written + old->used);
}

/* The room has not left the buffer: there what was filled takes just its own place. */
static void close_room(struct queue_writer *w)
{
	struct view text = str_view(&w->room.text);

	if (!room_in_buffer(w))
		return;
	if (!w->content_begun)
		w->room.at = w->used;
	writer_make_room(w, text.len);
	memmove(w->buffer + w->room.at + text.len, w->buffer + w->room.at, w->used - w->room.at);
	if (text.len > 0)
		memcpy(w->buffer + w->room.at, text.data, text.len);
	w->used += text.len;
	w->room.size = 0;
}

/* The CRC of the room's bytes: zeros, then what was filled. */
static uint32_t room_crc(const struct queue_writer *w)
{
	static const char zeros[4096];
	size_t empty = w->room.size - w->room.text.len;
	uint32_t crc = 0;

	for (; empty > 0; empty -= MIN(empty, sizeof(zeros)))
		crc = queue_crc(crc, zeros, MIN(empty, sizeof(zeros)));
	return queue_crc(crc, str_cstr(&w->room.text), w->room.text.len);
}

/* The CRC of all that follows the head, none of which is in the buffer any more. */
static void join_crc(struct queue_writer *w)
{
	uint64_t behind = w->written + w->used - w->room.offset - w->room.size;
	uint32_t front = w->room.crc;

	if (w->room.size == 0)
		return;
	front = queue_crc_join(front, room_crc(w), w->room.size);
	w->crc = queue_crc_join(front, w->crc, behind);
}

/* Mark and head. If the message fits the buffer they are put there, and it is whole: sealed. */
static void seal(struct queue_writer *w, char head[static QUEUE_HEAD_SIZE],
		 char mark[static QUEUE_MARK_SIZE])
{
	close_room(w);
	w->head.content_offset = queue_recipients_end(&w->head);
	if (w->room.size > 0)
		w->head.content_offset += w->room.size - w->room.text.len;
	queue_head_pack(head, &w->head);
	count_buffer(w);
	join_crc(w);
	w->crc = queue_crc(w->crc, head + 12, QUEUE_HEAD_FIXED_END - 12);
	memset(mark, 0, QUEUE_MARK_SIZE);
	memcpy(mark, QUEUE_MARK_MAGIC, QUEUE_MAGIC_SIZE);
	put_u32(mark + QUEUE_MAGIC_SIZE, w->crc);
	w->sealed = w->written == 0 && w->used + QUEUE_MARK_SIZE <= BUFFER_SIZE;
	if (w->sealed) {
		writer_make_room(w, QUEUE_MARK_SIZE);
		memcpy(w->buffer, head, QUEUE_HEAD_SIZE);
		memcpy(w->buffer + w->used, mark, QUEUE_MARK_SIZE);
		w->used += QUEUE_MARK_SIZE;
	}
}

struct ending {
	struct queue_writer *w;
	char head[QUEUE_HEAD_SIZE], mark[QUEUE_MARK_SIZE];
};

/* A sealed message is one write, and its file is made only here. In a worker thread. */
static int write_end(void *argument, int *fd)
{
	struct ending *ending = argument;
	struct queue_writer *w = ending->w;
	int r = write_buffer(w);

	*fd = w->fd;
	if (r == 0 && !w->sealed)
		r = io_write_all(w->fd, ending->mark, sizeof(ending->mark));
	if (r == 0 && !w->sealed)
		r = io_pwrite_all(w->fd, ending->head, sizeof(ending->head), 0);
	if (r == 0 && w->room.size > 0)
		r = io_pwrite_all(w->fd, str_cstr(&w->room.text), w->room.text.len,
				  (off_t)w->head.content_offset);
	return writer_fail(w, r);
}

/* What is likely to be gone in a moment: not for many recipients, nor what was put on hold. */
static bool belongs_in_journal(const struct queue_writer *w)
{
	return w->sealed && w->head.recipient_count <= JOURNAL_RECIPIENTS_MAX &&
	       !(w->head.state_flags & QUEUE_FLAG_HOLD);
}

int queue_writer_commit(struct queue_writer *w, struct error *err)
{
	struct ending ending = { .w = w };
	struct commit_job job = { .write = write_end, .argument = &ending, .id = w->id };
	int r = w->failure;

	if (r == 0)
		r = find_folder(w);
	if (r == 0) {
		seal(w, ending.head, ending.mark);
		job.folder_fd = w->folder_fd;
		if (belongs_in_journal(w))
			job.image = view_make(w->buffer, w->used);
		r = writer_fail(w, queue_commit(w->queue, &job));
	}
	if (r < 0)
		return error_set(err, r, "write queue file %s: %s", w->id, strerror(-r));
	w->place = job.place;
	w->committed = true;
	return 0;
}

const struct queue_place *queue_writer_place(const struct queue_writer *w)
{
	return &w->place;
}

void queue_writer_free(struct queue_writer *w)
{
	if (w == NULL)
		return;
	if (w->fd >= 0) {
		/* Removed while it is locked: qmgr cannot have taken it for a message. */
		if (!w->committed && !w->superseded)
			unlinkat(w->folder_fd, w->id, 0);
		close(w->fd);
	}
	str_free(&w->room.text);
	free(w->buffer);
	free(w);
}

void queue_writer_freep(struct queue_writer **w)
{
	queue_writer_free(*w);
}

/* Opening a queue file, and its fixed parts. */
#include "queue/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "queue/journal.h"

static int record_take_text(struct view *rest, struct view *text, size_t max)
{
	if (rest->len < 2)
		return -EBADMSG;
	size_t len = get_u16(rest->data);

	if (len > rest->len - 2 || len > max)
		return -EBADMSG;
	*text = view_make(rest->data + 2, len);
	*rest = view_from(*rest, 2 + len);
	return 0;
}

static int read_envelope(struct queue_file *file)
{
	struct queue_envelope *envelope = &file->envelope;
	const struct {
		struct view *text;
		size_t max;
	} texts[QUEUE_ENVELOPE_TEXTS] = {
		{ &envelope->sender, IPC_ADDRESS_MAX },
		{ &envelope->envid, IPC_TEXT_MAX },
		{ &envelope->client_address, IPC_HOST_MAX },
		{ &envelope->client_name, IPC_HOST_MAX },
		{ &envelope->helo, IPC_HOST_MAX },
		{ &envelope->protocol, IPC_STATUS_MAX },
		{ &envelope->login, IPC_ADDRESS_MAX },
	};
	const char *bytes;
	int r = queue_file_window(file, QUEUE_HEAD_SIZE, file->head.envelope_size, &bytes);

	if (r < 0)
		return r;
	file->envelope_bytes = mem_strndup(bytes, file->head.envelope_size);
	struct view rest = view_make(file->envelope_bytes, file->head.envelope_size);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		r = record_take_text(&rest, texts[i].text, texts[i].max);
		if (r < 0)
			return r;
	}
	if (rest.len > 0)
		r = record_take_text(&rest, &envelope->filter, IPC_HOST_MAX);
	if (r == 0 && rest.len > 0)
		r = record_take_text(&rest, &envelope->held, IPC_HOST_MAX);
	if (r < 0)
		return r;
	envelope->flags = file->head.flags;
	envelope->body = file->head.body;
	envelope->ret = file->head.ret;
	envelope->arrival = file->head.arrival;
	return rest.len > 0 ? -EBADMSG : 0;
}

/* A small file is in the window whole; in a large one the window stays at the recipients. */
static int check_mark(struct queue_file *file)
{
	uint64_t at = queue_file_mark_end(file) - QUEUE_MARK_SIZE;
	char far[QUEUE_MAGIC_SIZE];
	const char *mark = far;
	int r;

	if (at + sizeof(far) <= file->window_offset + file->window_size)
		r = queue_file_window(file, at, sizeof(far), &mark);
	else
		r = queue_file_read(file, far, sizeof(far), at);
	if (r < 0)
		return r;
	return memcmp(mark, QUEUE_MARK_MAGIC, sizeof(far)) == 0 ? 0 : -ENODATA;
}

/* Head, mark and sender record. */
static int record_check(struct queue_file *file)
{
	const char *bytes;
	int r = queue_file_window(file, 0, QUEUE_HEAD_SIZE, &bytes);

	if (r < 0)
		return r;
	r = queue_head_unpack(bytes, file->size, &file->head);
	if (r < 0)
		return r;
	r = read_envelope(file);
	if (r < 0)
		return r;
	return check_mark(file);
}

static int check_opened(struct queue_file *opened, unsigned how, struct queue_file **file,
			struct error *err)
{
	_cleanup_(queue_file_closep) struct queue_file *f = opened;
	int r = record_check(f);

	if (r == 0 && (how & QUEUE_OPEN_VERIFY))
		r = queue_file_verify(f);
	if (r == -ENODATA)
		return error_set(err, r, "queue file %s is not complete", f->id);
	if (r < 0)
		return error_set(err, r, "queue file %s: %s", f->id,
				 r == -EBADMSG ? "damaged" : strerror(-r));
	*file = TAKE(f);
	return 0;
}

/* What is shorter than the window, most of all that there is, needs no question for its size. */
static int read_first(struct queue_file *f)
{
	struct stat st;
	ssize_t n;

	queue_file_make_window(f, QUEUE_WINDOW_SIZE);
	do
		n = pread(f->fd, f->window, QUEUE_WINDOW_SIZE, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EISDIR || errno == ESPIPE ? -EBADMSG : -errno; /* no file */
	f->size = f->window_size = (size_t)n;
	if (f->size < QUEUE_WINDOW_SIZE)
		return 0;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	f->size = (uint64_t)st.st_size;
	return 0;
}

static int finish_open(struct queue_file *opened, unsigned how, struct queue_file **file,
		       struct error *err)
{
	_cleanup_(queue_file_closep) struct queue_file *f = opened;
	int r;

	if (how & QUEUE_OPEN_LOCK) {
		if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
			return error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
					 "queue file %s is locked", f->id);
		f->locked = true;
	}
	r = read_first(f);
	if (r < 0)
		return error_set(err, r, "read queue file %s: %s", f->id, strerror(-r));
	return check_opened(TAKE(f), how, file, err);
}

static struct queue_file *new_file(struct queue *queue, struct view id, int fd)
{
	struct queue_file *f = mem_new(struct queue_file);

	f->queue = queue;
	queue_id_copy(f->id, id);
	f->fd = fd;
	f->write_fd = f->copy_fd = -1;
	return f;
}

/* All of it is read at once: it is small. */
static int open_record(struct queue *queue, struct view id, const struct queue_place *place,
		       unsigned how, struct queue_file **file, struct error *err)
{
	_cleanup_(queue_file_closep) struct queue_file *f = new_file(queue, id, -1);
	char bytes[RECORD_HEAD_SIZE];
	struct record_head head;
	int fd = segment_fd(queue, place->segment);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && place->size > QUEUE_IMAGE_MAX)
		r = -ENOENT;
	if (r == 0) {
		queue_file_make_window(f, place->size);
		struct iovec parts[] = { { bytes, sizeof(bytes) }, { f->window, place->size } };

		r = io_preadv_all(fd, parts, ARRAY_SIZE(parts), (off_t)place->offset);
	}
	/* The segment may have been used anew since somebody saw the message there. */
	if (r == 0 && (record_head_unpack(bytes, &head) < 0 || !view_is(id, head.id) ||
		       head.size != place->size || head.state == QUEUE_RECORD_DONE))
		r = -ENOENT;
	if (r < 0)
		return error_set(err, r, "queue file %s: %s", f->id, strerror(-r));
	f->place = *place;
	f->size = f->window_size = place->size;
	return check_opened(TAKE(f), how, file, err);
}

int queue_file_open(struct queue *queue, struct view id, const struct queue_place *place,
		    unsigned how, struct queue_file **file, struct error *err)
{
	char name[QUEUE_ID_LENGTH_MAX];
	int folder = queue_folder_fd(queue, id);

	if (folder < 0)
		return error_set(err, folder, "folder of queue file %.*s: %s", VIEW_ARG(id),
				 strerror(-folder));
	if (place != NULL && place->segment != 0)
		return open_record(queue, id, place, how, file, err);
	queue_id_copy(name, id);
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open queue file %s", name);
	return finish_open(new_file(queue, id, fd), how, file, err);
}

int queue_file_from_fd(int fd, struct view id, struct queue_file **file, struct error *err)
{
	struct stat st;
	int r = 0;

	if (!queue_id_is_valid(id))
		r = error_set(err, -EINVAL, "no queue id: %.*s", VIEW_ARG(id));
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = error_set(err, -EBADMSG, "queue file %.*s is no regular file", VIEW_ARG(id));
	if (r < 0) {
		close(fd);
		return r;
	}
	return finish_open(new_file(NULL, id, fd), 0, file, err);
}

void queue_file_close(struct queue_file *file)
{
	if (file == NULL)
		return;
	/* A delivery agent may still hold the same open file, and with it the lock. */
	if (file->locked)
		flock(file->fd, LOCK_UN);
	mem_closep(&file->fd);
	mem_closep(&file->write_fd);
	mem_closep(&file->copy_fd);
	str_free(&file->last_reason_bytes);
	free(file->envelope_bytes);
	free(file->window);
	free(file);
}

void queue_file_closep(struct queue_file **file)
{
	queue_file_close(*file);
}

/* Sealed: who gets it can neither change nor shorten it, nor keep anything in it for others. */
static int window_make_copy(struct queue_file *file)
{
	_cleanup_fd_ int fd = memfd_create(file->id, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int segment = segment_fd(file->queue, file->place.segment);
	off_t from = (off_t)file->place.offset + RECORD_HEAD_SIZE;

	if (fd < 0)
		return -errno;
	for (uint64_t done = 0; done < file->size;) {
		ssize_t n = sendfile(fd, segment, &from, (size_t)(file->size - done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	file->copy_fd = TAKE_FD(fd);
	return 0;
}

int queue_file_fd(struct queue_file *file)
{
	if (file->copy_fd < 0 && queue_file_in_journal(file)) {
		int r = window_make_copy(file);

		if (r < 0)
			return r;
	}
	return file->copy_fd >= 0 ? file->copy_fd : file->fd;
}

int queue_file_content(struct queue_file *file, struct io_source *content)
{
	uint64_t offset = file->head.content_offset, size = file->head.content_size;

	*content = (struct io_source){ .file = -1, .offset = offset, .size = size };
	if (queue_file_in_journal(file) && size <= IPC_CONTENT_MAX)
		return queue_file_window(file, offset, (size_t)size, &content->bytes);
	content->file = queue_file_fd(file);
	return content->file < 0 ? content->file : 0;
}

const char *queue_file_id(const struct queue_file *file)
{
	return file->id;
}

const struct queue_envelope *queue_file_envelope(const struct queue_file *file)
{
	return &file->envelope;
}

uint64_t queue_file_content_offset(const struct queue_file *file)
{
	return file->head.content_offset;
}

uint64_t queue_file_content_size(const struct queue_file *file)
{
	return file->head.content_size;
}

uint32_t queue_file_recipient_count(const struct queue_file *file)
{
	return file->head.recipient_count;
}

uint32_t queue_file_flags(const struct queue_file *file)
{
	return file->head.state_flags;
}

int64_t queue_file_next_attempt(const struct queue_file *file)
{
	return file->head.next_attempt;
}

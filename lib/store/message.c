/*
 * One message of an open mailbox: its file, its size, its bytes. It is found again when another
 * program has renamed it.
 */
#include "store/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/courier.h"
#include "store/import.h"
#include "store/mailbox_folder.h"
#include "store/owed.h"
#include "store/uidlist.h"
#include "store/unpack.h"

#define READ_BLOCK  65536
#define COUNT_BLOCK 8192
#define OPEN_TRIES  3	/* another process may tidy a file between our look and our open */
#define UNSIZED_MAX 500 /* sizes counted in one transaction */

int message_record(struct mailbox *mailbox, uint32_t seq, struct mail *mail)
{
	uint32_t uid = mailbox_uid(mailbox, seq);
	struct tx tx;
	int r = uid != 0 ? mailbox_read(mailbox, &tx) : -ENOENT;

	if (r < 0)
		return r;
	r = mail_load(&tx, mailbox->id, uid, mail);
	tx_end(&tx);
	return r;
}

static int folder_by_id(struct store *store, uint32_t id, struct folder *folder)
{
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = folder_load(&tx, id, folder);
	tx_end(&tx);
	return r;
}

static int open_regular(const char *path, int *fd, uint64_t *size)
{
	_cleanup_fd_ int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	*size = (uint64_t)st.st_size;
	*fd = TAKE_FD(file);
	return 0;
}

static int open_located_in(const struct store *store, const struct folder *folder, struct view file,
			   int *fd, uint64_t *size)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, found = STR_EMPTY;
	enum part part;
	int r;

	folder_directory(store, folder, &path);
	r = file_locate(str_cstr(&path), file, NULL, &part, &found);
	if (r < 0)
		return r;
	str_printf(&path, "/%s/%s", part_name(part), str_cstr(&found));
	return open_regular(str_cstr(&path), fd, size);
}

/*
 * Not where the index says: another program renamed it, or a crash came between the file's move and
 * the index.
 */
static int open_located(struct mailbox *mailbox, uint32_t seq, const struct folder *where,
			const struct mail *mail, int *fd, uint64_t *size)
{
	const struct state_record none = { .flags = 0 };
	_cleanup_(str_free) struct str target = STR_EMPTY;
	struct folder own;
	int r = open_located_in(mailbox->store, where, mail->r.file, fd, size);

	if (r != -ENOENT)
		return r;
	r = folder_by_id(mailbox->store, mailbox->id, &own);
	mail_target_name(&target, mailbox_uid(mailbox, seq), &mail->r, &none);
	return r < 0 ? r : open_located_in(mailbox->store, &own, str_view(&target), fd, size);
}

int message_open(struct mailbox *mailbox, uint32_t seq, struct mail *mail, int *fd, uint64_t *size)
{
	struct store *store = mailbox->store;
	struct folder folder;
	int r = -ENOENT;

	for (int i = 0; i < OPEN_TRIES && r == -ENOENT; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		r = message_record(mailbox, seq, mail);
		if (r == 0)
			r = folder_by_id(store, mail->r.where, &folder);
		if (r < 0)
			return r;
		folder_part_path(store, &folder, mail->r.part, &path);
		str_printf(&path, "/%s", mail->file);
		r = open_regular(str_cstr(&path), fd, size);
	}
	return r == -ENOENT ? open_located(mailbox, seq, &folder, mail, fd, size) : r;
}

/* LFs in these bytes that no CR stands before; *last: the byte before them, and then their last. */
static uint64_t count_bare(const char *bytes, size_t len, char *last)
{
	uint64_t bare = 0;

	for (size_t at = 0; at < len;) {
		const char *lf = memchr(bytes + at, '\n', len - at);

		if (lf == NULL)
			break;
		at = (size_t)(lf - bytes);
		bare += (at > 0 ? bytes[at - 1] : *last) != '\r';
		at++;
	}
	*last = bytes[len - 1];
	return bare;
}

struct counting {
	uint64_t size;
	char last;
};

static int count_unpacked(void *argument, const char *bytes, size_t len)
{
	struct counting *counting = argument;

	counting->size += len + count_bare(bytes, len, &counting->last);
	return 0;
}

int message_count_wire_size(int fd, uint64_t *wire_size)
{
	struct counting unpacked = { 0 };
	_cleanup_free_ char *block = NULL;
	char last = '\0';
	uint64_t bare = 0;
	off_t at = 0;

	if (unpack_is_packed(fd)) {
		int r = unpack_file(fd, count_unpacked, &unpacked);

		*wire_size = unpacked.size;
		return r;
	}

	block = mem_new_bytes(COUNT_BLOCK);
	for (;;) {
		ssize_t n = pread(fd, block, COUNT_BLOCK, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		bare += count_bare(block, (size_t)n, &last);
		at += n;
	}
	*wire_size = (uint64_t)at + bare;
	return 0;
}

/* ---- sizes that no name told ---- */

struct sizes_work {
	struct mailbox *mailbox;
	uint32_t uids[UNSIZED_MAX];
	uint64_t sizes[UNSIZED_MAX];
	size_t count;
};

static int sizes_work(struct tx *tx, void *argument)
{
	struct sizes_work *work = argument;
	struct folder folder;
	int r = mailbox_load_folder(tx, work->mailbox, &folder);

	for (size_t i = 0; i < work->count && r == 0; i++) {
		struct mail mail;

		r = mail_load(tx, folder.r.id, work->uids[i], &mail);
		if (r == -ENOENT || (r == 0 && mail.r.counted)) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		folder.r.size += work->sizes[i] - mail_wire_size(&mail.r);
		folder.r.unsized -= mail.r.wire_size == SIZE_UNKNOWN;
		mail.r.wire_size = work->sizes[i];
		mail.r.counted = true;
		r = mail_save(tx, folder.r.id, work->uids[i], &mail.r);
	}
	return r < 0 ? r : folder_save(tx, &folder);
}

/* Counts this message's size and those of the ones after it, as one who asks will ask for more. */
static int count_sizes(struct mailbox *mailbox, uint32_t seq)
{
	_cleanup_free_ struct sizes_work *work = mem_new(struct sizes_work);

	work->mailbox = mailbox;
	for (; seq <= mailbox->count && work->count < UNSIZED_MAX; seq++) {
		_cleanup_fd_ int fd = -1;
		uint64_t size, wire_size;
		struct mail mail;

		if (message_record(mailbox, seq, &mail) < 0)
			continue;
		if (mail.r.wire_size != SIZE_UNKNOWN)
			break;
		/* A file that cannot be read has the size of what will be read of it. */
		if (message_open(mailbox, seq, &mail, &fd, &size) < 0 ||
		    message_count_wire_size(fd, &wire_size) < 0)
			wire_size = mail.r.size;
		work->uids[work->count] = mailbox_uid(mailbox, seq);
		work->sizes[work->count++] = wire_size;
	}
	return mailbox_write(mailbox, WRITE_LAZY, sizes_work, work);
}

int mailbox_info(struct mailbox *mailbox, uint32_t seq, struct message_info *info)
{
	uint32_t uid = mailbox_uid(mailbox, seq);
	struct state_record state = { 0 };
	struct file_name name;
	struct mail mail;
	struct tx tx;
	int r = message_record(mailbox, seq, &mail);

	if (r == 0 && mail.r.wire_size == SIZE_UNKNOWN) {
		r = count_sizes(mailbox, seq);
		if (r >= 0)
			r = message_record(mailbox, seq, &mail);
	}
	if (r == 0)
		r = mailbox_read(mailbox, &tx);
	if (r < 0)
		return r;
	r = state_load(&tx, mailbox->id, uid, &state);
	tx_end(&tx);
	if (r < 0)
		return r;
	*info = (struct message_info){
		.uid = uid,
		.modseq = state.modseq,
		.size = mail_wire_size(&mail.r),
		.disk_size = mail.r.size,
		.internal_date = mail.r.date,
		.saved_date = mail.r.saved,
	};
	if (file_name_parse(mail.r.file, &name))
		file_name_id(name.unique, info->id);
	return 0;
}

int mailbox_file_name(struct mailbox *mailbox, uint32_t seq, struct str *out)
{
	struct file_name name;
	struct mail mail;
	int r = message_record(mailbox, seq, &mail);

	if (r < 0)
		return r;
	str_append(out, file_name_parse(mail.r.file, &name) ? name.base : mail.r.file);
	return 0;
}

int mailbox_saved_uidl(struct mailbox *mailbox, uint32_t seq, struct str *out)
{
	_cleanup_(str_free) struct str base = STR_EMPTY, directory = STR_EMPTY;
	const char *uidl;
	int r;

	if (mailbox->uidls == NULL) {
		struct map *uidls = map_new();

		folder_path_append(&directory, mailbox->store->path, view_of(mailbox->name));
		r = saved_uidls_read(str_cstr(&directory), uidls);
		if (r == 0)
			r = courier_uidls_read(str_cstr(&directory), uidls);
		if (r == 0)
			r = import_uidls_read(str_cstr(&directory), uidls);
		if (r < 0) {
			saved_uidls_free(uidls);
			return r;
		}
		mailbox->uidls = uidls;
	}
	if (map_count(mailbox->uidls) == 0)
		return -ENOENT;
	r = mailbox_file_name(mailbox, seq, &base);
	uidl = r == 0 ? map_get(mailbox->uidls, str_view(&base)) : NULL;
	if (r == 0 && uidl == NULL)
		uidl = map_get(mailbox->uidls,
			       view_first(str_view(&base), view_find_byte(str_view(&base), ',')));
	if (r == 0 && uidl == NULL)
		r = -ENOENT;
	if (r == 0)
		str_append_cstr(out, uidl);
	return r;
}

/* ---- content ---- */

/* A file in tmp/ without a name. */
static int unnamed_file(struct mailbox *mailbox)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int fd;

	str_printf(&path, "%s/tmp", mailbox->store->path);
	fd = open(str_cstr(&path), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	str_append_byte(&path, '/');
	file_name_unique(&path);
	fd = open(str_cstr(&path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlink(str_cstr(&path));
	return fd;
}

static size_t add_crs(const char *in, size_t len, char *out, char *last)
{
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		if (in[i] == '\n' && *last != '\r')
			out[done++] = '\r';
		out[done++] = *last = in[i];
	}
	return done;
}

struct conversion {
	int file;
	uint64_t size;
	char last;
	char *out; /* READ_BLOCK for what comes of half of it */
};

static int convert_piece(void *argument, const char *bytes, size_t len)
{
	struct conversion *conversion = argument;
	int r = 0;

	while (len > 0 && r == 0) {
		size_t piece = MIN(len, (size_t)READ_BLOCK / 2);
		size_t done = add_crs(bytes, piece, conversion->out, &conversion->last);

		r = io_write_all(conversion->file, conversion->out, done);
		conversion->size += done;
		bytes += piece;
		len -= piece;
	}
	return r;
}

static int convert_plain(int fd, struct conversion *conversion)
{
	_cleanup_free_ char *in = mem_new_bytes(READ_BLOCK);
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, in, READ_BLOCK, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = convert_piece(conversion, in, (size_t)n);
		if (r < 0)
			return r;
		at += n;
	}
}

int message_convert(struct mailbox *mailbox, int fd, int *converted, uint64_t *size)
{
	_cleanup_free_ char *out = mem_new_bytes(READ_BLOCK);
	_cleanup_fd_ int file = unnamed_file(mailbox);
	struct conversion conversion = { .file = file, .out = out };
	int r;

	if (file < 0)
		return file;
	r = unpack_is_packed(fd) ? unpack_file(fd, convert_piece, &conversion)
				 : convert_plain(fd, &conversion);
	if (r < 0)
		return r;
	*size = conversion.size;
	*converted = TAKE_FD(file);
	return 0;
}

/* The name lied. A full disk keeps nobody from reading. */
static void note_size(struct mailbox *mailbox, uint32_t seq, uint64_t wire_size)
{
	_cleanup_free_ struct sizes_work *work = mem_new(struct sizes_work);

	work->mailbox = mailbox;
	work->uids[0] = mailbox_uid(mailbox, seq);
	work->sizes[0] = wire_size;
	work->count = 1;
	(void)mailbox_write(mailbox, WRITE_LAZY, sizes_work, work);
}

int mailbox_content(struct mailbox *mailbox, uint32_t seq, int *fd, uint64_t *size)
{
	_cleanup_fd_ int file = -1;
	uint64_t disk_size, wire_size;
	struct mail mail;
	int r = message_open(mailbox, seq, &mail, &file, &disk_size);

	if (r < 0)
		return r;
	wire_size = mail.r.wire_size;
	if (unpack_is_packed(file)) {
		r = message_convert(mailbox, file, fd, size);
		if (r == 0 && disk_size == mail.r.size && wire_size != SIZE_UNKNOWN &&
		    *size != wire_size)
			note_size(mailbox, seq, *size);
		return r;
	}
	/* What the index says goes for the file that it saw, and what a name says may be wrong. */
	if (wire_size == SIZE_UNKNOWN || disk_size != mail.r.size || !mail.r.counted) {
		r = message_count_wire_size(file, &wire_size);
		if (r < 0)
			return r;
		if (disk_size == mail.r.size && mail.r.wire_size != SIZE_UNKNOWN &&
		    wire_size != mail.r.wire_size)
			note_size(mailbox, seq, wire_size);
	}
	if (wire_size != disk_size)
		return message_convert(mailbox, file, fd, size);
	*size = disk_size;
	*fd = TAKE_FD(file);
	return 0;
}

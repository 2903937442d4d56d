/* Delivery into an mbox file, locked and synced. What is already in it is not read. */
#include "store/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define COPY_BLOCK	65536
#define DOTLOCK_STALE	500 /* seconds, as Postfix's stale_lock_time */
#define LOCK_PAUSE_USEC 100000
#define FROM_SENDER_MAX 512

struct mbox {
	const char *path;
	int fd;
	bool dotlocked;
	uid_t foreign; /* whose dotlock is in the way, after -EPERM of try_dotlock */
	struct str dotlock;
};

static void mbox_close(struct mbox *mbox)
{
	if (mbox->dotlocked)
		unlink(str_cstr(&mbox->dotlock));
	str_free(&mbox->dotlock);
	if (mbox->fd >= 0)
		close(mbox->fd);
}

/*
 * path.lock, made by a hard link or an exclusive create; one that nobody has touched for long is what
 * a crashed program left.
 */
static int try_dotlock(struct mbox *mbox)
{
	const char *path = str_cstr(&mbox->dotlock);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	if (fd >= 0) {
		close(fd);
		mbox->dotlocked = true;
		return 0;
	}
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -EAGAIN;
	/* We could not take it away, and who made it may not be a mail program at all. */
	if (st.st_uid != geteuid()) {
		mbox->foreign = st.st_uid;
		return -EPERM;
	}
	if (clock_wall() - st.st_mtime > DOTLOCK_STALE)
		unlink(path);
	return -EAGAIN;
}

static int try_fcntl(struct mbox *mbox)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(mbox->fd, F_SETLK, &lock) < 0 ? (errno == EACCES ? -EAGAIN : -errno) : 0;
}

static int try_flock(struct mbox *mbox)
{
	return flock(mbox->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int mbox_take_lock(struct mbox *mbox, int (*try)(struct mbox *), msec_t deadline)
{
	for (;;) {
		int r = try(mbox);

		if (r != -EAGAIN || clock_now() >= deadline)
			return r;
		usleep(LOCK_PAUSE_USEC);
	}
}

/* In a spool folder where the user may make no files another lock must do, if there is another. */
static bool lock_may_fail(const char *locks, int r)
{
	return r == -EACCES && strpbrk(locks, ", ") != NULL;
}

static int take_locks(struct mbox *mbox, const char *locks, msec_t deadline, struct error *err)
{
	struct view rest = view_of(locks), name;

	while (view_next_word(&rest, ", \t\r\n", &name)) {
		int (*try)(struct mbox *) = view_is(name, "fcntl")     ? try_fcntl
					    : view_is(name, "flock")   ? try_flock
					    : view_is(name, "dotlock") ? try_dotlock
								       : NULL;

		if (try == NULL)
			return error_set(err, -EINVAL, "unknown lock method %.*s", VIEW_ARG(name));

		int r = mbox_take_lock(mbox, try, deadline);

		if (r == -EPERM && try == try_dotlock)
			return error_set(err, -EPERM, "%s belongs to uid %u",
					 str_cstr(&mbox->dotlock), (unsigned)mbox->foreign);
		if (r < 0 && !(try == try_dotlock && lock_may_fail(locks, r)))
			return error_code(err, r, "lock %s (%.*s)", mbox->path, VIEW_ARG(name));
	}
	return 0;
}

/*
 * A name in a directory that others may write to may be anything by the time that it is opened:
 * what was opened is looked at, not what the name was.
 */
static int open_mbox(struct mbox *mbox, const struct mbox_options *options, struct stat *st,
		     struct error *err)
{
	mbox->fd =
		open(mbox->path,
		     O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     options->mode);
	if (mbox->fd < 0 && errno == ELOOP)
		return error_set(err, -EPERM, "%s is a symbolic link", mbox->path);
	if (mbox->fd < 0 || fstat(mbox->fd, st) < 0)
		return error_errno(err, "open %s", mbox->path);
	if (S_ISCHR(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return error_set(err, -EPERM, "%s is not a regular file", mbox->path);
	if (st->st_nlink != 1)
		return error_set(err, -EPERM, "%s has more than one name", mbox->path);
	if (options->owner != MBOX_ANY_OWNER && st->st_uid != options->owner)
		return error_set(err, -EPERM,
				 "destination %s is not owned by recipient: it belongs to uid %u",
				 mbox->path, (unsigned)st->st_uid);
	return 0;
}

/* Turns CRLF to LF and quotes From_ lines (mboxrd: also those that are quoted already). */
struct mbox_filter {
	bool at_line_start, held_cr;
	bool ended;	/* what was written last was a line end */
	size_t quotes;	/* of the line's front, '>' seen, not yet written */
	size_t matched; /* bytes of "From " seen, not yet written */
	struct str out;
};

static void filter_release(struct mbox_filter *f, bool is_from)
{
	if (is_from)
		str_append_byte(&f->out, '>');
	for (; f->quotes > 0; f->quotes--)
		str_append_byte(&f->out, '>');
	str_append(&f->out, view_first(VIEW("From "), f->matched));
	f->matched = 0;
	f->at_line_start = false;
}

static void filter_byte(struct mbox_filter *f, char c)
{
	static const char from[] = "From ";

	if (f->at_line_start) {
		if (f->matched == 0 && c == '>') {
			f->quotes++;
			return;
		}
		if (c == from[f->matched]) {
			if (++f->matched == sizeof(from) - 1)
				filter_release(f, true);
			return;
		}
		filter_release(f, false);
	}
	if (f->held_cr && c != '\n')
		str_append_byte(&f->out, '\r');
	f->held_cr = c == '\r';
	if (!f->held_cr)
		str_append_byte(&f->out, c);
	f->at_line_start = c == '\n';
}

static int filter_write(struct mbox_filter *f, int fd, struct view bytes)
{
	int r;

	for (size_t i = 0; i < bytes.len; i++)
		filter_byte(f, bytes.data[i]);
	r = io_write_all(fd, f->out.data, f->out.len);
	if (f->out.len > 0)
		f->ended = f->out.data[f->out.len - 1] == '\n';
	str_clear(&f->out);
	return r;
}

static int copy_filtered(struct mbox_filter *f, int fd, const struct mail_source *source)
{
	_cleanup_free_ char *block = mem_new_bytes(COPY_BLOCK);
	int r = filter_write(f, fd, source->prefix);

	for (uint64_t done = 0; r == 0 && done < source->content.size;) {
		size_t want = (size_t)MIN((uint64_t)COPY_BLOCK, source->content.size - done);

		r = io_source_read(&source->content, block, want, done);
		if (r < 0)
			return r == -ENODATA ? -EIO : r;
		r = filter_write(f, fd, view_make(block, want));
		done += want;
	}
	if (r < 0)
		return r;
	if (f->at_line_start)
		filter_release(f, false);
	if (f->held_cr)
		str_append_byte(&f->out, '\r');
	/* Ends with a line end, and an empty line comes between messages. */
	if (!f->ended || f->out.len > 0)
		str_append_byte(&f->out, '\n');
	str_append_byte(&f->out, '\n');
	return io_write_all(fd, f->out.data, f->out.len);
}

static void append_from_line(struct str *out, struct view sender)
{
	char date[64];
	time_t now = (time_t)clock_wall();
	struct tm tm;

	gmtime_r(&now, &tm);
	/* asctime's form, C locale (programs of the suite set none). */
	if (strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		date[0] = '\0';
	if (sender.len == 0 || sender.len > FROM_SENDER_MAX)
		sender = VIEW("MAILER-DAEMON");
	str_append(out, VIEW("From "));
	for (size_t i = 0; i < sender.len; i++) {
		unsigned char c = (unsigned char)sender.data[i];

		str_append_byte(out, c <= 32 || c == 127 ? '-' : (char)c);
	}
	str_printf(out, " %s\n", date);
}

static int mbox_write_message(struct mbox *mbox, bool regular, struct view sender,
			      const struct mail_source *source)
{
	struct mbox_filter filter = { .at_line_start = true, .ended = true };
	_cleanup_(str_free) struct str from = STR_EMPTY;
	off_t end = 0;
	char last;
	int r;

	if (regular) {
		end = lseek(mbox->fd, 0, SEEK_END);
		if (end < 0)
			return -errno;
	}
	if (end > 0 && pread(mbox->fd, &last, 1, end - 1) == 1 && last != '\n')
		str_append_byte(&from, '\n');
	append_from_line(&from, sender);
	r = io_write_all(mbox->fd, from.data, from.len);
	if (r == 0)
		r = copy_filtered(&filter, mbox->fd, source);
	if (r == 0 && regular && fsync(mbox->fd) < 0)
		r = -errno;
	str_free(&filter.out);
	/* Half a message would be the beginning of the next one. */
	if (r < 0 && regular && ftruncate(mbox->fd, end) < 0)
		return -EIO;
	return r;
}

int mbox_deliver(const char *path, const struct mbox_options *options, struct view sender,
		 const struct mail_source *source, struct error *err)
{
	_cleanup_(mbox_close) struct mbox mbox = { .path = path, .fd = -1 };
	struct stat st, again;
	bool regular;
	int r;

	str_printf(&mbox.dotlock, "%s.lock", path);
	r = open_mbox(&mbox, options, &st, err);
	if (r < 0)
		return r;
	regular = S_ISREG(st.st_mode);
	if (regular) {
		r = take_locks(&mbox, options->locks, options->deadline, err);
		if (r < 0)
			return r;
		/* A mail reader may have put another file in place while we waited. */
		if (lstat(path, &again) < 0 || again.st_ino != st.st_ino ||
		    again.st_dev != st.st_dev)
			return error_set(err, -EAGAIN, "%s was replaced meanwhile", path);
		if (options->limit > 0 &&
		    (uint64_t)again.st_size + source->prefix.len + source->content.size >
			    options->limit)
			return error_set(err, -EFBIG, "mailbox is full: the limit is %llu bytes",
					 (unsigned long long)options->limit);
	}
	r = mbox_write_message(&mbox, regular, sender, source);
	if (r < 0)
		return error_code(err, r, "write %s", path);
	return 0;
}

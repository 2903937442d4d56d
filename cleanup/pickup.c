/*
 * Takes the mail that local users left in the maildrop while nobody took it (queue/maildrop.h). Each
 * message goes the way of one that comes over the public socket: its lines become messages to the
 * other end of a pair of sockets, which is served as a connection of the file's owner is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "intake.h"
#include "queue/maildrop.h"
#include "task/task.h"

#define PICKUP_PAUSE   ((msec_t)60000) /* after one that could not be taken now */
#define PICKUP_REST    ((msec_t)1000)  /* between two looks, whatever is put there */
#define PICKUP_AT_ONCE 100	       /* names that are looked at before others get their turn */
#define PICKUP_PIECE   ((size_t)32 * 1024)
#define SIZE_FACTOR    4 /* so many times the limit are read; what is less is refused */
#define REPORT_HEADER  ((size_t)8 * 1024) /* of the message, in a report */

/* A file of the maildrop, and what is known of it. */
struct kept {
	char name[NAME_MAX + 1];
	FILE *file;
	uid_t owner;
	struct maildrop_head head;
	struct str beginning; /* of its content */
	uint32_t code;
	struct str answer; /* "5.1.1 ..." */
};

static struct {
	int folder;
	bool running, again; /* again: somebody came, or one is in a predecessor's hands */
} pickup;

static void kept_free(struct kept *kept)
{
	if (kept->file != NULL)
		fclose(kept->file);
	maildrop_head_free(&kept->head);
	str_free(&kept->beginning);
	str_free(&kept->answer);
	free(kept);
}

/* ---- the way of any other message ---- */

struct served {
	struct ipc *ipc;
	bool is_ours;
	uid_t submitter;
};

static void pickup_serve(void *argument)
{
	struct served *served = argument;

	cleanup_serve_as(served->ipc, served->is_ours ? NULL : &served->submitter);
	ipc_free(served->ipc);
	free(served);
}

/* A connection that is served in a task of its own, as that user's or (NULL) as ours. NULL with errno. */
static struct ipc *pickup_connect(const uid_t *submitter)
{
	struct served *served;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return NULL;
	served = mem_new(struct served);
	served->is_ours = submitter == NULL;
	served->submitter = submitter != NULL ? *submitter : 0;
	served->ipc = ipc_new(ends[0]);
	task_spawn("pickup", pickup_serve, served);
	return ipc_new(ends[1]);
}

/* ---- one file ---- */

static int send_mail(struct ipc *ipc, const struct maildrop_head *head)
{
	return ipc_send(ipc, mail, .sender = str_view(&head->sender), .body = head->body,
			.ret = head->ret, .envid = str_view(&head->envid),
			.flags = head->utf8 ? MAIL_FLAG_SMTPUTF8 : 0);
}

/* The lines up to the content. -EBADMSG: they cannot be understood. */
static int send_envelope(struct ipc *ipc, struct kept *kept)
{
	_cleanup_free_ char *line = mem_new_bytes(MAILDROP_LINE_MAX);
	struct view rcpt;
	int r = 0;

	while (r == 0 && fgets(line, MAILDROP_LINE_MAX, kept->file) != NULL) {
		struct view text = view_of(line);
		bool first = !kept->head.has_rcpt;

		if (!view_ends(text, VIEW("\n")))
			return -EBADMSG;
		switch (maildrop_head_take(&kept->head, view_first(text, text.len - 1), &rcpt)) {
		case MAILDROP_MAIL:
			break;
		case MAILDROP_RCPT:
			r = first ? send_mail(ipc, &kept->head) : 0;
			if (r == 0)
				r = ipc_send(ipc, rcpt, .address = rcpt,
					     .notify = kept->head.notify);
			break;
		case MAILDROP_CONTENT:
			return 0;
		case MAILDROP_BAD:
			return -EBADMSG;
		}
	}
	return r < 0 ? r : -EBADMSG;
}

/* -EBADMSG: it is of no size that is ever taken; holes in a file cost its writer nothing. */
static int send_content(struct ipc *ipc, struct kept *kept)
{
	_cleanup_free_ char *piece = mem_new_bytes(PICKUP_PIECE);
	int64_t limit = param.message_size_limit, sent = 0;
	size_t len;
	int r = 0;

	while (r == 0 && (len = fread(piece, 1, PICKUP_PIECE, kept->file)) > 0) {
		size_t room = REPORT_HEADER - MIN(REPORT_HEADER, kept->beginning.len);

		str_append(&kept->beginning, view_make(piece, MIN(len, room)));
		r = ipc_send(ipc, data, .bytes = view_make(piece, len));
		sent += (int64_t)len;
		if (r == 0 && limit > 0 && sent / SIZE_FACTOR > limit)
			r = -EBADMSG;
	}
	if (r == 0 && ferror(kept->file))
		r = -EIO;
	return r;
}

/* 0 with the answer in kept, or a negative errno. */
static int kept_submit(struct kept *kept)
{
	_cleanup_(ipc_freep) struct ipc *ipc = pickup_connect(&kept->owner);
	struct message m;
	int r;

	if (ipc == NULL)
		return -errno;
	r = send_envelope(ipc, kept);
	if (r == 0)
		r = send_content(ipc, kept);
	if (r == 0)
		r = ipc_send(ipc, data_end);
	if (r == 0)
		r = ipc_expect(ipc, MSG_verdict, &m);
	if (r < 0)
		return r;
	kept->code = m.verdict.code;
	str_printf(&kept->answer, "%.*s %.*s", VIEW_ARG(m.verdict.status),
		   VIEW_ARG(m.verdict.text));
	return 0;
}

/* ---- what was refused for good ---- */

static void report_text(const struct kept *kept, struct str *text)
{
	struct view header = str_view(&kept->beginning);

	str_append_cstr(text,
			"Subject: Mail that was not taken\r\n"
			"Auto-Submitted: auto-replied\r\n"
			"\r\n"
			"A message that waited for the mail system to be started was refused:\r\n"
			"\r\n    ");
	str_append_printable(text, str_view(&kept->answer));
	str_append_cstr(text, "\r\n\r\nIt began with\r\n\r\n");
	str_append(text, view_first(header, view_find(header, VIEW("\r\n\r\n"))));
	str_append_cstr(text, "\r\n");
}

/* Tells the sender. 0: it is in the queue. */
static int kept_report(const struct kept *kept)
{
	_cleanup_(ipc_freep) struct ipc *ipc = pickup_connect(NULL);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct message m;
	int r;

	if (ipc == NULL)
		return -errno;
	report_text(kept, &text);
	r = ipc_send(ipc, mail, .body = BODY_8BITMIME,
		     .flags = MAIL_FLAG_INTERNAL | (kept->head.utf8 ? MAIL_FLAG_SMTPUTF8 : 0));
	if (r == 0)
		r = ipc_send(ipc, rcpt, .address = str_view(&kept->head.sender),
			     .notify = NOTIFY_NEVER);
	if (r == 0)
		r = ipc_send(ipc, data, .bytes = str_view(&text));
	if (r == 0)
		r = ipc_send(ipc, data_end);
	if (r == 0)
		r = ipc_expect(ipc, MSG_verdict, &m);
	return r < 0 ? r : m.verdict.code == 250 ? 0 : -EACCES;
}

/*
 * Nobody else may be able to make anything of it, but it is not thrown away. Under a name of ours: its
 * writer's could be too long, or another's that was put aside before.
 */
static void kept_put_aside(const struct kept *kept)
{
	char id[QUEUE_ID_LENGTH_MAX], path[sizeof("corrupt/" MAILDROP_FOLDER "-") + sizeof(id)];

	queue_id_new(id);
	snprintf(path, sizeof(path), "corrupt/" MAILDROP_FOLDER "-%s", id);
	log_warning("uid=%u: message %s of the maildrop cannot be taken: moved to %s",
		    (unsigned)kept->owner, kept->name, path);
	if (renameat(pickup.folder, kept->name, AT_FDCWD, path) < 0)
		log_error("rename %s/%s to %s: %m", MAILDROP_FOLDER, kept->name, path);
}

static void kept_remove(const struct kept *kept)
{
	if (unlinkat(pickup.folder, kept->name, 0) < 0)
		log_error("remove %s/%s: %m", MAILDROP_FOLDER, kept->name);
}

/* True: it is to be tried again. */
static bool kept_take(struct kept *kept)
{
	int r = kept_submit(kept);

	if (r == -EBADMSG) {
		kept_put_aside(kept);
		return false;
	}
	if (r < 0 || kept->code / 100 == 4) {
		log_warning("uid=%u: message %s stays in the maildrop for now: %s",
			    (unsigned)kept->owner, kept->name,
			    r < 0 ? strerror(-r) : str_cstr(&kept->answer));
		return true;
	}
	/* A report about a report would go round; and who may not submit has no say in who is told. */
	if (kept->code == 250 ||
	    (kept->head.sender.len > 0 && !view_starts(str_view(&kept->answer), VIEW("5.7.")) &&
	     kept_report(kept) == 0))
		kept_remove(kept);
	else
		kept_put_aside(kept);
	return false;
}

/* ---- all of them ---- */

/* Its writer may still be at work; one that was interrupted leaves it for good. */
static void remove_stale(const char *name, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || clock_wall() - st->st_mtime < MAILDROP_STALE_TIME)
		return;
	log_warning("uid=%u: message %s of the maildrop was never finished: removed",
		    (unsigned)st->st_uid, name);
	if (unlinkat(pickup.folder, name, 0) < 0)
		log_error("remove %s/%s: %m", MAILDROP_FOLDER, name);
}

/* NULL: nothing that is to be taken now. Anybody may have put anything there. */
static struct kept *kept_open(const char *name)
{
	_cleanup_fd_ int fd =
		openat(pickup.folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct kept *kept;
	struct stat st;

	if (fd < 0) {
		if (errno == EACCES && fstatat(pickup.folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			remove_stale(name, &st);
		return NULL;
	}
	/* A second name would let its owner take back, or change, what we believe to have. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return NULL;
	if (!(st.st_mode & S_IRGRP)) {
		remove_stale(name, &st);
		return NULL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		pickup.again = true;
		return NULL;
	}
	if (fstat(fd, &st) < 0 || st.st_nlink != 1)
		return NULL;
	kept = mem_new(struct kept);
	snprintf(kept->name, sizeof(kept->name), "%s", name);
	kept->owner = st.st_uid;
	kept->file = io_stream(TAKE_FD(fd), "r");
	if (kept->file == NULL) {
		kept_free(kept);
		return NULL;
	}
	return kept;
}

/* True: some are to be tried again. */
static bool pickup_scan(void)
{
	DIR *folder = opendir(MAILDROP_FOLDER);
	struct dirent *entry;
	bool left = false;
	unsigned seen = 0;

	if (folder == NULL) {
		if (errno != ENOENT)
			log_error("open folder %s: %m", MAILDROP_FOLDER);
		return false;
	}
	pickup.folder = dirfd(folder);
	while (!daemon_is_retiring() && (entry = readdir(folder)) != NULL) {
		struct kept *kept = entry->d_name[0] != '.' ? kept_open(entry->d_name) : NULL;

		if (++seen % PICKUP_AT_ONCE == 0)
			task_yield();
		if (kept == NULL)
			continue;
		left |= kept_take(kept);
		kept_free(kept);
	}
	closedir(folder);
	return left;
}

static void pickup_run(void *unused)
{
	bool left;

	(void)unused;
	do {
		pickup.again = false;
		daemon_work_begin();
		left = pickup_scan();
		daemon_work_end();
		if (!daemon_is_retiring())
			task_sleep(left && !pickup.again ? PICKUP_PAUSE : PICKUP_REST);
	} while ((left || pickup.again) && !daemon_is_retiring() && !task_is_shutting_down());
	pickup.running = false;
}

void pickup_look(void)
{
	pickup.again = true;
	if (pickup.running)
		return;
	pickup.running = true;
	task_spawn("pickup", pickup_run, NULL);
}

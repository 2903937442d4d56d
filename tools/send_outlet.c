/* A local user's message on its way to cleanup, or into the maildrop. */
#include "tools/send_outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "queue/maildrop.h"
#include "tools/instance.h"

#define SERVICE	       "public/submit"
#define PATIENCE       ((msec_t)10000) /* of a system that runs, while cleanup is replaced */
#define BUFFER_SIZE    ((size_t)64 * 1024)
#define NAME_SIZE      48
#define COPY_MAX       ((size_t)4 * 1024 * 1024) /* of a message, in case it is refused for now */
#define DROP_FILE_MODE 0640			 /* whole */

struct outlet {
	struct submission *submission; /* NULL: the maildrop */
	int folder, fd;		       /* -1 */
	char name[NAME_SIZE];
	/*
	 * The text of the file. While cleanup is asked: all of it, for the maildrop, or what is
	 * left of a message that is too long to be copied.
	 */
	struct str buffer;
	bool in_content, too_long;
	int failed;
};

/* ---- the maildrop ---- */

static int drop_open(struct outlet *outlet)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", param.queue_directory, MAILDROP_FOLDER);
	/* Nobody but mail_owner may list it. */
	outlet->folder = open(str_cstr(&path), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (outlet->folder < 0)
		return -errno;
	snprintf(outlet->name, sizeof(outlet->name), "%llx-%x-%llx",
		 (unsigned long long)clock_wall_usec(), (unsigned)getpid(),
		 (unsigned long long)random_u64());
	outlet->fd = openat(outlet->folder, outlet->name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return outlet->fd < 0 ? -errno : 0;
}

static int drop_write(struct outlet *outlet, size_t at_least)
{
	if (outlet->buffer.len < at_least || outlet->failed < 0)
		return outlet->failed;
	outlet->failed = io_write_all(outlet->fd, outlet->buffer.data, outlet->buffer.len);
	str_clear(&outlet->buffer);
	return outlet->failed;
}

/*
 * The name has to last as well, but the folder cannot be opened to sync it by those who may not
 * list it: so all of its file system is synced.
 */
static int drop_finish(struct outlet *outlet)
{
	if (drop_write(outlet, 0) < 0)
		return outlet->failed;
	if (fsync(outlet->fd) < 0 || fchmod(outlet->fd, DROP_FILE_MODE) < 0 ||
	    fsync(outlet->fd) < 0 || syncfs(outlet->fd) < 0)
		outlet->failed = -errno;
	return outlet->failed;
}

/* ---- either ---- */

static void outlet_free(struct outlet *outlet)
{
	if (outlet->fd >= 0)
		close(outlet->fd);
	if (outlet->folder >= 0)
		close(outlet->folder);
	str_free(&outlet->buffer);
	free(outlet);
}

static bool cleanup_answers(void)
{
	struct ipc *ipc = ipc_connect(SERVICE, clock_now());

	if (ipc == NULL && !instance_is_down())
		ipc = ipc_connect(SERVICE, clock_after(PATIENCE));
	ipc_free(ipc);
	return ipc != NULL;
}

struct outlet *outlet_open(void)
{
	struct outlet *outlet = mem_new(struct outlet);
	int r = 0;

	outlet->folder = outlet->fd = -1;
	if (!cleanup_answers()) {
		r = drop_open(outlet);
		if (r < 0) {
			outlet_free(outlet);
			errno = -r;
			return NULL;
		}
	}
	return outlet;
}

bool outlet_is_maildrop(const struct outlet *outlet)
{
	return outlet->fd >= 0;
}

/* What was added to the text goes into the file, or stays for it. */
static int outlet_add(struct outlet *outlet, size_t at_least)
{
	if (outlet->fd >= 0)
		return drop_write(outlet, at_least);
	if (outlet->buffer.len > COPY_MAX) {
		outlet->too_long = true;
		str_free(&outlet->buffer);
	}
	return 0;
}

int outlet_mail(struct outlet *outlet, const struct msg_mail *mail)
{
	outlet->failed = maildrop_put_mail(&outlet->buffer, mail);
	if (outlet->failed == 0 && outlet->fd < 0)
		outlet->submission = submission_begin(SERVICE, mail);
	return outlet->failed;
}

int outlet_rcpt(struct outlet *outlet, struct view address, uint8_t notify)
{
	int r = 0;

	if (outlet->failed == 0 && !outlet->too_long)
		outlet->failed = maildrop_put_rcpt(&outlet->buffer, address, notify);
	if (outlet->failed == 0 && outlet->fd < 0)
		r = submission_rcpt(outlet->submission, address, VIEW_NONE, notify);
	return r < 0 ? r : outlet_add(outlet, BUFFER_SIZE);
}

int outlet_data(struct outlet *outlet, struct view bytes)
{
	int r = outlet->fd < 0 ? submission_data(outlet->submission, bytes) : 0;

	if (!outlet->too_long) {
		if (!outlet->in_content)
			str_append_byte(&outlet->buffer, '\n');
		str_append(&outlet->buffer, bytes);
	}
	outlet->in_content = true;
	return r < 0 ? r : outlet_add(outlet, BUFFER_SIZE);
}

/* Into the maildrop, whole. */
static int outlet_keep(struct outlet *outlet, const char *text, struct submission_verdict *verdict)
{
	int r = drop_finish(outlet);

	if (r < 0) {
		unlinkat(outlet->folder, outlet->name, 0);
		return r;
	}
	verdict->code = 250;
	str_set(&verdict->status, VIEW("2.0.0"));
	str_set(&verdict->text, view_of(text));
	/* cleanup may not know of it, or have looked there before. */
	ipc_free(ipc_connect(SERVICE, clock_now()));
	return 0;
}

/*
 * A table that cannot answer now, or a full disk, is no reason for a program that sends mail to be
 * asked to come again: hardly any does.
 */
static int outlet_submit(struct outlet *outlet, struct submission_verdict *verdict)
{
	int r = submission_commit(TAKE(outlet->submission), verdict);

	if (r < 0 || verdict->code / 100 != 4 || outlet->too_long || drop_open(outlet) < 0)
		return r;
	(void)outlet_keep(outlet, "Ok: kept, it cannot be taken now", verdict);
	return 0;
}

int outlet_commit(struct outlet *outlet, struct submission_verdict *verdict)
{
	int r = outlet->fd < 0
			? outlet_submit(outlet, verdict)
			: outlet_keep(outlet, "Ok: kept until the mail system is started", verdict);

	outlet_free(outlet);
	return r;
}

void outlet_abort(struct outlet *outlet)
{
	if (outlet == NULL)
		return;
	if (outlet->fd >= 0)
		unlinkat(outlet->folder, outlet->name, 0);
	submission_abort(outlet->submission);
	outlet_free(outlet);
}

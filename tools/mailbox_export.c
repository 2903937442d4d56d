/* posta mailbox export: a folder as mbox. The mailbox is not changed. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/mailbox.h"
#include "tools/tool.h"

#define BLOCK 65536

struct export
{
	struct mailbox_request *q;
	FILE *out;
};

/* Flags as mail readers keep them in mbox files. */
static void export_write_status(FILE *out, unsigned flags)
{
	fprintf(out, "Status: %sO\n", flags & FLAG_SEEN ? "R" : "");
	if (flags & (FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT))
		fprintf(out, "X-Status: %s%s%s%s\n", flags & FLAG_ANSWERED ? "A" : "",
			flags & FLAG_FLAGGED ? "F" : "", flags & FLAG_DELETED ? "D" : "",
			flags & FLAG_DRAFT ? "T" : "");
}

/* Without CRs at line ends, with '>' in front of what would begin a message (mboxrd). */
static void export_write_line(FILE *out, struct view line)
{
	struct view rest = line;

	while (rest.len > 0 && rest.data[0] == '>')
		rest = view_from(rest, 1);
	if (view_starts(rest, VIEW("From ")))
		fputc('>', out);
	if (view_ends(line, VIEW("\r")))
		line.len--;
	fwrite(line.data, 1, line.len, out);
	fputc('\n', out);
}

static int export_write_content(FILE *out, int fd, uint64_t size)
{
	_cleanup_(str_free) struct str pending = STR_EMPTY;

	for (uint64_t at = 0; at < size;) {
		size_t want = (size_t)MIN((uint64_t)BLOCK, size - at), end;
		int r = io_pread_all(fd, str_reserve(&pending, want), want, (off_t)at);

		if (r < 0)
			return r;
		str_grow(&pending, want);
		at += want;
		while ((end = view_find_byte(str_view(&pending), '\n')) != VIEW_NOT_FOUND) {
			struct view rest = str_view(&pending);
			size_t done = 0;

			/* All whole lines of the block, and then one move of what is left. */
			for (; end != VIEW_NOT_FOUND; end = view_find_byte(rest, '\n')) {
				export_write_line(out, view_first(rest, end));
				rest = view_from(rest, end + 1);
				done += end + 1;
			}
			str_consume(&pending, done);
		}
	}
	if (pending.len > 0)
		export_write_line(out, str_view(&pending));
	return ferror(out) ? -EIO : 0;
}

static int export_write_message(struct mailbox *box, uint32_t seq, FILE *out)
{
	_cleanup_fd_ int fd = -1;
	struct message_info info;
	char date[64];
	uint64_t size;
	time_t time;
	struct tm tm;
	int r = mailbox_info(box, seq, &info);

	if (r == 0)
		r = mailbox_content(box, seq, &fd, &size);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	time = (time_t)info.internal_date;
	gmtime_r(&time, &tm);
	if (strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		date[0] = '\0';
	fprintf(out, "From MAILER-DAEMON %s\n", date);
	export_write_status(out, mailbox_flags(box, seq));
	r = export_write_content(out, fd, size);
	fputc('\n', out);
	return r;
}

static int export_folder(struct export *export, struct view name)
{
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	int r = mailbox_open(export->q->store, name, MAILBOX_READ_ONLY, &box);

	for (uint32_t seq = 1; r == 0 && seq <= mailbox_count(box); seq++)
		r = export_write_message(box, seq, export->out);
	if (r < 0)
		return tool_fail("mailbox", "%.*s: %s", VIEW_ARG(name),
				 r == -ENOENT ? "no such folder" : strerror(-r));
	return TOOL_DONE;
}

static int export_each(void *argument, const struct folder_info *folder)
{
	return folder->exists ? export_folder(argument, folder->name) : 0;
}

int export_mbox(struct mailbox_request *q, FILE *out)
{
	struct export export = { .q = q, .out = out };
	int status = TOOL_DONE;

	if (q->folders[0] == NULL) {
		int r = store_list(q->store, export_each, &export);

		return r < 0 ? tool_fail("mailbox", "list folders: %s", strerror(-r)) : r;
	}
	for (char **name = q->folders; *name != NULL && status == TOOL_DONE; name++)
		status = export_folder(&export, view_of(*name));
	return status;
}

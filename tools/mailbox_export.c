/*
 * posta mailbox export: folders as one mbox file (mboxrd, with Content-Length, so that a body's last line may
 * be without an end). What of a message stands in which field: mailbox_import_mbox.c reads the same.
 */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/header.h"
#include "tools/mailbox.h"
#include "tools/tool.h"

struct export
{
	struct mailbox_request *q;
	FILE *out;
};

/* With LF at line ends, '>' in front of what would begin a message (mboxrd). Returns how much; out NULL: only that. */
static uint64_t export_write_line(FILE *out, struct view line)
{
	struct view rest = line;
	bool quoted, ended = view_ends(line, VIEW("\n"));

	while (rest.len > 0 && rest.data[0] == '>')
		rest = view_from(rest, 1);
	quoted = view_starts(rest, VIEW("From "));
	if (view_ends(line, VIEW("\r\n")))
		line.len -= 2;
	else if (ended)
		line.len--;
	if (out != NULL) {
		if (quoted)
			fputc('>', out);
		fwrite(line.data, 1, line.len, out);
		if (ended)
			fputc('\n', out);
	}
	return line.len + quoted + ended;
}

static uint64_t export_write_lines(FILE *out, struct view text)
{
	uint64_t written = 0;

	while (text.len > 0) {
		size_t lf = view_find_byte(text, '\n');
		struct view line = view_first(text, lf == VIEW_NOT_FOUND ? text.len : lf + 1);

		written += export_write_line(out, line);
		text = view_from(text, line.len);
	}
	return written;
}

/* Flags as mail readers keep them in mbox files. */
static void export_write_status(FILE *out, const struct mailbox *box, uint32_t seq)
{
	unsigned flags = mailbox_flags(box, seq);
	uint64_t keywords = mailbox_keywords(box, seq);

	fprintf(out, "Status: %sO\n", flags & FLAG_SEEN ? "R" : "");
	if (flags & (FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT))
		fprintf(out, "X-Status: %s%s%s%s\n", flags & FLAG_ANSWERED ? "A" : "",
			flags & FLAG_FLAGGED ? "F" : "", flags & FLAG_DELETED ? "D" : "",
			flags & FLAG_DRAFT ? "T" : "");
	if (keywords == 0)
		return;
	fprintf(out, "X-Keywords:");
	for (unsigned bit = 0; bit < KEYWORDS_MAX; bit++)
		if (keywords >> bit & 1 && mailbox_keyword_name(box, bit) != NULL)
			fprintf(out, " %s", mailbox_keyword_name(box, bit));
	fputc('\n', out);
}

/* All but what an mbox has of its own; what is no field stays. Returns the body. */
static struct view export_write_header(FILE *out, struct view content)
{
	struct header_field field;
	int kind;

	while ((kind = header_step(&content, &field)) != HEADER_END) {
		if (kind == HEADER_FIELD && mbox_is_own_field(field.name))
			continue;
		export_write_lines(out, field.whole);
		if (!view_ends(field.whole, VIEW("\n")))
			fputc('\n', out);
	}
	return content;
}

static int export_write_content(struct mailbox *box, uint32_t seq, FILE *out, struct view content)
{
	struct view body = export_write_header(out, content);

	export_write_status(out, box, seq);
	fprintf(out, "Content-Length: %llu\n\n",
		(unsigned long long)export_write_lines(NULL, body));
	export_write_lines(out, body);
	if (body.len > 0 && !view_ends(body, VIEW("\n")))
		fputc('\n', out);
	fputc('\n', out);
	return ferror(out) ? -EIO : 0;
}

static void export_write_start(FILE *out, int64_t when)
{
	time_t time = (time_t)when;
	char date[64];
	struct tm tm;

	gmtime_r(&time, &tm);
	if (strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		date[0] = '\0';
	fprintf(out, "From MAILER-DAEMON %s\n", date);
}

static int export_write_message(struct mailbox *box, uint32_t seq, FILE *out)
{
	_cleanup_fd_ int fd = -1;
	struct message_info info;
	void *map = NULL;
	uint64_t size;
	int r = mailbox_info(box, seq, &info);

	if (r == 0)
		r = mailbox_content(box, seq, &fd, &size);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (size > 0)
		map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	export_write_start(out, info.internal_date);
	r = export_write_content(box, seq, out, view_make(map, (size_t)size));
	if (size > 0)
		munmap(map, (size_t)size);
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

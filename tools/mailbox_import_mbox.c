/* posta mailbox import --mbox: an mbox file (mboxo or mboxrd) into one folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "mail/header.h"
#include "tools/mailbox.h"
#include "tools/place.h"
#include "tools/tool.h"

#define MBOX_MESSAGE_MAX ((size_t)1 << 30)

/* Flags as mail readers keep them in mbox files. */
static void import_read_status(struct view content, struct import_message *message)
{
	static const struct {
		const char *field;
		char letter;
		unsigned flag;
	} table[] = {
		{ "Status", 'R', FLAG_SEEN },	   { "X-Status", 'A', FLAG_ANSWERED },
		{ "X-Status", 'F', FLAG_FLAGGED }, { "X-Status", 'D', FLAG_DELETED },
		{ "X-Status", 'T', FLAG_DRAFT },
	};
	struct header_field field;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (header_find(content, table[i].field, &field) &&
		    view_find_byte(field.body, table[i].letter) != VIEW_NOT_FOUND)
			message->flags |= table[i].flag;
}

/* "From sender Sat Nov 21 23:58:21 2026": 0 if there is no such date. */
static int64_t from_line_date(const char *line)
{
	struct tm tm = { 0 };
	const char *date = strchr(line + 5, ' ');

	while (date != NULL && *date == ' ')
		date++;
	if (date == NULL || strptime(date, "%a %b %e %H:%M:%S %Y", &tm) == NULL)
		return 0;
	return timegm(&tm);
}

static int put_mbox_message(struct mailbox_request *q, struct str *content, int64_t date)
{
	struct import_message message = { .date = date };
	int status;

	/* The empty line that stands between messages belongs to neither. */
	if (view_ends(str_view(content), VIEW("\n\n")))
		str_truncate(content, content->len - 1);
	message.content = str_view(content);
	import_read_status(message.content, &message);
	status = import_put(q, q->folders[0], &message);
	str_clear(content);
	return status;
}

/* One quoting '>' off ">From " lines. */
static const char *unquote(const char *line)
{
	const char *at = line;

	while (*at == '>')
		at++;
	return at > line && strncmp(at, "From ", 5) == 0 ? line + 1 : line;
}

static int import_stream(struct mailbox_request *q, FILE *in)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	_cleanup_free_ char *line = NULL;
	int status = TOOL_DONE;
	bool started = false, after_empty = true;
	unsigned imported = 0;
	size_t size = 0;
	int64_t date = 0;
	ssize_t len;

	while (status == TOOL_DONE && (len = getline(&line, &size, in)) > 0) {
		if (after_empty && strncmp(line, "From ", 5) == 0) {
			if (started)
				status = put_mbox_message(q, &content, date);
			date = from_line_date(line);
			started = true;
			imported++;
		} else if (!started) {
			return tool_fail("mailbox", "%s is no mbox file", q->mbox);
		} else {
			const char *text = unquote(line);

			str_append(&content, view_make(text, (size_t)(line + len - text)));
		}
		after_empty = line[0] == '\n' || (line[0] == '\r' && line[1] == '\n');
		if (content.len > MBOX_MESSAGE_MAX)
			return tool_fail("mailbox", "message %u is too large", imported);
	}
	if (status == TOOL_DONE && started)
		status = put_mbox_message(q, &content, date);
	if (status == TOOL_DONE)
		printf("%s: %u messages\n", q->folders[0], imported);
	return status;
}

int import_mbox(struct mailbox_request *q)
{
	FILE *in = stdin;
	int status;

	if (strcmp(q->mbox, "-") != 0) {
		int fd = place_open(q->mbox, O_RDONLY, 0);

		in = fd >= 0 ? fdopen(fd, "r") : NULL;
		if (in == NULL)
			return tool_fail("mailbox", "open %s: %s", q->mbox,
					 strerror(fd < 0 ? -fd : errno));
	}
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE)
		status = import_make_folder(q, q->folders[0]);
	if (status == TOOL_DONE)
		status = import_stream(q, in);
	if (in != stdin)
		fclose(in);
	return status;
}

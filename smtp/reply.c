/*
 * Replies of a server, also those of many lines, and the status in them. Their size is bounded.
 */
#include "reply.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "table/table.h"

void reply_free(struct reply *reply)
{
	str_free(&reply->text);
	str_free(&reply->lines);
}

void reply_clear(struct reply *reply)
{
	reply->code = 0;
	reply->count = 0;
	reply->status[0] = '\0';
	str_clear(&reply->text);
	str_clear(&reply->lines);
}

/* Digits at `at`, at most three; moves after them. */
static bool skip_number(struct view text, size_t *at)
{
	size_t start = *at;

	while (*at < text.len && *at - start < 3 && ascii_is_digit(text.data[*at]))
		(*at)++;
	return *at > start;
}

bool reply_find_status(struct view text, char class, char *status)
{
	size_t at = 1;

	if (text.len < 5 || strchr("245", text.data[0]) == NULL || text.data[0] == '\0' ||
	    (class != 0 && text.data[0] != class))
		return false;
	if (text.data[at++] != '.' || !skip_number(text, &at) || at >= text.len ||
	    text.data[at++] != '.' || !skip_number(text, &at))
		return false;
	if (at < text.len && text.data[at] != ' ')
		return false;
	memcpy(status, text.data, at);
	status[at] = '\0';
	return true;
}

static int read_code(struct view line)
{
	if (line.len < 3 || line.data[0] < '2' || line.data[0] > '5' ||
	    !ascii_is_digit(line.data[1]) || !ascii_is_digit(line.data[2]))
		return -EBADMSG;
	return (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
}

int reply_add_line(struct reply *reply, struct view line)
{
	int code = read_code(line);

	if (code < 0)
		return code;

	bool last = line.len == 3 || line.data[3] == ' ';
	struct view text = view_from(line, 4);

	if (!last && line.data[3] != '-')
		return -EBADMSG;
	/* RFC 5321 4.2.1: the same code in all lines. */
	if (reply->count > 0 && code != reply->code)
		return -EBADMSG;
	if (reply->count == 0) {
		reply->code = code;
		str_printf(&reply->text, "%d", code);
		if (!reply_find_status(text, line.data[0], reply->status))
			snprintf(reply->status, sizeof(reply->status), "%c.0.0", line.data[0]);
	}
	if (++reply->count > REPLY_LINES_MAX)
		return -EBADMSG;
	if (reply->text.len < REPLY_TEXT_MAX && text.len > 0) {
		str_append_byte(&reply->text, ' ');
		str_append_printable(&reply->text,
				     view_first(text, REPLY_TEXT_MAX - reply->text.len));
	}
	str_append_printable(&reply->lines, text);
	str_append_byte(&reply->lines, '\n');
	return last;
}

/* The program's state. NULL: lines are read as they come. */
static struct tables *reply_filter;

int reply_filter_prepare(const char *list, struct error *err)
{
	if (*list == '\0')
		return 0;
	reply_filter = tables_open(list, TABLE_CASE_SENSITIVE, err);
	if (reply_filter == NULL)
		error_prefix(err, "smtp_reply_filter");
	return reply_filter == NULL ? -EINVAL : 0;
}

/* A line that the filter knows is another one; a table that cannot answer changes nothing. */
static int smtp_reply_take_line(struct reply *reply, struct view line)
{
	_cleanup_(str_free) struct str other = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = reply_filter != NULL ? tables_lookup(reply_filter, line, &other, &err) : 0;

	if (r < 0)
		log_warning("smtp_reply_filter: %s", err.text);
	return reply_add_line(reply, r > 0 ? str_view(&other) : line);
}

int reply_read(struct stream *io, struct reply *reply)
{
	reply_clear(reply);
	for (;;) {
		struct view line;
		int r = stream_read_line(io, &line, REPLY_LINE_MAX);

		if (r < 0)
			return r == -EMSGSIZE ? -EBADMSG : r;
		r = smtp_reply_take_line(reply, line);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

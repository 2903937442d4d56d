/*
 * Lines of the log as people read them, and as they travel to the program that writes them. Where
 * they go is not decided here.
 */
#include "base/logline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define SYSLOG_FACILITY_MAIL (2 << 3)
/* No text begins with it, so what is written to standard error is known. */
#define DATAGRAM_MARK '\x01'

static const char *const level_names[] = { "debug", "info", "warning", "error", "fatal" };
static const int syslog_severities[] = { 7, 6, 4, 3, 2 };

/* In front of each text in a datagram; both ends are programs of one build. */
struct line_head {
	int64_t time;
	uint16_t length;
	uint8_t level;
};

int64_t log_line_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- for people ---- */

struct view log_line_id(struct view text)
{
	size_t at = view_find_byte(text, ':');

	if (at == VIEW_NOT_FOUND || at < 6 || at > 40 || at + 1 >= text.len ||
	    text.data[at + 1] != ' ')
		return VIEW_NONE;
	for (size_t i = 0; i < at; i++)
		if (!ascii_is_alnum(text.data[i]))
			return VIEW_NONE;
	return view_first(text, at);
}

static void append_json(struct str *out, const char *name, struct view v)
{
	_cleanup_(str_free) struct str printable = STR_EMPTY;

	str_append_printable(&printable, v);
	str_printf(out, "\"%s\":\"", name);
	for (size_t i = 0; i < printable.len; i++) {
		if (printable.data[i] == '"' || printable.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, printable.data[i]);
	}
	str_append_byte(out, '"');
}

static void format_json(struct str *out, const struct log_line *line)
{
	time_t seconds = (time_t)(line->time / 1000000);
	struct view id = log_line_id(line->text);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	str_printf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ\",", tm.tm_year + 1900,
		   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		   (long)(line->time % 1000000));
	append_json(out, "host", line->host);
	str_append_byte(out, ',');
	append_json(out, "program", line->tag);
	str_printf(out, ",\"pid\":%d,\"level\":\"%s\",", (int)line->pid, level_names[line->level]);
	if (id.len > 0) {
		append_json(out, "id", id);
		str_append_byte(out, ',');
	}
	append_json(out, "message", line->text);
	str_append_byte(out, '}');
}

/* "Nov 21 18:37:00": made anew when the second is another. */
static const char *time_of_day(time_t now)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static time_t made_at;
	static char text[32];
	struct tm tm;

	if (now == made_at)
		return text;
	localtime_r(&now, &tm);
	snprintf(text, sizeof(text), "%s %2d %02d:%02d:%02d", months[tm.tm_mon], tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec);
	made_at = now;
	return text;
}

/* What stands in front of the text: for syslog(3) with the priority, RFC 3164 section 4.1. */
static void format_front(struct str *out, const struct log_line *line, enum log_sink sink)
{
	if (sink == LOG_SINK_SYSLOG)
		str_printf(out, "<%d>", SYSLOG_FACILITY_MAIL | syslog_severities[line->level]);
	str_append_cstr(out, time_of_day((time_t)(line->time / 1000000)));
	str_append_byte(out, ' ');
	if (sink != LOG_SINK_SYSLOG) {
		str_append(out, line->host);
		str_append_byte(out, ' ');
	}
	str_append_printable(out, line->tag);
	str_printf(out, "[%d]: ", (int)line->pid);
}

void log_line_format(struct str *out, const struct log_line *line, enum log_sink sink, bool json)
{
	if (!json || sink == LOG_SINK_SYSLOG)
		format_front(out, line, sink);
	if (json) {
		format_json(out, line);
	} else {
		if (line->level != LOG_INFO_LEVEL)
			str_printf(out, "%s: ", level_names[line->level]);
		str_append_printable(out, view_first(line->text, LOG_LINE_MAX));
	}
	if (sink != LOG_SINK_SYSLOG)
		str_append_byte(out, '\n');
}

/* ---- on the way ---- */

size_t log_pack_head(char *datagram, struct view tag)
{
	tag = view_first(tag, LOG_TAG_MAX);
	datagram[0] = DATAGRAM_MARK;
	datagram[1] = (char)tag.len;
	memcpy(datagram + 2, tag.data, tag.len);
	return 2 + tag.len;
}

size_t log_pack_line(char *datagram, size_t length, const struct log_line *line)
{
	struct view text = view_first(line->text, LOG_LINE_MAX);
	struct line_head head = { .time = line->time,
				  .length = (uint16_t)text.len,
				  .level = (uint8_t)line->level };

	if (length + sizeof(head) + text.len > LOG_DATAGRAM_MAX)
		return 0;
	memcpy(datagram + length, &head, sizeof(head));
	if (text.len > 0)
		memcpy(datagram + length + sizeof(head), text.data, text.len);
	return length + sizeof(head) + text.len;
}

bool log_reader_open(struct log_reader *reader, struct view datagram)
{
	size_t tag_length;

	if (datagram.len < 2 || datagram.data[0] != DATAGRAM_MARK)
		return false;
	tag_length = (unsigned char)datagram.data[1];
	if (tag_length > LOG_TAG_MAX || tag_length > datagram.len - 2)
		return false;
	reader->tag = view_make(datagram.data + 2, tag_length);
	reader->rest = view_from(datagram, 2 + tag_length);
	return true;
}

bool log_reader_next(struct log_reader *reader, struct log_line *line)
{
	struct line_head head;

	if (reader->rest.len < sizeof(head))
		return false;
	memcpy(&head, reader->rest.data, sizeof(head));
	reader->rest = view_from(reader->rest, sizeof(head));
	if (head.level > LOG_FATAL_LEVEL || head.length > LOG_LINE_MAX ||
	    head.length > reader->rest.len)
		return false;
	line->tag = reader->tag;
	line->time = head.time;
	line->level = (enum log_level)head.level;
	line->text = view_first(reader->rest, head.length);
	reader->rest = view_from(reader->rest, head.length);
	return true;
}

/*
 * Where lines go. A full disk is waited for with what memory allows; what goes beyond is counted,
 * and the count is a line of the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "postlogd.h"

#define TOGETHER 65536	       /* bytes that are written with one call */
#define KEPT_MAX (1024 * 1024) /* bytes that wait for a disk that is full */

static struct {
	int fd;
	enum log_sink sink;
	bool json;
	struct str text;
	size_t done; /* of the text, written already */
	uint64_t lost;
	int trouble; /* errno of the last failure; 0: none */
	struct output_counts *counts;
	struct output_counts own;
} output = { .fd = -1, .counts = &output.own };

static void output_count_written(uint64_t lines)
{
	output.counts->written += lines;
}

/* As a line of this program's. */
static void output_say(const char *what)
{
	struct log_line line = { .host = view_of(log_host()),
				 .tag = VIEW("postlogd"),
				 .pid = getpid(),
				 .time = log_line_now(),
				 .level = LOG_WARNING_LEVEL,
				 .text = view_of(what) };

	output.counts->taken++;
	output_line(&line);
}

void output_open(int fd, enum log_sink sink, bool json, struct output_counts *counts)
{
	char text[100];

	output.fd = fd;
	output.sink = sink;
	output.json = json;
	if (counts != NULL)
		output.counts = counts;
	if (output.counts->taken <= output.counts->written)
		return;
	snprintf(text, sizeof(text), "%llu lines of the log were lost when postlogd ended",
		 (unsigned long long)(output.counts->taken - output.counts->written));
	output.counts->written = output.counts->taken;
	output_say(text);
}

static void output_lose(uint64_t lines)
{
	output.lost += lines;
	output_count_written(lines); /* told here, not by a successor */
}

static void output_tell_loss(void)
{
	char text[200];

	if (output.lost == 0 || output.trouble != 0)
		return;
	snprintf(text, sizeof(text), "%llu lines of the log were lost: they could not be written",
		 (unsigned long long)output.lost);
	output.lost = 0;
	output_say(text);
}

/* ---- syslog: a datagram a line ---- */

static void output_syslog(const struct log_line *line)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	log_line_format(&text, line, LOG_SINK_SYSLOG, output.json);
	output.trouble = send(output.fd, text.data, text.len, MSG_NOSIGNAL) < 0 ? errno : 0;
	if (output.trouble == 0)
		output_count_written(1);
	else
		output_lose(1);
}

/* ---- files ---- */

static uint64_t output_count_lines(const char *bytes, size_t len)
{
	const char *end = bytes + len;
	uint64_t lines = 0;

	while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
		bytes++;
		lines++;
	}
	return lines;
}

static void output_write(void)
{
	while (output.done < output.text.len) {
		const char *from = output.text.data + output.done;
		ssize_t n = write(output.fd, from, output.text.len - output.done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			output.trouble = n < 0 ? errno : ENOSPC;
			return;
		}
		output_count_written(output_count_lines(from, (size_t)n));
		output.done += (size_t)n;
	}
	output.trouble = 0;
	output.done = 0;
	str_clear(&output.text);
}

void output_line(const struct log_line *line)
{
	if (output.sink == LOG_SINK_SYSLOG) {
		output_syslog(line);
		return;
	}
	if (output.text.len >= KEPT_MAX) {
		output_lose(1);
		return;
	}
	log_line_format(&output.text, line, output.sink, output.json);
	if (output.text.len >= TOGETHER && output.trouble == 0)
		output_write();
}

void output_flush(void)
{
	if (output.sink != LOG_SINK_SYSLOG)
		output_write();
	if (output.lost > 0 && output.trouble == 0) {
		output_tell_loss();
		if (output.sink != LOG_SINK_SYSLOG)
			output_write();
	}
}

bool output_is_behind(void)
{
	return output.trouble != 0 || output.lost > 0;
}

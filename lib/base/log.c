/*
 * The log as every program sees it: lines are made, gathered for a turn of the loop, and given to
 * the sink. How a line looks and travels is in logline.c.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/logline.h"
#include "base/mem.h"
#include "base/str.h"

static struct {
	char tag[LOG_TAG_MAX + 1];
	char host[64];
	int fd;
	enum log_sink sink;
	enum log_level lowest;
	bool json;
	pid_t pid; /* 0: to be asked for */
	bool gathers;
	/* Lines of one turn that are written together: as text, or as a datagram. */
	size_t gathered, gathered_lines;
	char bytes[LOG_DATAGRAM_MAX];
	size_t lost; /* lines that were not taken, of which nobody has been told yet */
} log_state = { .tag = "posta", .fd = STDERR_FILENO, .lowest = LOG_INFO_LEVEL };

void log_open(const char *tag, int fd, enum log_sink sink, bool json)
{
	log_flush();
	snprintf(log_state.tag, sizeof(log_state.tag), "%s", tag);
	log_state.fd = fd;
	log_state.sink = sink;
	log_state.json = json;
	if (gethostname(log_state.host, sizeof(log_state.host) - 1) < 0)
		snprintf(log_state.host, sizeof(log_state.host), "localhost");
	log_state.host[strcspn(log_state.host, ".")] = '\0';
	if (log_state.host[0] == '\0')
		snprintf(log_state.host, sizeof(log_state.host), "localhost");
	/* The time zone's file cannot be read any more inside a chroot. */
	tzset();
}

int log_descriptor(void)
{
	return log_state.fd;
}

enum log_sink log_sink_kind(void)
{
	return log_state.sink;
}

const char *log_host(void)
{
	return log_state.host;
}

void log_set_level(enum log_level lowest)
{
	log_state.lowest = lowest;
}

static struct log_line line_make(enum log_level level, struct view text)
{
	return (struct log_line){ .host = view_of(log_state.host),
				  .tag = view_of(log_state.tag),
				  .pid = log_state.pid,
				  .time = log_line_now(),
				  .level = level,
				  .text = text };
}

/* ---- to the program that writes the log ---- */

/* In front of what comes next, so that it stands where the lines would have. */
static bool loss_told(void)
{
	char text[100], datagram[LOG_TAG_MAX + sizeof(text) + 50];
	struct log_line line;
	size_t length;
	int n = snprintf(text, sizeof(text),
			 "%zu lines of the log were lost: they were not taken in time",
			 log_state.lost);

	line = line_make(LOG_WARNING_LEVEL, view_make(text, (size_t)n));
	length = log_pack_head(datagram, line.tag);
	length = log_pack_line(datagram, length, &line);
	if (send(log_state.fd, datagram, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return false;
	log_state.lost = 0;
	return true;
}

/*
 * The socket waits a while for a reader that has fallen behind or is being replaced. Once that was
 * in vain there is no waiting until a line gets through again: mail comes first.
 */
static void send_gathered(void)
{
	if (log_state.lost > 0 && !loss_told())
		log_state.lost += log_state.gathered_lines;
	else if (log_state.gathered > 0 &&
		 send(log_state.fd, log_state.bytes, log_state.gathered, MSG_NOSIGNAL) < 0)
		log_state.lost += log_state.gathered_lines;
	log_state.gathered = log_state.gathered_lines = 0;
}

static void pack(const struct log_line *line)
{
	size_t length = 0;

	if (log_state.gathered > 0)
		length = log_pack_line(log_state.bytes, log_state.gathered, line);
	if (length == 0) {
		send_gathered();
		length = log_pack_head(log_state.bytes, line->tag);
		length = log_pack_line(log_state.bytes, length, line);
	}
	log_state.gathered = length;
	log_state.gathered_lines++;
}

/* ---- to a file, or to the syslog daemon ---- */

static void write_gathered(void)
{
	if (log_state.gathered > 0)
		(void)!write(log_state.fd, log_state.bytes, log_state.gathered);
	log_state.gathered = 0;
}

static void write_or_gather(const struct log_line *line, bool now)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	log_line_format(&text, line, LOG_SINK_FILE, log_state.json);
	if (now || text.len > LOG_DATAGRAM_MAX - log_state.gathered)
		write_gathered();
	if (now || text.len > LOG_DATAGRAM_MAX) {
		(void)!write(log_state.fd, text.data, text.len);
		return;
	}
	memcpy(log_state.bytes + log_state.gathered, text.data, text.len);
	log_state.gathered += text.len;
}

static void send_to_syslog(const struct log_line *line)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	log_line_format(&text, line, LOG_SINK_SYSLOG, log_state.json);
	/* The socket has a limit for how long it waits for a daemon that has fallen behind. */
	(void)!send(log_state.fd, text.data, text.len, MSG_NOSIGNAL);
}

/* ---- any sink ---- */

void log_flush(void)
{
	if (log_state.sink == LOG_SINK_PROGRAM)
		send_gathered();
	else
		write_gathered();
}

/* What was gathered is the parent's to write. */
static void forget_parent(void)
{
	log_state.pid = 0;
	log_state.gathered = log_state.gathered_lines = log_state.lost = 0;
}

static void follow_forks(void)
{
	static bool follows;

	if (!follows)
		follows = pthread_atfork(NULL, NULL, forget_parent) == 0;
}

void log_gather(void)
{
	log_state.gathers = true;
	atexit(log_flush);
}

static void log_say(enum log_level level, const char *format, va_list args)
{
	bool now = !log_state.gathers || level >= LOG_WARNING_LEVEL;
	char raw[LOG_LINE_MAX];
	struct log_line line;
	int saved = errno;

	if (level < log_state.lowest)
		return;
	vsnprintf(raw, sizeof(raw), format, args);
	if (log_state.pid == 0) {
		log_state.pid = getpid();
		follow_forks();
	}
	line = line_make(level, view_of(raw));
	if (log_state.sink == LOG_SINK_SYSLOG) {
		send_to_syslog(&line);
	} else if (log_state.sink == LOG_SINK_FILE) {
		write_or_gather(&line, now);
	} else {
		pack(&line);
		if (now)
			send_gathered();
	}
	errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		log_say(level, format, args);                                                      \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_debug, LOG_DEBUG_LEVEL)
LOG_FUNCTION(log_info, LOG_INFO_LEVEL)
LOG_FUNCTION(log_warning, LOG_WARNING_LEVEL)
LOG_FUNCTION(log_error, LOG_ERROR_LEVEL)

void log_info_as(const char *name, const char *format, ...)
{
	char own[sizeof(log_state.tag)], *slash = strrchr(log_state.tag, '/');
	va_list args;

	/* A datagram has one name. */
	log_flush();
	memcpy(own, log_state.tag, sizeof(own));
	if (slash != NULL)
		snprintf(slash + 1, sizeof(own) - (size_t)(slash + 1 - log_state.tag), "%s", name);
	va_start(args, format);
	log_say(LOG_INFO_LEVEL, format, args);
	va_end(args);
	log_flush();
	memcpy(log_state.tag, own, sizeof(own));
}

void log_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_say(LOG_FATAL_LEVEL, format, args);
	va_end(args);
	exit(1);
}

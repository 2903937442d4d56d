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

#include "base/mem.h"
#include "base/str.h"

#define SYSLOG_FACILITY_MAIL (2 << 3)
/* Lines of one turn that are written together. */
#define LOG_GATHER_MAX 32768

static struct {
	char tag[64];
	char host[64];
	int fd;
	enum log_sink sink;
	enum log_level lowest;
	bool json;
	pid_t pid; /* 0: to be asked for */
	bool gathers;
	size_t gathered;
	char lines[LOG_GATHER_MAX];
} log_state = { .tag = "posta", .fd = STDERR_FILENO, .lowest = LOG_INFO_LEVEL };

static const char *const level_names[] = { "debug", "info", "warning", "error", "fatal" };
static const int syslog_severities[] = { 7, 6, 4, 3, 2 };

void log_open(const char *tag, int fd, enum log_sink sink, bool json)
{
	snprintf(log_state.tag, sizeof(log_state.tag), "%s", tag);
	log_state.fd = fd;
	log_state.sink = sink;
	log_state.json = json;
	if (gethostname(log_state.host, sizeof(log_state.host) - 1) < 0)
		snprintf(log_state.host, sizeof(log_state.host), "localhost");
	log_state.host[strcspn(log_state.host, ".")] = '\0';
	/* The time zone's file cannot be read any more inside a chroot. */
	tzset();
}

int log_descriptor(void)
{
	return log_state.fd;
}

void log_set_level(enum log_level lowest)
{
	log_state.lowest = lowest;
}

/* "4XyZ...: text": the identifier in front of a line about a message or a session. */
static struct view leading_id(struct view text)
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

static void append_json(struct str *line, const char *name, struct view v)
{
	_cleanup_(str_free) struct str printable = STR_EMPTY;

	str_append_printable(&printable, v);
	str_printf(line, "\"%s\":\"", name);
	for (size_t i = 0; i < printable.len; i++) {
		if (printable.data[i] == '"' || printable.data[i] == '\\')
			str_append_byte(line, '\\');
		str_append_byte(line, printable.data[i]);
	}
	str_append_byte(line, '"');
}

static void format_json(struct str *line, enum log_level level, struct view text)
{
	struct timespec now;
	struct tm tm;
	struct view id = leading_id(text);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	str_printf(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ\",", tm.tm_year + 1900,
		   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000);
	append_json(line, "host", view_of(log_state.host));
	str_append_byte(line, ',');
	append_json(line, "program", view_of(log_state.tag));
	str_printf(line, ",\"pid\":%d,\"level\":\"%s\",", (int)log_state.pid, level_names[level]);
	if (id.len > 0) {
		append_json(line, "id", id);
		str_append_byte(line, ',');
	}
	append_json(line, "message", text);
	str_append_byte(line, '}');
}

/* "Nov 21 18:37:00": made anew when the second is another. */
static const char *time_of_day(void)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static time_t made_at;
	static char text[32];
	time_t now = time(NULL);
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
static void format_front(struct str *line, enum log_level level)
{
	if (log_state.sink == LOG_SINK_SYSLOG)
		str_printf(line, "<%d>", SYSLOG_FACILITY_MAIL | syslog_severities[level]);
	str_append_cstr(line, time_of_day());
	str_append_byte(line, ' ');
	if (log_state.sink == LOG_SINK_FILE)
		str_printf(line, "%s ", log_state.host[0] ? log_state.host : "localhost");
	str_printf(line, "%s[%d]: ", log_state.tag, (int)log_state.pid);
}

static void format_line(struct str *line, enum log_level level, struct view text)
{
	if (!log_state.json || log_state.sink == LOG_SINK_SYSLOG)
		format_front(line, level);
	if (log_state.json) {
		format_json(line, level, text);
	} else {
		if (level != LOG_INFO_LEVEL)
			str_printf(line, "%s: ", level_names[level]);
		str_append(line, text);
	}
	if (log_state.sink == LOG_SINK_FILE)
		str_append_byte(line, '\n');
}

void log_flush(void)
{
	if (log_state.gathered > 0)
		(void)!write(log_state.fd, log_state.lines, log_state.gathered);
	log_state.gathered = 0;
}

/* What was gathered is the parent's to write. */
static void forget_parent(void)
{
	log_state.pid = 0;
	log_state.gathered = 0;
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

static void log_write_line(struct view line)
{
	log_flush();
	(void)!write(log_state.fd, line.data, line.len);
}

static void gather(struct view line)
{
	if (line.len > LOG_GATHER_MAX - log_state.gathered)
		log_flush();
	if (line.len > LOG_GATHER_MAX) {
		log_write_line(line);
		return;
	}
	memcpy(log_state.lines + log_state.gathered, line.data, line.len);
	log_state.gathered += line.len;
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	char raw[LOG_LINE_MAX];
	struct str text = STR_EMPTY, line = STR_EMPTY;
	int saved = errno;

	if (level < log_state.lowest)
		return;
	vsnprintf(raw, sizeof(raw), format, args);
	str_append_printable(&text, view_of(raw));
	if (log_state.pid == 0) {
		log_state.pid = getpid();
		follow_forks();
	}
	format_line(&line, level, str_view(&text));
	/* The socket has a limit for how long it waits for a daemon that has fallen behind. */
	if (log_state.sink == LOG_SINK_SYSLOG)
		(void)!send(log_state.fd, line.data, line.len, MSG_NOSIGNAL);
	else if (log_state.gathers && level < LOG_WARNING_LEVEL)
		gather(str_view(&line));
	else
		log_write_line(str_view(&line));
	str_free(&text);
	str_free(&line);
	errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		log_line(level, format, args);                                                     \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_debug, LOG_DEBUG_LEVEL)
LOG_FUNCTION(log_info, LOG_INFO_LEVEL)
LOG_FUNCTION(log_warning, LOG_WARNING_LEVEL)
LOG_FUNCTION(log_error, LOG_ERROR_LEVEL)

void log_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_FATAL_LEVEL, format, args);
	va_end(args);
	exit(1);
}

/*
 * The log: one line an event, in the form that people's scripts read:
 *
 *	Nov 21 23:58:21 mx posta/smtpd[123]: 4XyZ...: client=...
 *
 * or, with log_format = json, one JSON object a line. The programs send their lines to postlogd, the
 * only one but master that has the log open; master, postlogd and the tool write to a descriptor
 * (a file opened for appending, standard error or the syslog socket). Control bytes in a line become
 * '?'. Passwords, tokens and message bodies never go in.
 *
 * Order: a line is on its way before any message to another program that is sent after it
 * (lib/ipc flushes), so lines about one mail are in the log in the order in which things happened.
 * Lines that nobody takes in time are counted, and the count is told as soon as one gets through.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#define LOG_LINE_MAX 2048 /* bytes of one line; what is longer is cut */

enum log_level {
	LOG_DEBUG_LEVEL,
	LOG_INFO_LEVEL,
	LOG_WARNING_LEVEL,
	LOG_ERROR_LEVEL,
	LOG_FATAL_LEVEL
};

enum log_sink {
	LOG_SINK_FILE,	  /* time and host in front */
	LOG_SINK_SYSLOG,  /* a connected /dev/log datagram socket: RFC 3164 form */
	LOG_SINK_PROGRAM, /* a datagram socket that postlogd reads: logline.h */
};

/*
 * Names this program in each line. `tag` as in "posta/smtpd" (copied). `fd` stays the caller's.
 * Before the first call lines go to standard error.
 */
void log_open(const char *tag, int fd, enum log_sink sink, bool json);
/* The descriptor, for a child process that closes all others. */
int log_descriptor(void);
enum log_sink log_sink_kind(void);
/* This machine, as lines name it. */
const char *log_host(void);
/* The lowest level that is written; info at first. */
void log_set_level(enum log_level lowest);

/*
 * From now on lines that are no warnings are gathered and written together: by log_flush, which the
 * loop of tasks calls at each turn, before the next warning, and at exit(). Who ends by _exit() or
 * exec calls log_flush first.
 */
void log_gather(void);
void log_flush(void);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * In the name of a program of Postfix that this one does the work of ("posta/pickup"): who reads
 * logs knows by the name what the line means.
 */
void log_info_as(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Logs and ends the program with status 1. The master starts it again, with a pause. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif

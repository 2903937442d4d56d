/*
 * One line of the log as a thing: how it is written for people, and how it travels from the
 * programs to the one that writes the log (postlogd).
 *
 * A datagram holds the lines that a program had to say at one time: a mark, the program's name,
 * then for each line its time, level and text. Process numbers are not in it: the kernel tells.
 *
 *	struct log_reader reader;
 *	if (log_reader_open(&reader, datagram))
 *		while (log_reader_next(&reader, &line))
 *			log_line_format(&out, &line, LOG_SINK_FILE, false);
 */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/str.h"

#define LOG_TAG_MAX	 63
#define LOG_DATAGRAM_MAX 32768

struct log_line {
	struct view host, tag; /* "mx", "posta/smtpd" */
	pid_t pid;
	int64_t time; /* microseconds of the wall clock */
	enum log_level level;
	struct view text;
};

int64_t log_line_now(void);

/*
 * Appends the line as it is written: for a file with its end of line. Control bytes in the text
 * become '?'; what is longer than LOG_LINE_MAX is cut.
 */
void log_line_format(struct str *out, const struct log_line *line, enum log_sink sink, bool json);
/* The identifier of a message or session in front of a text ("4XyZ...: "), or nothing. */
struct view log_line_id(struct view text);

/* Begins a datagram; returns its length. */
size_t log_pack_head(char *datagram, struct view tag);
/* Appends a line and returns the new length; 0: there is no room for it. */
size_t log_pack_line(char *datagram, size_t length, const struct log_line *line);

struct log_reader {
	struct view rest, tag;
};

/* False: that is no datagram of ours, but what somebody wrote to standard error. */
bool log_reader_open(struct log_reader *reader, struct view datagram);
/* False at the end, or where what follows is no line. Fills tag, time, level and text. */
bool log_reader_next(struct log_reader *reader, struct log_line *line);

#endif

/*
 * postlogd: takes the lines of all programs off one socket, in the order in which they were sent,
 * and writes them where the log goes. It reads no file and no mail, and what it has open it can
 * only append to. master keeps both ends, so that its end and its replacement lose nothing that
 * was still on its way.
 *
 *	main.c		from the socket to lines
 *	output.c	where lines go: a file, standard output or syslog; a full disk
 *	repeat.c	equal lines over a limit are counted instead
 */
#ifndef POSTLOGD_POSTLOGD_H
#define POSTLOGD_POSTLOGD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/logline.h"

/* ---- output.c ---- */

/*
 * Counts that outlive the process, in memory that master gives to each postlogd: what one has taken
 * and not written when it ends is what its successor says is lost. May be NULL.
 */
struct output_counts {
	uint64_t taken, written;
};

void output_open(int fd, enum log_sink sink, bool json, struct output_counts *counts);
/* Takes a line. It is written with output_flush, or before, when much has come together. */
void output_line(const struct log_line *line);
/* Writes what there is; what a full disk does not take is kept, up to a limit, and then counted. */
void output_flush(void);
/* Something is kept, or was lost and not told: output_flush is to be tried again. */
bool output_is_behind(void);

/* ---- repeat.c ---- */

#define REPEAT_TEXT_MAX 300

/* What is said of lines that were left out. */
struct repeat_summary {
	char tag[LOG_TAG_MAX + 1], text[REPEAT_TEXT_MAX + 100];
	struct log_line line;
};

/*
 * False: `limit` lines like this one were written in `period` already, so it is counted instead.
 * Like each other are lines of one program that differ in numbers only, but not in addresses.
 * Lines about a message (with its ID in front) are all written. No limit: 0.
 */
bool repeat_admit(const struct log_line *line, msec_t now, uint64_t limit, msec_t period);
/* The next summary of a period that is over. False: there is none. */
bool repeat_next_summary(struct repeat_summary *summary, msec_t now, msec_t period);
/* Some lines are being counted. */
bool repeat_is_counting(void);

#endif

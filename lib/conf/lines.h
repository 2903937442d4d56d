/*
 * Logical lines, as all of Postfix's text files have them: a line that begins with white space
 * continues the one before; empty lines and lines whose first character is "#" are nothing, even
 * between a line and its continuation.
 *
 *	struct lines lines = lines_of(text);
 *	while (lines_next(&lines, &line))
 *		... line, which begins in lines.number ...
 *	lines_free(&lines);
 *
 * A first line that begins with white space is handed out as it is: it continues nothing, and
 * the caller says so.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include "base/str.h"

struct lines {
	struct view rest;
	int read;	   /* physical lines taken so far */
	int number;	   /* where the logical line begins, from 1 */
	struct str joined; /* a line with continuations */
};

struct lines lines_of(struct view text);
void lines_free(struct lines *lines);
/* Valid until the next call. Without the line ends; white space at the end is taken off. */
bool lines_next(struct lines *lines, struct view *line);

#endif

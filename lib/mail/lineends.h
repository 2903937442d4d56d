/*
 * Line ends made CR LF, whatever comes: a bare LF becomes CR LF, a bare CR a space, so that no
 * later program sees another end of a line than we did (SMTP smuggling). In any pieces; nothing is
 * copied, what is emitted are views of the input, long ones, and literals.
 *
 *	struct lineends ends = LINEENDS_START;
 *	r = lineends_feed(&ends, bytes, emit, argument); ...
 *	r = lineends_finish(&ends, emit, argument);	the last line ends in CR LF, too
 */
#ifndef MAIL_LINEENDS_H
#define MAIL_LINEENDS_H

#include <stdbool.h>

#include "base/view.h"

struct lineends {
	bool pending_cr;    /* the last piece ended in CR */
	bool at_line_start; /* nothing came since the last line end */
	bool keep_bare_cr;  /* cleanup_replace_stray_cr_lf = no */
	bool has_bare_lf;   /* there was one so far */
};
#define LINEENDS_START ((struct lineends){ .at_line_start = true })

/* Anything but 0 ends the feed, and is what it returns. */
typedef int lineends_emit(void *argument, struct view bytes);

int lineends_feed(struct lineends *ends, struct view bytes, lineends_emit *emit, void *argument);
int lineends_finish(struct lineends *ends, lineends_emit *emit, void *argument);

#endif

/*
 * Lines over a limit go on in the next one, after a blank, as in Postfix: a header stays one. So mail
 * leaves, and so it must be signed.
 *
 *	struct linefold fold = { .limit = 998 };
 *	size_t fits = linefold_fits(&fold, block);	then (if that is not all) LINEFOLD_BREAK
 */
#ifndef MAIL_LINEFOLD_H
#define MAIL_LINEFOLD_H

#include "base/view.h"

#define LINEFOLD_BREAK VIEW("\r\n ")

struct linefold {
	size_t limit; /* bytes that a line may have, without its end; at least 2 */
	size_t line;  /* those of the line that the next block goes on with */
};

/*
 * How much of the block comes before the place where a line is to be broken; all of it if there is
 * none. The CR of a line's end does not count.
 */
size_t linefold_fits(struct linefold *fold, struct view block);

#endif

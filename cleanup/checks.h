/* header_checks and kin, header_checks(5): what a table says about a line of a message. */
#ifndef CLEANUP_CHECKS_H
#define CLEANUP_CHECKS_H

#include "intake.h"
#include "table/table.h"

/* What becomes of the line. Everything else that an action does has been done. */
enum check_fate { CHECK_KEEP, CHECK_DROP, CHECK_REPLACE, CHECK_PREPEND };
struct check_result {
	enum check_fate fate;
	struct str text; /* for REPLACE and PREPEND, without a line end */
	bool pass;	 /* nothing more of this message is looked at */
	bool found;	 /* the table has an action for the line */
	bool ok, junk;	 /* OK; JUNK of check_mailauth_access */
};

#define CHECK_MAILAUTH "mailauth"
/*
 * Asks for one line (`what` is "header", "milter-header", "body" or CHECK_MAILAUTH: for the log). 0, or -EACCES: the message has been
 * refused, or thrown away, by intake_fail.
 */
int check_line(struct intake *in, struct tables *tables, const char *what, struct view line,
	       struct check_result *result);
void check_result_free(struct check_result *result);
/* user@domain, as tables and restrictions may name somebody who gets a message. */
bool check_is_address(struct view text);

#endif

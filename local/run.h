/*
 * Running a command with a message as its input, in the parts that know nothing of local-deliver:
 * what the command reads, and what its end means.
 */
#ifndef LOCAL_RUN_H
#define LOCAL_RUN_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mail/outcome.h"

/* ---- run_message.c ---- */

/*
 * Writes headers and content to a pipe that does not block, as m->flags and m->eol say; waits as a
 * task. 0, or a negative errno: the command did not read all of it, which may have its reasons;
 * but *unreadable: the content could not be read, so that what the command has got is not whole.
 */
int run_write_message(int fd, msec_t deadline, const struct msg_work_run *m,
		      const struct io_source *content, bool *unreadable);

/* ---- run_status.c ---- */

struct run_end {
	int status;    /* as waitpid has it */
	bool too_long; /* it was killed at its time limit */
	bool by_shell; /* whose own statuses are 126 and 127, and 128 and the signal */
	struct view said, command;
};
/*
 * What the end of a command means, as local(8) and pipe(8) have it: sysexits.h, or a status code
 * of RFC 3463 that it printed first. When it is done, the text is what it said.
 */
void run_outcome(const struct run_end *end, struct outcome *outcome);

#endif

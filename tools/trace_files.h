/* The files of the log, from the oldest to the newest, also compressed ones. */
#ifndef TOOLS_TRACE_FILES_H
#define TOOLS_TRACE_FILES_H

#include "base/error.h"
#include "base/str.h"

struct trace_files {
	char **paths;
	size_t count;
};

/*
 * Those that maillog_file and the rotation of logs have left (mail.log.2.gz, mail.log.1, mail.log),
 * or those of a syslog daemon. -ENOENT with a reason.
 */
int trace_files_find(struct trace_files *files, struct error *err);
/* A file that was named, or "-": standard input, which is kept so that it can be read again. */
int trace_files_add(struct trace_files *files, const char *path, struct error *err);
void trace_files_free(struct trace_files *files);

/*
 * Calls `each` for every line, without its end; what is longer than a line of the log can be is
 * cut. 0 or a negative errno.
 */
int trace_files_read(const struct trace_files *files,
		     void (*each)(void *argument, struct view line), void *argument,
		     struct error *err);

#endif

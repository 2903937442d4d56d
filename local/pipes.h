/*
 * The services of master.cf whose program is pipe or spawn, for the one who runs their commands.
 * Whoever asks gives a service's name and nothing else: command, user and folders are of the line.
 *
 *	pipes.c		the lines, and as whom their commands run
 *	pipe_macros.c	the words of a command
 */
#ifndef LOCAL_PIPES_H
#define LOCAL_PIPES_H

#include "base/error.h"
#include "conf/commands.h"
#include "deliver.h"
#include "ipc/ipc.h"

/* ---- pipes.c ---- */

struct pipe_line {
	const struct service *service;
	struct service_command command;
	char *mistake; /* what is wrong with it, or NULL */
};
/* Reads master.cf. */
int pipes_prepare(struct error *err);
/* The line of that program, service and type, or NULL. */
const struct pipe_line *pipe_line_find(const char *program, struct view name,
				       enum service_type type);
/* As whom its command runs: in *target (uid, gid, name, home, chroot, share). -1 with the answer. */
int target_of_pipe(const struct pipe_line *line, struct target *target, struct answer *answer);
/* For how long it may run, of SERVICE_time_limit; 0: no limit. */
msec_t pipe_time_limit(const struct pipe_line *line);
/* What export_environment hands on, NAME=value NUL ... */
void pipe_environment(struct str *environment);

/* ---- pipe_macros.c ---- */

/* Takes one off *rest, which is `recipients` of a pipe_deliver. */
bool pipe_next_recipient(struct view *rest, struct view *address, struct view *original);
/* The sender, or what stands for the null sender. */
const char *pipe_sender(const struct service_command *command, const struct str *sender);
/* The words, each ended by NUL. 0, -E2BIG, -EINVAL. */
int pipe_expand(const struct service_command *command, const struct msg_pipe_deliver *request,
		struct str *argv, struct error *err);

#endif

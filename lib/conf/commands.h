/*
 * The command of a service whose program is pipe or spawn, as its line in master.cf has it:
 *
 *	maildrop unix - n n - - pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
 *	policy   unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf
 *
 * pipe(8)'s attributes: flags, user, argv (the last one), size, eol, directory, chroot, null_sender;
 * spawn(8)'s: user, argv. Only what stands there is read here; whether the user exists, and may be
 * acted as, is asked when it is needed.
 */
#ifndef CONF_COMMANDS_H
#define CONF_COMMANDS_H

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"

/* flags=: what is put in front of the message and done to it, and what addresses look like. */
enum {
	PIPE_BLANK = 1,		 /* B: an empty line at the end */
	PIPE_DELIVERED = 2,	 /* D: Delivered-To, and the check for loops */
	PIPE_FROM = 4,		 /* F: a From_ line */
	PIPE_ORIGINAL = 8,	 /* O: X-Original-To */
	PIPE_RETURN_PATH = 16,	 /* R: Return-Path */
	PIPE_FINAL = 32,	 /* X: final delivery, as success reports have it */
	PIPE_DOT = 64,		 /* '.': dots doubled, and one at the end */
	PIPE_QUOTE_FROM = 128,	 /* '>': in front of "From " */
	PIPE_LOWER_DOMAIN = 256, /* h */
	PIPE_LOWER_USER = 512,	 /* u */
	PIPE_QUOTE_LOCAL = 1024, /* q: local parts as RFC 822 has them */
};

#define COMMAND_EOL_MAX 16

struct service_command {
	unsigned flags;
	char *user, *group;	  /* group NULL: the user's own */
	char *directory, *chroot; /* NULL: not given */
	struct str eol;
	char *null_sender;
	uint64_t size; /* largest message, 0: any */
	/*
	 * Of the line's arguments, at least one. The first has "argv=" in front of it:
	 * service_command_argument.
	 */
	const char *const *argv;
};

/* "pipe" or "spawn". */
bool service_has_command(const char *program);
/*
 * Reads the arguments of such a line (without the -o). 0, or -EINVAL with the reason; free it in
 * any case.
 */
int service_command_parse(const char *program, const char *const *arguments,
			  struct service_command *command, struct error *err);
void service_command_free(struct service_command *command);
/* The n-th word of the command; NULL after the last. */
const char *service_command_argument(const struct service_command *command, size_t n);
/* A macro that pipe(8) has: "recipient", "nexthop" ... */
bool pipe_macro_is_known(struct view name);

#endif

/*
 * local-deliver: does local delivery. It starts as root and believes nothing but names: it looks up
 * itself who a user is and where the mail goes, and whether a command, file or :include: really
 * stands in the alias or .forward that is said to hold it. What touches anything of a user's is
 * done by a child process that has become that user.
 *
 *	deliver_main.c		one request of local
 *	answer.c		what came of it: everything reports there
 *	deliver_command.c	requests that end in a command
 *	deliver_child.c		handing something to a child, and its result on
 *	deliver_target.c	a user's name to uid and mailbox
 *	deliver_check.c		programs, files and sources: whose they are, and whether they may
 *	workers.c		the child processes: made, kept a while, ended
 *	launcher.c		the process that makes those of them that run commands
 *	junk.c			the folder of what is kept and of which nobody has said more
 *	detail.c		folders that scripts and user+detail name
 *	child.c			a child's life; storing
 *	child_sieve.c		Sieve: which scripts a delivery runs
 *	child_actions.c		what they want done
 *	child_sent.c		messages that they want sent
 *	child_files.c		opening and checking .forward and :include: files
 *	child_run.c		running a command; run.h has its parts
 *	pipes.h			the services of master.cf whose program is pipe or spawn
 */
#ifndef LOCAL_DELIVER_H
#define LOCAL_DELIVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/io.h"
#include "base/str.h"
#include "conf/commands.h"
#include "ipc/ipc.h"
#include "mail/outcome.h"
#include "table/table.h"

/* ---- answer.c ---- */

/* What a request came to, before it is a result message. */
struct answer {
	struct outcome outcome;
	struct str user;      /* canonical name of whose mailbox it is in */
	struct view queue_id; /* of the message, for the log; the request's, or empty */
};
#define ANSWER_INIT ((struct answer){ .outcome = { .kind = OUTCOME_DEFERRED, .status = "4.3.0" } })
void deliver_answer_free(struct answer *answer);
/* Always -1, so that a function can set it and leave. */
int answer_set(struct answer *answer, uint8_t kind, const char *status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int answer_no_user(struct answer *answer, struct view name);
/* A line in the log about what the answer is for, with the message's queue ID. */
void answer_warn(const struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int answer_send(struct ipc *ipc, const struct answer *answer);
/* Sets and sends. */
int answer_reply(struct ipc *ipc, uint8_t kind, const char *status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A failure to store, which may pass. */
int answer_failure(struct ipc *ipc, int code, const struct error *err);
/* -EFBIG, -EMSGSIZE: of a Maildir that has a quota. */
int answer_over_quota(struct ipc *ipc, int code, const struct error *err);

/* Who acts, and on what. */
struct target {
	uid_t uid;
	gid_t gid;
	char *name; /* canonical */
	char *home;
	uint8_t format; /* STORE_MAILDIR, STORE_MBOX */
	struct str path;
	int64_t limit; /* of an mbox */
	char *quota;   /* of a Maildir: rules of store/quota.h, or NULL */
	char *command; /* mailbox_command, instead of the path; or NULL */
	char *chroot;  /* of a command of pipe, or NULL */
	size_t share;  /* places that it may have at one time; 0: local_deliver_user_limit */
};
void target_free(struct target *target);

/* ---- deliver_target.c ---- */

int target_prepare(struct error *err);
/* In a child: closes the tables of users and wipes what they have kept in memory. */
void target_forget(void);
/* Reopens what has changed. Before each request. */
void target_refresh(void);
/* 0, or -1 with the answer. */
int target_of_mailbox(const struct msg_mailbox_deliver *m, struct target *target,
		      struct answer *answer);
/* Only who it is: a system user. */
int target_of_user(struct view name, struct target *target, struct answer *answer);

/* ---- deliver_check.c ---- */

int check_prepare(struct error *err);
void check_refresh(void);
/*
 * Who acts for this command or file, and `check`: files in which the child must find it (empty:
 * seen already). 0, or -1 with the answer.
 */
int target_check_program(const struct msg_program_deliver *m, struct target *target,
			 struct str *check, struct answer *answer);
/* Who may read that source, and the candidates for its path. */
int check_source(const struct msg_source_read *m, struct target *target, struct str *paths,
		 struct answer *answer);
/* What a command of a user's hears of a delivery. */
struct command_addresses {
	struct view sender, recipient, original, extension;
	struct view client_address, client_name, client_helo, client_protocol, login;
};
/* NAME=value NUL ... for a command. */
void check_environment(const struct command_addresses *addresses, const struct target *target,
		       struct str *environment);
/* Where it runs: command_execution_directory, or the home of whom it runs as. */
void check_directory(const struct command_addresses *addresses, const struct target *target,
		     struct str *directory);

/* ---- workers.c ---- */

enum worker_kind {
	WORKER_STORE, /* files; confined */
	WORKER_RUN,   /* commands, which need what they need */
	WORKER_PIPE,  /* commands of pipe; places of their own */
	WORKER_SPAWN, /* those of spawn; the same */
	WORKER_KINDS
};
/* What those that store are confined to. */
#define STORE_CALLS (CALLS_FILES_READ | CALLS_FILES_WRITE | CALLS_MEMORY_FILES)
struct worker;
void workers_start(void);
/* A child acting as that user; waits for a place. NULL with the reason. */
struct worker *worker_take(enum worker_kind kind, const struct target *target, struct error *err);
struct ipc *worker_ipc(struct worker *worker);
void worker_give_back(struct worker *worker, bool healthy);

/* ---- launcher.c ---- */

/* Makes it. In prepare(), before anything is open that it is not to have. */
int launcher_start(struct error *err);
/* A child that runs commands as that user, at the other end of this connection. Waits to be heard. */
int launcher_make_child(const struct target *target, int connection, struct error *err);
/* That process was it: without it no command can be run. */
bool launcher_was(pid_t pid);

/* ---- deliver_child.c ---- */

/* Text of a request becomes header lines, environment and lines of an mbox file. */
bool deliver_is_clean(struct view text);
/* PIPE_RETURN_PATH, PIPE_ORIGINAL and PIPE_DELIVERED of conf/commands.h. */
#define HEADERS_ALWAYS (PIPE_RETURN_PATH | PIPE_ORIGINAL)
void deliver_add_headers(struct str *headers, struct view sender, struct view original,
			 struct view recipient, unsigned flags);
/*
 * What a delivery is known by when it is done again: the message, and for whom. Empty without a
 * queue ID.
 */
void deliver_identity(struct str *identity, struct view queue_id, struct view recipient,
		      struct view original);
/* PIPE_DELIVERED if prepend_delivered_header has "command" or "file". */
unsigned deliver_delivered_to(const char *what);
/* As worker_take; with NULL the request was answered, with *sent. */
struct worker *deliver_take_worker(struct ipc *ipc, enum worker_kind kind,
				   const struct target *target, struct answer *answer, int *sent);
/* A delivery under way: of which message, as whom, to what. */
struct deliver_work {
	struct view queue_id;
	const struct target *target;
	const char *kind;
	struct view place; /* a path, or a command */
	bool in_mailbox;
	struct view done; /* the text of a success; empty: the child's */
};
/*
 * Every delivery leaves a line in the log here, whoever asked for it: `local` is not the only
 * program of its user, and the queue's own lines come from those who ask.
 */
void deliver_note(const struct ipc *ipc, const struct deliver_work *work, const char *came_to);
/*
 * The child's result becomes ours (`r`: of handing the work to it), with the user's name beside it
 * where mail is in a mailbox. Logs it. In front of it go the messages that scripts want sent, as far
 * as that is allowed: another one is a failure of the child.
 */
int deliver_pass_result(struct ipc *ipc, struct worker *worker, int r,
			const struct deliver_work *work);

/* ---- deliver_command.c ---- */

/* For a target that has been checked. 0 or a negative errno: the connection is to be closed. */
int deliver_to_command(struct ipc *ipc, const struct msg_program_deliver *m,
		       const struct target *target, struct view check, struct answer *answer,
		       const struct io_source *content);
int deliver_to_mailbox_command(struct ipc *ipc, const struct msg_mailbox_deliver *m,
			       const struct target *target, struct answer *answer,
			       const struct io_source *content);
int deliver_to_pipe(struct ipc *ipc, struct msg_pipe_deliver *m);
int deliver_spawn(struct ipc *ipc, struct msg_spawn_command *m);

/* ---- junk.c ---- */

/* Reads the settings. In prepare(). */
int junk_prepare(struct error *err);
/*
 * The folder of a message that is kept: of junk (junk_header_checks) the user's mailbox with that special
 * use, or junk_mailbox, to be made where it is missing; else nothing, which is INBOX.
 */
void junk_default_folder(const char *maildir, const struct io_source *content, struct str *folder);

/* ---- detail.c ---- */

/* The folder that a script or a detail names, in UTF-8, as the store has it. -EINVAL: it cannot be one. */
int sieve_folder_name(struct view text, struct str *name);
/* The folder that the detail of this address names, or nothing. */
void detail_default_folder(const char *maildir, struct view recipient, struct str *folder);

/* ---- child.c ---- */

/* All but standard input and output, the log and the one socket. */
void child_close_others(int keep);

/* The rest of a child's life. */
void child_serve(int fd, enum worker_kind kind, const struct target *target)
	__attribute__((noreturn));

/* ---- child_sieve.c ---- */

struct mail_source;
#define SIEVE_NONE 1
/*
 * Delivers as the scripts want it and answers: 0, or a negative errno: the connection is over.
 * SIEVE_NONE: there are no scripts, and nothing has been done.
 */
int child_sieve(struct ipc *ipc, const struct msg_work_store *m, const char *maildir,
		const struct mail_source *source);

/* ---- child_actions.c ---- */

/* One delivery by scripts. */
struct sieve_message;
struct sieve_result;
struct sieve_action;
struct sieve_delivery {
	struct ipc *ipc;
	const struct msg_work_store *m;
	const char *maildir;
	const struct mail_source *source;
	const struct sieve_message *message;
	struct view changed; /* the message as the scripts have it; empty: as it came */
	size_t included;     /* scripts that others have asked for */
	struct str done;     /* what was done, for the log */
	bool in_inbox;
	const struct sieve_action *reject;
};
/* Does it all, and answers. */
int sieve_actions_do(struct sieve_delivery *d, const struct sieve_result *result);

/* ---- child_sent.c ---- */

/* A redirect, an answer or a notification: handed to whoever may send it. 0, or a negative errno with the reason. */
int sieve_send_redirect(struct sieve_delivery *d, const struct sieve_action *action,
			struct error *err);
int sieve_send_answer(struct sieve_delivery *d, const struct sieve_action *action,
		      struct error *err);
int sieve_send_notification(struct sieve_delivery *d, const struct sieve_action *action,
			    struct error *err);
int child_note_sent(struct ipc *ipc, const struct msg_work_sent *m);

/* ---- child_files.c ---- */

/*
 * Opens the first of the files that exists: a regular file that belongs to root or to the acting
 * user, and that not everybody may write to. Descriptor; -ENOENT: none; another errno.
 */
int child_open_source(struct view paths, struct error *err);
/* 0 if it stands in the source; -EPERM if not; another errno. */
int child_check(struct view paths, bool command, struct view target, struct error *err);

/* ---- child_run.c ---- */

void child_run_prepare(void);
int child_run(struct ipc *ipc, struct msg_work_run *m);
/* A command that talks over a connection, which is closed here. */
int child_spawn(struct ipc *ipc, struct msg_work_spawn *m);

#endif

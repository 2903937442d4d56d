/*
 * One milter, from the connection to the last word, and the conversation of one client's session with
 * several of them. Each file uses those before it only:
 *
 *	milter_codec.c	bytes
 *	milter.c	one milter: steps, replies, failures
 *	conversation.c	all of them: commands in turn, what the client hears
 *	judge.c		the content of a message, milter after milter
 *	milters.c	the exchange with smtpd or cleanup
 *
 * What a milter is (struct milter.state):
 *
 *	NEW ---> OPEN ---> ACCEPTED	wants to hear nothing more of this client
 *	  \        \
 *	   `------> ENDED		has refused the client, or failed; `sticky` answers in its place
 */
#ifndef FILTER_MILTER_H
#define FILTER_MILTER_H

#include "milter_codec.h"
#include "services/milter.h"
#include "task/stream.h"

enum milter_step {
	STEP_CONNECT,
	STEP_HELO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_RCPT_REJECTED,
	STEP_DATA,
	STEP_UNKNOWN,
	STEP_HEADER,
	STEP_EOH,
	STEP_BODY,
	STEP_EOM,
	STEP_COUNT
};

enum milter_state { MILTER_NEW, MILTER_OPEN, MILTER_ACCEPTED, MILTER_ENDED };

struct milter {
	struct milter_setting set;
	enum milter_state state;
	struct stream *io;
	struct str in; /* the frame that was read last */
	uint32_t version, actions, steps;
	bool has_macros[STAGE_COUNT];
	struct str macros[STAGE_COUNT]; /* that it asked for */
	bool in_message;		/* it has heard of a message, and not of its end */
	bool has_decided;		/* about that message: nothing more goes to it */
	struct str refusal;		/* what it then said: also to whoever asks again */
	uint32_t skipped;		/* MILTER_NO_... for the rest of it */
	struct str sticky;		/* ENDED: the reply, if there is one */
	bool sticky_hold;
	bool failed;
};

#define MACROS_MAX 100
struct macro {
	struct str name, value, otherwise;
	bool is_known; /* its value counts when it is empty, too */
};
struct macros {
	struct macro *items;
	size_t count;
	struct str names[STAGE_LISTS]; /* what is sent before a step */
};

/* What came of a step. */
enum milter_outcome {
	RESULT_CONTINUES,
	RESULT_ACCEPTS, /* the message, or at its first steps the client */
	RESULT_DISCARDS,
	RESULT_REPLIES, /* `reply` */
	RESULT_FAILS,	/* `reply` and `hold` are its default action */
};
struct milter_result {
	enum milter_outcome outcome;
	bool hold;
	struct str reply, reason;
};
void milter_result_free(struct milter_result *result);

/* ---- milter.c ---- */

/* What a milter wants to change: called for each at the end of a message. 0, or -EBADMSG. */
typedef int milter_edit_function(void *argument, const struct milter_reply *edit);

void milter_init(struct milter *m, const struct milter_setting *setting);
void milter_free(struct milter *m);
/* Connects and negotiates, if that is not done yet. False: it has failed, result says what that means. */
bool milter_open(struct milter *m, struct milter_result *result);
/*
 * Sends the macros for this step and the frame `data` (from milter_frame_begin to _end), unless the
 * milter does not want it, and takes the answer, unless it gives none. `limit`: when its patience ends,
 * however often it says that it is at work. Edits come at STEP_EOM only; elsewhere `edit` is NULL.
 */
void milter_step(struct milter *m, enum milter_step step, const struct macros *macros,
		 struct view data, msec_t limit, milter_edit_function *edit, void *argument,
		 struct milter_result *result);
/* Would it be told of this step now? */
bool milter_wants(const struct milter *m, enum milter_step step);
/* It has failed: logs why, and says what that means. */
void milter_fail(struct milter *m, const char *why, struct milter_result *result);
/* The message is over, whatever became of it. */
void milter_end_message(struct milter *m);
/* The first byte of a step's frame. */
char milter_command(enum milter_step step);

/* ---- conversation.c ---- */

struct conversation {
	struct milter *milters; /* all there before the first step */
	size_t count;
	bool has_begun;
	struct macros macros;
	struct str frame;
};
void milters_conversation_free(struct conversation *c);
/* 0 or -EBADMSG: more of them than may be, or nonsense. */
int conversation_use(struct conversation *c, const struct msg_milter_use *use);
int conversation_names(struct conversation *c, const struct msg_milter_names *names);
int conversation_macro(struct conversation *c, const struct msg_milter_macro *macro);
/* Asks all of them. 0 with the answer, or -EBADMSG: there is no such event. */
int conversation_event(struct conversation *c, const struct msg_milter_event *event,
		       struct milter_verdict *verdict);
/* The message is over for all of them. */
void conversation_reset(struct conversation *c);

/* ---- judge.c ---- */

/*
 * Shows a message to one of the milters; `m` is the milter_message that asks for it, what follows is
 * read from `ipc`. 0, or a negative errno.
 */
int judge_message(struct conversation *c, struct ipc *ipc, struct message *m);

/* ---- milters.c ---- */

/* The exchange that a milter_begin has begun. */
void milters_serve(struct ipc *ipc);

#endif

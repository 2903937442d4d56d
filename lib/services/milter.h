/*
 * Milters, seen from the programs whose mail they judge: which there are (smtpd_milters and kin), and
 * the conversation with them. The program filter speaks their protocol; here is asked what they say.
 *
 *	milters = milters_begin(list, &names);		a session of smtpd, or a message of cleanup
 *	milters_macro(milters, "i", id); ...		what they may be told, from then on
 *	milters_event(milters, MILTER_HELO, name, VIEW_NONE, 0, &verdict);
 *	channel = milters_content(milters);		at DATA; cleanup gets it, and judges the content by it
 *	milters_end(milters);
 *
 * A program filter that is gone counts as milters that fail: milter_default_action.
 */
#ifndef SERVICES_MILTER_H
#define SERVICES_MILTER_H

#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"

/* ---- what stands in the configuration ---- */

/* milter_default_action: what a milter that fails stands for. */
enum milter_default {
	MILTER_DEFAULT_ACCEPT,
	MILTER_DEFAULT_REJECT,
	MILTER_DEFAULT_TEMPFAIL,
	MILTER_DEFAULT_QUARANTINE,
	MILTER_DEFAULT_SHUTDOWN,
};
struct milter_setting {
	struct str endpoint; /* "inet:127.0.0.1:8891", "unix:/run/x" */
	msec_t connect_timeout, command_timeout, content_timeout;
	enum milter_default default_action;
	unsigned protocol;   /* 2, 3, 4, 6 */
	bool silent_headers; /* "2 no_header_reply" */
};
#define MILTERS_MAX 32
struct milter_list {
	struct milter_setting items[MILTERS_MAX];
	size_t count;
};
/* Reads a list as smtpd_milters has it. 0, or -EINVAL with a reason. milter_list_free in both cases. */
int milter_list_parse(struct view text, struct milter_list *list, struct error *err);
void milter_list_free(struct milter_list *list);
/* Of milter_default_action, and in the list's default_action=. */
int milter_default_parse(struct view word, enum milter_default *action);
/*
 * What a milter that has failed says: an SMTP reply, or none (accept; quarantine, for which *hold is
 * set).
 */
struct view milter_default_reply(enum milter_default action, bool *hold);

/* ---- the conversation ---- */

/* In their order. */
enum milter_event {
	MILTER_CONNECT, /* text: the client's name; argument: its address */
	MILTER_HELO,
	MILTER_MAIL, /* text: the address in <>; argument: ESMTP parameters, NUL between them */
	MILTER_RCPT,
	MILTER_RCPT_REJECTED, /* refused already; nothing is done with the answer */
	MILTER_DATA,
	MILTER_UNKNOWN, /* text: a command that nobody knows */
	MILTER_COMMANDS
};
/* What a macro's value is. */
enum milter_macro_kind {
	MILTER_MACRO_VALUE,   /* empty: there is none */
	MILTER_MACRO_KNOWN,   /* also when it is empty */
	MILTER_MACRO_DEFAULT, /* where there is none */
	MILTER_MACRO_KINDS
};
struct milter_verdict {
	bool discard;	   /* taken, and thrown away */
	bool hold;	   /* to be put on hold */
	bool rejected_too; /* MILTER_CONNECT: somebody wants MILTER_RCPT_REJECTED */
	struct str reply;  /* empty: go on; else what the client gets: 4xx or 5xx */
	struct str reason; /* of `hold` */
};
void milter_verdict_free(struct milter_verdict *verdict);
/* A reply of code 4 or 5 with a status of the same class, one line or several, that can be sent. */
bool milter_reply_is_valid(struct view reply);

struct milters;
/*
 * Never NULL: if filter cannot be reached each question is answered by the default action. The names
 * of macros to be sent and such are those of the configuration.
 */
struct milters *milters_begin(const struct milter_list *list);
/* From now on a macro ("i", "auth_type", without braces) has this value; empty: none. */
void milters_macro(struct milters *milters, const char *name, struct view value);
/* The same, and empty is a value: the milter hears that it is so. */
void milters_macro_known(struct milters *milters, const char *name, struct view value);
/* Asks all of them, in their order; *verdict is overwritten. Waits. */
void milters_event(struct milters *milters, enum milter_event event, struct view text,
		   struct view argument, uint16_t port, struct milter_verdict *verdict);
/* The message that was begun by MILTER_MAIL is not continued. */
void milters_reset(struct milters *milters);
/*
 * A connection on which whoever has it shows them the content: what judge_content takes. -1 if filter
 * is gone.
 */
int milters_channel(struct milters *milters);
/* For cleanup, on its own conversation. */
struct ipc *milters_ipc(struct milters *milters);
void milters_end(struct milters *milters);

#endif

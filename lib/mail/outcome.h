/*
 * What became of something that was tried, and why: one type for whoever tries, whoever decides
 * what follows, and whoever tells people. It travels between programs as the message `result`, and
 * stands in a queue file as a struct queue_reason: both are views of the fields below.
 *
 *	struct outcome failure = OUTCOME_NONE;
 *	outcome_set(&failure, OUTCOME_DEFERRED, "4.7.5", relay, "TLS with %s failed", host);
 *	failure.cause = CAUSE_TLS;
 *	if (failure.cause == CAUSE_TLS) ...		never: the status compared with "4.7.5"
 *	outcome_free(&failure);
 *
 * `kind` (OUTCOME_DELIVERED, ... in ipc.h) is what became of it; `cause` is for code that treats one
 * reason in another way than the rest; status, text and remote are for people and for reports.
 */
#ifndef MAIL_OUTCOME_H
#define MAIL_OUTCOME_H

#include <stdbool.h>

#include "base/str.h"
#include "ipc/ipc.h"

enum outcome_cause {
	CAUSE_OTHER,   /* nothing that anybody decides on */
	CAUSE_LOOP,    /* the message would come back to where it is */
	CAUSE_NULL_MX, /* the domain says that it takes no mail (RFC 7505) */
	CAUSE_TLS,     /* the connection could not be encrypted */
	CAUSE_NO_USER, /* there is nobody of that name */
	CAUSE_FULL,    /* the mailbox takes nothing at all: its quota is reached */
};

struct outcome {
	uint8_t kind;		     /* OUTCOME_..., PENDING: nothing is known yet */
	uint8_t cause;		     /* CAUSE_... */
	uint16_t code;		     /* of the SMTP reply that said so, or 0 */
	char status[IPC_STATUS_MAX]; /* RFC 3463 */
	struct str text;	     /* printable */
	struct str remote;	     /* "mx.example[192.0.2.1]:25", or empty */
};
#define OUTCOME_NONE ((struct outcome){ .kind = OUTCOME_PENDING })

/* Empties it; it may be set again. */
void outcome_free(struct outcome *outcome);
/* Of cause CAUSE_OTHER and code 0. `remote` and the text are copied; what is not printable is '?'. */
void outcome_set(struct outcome *outcome, uint8_t kind, const char *status, struct view remote,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));
void outcome_copy(struct outcome *to, const struct outcome *from);
/* For now only: what would be final is worth another attempt. */
void outcome_soften(struct outcome *outcome);

static inline bool outcome_is_set(const struct outcome *outcome)
{
	return outcome->kind != OUTCOME_PENDING;
}
static inline bool outcome_is_final_failure(const struct outcome *outcome)
{
	return outcome->kind == OUTCOME_FAILED;
}
/* The recipient has it, or somebody has taken over the duty. */
static inline bool outcome_kind_is_success(uint8_t kind)
{
	return kind == OUTCOME_DELIVERED || kind == OUTCOME_RELAYED || kind == OUTCOME_EXPANDED;
}
/* The class digit that the status of such an outcome has. */
static inline char outcome_kind_class(uint8_t kind)
{
	return kind == OUTCOME_FAILED ? '5' : kind == OUTCOME_DEFERRED ? '4' : '2';
}

/* Is it CLASS.SUBJECT.DETAIL of RFC 3463, of the class that this kind has? */
bool outcome_status_is_valid(struct view status, uint8_t kind);
/*
 * "5.7.1 text": takes the status off the front of a text that people wrote, if there is one of that
 * class ('2', '4', '5').
 */
bool outcome_status_take(struct view *text, char status_class, struct view *status);
/* "sent", "bounced" or "deferred", as logs have it. */
const char *outcome_word(uint8_t kind);

#endif

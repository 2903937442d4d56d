/* Between the files of an attempt: attempt.c, recipients.c, advance.c, courier.c. */
#ifndef QMGR_ATTEMPT_H
#define QMGR_ATTEMPT_H

#include "qmgr.h"

/* Recipients of one message that are read in one go. */
#define READ_AT_ONCE 1000

/* Writes down what was kept back while there was no file for the reasons. */
void attempt_record_kept(struct attempt *a);
void attempt_forget_kept(struct attempt *a);

/* A fate that qmgr itself decided for a recipient that is in no lot: logged and recorded. */
void attempt_decide(struct attempt *a, const struct queue_recipient *r, uint8_t outcome,
		    const struct queue_reason *reason);
/* The same for one in a lot, which is deferred. */
void attempt_refuse(struct attempt *a, struct lot *lot, struct lot_recipient *r,
		    const struct queue_reason *reason);
/*
 * Keeps account of an outcome, and records what cannot wait for the end of the delivery. True if it
 * did.
 */
bool outcome_note(struct attempt *a, uint64_t position, uint8_t notify, uint8_t outcome,
		  const struct queue_reason *reason);

/* Takes back what of the lot was not given out: refused; or, `reason` NULL, untried. */
void attempt_withdraw_lot(struct attempt *a, struct lot *lot, const struct queue_reason *reason);

/* recipients.c: some more, in line with the scheduler. */
void recipients_read_some(struct attempt *a);

/* Everything that is pending or deferred fails, for the reason that it was deferred for. Waits. */
void attempt_expire(struct attempt *a);

#endif

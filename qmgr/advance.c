/* How an attempt goes on: more of it is read and given out, or it ends. */
#include "attempt.h"
#include "base/clock.h"
#include "conf/conf.h"

/* What was read is given out as soon as all of it is in line. */
static void advance_read(struct attempt *a)
{
	struct transport *last = NULL;

	recipients_read_some(a);
	for (struct list *link = a->lots.next; link != &a->lots; link = link->next) {
		struct transport *t =
			container_of(link, struct attempt_lot, link)->lot.destination->transport;

		if (t != last)
			courier_dispatch(t);
		last = t;
	}
}

void attempt_read(struct attempt *a)
{
	attempt_enter(a, ATTEMPT_READING);
	if (qmgr.retiring || a->deleted || a->hold)
		attempt_withdraw(a);
	else if (!a->all_read)
		advance_read(a);
	attempt_continue(a);
}

void attempt_continue(struct attempt *a)
{
	bool room = qmgr.recipients < (size_t)param.qmgr_message_recipient_limit;

	if (attempt_is_in_hand(a))
		return;
	if (!a->all_read && (a->in_memory == 0 || (room && a->in_memory < READ_AT_ONCE / 2))) {
		attempt_enter(a, ATTEMPT_READING);
		work_refill(a);
	} else {
		attempt_enter(a, ATTEMPT_DELIVERING);
		finish_if_done(a);
	}
}

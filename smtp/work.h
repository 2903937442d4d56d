/* One delivery under way: the request, and what is known of each recipient so far. */
#ifndef SMTP_WORK_H
#define SMTP_WORK_H

#include "failure.h"
#include "queue/delivery.h"
#include "session.h"

struct recipient_work {
	struct outcome failure; /* the last; not yet final */
	bool accepted;		/* in this transaction */
};
struct work {
	struct delivery *d;
	struct recipient_work *recipients; /* as many as the delivery has */
	struct outcome failure;		   /* the last that concerned all */
	bool tried;			   /* some host was tried ... */
	bool talked;			   /* ... and one let us begin */
};

static inline bool work_is_pending(const struct work *w, size_t which)
{
	return !w->d->recipients[which].has_result;
}
size_t work_pending(const struct work *w);

/*
 * Sends the message to the pending recipients. Those of whom the server has decided for good get
 * their result; for the others the reason is kept. -ESTALE: a kept session turned out to be closed
 * before anything was sent; the session is unusable then, and nothing else has happened.
 */
int transaction_run(struct session *session, struct work *w);

#endif

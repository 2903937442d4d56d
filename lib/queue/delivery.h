/*
 * The delivery agent's side of qmgr's `deliver` exchange, the same for smtp, lmtp, local and
 * virtual: take the request, do what the agent does, say what became of each recipient.
 *
 *	static void serve(struct ipc *ipc) { delivery_serve(ipc, deliver_message); }
 *
 *	static void deliver_message(struct delivery *d)
 *	{
 *		for (size_t i = 0; i < d->count; i++)
 *			delivery_result(d, i, OUTCOME_DELIVERED, "2.0.0", relay, "250 2.0.0 Ok");
 *	}
 *
 * Outcomes: OUTCOME_DELIVERED is final delivery (mailbox, command, LMTP) or a server that took over
 * the duty of success reports (DSN); OUTCOME_RELAYED is a server without DSN: a sender who asked
 * for success reports is told "relayed" then. For final delivery leave `relay` empty or make it a
 * name without '[': qmgr reports "delivered" for these. OUTCOME_EXPANDED: became other recipients.
 * OUTCOME_FAILED is turned into OUTCOME_DEFERRED, 5.x.x into 4.x.x, while soft_bounce is set.
 *
 * delivery_result logs the line that administrators know:
 *	ID: to=<a@b>, orig_to=<c>, relay=mx[192.0.2.1]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 Ok)
 * A recipient without a result when the agent returns is deferred with 4.3.0.
 */
#ifndef QUEUE_DELIVERY_H
#define QUEUE_DELIVERY_H

#include "base/error.h"
#include "base/io.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mail/outcome.h"

#define DELIVERY_RECIPIENTS_MAX 10000

struct delivery_recipient {
	uint32_t index;
	struct str address, original, orcpt;
	uint8_t notify;
	bool has_result;
};
struct delivery {
	struct str queue_id, transport, nexthop, sender, envid;
	struct str client_address, client_name, client_helo, client_protocol, login;
	uint8_t flags, body, ret;
	int64_t arrival, queued; /* wall clock, microseconds */
	bool released;		 /* from quarantine: it is no junk */
	bool sent_on;		 /* a stranger's, to other strangers: with a sender of ours (SRS) */
	bool again;		 /* an earlier attempt may have delivered it: nobody can say */
	int64_t started;	 /* when the request came in, the same unit */
	int64_t connected; /* the agent sets it when the transmission begins (wall µs), for delays= */
	struct io_source content; /* its file is shared with others: for pread() only */
	struct delivery_recipient *recipients;
	size_t count;
	struct ipc *ipc;
	struct str bytes; /* of the content, if it came along */
	bool probe; /* verify only wants to know whether it would be taken: nothing is delivered */
	bool unreachable; /* set by delivery_unreachable */
	struct str unreachable_reason;
	msec_t flushed; /* delivery_serve's own */
};

/*
 * For prepare(): the tables of this agent's ..._delivery_status_filter, through which all that it says
 * of deliveries goes. 0 or a negative errno.
 */
int delivery_filter_open(const char *parameter, const char *list, struct error *err);
/* Serves requests on a connection until qmgr closes it. */
void delivery_serve(struct ipc *ipc, void (*deliver)(struct delivery *));
/*
 * `relay` as it is to be logged ("none" if empty). Results of one moment go to qmgr together; what
 * comes a tenth of a second after the last is sent at once.
 */
void delivery_result(struct delivery *d, size_t which, uint8_t outcome, const char *status,
		     struct view relay, struct view diagnostic);
/* The same, of an outcome that is set. */
static inline void delivery_outcome(struct delivery *d, size_t which, const struct outcome *outcome)
{
	delivery_result(d, which, outcome->kind, outcome->status, str_view(&outcome->remote),
			str_view(&outcome->text));
}
/*
 * The same without a line in the log: another agent, which this one asked, has written it.
 */
void delivery_passed(struct delivery *d, size_t which, const struct outcome *outcome);
/*
 * The header says that it was delivered to this address before (Delivered-To). 1 or 0, or a
 * negative errno: the content cannot be read.
 */
int delivery_is_loop(const struct delivery *d, struct view address);
/* Nobody could be talked to at this destination: qmgr lowers its concurrency or calls it dead. */
void delivery_unreachable(struct delivery *d, struct view reason);

/*
 * Logs that line; also for qmgr, which decides some fates itself. Times in microseconds of the wall
 * clock; `connected` 0: nobody was talked to.
 */
struct delivery_log {
	struct view queue_id, address, original, relay, diagnostic;
	const char *dsn;
	uint8_t outcome;
	bool probe; /* only the answer was asked for: "deliverable", "undeliverable" */
	int64_t arrival, queued, started, connected;
};
void delivery_log(const struct delivery_log *line);

#endif

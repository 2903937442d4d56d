/*
 * The queue manager. Who knows what:
 *
 *	state.c		what all share
 *	message.c	every message that qmgr knows, and when its next attempt is due
 *	scan.c		messages found on disk: at start, after a cleanup connection closed, overflow
 *	work.c		what waits for the task that begins attempts
 *	activate.c	that task; it reads more recipients as they are needed
 *	attempt.c	one attempt: results recorded, what was not given out taken back
 *	recipients.c		its recipients: resolved and sorted into lots
 *	advance.c	how it goes on: read on and given out, or at its end
 *	finish.c	the end of an attempt: put off, expired, reported, removed
 *	settle.c	from the journal to a file of its own
 *	tofile.c	the same for all that is old
 *	report.c	asking bounce for reports
 *	remove.c	unlinking what is finished
 *	schedule.c	which delivery is next (pure)
 *	courier.c	connections to delivery agents, one delivery at a time on each
 *	control.c	the sockets: announcements of cleanup, showq and `posta queue`
 *	list.c		a page of a listing
 *	summary.c	what is known of a message that waits without reading its file
 *	probe.c		telling verify what became of its probes
 *	quarantine.c	what filters have put on hold, for a time
 *	sent_on.c	strangers' mail for other strangers: it leaves with a return path of ours (SRS)
 *	await.c		telling an LMTP session what became of its message
 *	main.c		start, the lock, retirement
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "ipc/ipc.h"
#include "queue/queue.h"
#include "route/route.h"
#include "schedule.h"
#include "task/task.h"

/* Recipients that may wait in memory for one destination; more messages for it are parked. */
#define CROWDED 2000

struct qmgr {
	struct queue *queue;
	struct routes *routes, *probe_routes; /* the latter for probes of verify */
	struct schedule *schedule;
	struct map *services; /* name in master.cf to process limit as (void *)(limit + 1) */
	int lock_fd;
	int retired_fd; /* locked (shared) by those that retire, until they end */
	bool may_start; /* we have the lock */
	bool retiring;
	size_t recipients; /* in memory */
	size_t active;	   /* attempts */
	size_t active_limit;
};
extern struct qmgr qmgr;
/* It has a line in master.cf. */
bool transport_is_known(const char *transport);

/* ---- message.c ---- */

enum message_state {
	MESSAGE_WAITING, /* in the heap until it is due */
	MESSAGE_ACTIVE,
	MESSAGE_PARKED, /* until a destination has room */
	MESSAGE_HELD,
	MESSAGE_SETTLING, /* gets a file of its own (tofile.c), and then waits as before */
	MESSAGE_REMOVING, /* all is done but the unlinking */
};
struct attempt;
struct summary;
struct queued {
	struct heap_node due; /* microseconds, wall clock */
	struct list link;     /* parked at a destination */
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_place place; /* in the journal, or a file of its own */
	uint8_t state;
	bool verified;	/* cleanup announced it, or we have checked the CRC */
	bool deferred;	/* an attempt was made before */
	bool announced; /* cleanup said so, for the first time: nobody has tried to deliver it */
	bool flush;	/* asked for by hand: defer_transports does not apply */
	struct attempt *attempt;
	struct summary *summary; /* of one that waits, or NULL */
};
void messages_init(void);
/* NULL if it is not known. */
struct queued *message_find(struct view id);
/* Makes it known, waiting; NULL if there is no room: it stays on disk until a later scan. */
struct queued *message_add(struct view id, const struct queue_place *place, int64_t due,
			   bool is_new);
/* Those that were left on disk for want of room, since the folders were last read. */
struct messages_left {
	size_t count;
	int64_t due; /* the first of them, microseconds; 0: there is none */
};
struct messages_left *messages_left(void);
/* One more; it is due then. */
void message_note_overflow(int64_t due);
/* What people call its state: QUEUE_STATE_... */
uint8_t message_queue_state(const struct queued *m);
void message_set_due(struct queued *m, int64_t due);
void message_hold(struct queued *m);
void message_park(struct queued *m, struct destination *d);
void message_activate(struct queued *m, struct attempt *attempt);
void message_removing(struct queued *m);
void message_settling(struct queued *m);
/* Forgets it (the file is not touched). */
void message_forget(struct queued *m);
/* The one that is due first, or NULL. */
struct queued *message_first_due(void);
size_t message_count(void);
void message_each(void (*each)(struct queued *m, void *argument), void *argument);
/* Ids of all known messages, in no order; caller frees the array. */
struct queue_id {
	char text[QUEUE_ID_LENGTH_MAX];
};
struct queue_id *message_ids(size_t *count);

/* ---- scan.c ---- */

/* Looks for messages on disk that are not known, soon; or only at the journal. */
void scan_soon(void);
void scan_journal_soon(void);
/* The message, also one that is on disk only for want of room; NULL if there is none. */
struct queued *scan_find(struct view id);
/* Have the folders never been read to their end since the start? */
bool scan_is_first(void);
/* Waits until they have; not longer, nor when this process retires. */
void scan_wait_first(msec_t deadline);
/* Why there may be messages that are not known, for people; NULL: all are known. */
const char *scan_what_is_missing(void);
void scan_run(void *unused);

/* ---- activate.c ---- */

void activate_run(void *unused);

/* ---- work.c ---- */

/* Something has become due, or a slot free: look again. */
void work_wake(void);
/* activate.c begins to look: what comes from here on wakes it. */
void work_look(void);
/* Until something has come since, or the time has. */
void work_wait(msec_t deadline);
/* The attempt wants more recipients read. */
void work_refill(struct attempt *a);
/* The first that wants it, or NULL; it stays in the line. */
struct attempt *work_first_refill(void);
/* Messages parked at the destination, a hundred at a time, if it has room. */
void work_unpark(struct destination *d);

/* ---- attempt.c, advance.c ---- */

/*
 * The life of an attempt. attempt_enter() is the only way from one state to the next: a step that is
 * not drawn here, or a state that is not what it says, ends the program with its name.
 *
 *	attempt_begin
 *	     |
 *	  OPENING ----- damaged, locked, gone ----> freed
 *	     |
 *	     | attempt_read
 *	     v
 *	  READING <---------+    some recipients at a time, sorted into lots
 *	     |              |
 *	     | attempt_     | room for more, or
 *	     | continue     | SETTLING is over
 *	     v              |
 *	 DELIVERING --------+    lots wait or are with couriers
 *	     |      \       |
 *	     |       \ tofile_old (from READING too)
 *	     |        v     |
 *	     |      SETTLING+    it gets a file of its own; results may come meanwhile
 *	     |
 *	     | finish_if_done: all read, nothing in memory
 *	     v
 *	 FINISHING ---- reported, put off, held, parked, removed ----> freed
 *
 * In OPENING, SETTLING and FINISHING somebody waits, and goes on with the attempt after that:
 * others only leave a word in it (deleted, hold). So in READING, while tables are asked for the
 * recipients' routes (is_routing).
 */
enum attempt_state {
	ATTEMPT_OPENING,
	ATTEMPT_READING,
	ATTEMPT_DELIVERING,
	ATTEMPT_SETTLING,
	ATTEMPT_FINISHING,
};

struct attempt {
	struct queued *message;
	uint8_t state; /* ATTEMPT_... */
	struct queue_file *file;
	struct queue_cursor cursor;
	struct list refill_link; /* in the line for READING, or empty */
	struct list lots;	 /* by struct attempt_lot */
	struct list kept; /* results with a reason, until the message has a file of its own */
	int64_t started;  /* microseconds */
	size_t in_memory; /* recipients in lots, given out or not */
	size_t in_flight; /* deliveries */
	bool is_routing;  /* READING, and tables are being asked */
	bool all_read;
	/* What is known of the recipients so far. */
	bool any_deferred;	     /* to be tried again later */
	bool any_left;		     /* not tried: no room at their destination, or we retire */
	bool any_failed;	     /* and not reported */
	bool any_success;	     /* to be reported, not reported yet */
	bool recorded;		     /* something was written to the file */
	bool sent_on_known, sent_on; /* sent_on.c */
	bool expire;		     /* by hand: what is pending fails now */
	bool deleted, hold;	     /* by hand: at the end of the attempt */
	struct destination *crowded; /* the first that had no room (kept) */
};
struct attempt_lot {
	struct list link;
	struct lot lot;
};

void attempt_enter(struct attempt *a, enum attempt_state state);
/* Somebody waits with it in hand. */
bool attempt_is_in_hand(const struct attempt *a);
/* Opens, locks and checks the file. 0, or a negative errno (-EBUSY, -ENODATA, -EBADMSG, ...). */
int attempt_begin(struct queued *m, struct error *err);
/* Reads some more recipients, and gives what it can to the scheduler. */
void attempt_read(struct attempt *a);
/* Something of it is over: reads on, or ends the attempt (and frees it). */
void attempt_continue(struct attempt *a);
void attempt_result(struct attempt *a, struct lot *lot, struct lot_recipient *r, uint8_t outcome,
		    const struct queue_reason *reason);
/*
 * The delivery is over; recipients without a result get this one (its status is 4.x.x). The attempt
 * is to go on.
 */
void attempt_batch_done(struct attempt *a, const struct batch *batch,
			const struct queue_reason *otherwise);
/* Takes everything that was not given out back, untried. */
void attempt_withdraw(struct attempt *a);
/* Frees the attempt, its file closed. */
void attempt_free(struct attempt *a);

/* ---- sent_on.c ---- */

/* For prepare(). 0 or a negative errno with a reason. */
int sent_on_open(struct error *err);
/* Finds out whether the message is a stranger's. Waits. 0, or a negative errno: nobody can say now. */
int sent_on_ask(struct attempt *a);
/* It is, and these are recipients of other systems. */
bool sent_on_is(const struct attempt *a, const struct batch *batch);

/* ---- finish.c ---- */

/* Ends the attempt if nothing of it is left to do. */
void finish_if_done(struct attempt *a);
/* Seconds from now until the next attempt at a message of this age. */
int64_t finish_backoff(int64_t age, int64_t shortest, int64_t longest);

/* ---- settle.c, tofile.c ---- */

/*
 * A message in the journal gets a file of its own, as what stays in the queue must. Wait; 0 or a
 * negative errno, logged. The attempt is finishing, or nobody else may end it meanwhile.
 */
int settle_attempt(struct attempt *a);
/* The same for one that waits for its first attempt. */
int settle_waiting(struct queued *m);
/* The same for those that wait or are under way, if they are old: they keep segments from being used anew. */
void tofile_old(const struct queue_id *ids, size_t count);

/* ---- remove.c ---- */

/* Unlinks and forgets the message, soon. The file (NULL allowed) is taken, and closed after it. */
void remove_message(struct queued *m, struct queue_file *file);

/* ---- report.c ---- */

/* Has bounce write it; 0 when it is in the queue. Waits. */
int report_send(struct attempt *a, uint8_t kind);

/* ---- probe.c ---- */

/* A message of verify, of which only the answer to its recipient counts: nothing of it is tried again or reported. */
bool attempt_is_probe(const struct attempt *a);
/* What became of its recipient, for verify; soon. */
void probe_tell(struct attempt *a, struct view address, uint8_t outcome, struct view text);

/* ---- await.c ---- */

/*
 * Tells the session that waits for it, if there is one and its client gave that address. True: the recipient is the client's from now on, and done here.
 * An empty `original`: as `address`.
 */
bool await_tell(struct attempt *a, struct view address, struct view original, uint8_t outcome,
		const struct queue_reason *reason);
/* It is on hold: nothing more will be told, and what is left is the queue's. */
void await_release(const struct queued *m);
/* Serves a session until it does not wait any more. 0, or a negative errno: the connection is to be closed. */
int await_serve(struct ipc *ipc, const struct msg_await *asked);

/* ---- courier.c ---- */

/* Gives out what can be given out. */
void courier_dispatch(struct transport *t);

/* ---- quarantine.c ---- */

/* Removes what filters have put on hold when its time is over. */
void quarantine_run(void *unused);

/* ---- summary.c ---- */

void summaries_init(void);
/* Whoever has the open file of a message that is to wait, or has changed it, makes the summary anew. */
void summary_make(struct queued *m, struct queue_file *file);
void summary_drop(struct queued *m);
/* Appends it as IPC messages (queue_item ...); nothing if there is none. 0 or a negative errno. */
int summary_pack(const struct queued *m, uint8_t state, struct str *bytes);

/* ---- control.c ---- */

void control_serve(struct ipc *ipc);

#endif

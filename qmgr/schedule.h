/*
 * Which delivery is next. Pure: no clock, no files, no tasks; qmgr calls it and its tests do.
 *
 *	transport	a service that delivers (smtp, local, ...); so many deliveries at one time
 *	destination	a next hop of a transport, or one recipient of it where its recipient limit
 *			is 1; so many deliveries at one time (the window)
 *	lot		recipients of one message for one destination
 *
 * A transport serves its destinations in turn, a destination its lots in turn, and each turn takes
 * as many recipients as one delivery may have: so neither a busy destination nor a message with
 * many recipients keeps the others waiting.
 *
 * The window of a destination begins at initial_destination_concurrency, grows by one with each
 * delivery that reached somebody (as long as it is used) and shrinks by one with each that did not.
 * When these failures add up to a whole window, each counting 1/window, the destination is dead for
 * a while. Any success makes up for all failures before it.
 */
#ifndef QMGR_SCHEDULE_H
#define QMGR_SCHEDULE_H

#include "base/list.h"
#include "base/str.h"

struct schedule_limits {
	size_t deliveries;    /* of the transport at one time */
	size_t initial;	      /* window of a new destination */
	size_t window;	      /* largest; 0: none */
	size_t recipients;    /* in one delivery; at least 1 */
	double failed_cohort; /* 0: a destination is never dead */
	bool rests;	      /* a destination after each delivery, until schedule_rested */
	bool rests_all;	      /* the transport, the same */
};

struct transport {
	char *name;
	struct schedule_limits limits;
	struct list ready;  /* destinations that could be served now */
	size_t busy;	    /* deliveries given out */
	int64_t dead_until; /* 0: alive */
	size_t resting;	    /* pauses that are not over */
	struct str reason;  /* why it is dead */
	void *owner;	    /* what delivers for it (courier.c) */
};

struct destination {
	struct transport *transport;
	struct str key; /* in schedule.destinations */
	char *nexthop;
	struct list ready_link;
	struct list lots;
	struct list dead_link;
	size_t waiting; /* recipients in lots */
	size_t window, busy;
	double failures;    /* in windows */
	int64_t dead_until; /* 0: alive */
	size_t resting;	    /* pauses that are not over: one for each delivery */
	struct str status, reason;
	struct list parked; /* the caller's: messages that wait until there is room here */
	size_t keepers;	    /* the caller's: it is not freed while somebody points here */
};

struct lot_recipient {
	uint32_t index;
	uint64_t position; /* in the queue file */
	uint8_t notify;
	uint8_t outcome; /* OUTCOME_..., pending until a result came */
	bool recorded;	 /* the caller's: it stands in the file */
	bool is_strange; /* its domain is none of ours, and it is no filter's */
	uint32_t text;	 /* offset in lot.text: address, original, orcpt one after the other */
	uint16_t address_size, original_size, orcpt_size;
};
struct lot {
	struct list link;
	struct destination *destination;
	void *owner; /* the attempt that it belongs to */
	struct lot_recipient *recipients;
	size_t count, next; /* the first `next` were given out */
	size_t unfinished;  /* of these, deliveries under way that point here */
	struct str text;
};

/* One delivery: recipients first .. first + count - 1 of the lot. */
struct batch {
	struct lot *lot;
	size_t first, count;
};

struct schedule;
struct schedule *schedule_new(void (*limits)(const char *transport,
					     struct schedule_limits *limits));
void schedule_free(struct schedule *s);
/* Found or made; transports are kept for good, destinations until nothing is left of them. */
struct transport *schedule_transport(struct schedule *s, struct view name);
/* `recipient` matters only where the transport's recipient limit is 1. */
struct destination *schedule_destination(struct schedule *s, struct transport *t,
					 struct view nexthop, struct view recipient);
/* Frees a destination that has nothing to do and nothing to remember. */
void schedule_release(struct schedule *s, struct destination *d);

/* Puts the lot in line. The destination must not be dead. */
void schedule_add(struct lot *lot);
/* The next delivery of this transport; false: none now. */
bool schedule_take(struct transport *t, struct batch *batch);
/* Takes a lot that was not given out to the end out of the line. */
void schedule_withdraw(struct lot *lot);

enum schedule_outcome { SCHEDULE_REACHED, SCHEDULE_UNREACHABLE, SCHEDULE_UNKNOWN };
/*
 * A delivery has ended. True: the destination is dead from now on until `dead_until`; its lots are
 * the caller's to withdraw.
 */
bool schedule_finish(struct schedule *s, struct destination *d, enum schedule_outcome outcome,
		     int64_t dead_until);
/* The pause after a delivery is over: of the destination, of its transport. */
void schedule_rested(struct destination *d);
void schedule_transport_rested(struct transport *t);
/* Is it still dead? One whose time is over comes back to life, as if it were new. */
bool schedule_still_dead(struct schedule *s, struct destination *d, int64_t now);
/* All that are dead come back to life; `now` INT64_MAX, or those whose time is over. */
void schedule_revive(struct schedule *s, int64_t now);
size_t schedule_destination_count(const struct schedule *s);
/* Calls `each` for every transport or destination; it may release the destination it was given. */
void schedule_each_transport(struct schedule *s, void (*each)(struct transport *t));
void schedule_each_destination(struct schedule *s,
			       void (*each)(struct destination *d, void *argument), void *argument);

static inline struct view lot_address(const struct lot *lot, const struct lot_recipient *r)
{
	return view_make(lot->text.data + r->text, r->address_size);
}
static inline struct view lot_original(const struct lot *lot, const struct lot_recipient *r)
{
	return view_make(lot->text.data + r->text + r->address_size, r->original_size);
}
static inline struct view lot_orcpt(const struct lot *lot, const struct lot_recipient *r)
{
	return view_make(lot->text.data + r->text + r->address_size + r->original_size,
			 r->orcpt_size);
}

#endif

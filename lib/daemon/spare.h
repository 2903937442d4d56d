/*
 * Clients that can be spared: they are connected and have done nothing yet. A program that has as
 * many connections as it may ends one of them when another client waits: the oldest of the network
 * that has most of them here. So who waits and does nothing keeps nobody out, and who comes with
 * many connections displaces its own.
 *
 *	spare_add(&s->spare, fd, network);	it has come
 *	spare_remove(&s->spare);		it does something now, or it has gone
 *	if (s->spare.gives_way)			its input was ended: say so and leave
 */
#ifndef DAEMON_SPARE_H
#define DAEMON_SPARE_H

#include <stdbool.h>

#include "base/list.h"
#include "base/view.h"

struct spare_network;

struct spare {
	struct list link;
	struct spare_network *network; /* NULL: cannot be spared */
	unsigned long number;	       /* in the order in which they came */
	int fd;
	bool busy;	/* somebody else has the word: see spare_set_busy */
	bool gives_way; /* has been ended for somebody else */
};

/* `network`: what counts as one client (address_prefix). The members start as 0. */
void spare_add(struct spare *spare, int fd, struct view network);
/* Once more does no harm. */
void spare_remove(struct spare *spare);
/* While it waits for us, not we for it, it is not ended. */
void spare_set_busy(struct spare *spare, bool busy);

/* For struct daemon_program, make_room: ends one. False: there is none. */
bool spare_end_one(void);
/* Ends the oldest of this network. */
bool spare_end_of(struct view network);

#endif

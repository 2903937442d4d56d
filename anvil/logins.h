/*
 * What failed logins cost: how long the next check of a password has to wait, by the client's
 * address (IPv6: its /64) and by the account that is tried. It is the same for all services, and
 * the wait comes before the check, also for the right password, so that nothing that a client does
 * (hanging up, many connections, several services) lets it try more often.
 *
 *	logins_ask	says when a check may begin, and takes that time for it
 *	logins_end	tells what came of it
 *
 * Each failure doubles the wait of its address and of its account, from auth_failure_delay to
 * auth_failure_delay_max; LOGINS_FORGIVE later it is forgotten. An address that has logged in to an
 * account before does not wait for that account's penalty, so that nobody can lock out a user whom
 * he does not share an address with. What a user has mistyped is forgiven when he gets it right.
 *
 * Bounded: LOGINS_MAX addresses, accounts, and pairs of both; the ones not used for the longest
 * time make room.
 */
#ifndef ANVIL_LOGINS_H
#define ANVIL_LOGINS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/str.h"

#define LOGINS_MAX ((size_t)100000)
/* One failure is forgotten after each of these. */
#define LOGINS_FORGIVE ((msec_t)60 * 1000)
/* An address stays known to an account for so long after its last login. */
#define LOGINS_KNOWN ((msec_t)30 * 24 * 3600 * 1000)
/* A check that would have to wait longer is refused instead. */
#define LOGINS_WAIT_MAX ((msec_t)60 * 1000)
/* From here on an address or account is shown as held, and the log says it once. */
#define LOGINS_HELD 5

struct login_turn {
	msec_t wait;	   /* before the check may begin */
	unsigned failures; /* of the address, not yet forgotten */
	bool refused;	   /* no check: it would have to wait for too long */
	bool tell;	   /* a success is to be told too: it changes something */
};

void logins_open(void);
void logins_ask(struct view client, struct view account, struct login_turn *turn);
void logins_end(struct view client, struct view account, bool right);

/* One that is held. */
struct login_held {
	bool is_account;
	struct view name; /* the address or network, or the account */
	unsigned failures;
	msec_t wait;
};
/* At most `max` of them; returns how many. Their names are in *names, which must outlive them. */
size_t logins_held(struct login_held *held, size_t max, struct str *names);

#endif

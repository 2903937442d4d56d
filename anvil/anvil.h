/*
 * anvil: the suite's knowledge of the present: who is connected, how often, and who waits for new
 * mail. It touches nothing but its sockets and one file of numbers, one cache, and forgets
 * all but that when it ends.
 *
 *	main.c		requests
 *	counts.c	connections and rates by service and client
 *	logins.c	what failed logins cost
 *	screened.c	clients that have passed postscreen's tests
 *	watch.c		new-mail signals
 *	full.c		whose quota is reached
 */
#ifndef ANVIL_ANVIL_H
#define ANVIL_ANVIL_H

#include <stdbool.h>

#include "base/view.h"
#include "ipc/ipc.h"

/* ---- counts.c ---- */

/* Clients known at a time; the oldest make room for new ones. */
#define COUNTS_CLIENTS_MAX 100000

void counts_open(void);
/*
 * A program that counts: all connections from one process. What it has counted as connected is
 * taken back when its last connection closes, since nobody else will.
 */
struct reporter;
struct reporter *reporter_enter(pid_t pid);
void reporter_leave(struct reporter *reporter);
void counts_event(struct reporter *reporter, uint8_t kind, struct view service, struct view client,
		  uint32_t *connections, uint32_t *rate);
/* Forgets clients that are gone and whose rates are of the past. Logs the peaks now and then. */
void counts_sweep(void);

/* ---- watch.c ---- */

void watch_open(void);
/* Serves a connection that watches a user, until it closes. */
void watch_serve(struct ipc *ipc, struct view user);
void watch_signal(struct view user, struct view folder);

/* ---- full.c ---- */

/* Users known at a time; the oldest make room for new ones. */
#define FULL_USERS_MAX ((size_t)100000)

void full_open(void);
void full_note(struct view user);
void full_forget(struct view user);
/* Within mailbox_quota_notice_time. */
bool full_is(struct view user);
/* Is anybody? */
bool full_any(void);

#endif

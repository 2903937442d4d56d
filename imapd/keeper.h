/*
 * Connections whose user has no process: imapd keeps them, each without a task. It answers what needs no mailbox
 * (DONE, IDLE, and NOOP, since nothing has happened as long as it has them), says that it is still here, and ends
 * what is silent for too long; all else gives the connection back to imapd-session, with everything that is still
 * to be read from it. It knows them by numbers and cannot say whose they are (session/sleepers.h).
 *
 * Under TLS what it keeps is the session's end of the socket pair (session/handover.h); the relay does not know.
 */
#ifndef IMAPD_KEEPER_H
#define IMAPD_KEEPER_H

/* Offers itself to imapd-session, again whenever that is replaced. */
void keeper_start(void);
/* Takes no more. */
void keeper_retire(void);

#endif

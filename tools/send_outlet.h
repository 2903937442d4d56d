/*
 * Where a message of a local user goes: to cleanup, or, while the mail system is down, into the
 * maildrop (queue/maildrop.h), where it waits for the next start. As a task.
 *
 *	outlet = outlet_open(&why);
 *	r = outlet_mail(outlet, &mail); r = outlet_rcpt(outlet, address, notify); ...
 *	r = outlet_data(outlet, bytes); ...
 *	r = outlet_commit(outlet, &verdict);		frees it
 *
 * The first of them that fails makes all that follow fail.
 */
#ifndef TOOLS_SEND_OUTLET_H
#define TOOLS_SEND_OUTLET_H

#include "services/clients.h"

struct outlet;
/* NULL with errno: neither takes it. */
struct outlet *outlet_open(void);
/* It goes into the maildrop. */
bool outlet_is_maildrop(const struct outlet *outlet);
int outlet_mail(struct outlet *outlet, const struct msg_mail *mail);
int outlet_rcpt(struct outlet *outlet, struct view address, uint8_t notify);
int outlet_data(struct outlet *outlet, struct view bytes);
/* 0 with the verdict, 250 when the message is on the disk; or a negative errno. */
int outlet_commit(struct outlet *outlet, struct submission_verdict *verdict);
/* Forgets the message. NULL is allowed. */
void outlet_abort(struct outlet *outlet);

#endif

/*
 * Who a message is from: strangers' mail is verified as it comes in (verify.c), that of our own users
 * is signed as it goes into the queue (sign.c).
 */
#ifndef CLEANUP_PROOFS_H
#define CLEANUP_PROOFS_H

#include "intake.h"

/* ---- verify.c ---- */

extern const struct content_stage stage_verify;

/* ---- sign.c ---- */

/* Reads the tables, before the program is confined. 0 or a negative errno with a reason. */
int cleanup_signing_open(struct error *err);
/* Before the first byte of the content is written, each time that it is. 0 or a negative errno. */
int cleanup_signing_reserve(struct intake *in);
/* The message is as it will leave: signs it. 0, or -EACCES after intake_fail. */
int cleanup_sign(struct intake *in);

#endif

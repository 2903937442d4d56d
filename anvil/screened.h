/*
 * Which clients have passed postscreen's tests, and until when each counts: for all processes of smtpd
 * together, in a file that outlives this program (lib/cache). What is lost costs a client the tests
 * once more.
 */
#ifndef ANVIL_SCREENED_H
#define ANVIL_SCREENED_H

#include "base/error.h"
#include "ipc/ipc.h"

/* Before confinement: the file of postscreen_cache_map. 0 or a negative errno with a reason. */
int screened_open(struct error *err);
/* Lets the successor have it. */
void screened_close(void);

/* Answers. 0 or a negative errno: the connection ends. */
int screened_answer(struct ipc *ipc, const struct msg_screen_ask *m);
int screened_keep(struct ipc *ipc, const struct msg_screen_passed *m);

#endif

/* Between control.c, list.c and act.c. */
#ifndef QMGR_CONTROL_H
#define QMGR_CONTROL_H

#include "qmgr.h"

/* Makes a page of a listing and sends it; whatever waits for room, its views must stay valid. */
int list_page(struct ipc *ipc, const struct msg_queue_page *request);

/* QUEUE_ACT_... on one message. 0, or a negative errno: it is not done. */
int act_on(struct queued *m, uint8_t action);
/* Is some recipient that is not finished in that domain? */
bool act_goes_to(const struct queued *m, struct view domain);
/* Removes a message that no attempt has in hand; the reason is for the log. */
void act_drop(struct queued *m, const char *why);
/* Dead destinations and transports are tried again at once. */
void act_revive_all(void);

#endif

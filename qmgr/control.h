/* Between control.c, list.c and act.c. */
#ifndef QMGR_CONTROL_H
#define QMGR_CONTROL_H

#include "qmgr.h"

/* Sends what these messages are, in this order; those that have gone meanwhile are left out. Waits. */
int list_messages(struct ipc *ipc, const struct message_id *ids, size_t count);

/* QUEUE_ACT_... on one message. 0, or a negative errno: it is not done. */
int control_act(struct mail *m, uint8_t action);
/* Is some recipient that is not finished in that domain? */
bool control_goes_to(const struct mail *m, struct view domain);
/* Dead destinations and transports are tried again at once. */
void control_revive_all(void);

#endif

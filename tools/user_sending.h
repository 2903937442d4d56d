/* Whether a user may send: anvil knows. */
#ifndef TOOLS_USER_SENDING_H
#define TOOLS_USER_SENDING_H

#include "base/view.h"

/*
 * Lets one send again who was stopped for sending too much. 1; 0: it was not stopped; -errno: nobody could
 * be asked. After instance_find.
 */
int user_release_sender(struct view account);

#endif

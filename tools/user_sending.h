/* Whether a user may send: anvil knows. */
#ifndef TOOLS_USER_SENDING_H
#define TOOLS_USER_SENDING_H

#include <stdbool.h>

#include "base/view.h"

/* Lets one send again who was stopped for sending too much. False: it was not, or nothing runs. After instance_find. */
bool user_release_sender(struct view account);

#endif

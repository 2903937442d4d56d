/* What all of qmgr shares: the queue, the routes, the schedule, and whether we may begin anything. */
#include "qmgr.h"

struct qmgr qmgr = { .lock_fd = -1, .retired_fd = -1 };

bool transport_is_known(const char *transport)
{
	return map_get(qmgr.services, view_of(transport)) != NULL;
}

/*
 * Folders of users who have no process, by one inotify descriptor for all of them: what a session that is awake
 * watches by itself (store/store.h, store_watch).
 */
#ifndef SESSION_WATCHING_H
#define SESSION_WATCHING_H

#include <sys/types.h>

#include "base/view.h"

/* Of one user. */
struct watches;

/*
 * The index in `mail` and these folders in it (as in session_tired), all of which must be directories of `owner`
 * and no links, and watched for nobody else. `happened` is called each time something happens there, or may
 * have. NULL: they cannot be watched, which is logged if it is for want of room.
 */
struct watches *watches_begin(const char *mail, uid_t owner, struct view folders,
			      void (*happened)(void *argument), void *argument);
/* NULL is allowed. */
void watches_end(struct watches *watches);

#endif

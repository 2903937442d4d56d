/*
 * Files in places that somebody else controls. The administrator names them on the command line, but who
 * owns a directory on the way decides what is found there: so such a place is worked in with that
 * user's rights, and no symbolic link is followed at its end.
 *
 *	int fd = place_open("/home/alice/Maildir", O_RDONLY | O_DIRECTORY, 0);	acting as alice
 *	...
 *	place_leave();								the administrator again
 */
#ifndef TOOLS_PLACE_H
#define TOOLS_PLACE_H

#include <sys/types.h>

struct place {
	uid_t uid;
	gid_t gid;
};

/* Whose rights to take for `path`: the first owner on the way that is not root. 0 or -errno. */
int place_find(const char *path, struct place *place);
/* From here on with its rights (of the administrator, if that is not root: they have no others). */
int place_enter(const struct place *place);
int place_leave(void);
/* The same for good: what is found in that place may then do what its owner may, and no more. 0 or -errno. */
int place_become(const struct place *place);
/*
 * Finds, enters, opens. A descriptor, or -errno: -ELOOP for a link in a place that others can write to.
 * Entered in both cases: place_leave.
 */
int place_open(const char *path, int flags, mode_t mode);

#endif

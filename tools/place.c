/*
 * Acting as the owner of a place. What is done there is the caller's matter; who owns mail of this suite
 * says lib/user.
 */
#include "tools/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

int place_leave(void)
{
	if (getuid() != 0)
		return 0;
	return seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0 ? -errno : 0;
}

/*
 * One step on the way. 1: found whose it is; 0: root's, go on; negative errno. *shared: others can put
 * names into a directory that was passed.
 */
static int place_look(const char *path, struct place *place, bool *shared)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (st.st_uid != 0) {
		*place = (struct place){ st.st_uid, st.st_gid };
		return 1;
	}
	if (!S_ISDIR(st.st_mode) || !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	/* Without the sticky bit anybody may exchange what root has put there. */
	if (!(st.st_mode & S_ISVTX))
		return -EPERM;
	*shared = true;
	return 0;
}

static int place_find_shared(const char *path, struct place *place, bool *shared)
{
	_cleanup_(str_free) struct str so_far = STR_EMPTY;
	struct view rest = view_of(path), part;
	int r = place_leave();

	*place = (struct place){ 0, 0 };
	*shared = false;
	if (r == 0 && path[0] != '/')
		r = place_look(".", place, shared);
	while (r == 0 && view_next(&rest, '/', &part)) {
		if (so_far.len > 0 || path[0] == '/')
			str_append_byte(&so_far, '/');
		str_append(&so_far, part);
		r = place_look(str_cstr(&so_far), place, shared);
	}
	/* What is to be made is not there yet: whose the directory is, was seen. */
	return r == -ENOENT ? 0 : MIN(r, 0);
}

int place_find(const char *path, struct place *place)
{
	bool shared;

	return place_find_shared(path, place, &shared);
}

int place_enter(const struct place *place)
{
	int r = place_leave();

	if (getuid() != 0 || r < 0)
		return r;
	if (setgroups(1, &place->gid) < 0 || setegid(place->gid) < 0 || seteuid(place->uid) < 0)
		return -errno;
	return 0;
}

int place_become(const struct place *place)
{
	int r = place_leave();

	if (getuid() != 0 || r < 0)
		return r;
	if (setgroups(1, &place->gid) < 0 || setresgid(place->gid, place->gid, place->gid) < 0 ||
	    setresuid(place->uid, place->uid, place->uid) < 0)
		return -errno;
	return place->uid != 0 && seteuid(0) == 0 ? -EPERM : 0;
}

int place_open(const char *path, int flags, mode_t mode)
{
	struct place place;
	bool shared;
	int fd, r = place_find_shared(path, &place, &shared);

	if (r == 0)
		r = place_enter(&place);
	if (r < 0)
		return r;
	if (shared || place.uid != 0)
		flags |= O_NOFOLLOW;
	fd = open(path, flags | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

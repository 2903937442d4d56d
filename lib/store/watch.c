/*
 * Hearing at once of what other processes do: inotify on the index, which every change of ours goes
 * through, and on a folder's directories, for all that know no index. What has changed is refresh.c's matter.
 */
#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/mailbox.h"

#define WATCH_EVENTS_SIZE 2048

int store_watch_open(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int watch_directory(int fd, struct str *path, const char *part, uint32_t events)
{
	size_t len = path->len;
	int r;

	str_append_cstr(path, part);
	r = inotify_add_watch(fd, str_cstr(path), events | IN_ONLYDIR) < 0 ? -errno : 0;
	str_truncate(path, len);
	return r;
}

int store_watch(struct store *store, const struct mailbox *mailbox, int fd)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	uint32_t files = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
	int r;

	str_append_cstr(&path, store->index);
	r = watch_directory(fd, &path, "", IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	if (r < 0 || mailbox == NULL)
		return r;
	str_clear(&path);
	folder_path_append(&path, store->path, view_of(mailbox->name));
	r = watch_directory(fd, &path, "/new", files);
	return r < 0 ? r : watch_directory(fd, &path, "/cur", files);
}

void store_watch_drain(int fd)
{
	char events[WATCH_EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(fd, events, sizeof(events)) > 0)
		;
}

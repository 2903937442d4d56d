/* One descriptor that hears of all folders; whose they are stands in a map. It says that something happened, not what. */
#include "session/watching.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "session/internal.h"

#define WATCH_INDEX	(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
#define WATCH_FOLDER	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define EVENTS_SIZE	2048
#define FOLDER_NAME_MAX 255
/* Between two lines of the log that say that there is no room. */
#define NOTE_PAUSE ((msec_t)600 * 1000)

struct watches {
	void (*happened)(void *argument);
	void *argument;
	int *numbers;
	size_t count;
};

static struct {
	int fd; /* 0: not open yet */
	struct map *by_number;
	msec_t noted;
} watching;

static struct view watch_key(const int *number)
{
	return view_make((const char *)number, sizeof(*number));
}

/* ---- hearing ---- */

static void watching_tell_all(void)
{
	map_for_each (watching.by_number, i) {
		struct watches *watches = map_value_at(watching.by_number, i);

		watches->happened(watches->argument);
	}
}

static void watching_tell(const struct inotify_event *event)
{
	struct watches *watches;

	if (event->mask & IN_Q_OVERFLOW) {
		watching_tell_all();
		return;
	}
	/* What was ended meanwhile is not known any more; one that ended by itself is news. */
	watches = map_get(watching.by_number, watch_key(&event->wd));
	if (watches != NULL)
		watches->happened(watches->argument);
}

static void watching_hear(void *unused)
{
	char events[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)unused;
	while (task_wait_reply(watching.fd, MSEC_FOREVER) == 0) {
		ssize_t n = read(watching.fd, events, sizeof(events));

		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
			const struct inotify_event *event = (const void *)(events + at);

			watching_tell(event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
}

static int watching_open(void)
{
	int fd;

	if (watching.fd > 0)
		return 0;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	watching.fd = fd;
	watching.by_number = map_new();
	task_spawn("folders", watching_hear, NULL);
	return 0;
}

/* ---- what is watched ---- */

/* A directory of the user, not a link to somebody else's. */
static int watching_enter(int at, const char *name, uid_t owner)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || status.st_uid != owner) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static int watches_add(struct watches *watches, int directory, const char *name, uid_t owner,
		       uint32_t events)
{
	_cleanup_fd_ int fd = watching_enter(directory, name, owner);
	char path[64];
	int number;

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	number = inotify_add_watch(watching.fd, path, events | IN_MASK_CREATE);
	if (number < 0)
		return -errno;
	array_grow(watches->numbers, watches->count);
	watches->numbers[watches->count++] = number;
	map_put(watching.by_number, watch_key(&number), watches);
	return 0;
}

static int watches_add_folder(struct watches *watches, int mail, struct view folder, uid_t owner)
{
	char name[FOLDER_NAME_MAX + 1];
	_cleanup_fd_ int fd = -1;
	int r;

	if (folder.len > FOLDER_NAME_MAX || folder.data[0] != '.' || view_is(folder, ".."))
		return -EINVAL;
	memcpy(name, folder.data, folder.len);
	name[folder.len] = '\0';
	fd = watching_enter(mail, name, owner);
	r = fd < 0 ? fd : watches_add(watches, fd, "new", owner, WATCH_FOLDER);
	return r < 0 ? r : watches_add(watches, fd, "cur", owner, WATCH_FOLDER);
}

static int watches_add_all(struct watches *watches, const char *mail, uid_t owner,
			   struct view folders)
{
	_cleanup_fd_ int fd = watching_enter(AT_FDCWD, mail, owner);
	struct view folder;
	int r = fd < 0 ? fd : watches_add(watches, fd, "posta.index", owner, WATCH_INDEX);

	while (r == 0 && view_next_word(&folders, "/", &folder))
		r = watches_add_folder(watches, fd, folder, owner);
	return r;
}

struct watches *watches_begin(const char *mail, uid_t owner, struct view folders,
			      void (*happened)(void *argument), void *argument)
{
	struct watches *watches = mem_new(struct watches);
	int r = watching_open();

	watches->happened = happened;
	watches->argument = argument;
	if (r == 0)
		r = watches_add_all(watches, mail, owner, folders);
	if (r == 0)
		return watches;
	watches_end(watches);
	if ((r == -ENOSPC || r == -ENOMEM || r == -EMFILE) && clock_now() >= watching.noted) {
		log_warning("no more folders can be watched, so users keep their processes while "
			    "they idle: %s; "
			    "fs.inotify.max_user_watches says how many there may be",
			    strerror(-r));
		watching.noted = clock_after(NOTE_PAUSE);
	}
	return NULL;
}

void watches_end(struct watches *watches)
{
	if (watches == NULL)
		return;
	for (size_t i = 0; i < watches->count; i++) {
		inotify_rm_watch(watching.fd, watches->numbers[i]);
		map_remove(watching.by_number, watch_key(&watches->numbers[i]));
	}
	free(watches->numbers);
	free(watches);
}

/* Times of directories: whether there is something to be read in them is seen by that. */
#include "store/directory.h"

#include <sys/stat.h>
#include <time.h>

static int64_t to_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t directory_time(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : to_ns(st.st_mtim);
}

int64_t directory_stable_time(const char *path)
{
	struct timespec tick;
	int64_t time;

	clock_gettime(CLOCK_REALTIME_COARSE, &tick);
	time = directory_time(path);
	return time < to_ns(tick) ? time : 0;
}

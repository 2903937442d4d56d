/*
 * smtpd_proxy_options = speed_adjust: messages that are taken whole before the filter hears of them.
 * One file without a name holds those of all sessions, each in a place of its own as large as a
 * message may be; it is opened before the program is confined, and where nothing was written it
 * takes no room on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "session.h"

#define PLACE_OF_ANY_SIZE ((uint64_t)64 << 30) /* where message_size_limit = 0, or is more */
#define PLACE_PAGE	  ((uint64_t)65536)

struct spool {
	size_t place;
	uint64_t size; /* written so far */
};

static struct {
	int fd;
	uint64_t place_size;
	bool *taken;
	size_t count;
} spools = { .fd = -1 };

/* Some file systems have no files without a name. */
static int spool_open_named(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int fd;

	str_printf(&path, "%s/spool.XXXXXX", param.queue_directory);
	fd = mkostemp(path.data, O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "smtpd_proxy_options: make a file in %s",
				   param.queue_directory);
	unlink(str_cstr(&path));
	return fd;
}

int spool_open(struct error *err)
{
	uint64_t limit = (uint64_t)param.message_size_limit;

	if (param.smtpd_proxy_options[0] == '\0' || param.smtpd_proxy_filter[0] == '\0')
		return 0;
	/* A file ends somewhere, and so does the number of a byte in it. */
	spools.place_size = limit == 0 || limit > PLACE_OF_ANY_SIZE
				    ? PLACE_OF_ANY_SIZE
				    : (limit + PLACE_PAGE) / PLACE_PAGE * PLACE_PAGE;
	spools.fd = open(param.queue_directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (spools.fd < 0)
		spools.fd = spool_open_named(err);
	return MIN(spools.fd, 0);
}

void spool_close(void)
{
	mem_closep(&spools.fd);
	spools.fd = -1;
	free(TAKE(spools.taken));
	spools.count = 0;
}

bool spool_is_used(void)
{
	return spools.fd >= 0;
}

struct spool *spool_new(void)
{
	struct spool *spool = mem_new(struct spool);

	while (spool->place < spools.count && spools.taken[spool->place])
		spool->place++;
	if (spool->place == spools.count) {
		array_grow(spools.taken, spools.count);
		spools.count++;
	}
	spools.taken[spool->place] = true;
	return spool;
}

void spool_free(struct spool *spool)
{
	if (spool == NULL)
		return;
	/* What cannot be given back is written over by the next one. */
	if (spool->size > 0 &&
	    fallocate(spools.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(spool->place * spools.place_size), (off_t)spool->size) < 0)
		log_debug("smtpd_proxy_options: give room back: %s", strerror(errno));
	spools.taken[spool->place] = false;
	free(spool);
}

int spool_add(struct spool *spool, struct view bytes)
{
	if (bytes.len > spools.place_size - spool->size)
		return -EFBIG;
	while (bytes.len > 0) {
		ssize_t n = pwrite(spools.fd, bytes.data, bytes.len,
				   (off_t)(spool->place * spools.place_size + spool->size));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		spool->size += (uint64_t)n;
		bytes = view_from(bytes, (size_t)n);
	}
	return 0;
}

ssize_t spool_read(const struct spool *spool, uint64_t offset, char *to, size_t len)
{
	uint64_t left = spool->size - MIN(offset, spool->size);
	ssize_t n;

	do
		n = pread(spools.fd, to, (size_t)MIN((uint64_t)len, left),
			  (off_t)(spool->place * spools.place_size + offset));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 && left > 0 ? -EIO : n;
}

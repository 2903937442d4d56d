/* Maildir++'s file of sizes: reading its limits, writing it, adding to it. Who counts is usage.c. */
#include "store/maildirsize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/small_file.h"

#define MAILDIRSIZE	"maildirsize"
#define MAILDIRSIZE_MAX 5120 /* Maildir++: one that is larger is made anew */

/* Of the first line; -ENOENT: there is none that could be read. */
static int maildirsize_limits(const char *maildir, struct quota_size *limits)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line, piece;

	*limits = (struct quota_size){ 0 };
	if (small_file_read(maildir, MAILDIRSIZE, SMALL_FILE_MAX, &text) < 0)
		return -ENOENT;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &line))
		return -ENOENT;
	while (view_next(&line, ',', &piece)) {
		struct view number = view_first(piece, piece.len > 0 ? piece.len - 1 : 0);
		char unit = piece.len > 0 ? piece.data[piece.len - 1] : '\0';

		if (unit == 'S' && view_parse_u64(number, INT64_MAX, &limits->bytes) < 0)
			return -ENOENT;
		if (unit == 'C' && view_parse_u64(number, INT64_MAX, &limits->messages) < 0)
			return -ENOENT;
	}
	return 0;
}

void quota_take_maildirsize(struct quota *quota, const char *maildir)
{
	struct quota_size limits;

	if (quota_keeps_maildirsize(quota) && maildirsize_limits(maildir, &limits) == 0)
		quota_take_limits(quota, &limits);
}

void maildirsize_write(const char *maildir, const struct quota_size *limits,
		       const struct quota_size *used)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const char *comma = "";

	if (limits->bytes > 0) {
		str_printf(&text, "%lluS", (unsigned long long)limits->bytes);
		comma = ",";
	}
	if (limits->messages > 0)
		str_printf(&text, "%s%lluC", comma, (unsigned long long)limits->messages);
	str_printf(&text, "\n%llu %llu\n", (unsigned long long)used->bytes,
		   (unsigned long long)used->messages);
	(void)small_file_write(maildir, MAILDIRSIZE, str_view(&text));
}

bool maildirsize_add(const char *maildir, uint64_t bytes)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, line = STR_EMPTY;
	_cleanup_fd_ int fd = -1;
	struct stat st;

	str_printf(&path, "%s/" MAILDIRSIZE, maildir);
	fd = open(str_cstr(&path), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size >= MAILDIRSIZE_MAX)
		return false;
	str_printf(&line, "%llu 1\n", (unsigned long long)bytes);
	return io_write_all(fd, line.data, line.len) == 0;
}

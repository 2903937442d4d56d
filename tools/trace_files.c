/*
 * The log files that posta trace reads, also rotated and compressed ones. They are read from the
 * oldest on.
 */
#include "tools/trace_files.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

/* JSON may take two bytes for one, and a syslog daemon puts something in front. */
#define LINE_SIZE  (2 * LOG_LINE_MAX + 1024)
#define COPY_BLOCK 65536

static void add_path(struct trace_files *files, const char *path)
{
	array_grow(files->paths, files->count);
	files->paths[files->count++] = mem_strdup(path);
}

void trace_files_free(struct trace_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
	*files = (struct trace_files){ 0 };
}

/* ---- which files ---- */

static struct timespec changed_at(const char *path)
{
	struct stat st = { 0 };

	(void)stat(path, &st);
	return st.st_mtim;
}

static int compare_ages(const void *a, const void *b)
{
	struct timespec x = changed_at(*(char *const *)a), y = changed_at(*(char *const *)b);

	if (x.tv_sec != y.tv_sec)
		return x.tv_sec < y.tv_sec ? -1 : 1;
	return x.tv_nsec < y.tv_nsec ? -1 : x.tv_nsec > y.tv_nsec;
}

static void add_with_rotated(struct trace_files *files, const char *path)
{
	static const char *const patterns[] = { "", ".[0-9]*", "-[0-9]*" };
	size_t first = files->count;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		_cleanup_(str_free) struct str pattern = STR_EMPTY;
		glob_t found;

		str_printf(&pattern, "%s%s", path, patterns[i]);
		if (glob(str_cstr(&pattern), 0, NULL, &found) == 0) {
			for (size_t j = 0; j < found.gl_pathc; j++)
				add_path(files, found.gl_pathv[j]);
			globfree(&found);
		}
	}
	if (files->count > first)
		qsort(&files->paths[first], files->count - first, sizeof(char *), compare_ages);
}

int trace_files_find(struct trace_files *files, struct error *err)
{
	static const char *const of_syslog[] = { "/var/log/mail.log", "/var/log/maillog" };
	const char *path = param.maillog_file;

	if (path[0] == '/' && strncmp(path, "/dev/std", 8) != 0) {
		add_with_rotated(files, path);
		return files->count > 0 ? 0 : error_set(err, -ENOENT, "%s: no such file", path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_syslog) && files->count == 0; i++)
		add_with_rotated(files, of_syslog[i]);
	if (files->count > 0)
		return 0;
	return error_set(err, -ENOENT,
			 "the log goes to %s: name its file with --log, or give it on standard "
			 "input: journalctl | posta trace --log - ID",
			 path[0] == '\0' ? "syslog" : path);
}

/* ---- standard input ---- */

static int keep_input(char path[static 64], struct error *err)
{
	_cleanup_free_ char *bytes = mem_new_bytes(COPY_BLOCK);
	ssize_t n;

	snprintf(path, 64, "/tmp/posta-trace-XXXXXX");
	_cleanup_fd_ int fd = mkstemp(path);

	if (fd < 0)
		return error_errno(err, "create %s", path);
	unlink(path);
	while ((n = read(STDIN_FILENO, bytes, COPY_BLOCK)) > 0)
		if (write(fd, bytes, (size_t)n) != n)
			return error_errno(err, "write %s", path);
	if (n < 0)
		return error_errno(err, "read standard input");
	/* It goes with us. */
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	TAKE_FD(fd);
	return 0;
}

int trace_files_add(struct trace_files *files, const char *path, struct error *err)
{
	char kept[64];
	int r = 0;

	if (strcmp(path, "-") == 0) {
		r = keep_input(kept, err);
		path = kept;
	} else if (access(path, R_OK) < 0) {
		r = error_errno(err, "%s", path);
	}
	if (r == 0)
		add_path(files, path);
	return r;
}

/* ---- reading ---- */

static bool log_read_line(gzFile file, char *line, size_t *len)
{
	int c = 0;

	if (gzgets(file, line, LINE_SIZE) == NULL)
		return false;
	*len = strlen(line);
	if (*len > 0 && line[*len - 1] == '\n') {
		--*len;
		return true;
	}
	while ((c = gzgetc(file)) >= 0 && c != '\n')
		;
	return true;
}

static int read_one(const char *path, void (*each)(void *argument, struct view line),
		    void *argument, struct error *err)
{
	_cleanup_free_ char *line = mem_new_bytes(LINE_SIZE);
	size_t len;
	gzFile file = gzopen(path, "rbe"); /* reads what is not compressed as it is */
	int problem;

	if (file == NULL)
		return error_errno(err, "open %s", path);
	gzbuffer(file, 256 << 10);
	while (log_read_line(file, line, &len))
		each(argument, view_make(line, len));

	const char *reason = gzerror(file, &problem);
	int r = problem == Z_OK || problem == Z_BUF_ERROR
			? 0
			: error_set(err, -EIO, "read %s: %s", path,
				    problem == Z_ERRNO ? strerror(errno) : reason);

	gzclose(file);
	return r;
}

int trace_files_read(const struct trace_files *files,
		     void (*each)(void *argument, struct view line), void *argument,
		     struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < files->count && r == 0; i++)
		r = read_one(files->paths[i], each, argument, err);
	return r;
}

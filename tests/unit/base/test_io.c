#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"

static char folder[] = "/tmp/test_ioXXXXXX";

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int entries(void)
{
	DIR *dir = opendir(folder);
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* In place of libc's, as of a file system that has no RENAME_NOREPLACE. */
static bool old_file_system;

int renameat2(int at, const char *from, int at2, const char *to, unsigned flags)
{
	if (old_file_system && flags != 0) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_renameat2, at, from, at2, to, flags);
}

static void test_rename_new(void **state)
{
	char from[128], to[128];

	(void)state;
	snprintf(from, sizeof(from), "%s/from", folder);
	snprintf(to, sizeof(to), "%s/to", folder);
	for (int old = 0; old < 2; old++) {
		old_file_system = old;
		assert_int_equal(io_rename_new(from, to), -ENOENT);
		assert_int_equal(io_replace_file(from, VIEW("x"), 0600, NULL), 0);
		assert_int_equal(io_rename_new(from, to), 0);
		assert_int_equal(entries(), 1);
		assert_int_equal(io_replace_file(from, VIEW("y"), 0600, NULL), 0);
		assert_int_equal(io_rename_new(from, to), -EEXIST);
		assert_int_equal(entries(), 2);
		unlink(from);
		unlink(to);
	}
	old_file_system = false;
}

static void test_replace_and_read(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct stat st;
	struct error err;

	(void)state;
	assert_int_equal(io_replace_file(at("file"), VIEW("one"), 0640, NULL), 0);
	assert_int_equal(io_replace_file(at("file"), VIEW("two\0two"), 0640, NULL), 0);
	assert_int_equal(entries(), 1);
	assert_int_equal(stat(at("file"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	str_append(&text, VIEW("before "));
	assert_int_equal(io_read_file(at("file"), 7, &text, NULL), 0);
	assert_true(view_eq(str_view(&text), VIEW("before two\0two")));
	assert_int_equal(io_read_file(at("file"), 6, &text, &err), -EFBIG);
	assert_int_equal(io_read_file(at("none"), 6, &text, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/none: No such file"));
	assert_int_equal(io_read_file(folder, 6, &text, &err), -EINVAL);
	assert_int_equal(io_replace_file(at("no/folder"), VIEW("x"), 0600, &err), -ENOENT);
	unlink(at("file"));

	/* A pipe put there must not make us wait for its writer. */
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(io_read_file(at("fifo"), 6, &text, &err), -EINVAL);
	unlink(at("fifo"));
}

static void test_failed_replace(void **state)
{
	struct error err;

	(void)state;
	/* The name is a folder that is not empty: the rename fails, and nothing is left over. */
	assert_int_equal(io_make_directories(at("taken/inside"), 0700, NULL), 0);
	assert_true(io_replace_file(at("taken"), VIEW("x"), 0600, &err) < 0);
	assert_int_equal(entries(), 1);
	rmdir(at("taken/inside"));
	rmdir(at("taken"));
}

static void test_stream(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	FILE *stream;

	(void)state;
	assert_true(fd >= 0);
	/* What makes no stream is closed all the same. */
	assert_null(io_stream(fd, "no mode"));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	errno = EACCES;
	assert_null(io_stream(-1, "r"));
	assert_int_equal(errno, EACCES);
	stream = io_stream(open("/dev/null", O_RDONLY | O_CLOEXEC), "r");
	assert_non_null(stream);
	fclose(stream);
}

static void test_positions(void **state)
{
	int fd = open(at("file"), O_RDWR | O_CREAT, 0600);
	char data[4];

	(void)state;
	assert_int_equal(io_write_all(fd, "abcdef", 6), 0);
	assert_int_equal(io_pwrite_all(fd, "XY", 2, 2), 0);
	assert_int_equal(io_pread_all(fd, data, 4, 1), 0);
	assert_memory_equal(data, "bXYe", 4);
	assert_int_equal(io_pread_all(fd, data, 4, 3), -ENODATA);
	assert_int_equal(io_pread_all(fd, data, 0, 100), 0);
	close(fd);
	assert_int_equal(io_write_all(fd, "x", 1), -EBADF);
	unlink(at("file"));
}

static void test_directories(void **state)
{
	struct error err;
	struct stat st;

	(void)state;
	assert_int_equal(io_make_directories(at("a/b//c/"), 0700, &err), 0);
	assert_int_equal(io_make_directories(at("a/b/c"), 0755, &err), 0);
	assert_int_equal(stat(at("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(io_sync_directory(at("a")), 0);
	assert_int_equal(io_sync_directory(at("none")), -ENOENT);
	rmdir(at("a/b/c"));
	rmdir(at("a/b"));
	rmdir(at("a"));
}

/* Something that is there but is no folder is not "already there". */
static void test_file_in_the_way(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(io_replace_file(at("file"), VIEW("x"), 0600, NULL), 0);
	assert_int_equal(io_make_directories(at("file"), 0700, &err), -ENOTDIR);
	assert_int_equal(io_make_directories(at("file/below"), 0700, &err), -ENOTDIR);
	unlink(at("file"));
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace_and_read), cmocka_unit_test(test_failed_replace),
		cmocka_unit_test(test_stream),		 cmocka_unit_test(test_positions),
		cmocka_unit_test(test_directories),	 cmocka_unit_test(test_file_in_the_way),
		cmocka_unit_test(test_rename_new),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* A cache that outlives its program: what it keeps, what it gives up, and what damage does to it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/cache.h"

enum { NOW = 1800000000, DAY = 86400, MUTATIONS = 60 };

struct fixture {
	char folder[40];
	struct str path, mark;
	struct cache_file *cache;
};

static void cache_open_at(struct fixture *f, uint64_t entries)
{
	struct error err = ERROR_NONE;

	if (cache_file_open(str_cstr(&f->path), entries, &f->cache, &err) < 0)
		fail_msg("%s", err.text);
}

static void cache_open_again(struct fixture *f, uint64_t entries)
{
	cache_file_close(TAKE(f->cache));
	cache_open_at(f, entries);
}

static int fixture_make(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	snprintf(f->folder, sizeof(f->folder), "/tmp/posta-cache-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	str_printf(&f->path, "%s/data/seen", f->folder);
	str_printf(&f->mark, "%s.crashed", str_cstr(&f->path));
	cache_open_at(f, 100);
	*state = f;
	return 0;
}

static int fixture_end(void **state)
{
	struct fixture *f = *state;
	char command[100];

	cache_file_close(f->cache);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	str_free(&f->path);
	str_free(&f->mark);
	free(f);
	return 0;
}

static bool has(struct fixture *f, const char *key, int64_t now, const char *expected)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	if (!cache_file_get(f->cache, view_of(key), now, &value, NULL))
		return false;
	assert_string_equal(str_cstr(&value), expected);
	return true;
}

static void put(struct fixture *f, const char *key, const char *value, int64_t now, int64_t expires)
{
	assert_int_equal(cache_file_put(f->cache, view_of(key), view_of(value), now, expires), 0);
}

static void keeps_and_forgets(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int64_t expires = 0;

	assert_false(has(f, "a", NOW, ""));
	put(f, "a", "one", NOW, NOW + DAY);
	put(f, "b", "", NOW, NOW + DAY);
	put(f, "a", "two", NOW, NOW + 2 * DAY);
	assert_true(has(f, "a", NOW, "two"));
	assert_true(has(f, "b", NOW, ""));
	assert_true(cache_file_get(f->cache, VIEW("a"), NOW, &value, &expires));
	assert_int_equal(expires, NOW + 2 * DAY);
	assert_int_equal(cache_file_count(f->cache), 2);
	cache_file_remove(f->cache, VIEW("b"));
	cache_file_remove(f->cache, VIEW("c"));
	assert_false(has(f, "b", NOW, ""));

	cache_open_again(f, 100);
	assert_true(has(f, "a", NOW, "two"));
	assert_int_equal(cache_file_count(f->cache), 1);
}

static void keys_of_any_length(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;

	for (int i = 0; i < 100000; i++)
		str_append_byte(&key, 'k');
	put(f, str_cstr(&key), "long", NOW, NOW + DAY);
	put(f, "", "none", NOW, NOW + DAY);
	assert_true(has(f, str_cstr(&key), NOW, "long"));
	assert_true(has(f, "", NOW, "none"));
	str_truncate(&key, 99999);
	assert_false(has(f, str_cstr(&key), NOW, "long"));

	for (int i = 0; i < CACHE_VALUE_MAX; i++)
		str_append_byte(&value, 'v');
	put(f, "v", str_cstr(&value), NOW, NOW + DAY);
	assert_true(has(f, "v", NOW, str_cstr(&value)));
	str_append_byte(&value, 'v');
	assert_int_equal(cache_file_put(f->cache, VIEW("v"), str_view(&value), NOW, NOW + DAY),
			 -EMSGSIZE);
}

static void what_is_over_goes(void **state)
{
	struct fixture *f = *state;
	char key[20];

	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		put(f, key, "x", NOW, NOW + 10 + i);
	}
	assert_true(has(f, "key0", NOW + 9, "x"));
	assert_false(has(f, "key0", NOW + 10, "x"));
	assert_int_equal(cache_file_count(f->cache), 49);
	/* Bounded, and in order. */
	assert_int_equal(cache_file_sweep(f->cache, NOW + 29, 15), 15);
	assert_int_equal(cache_file_sweep(f->cache, NOW + 29, 15), 4);
	assert_int_equal(cache_file_sweep(f->cache, NOW + 29, 15), 0);
	assert_int_equal(cache_file_count(f->cache), 30);
	assert_true(has(f, "key20", NOW + 29, "x"));
	/* What is over when it comes is not taken. */
	put(f, "late", "x", NOW, NOW);
	assert_int_equal(cache_file_count(f->cache), 30);
}

static void full_gives_up_what_is_over_first(void **state)
{
	struct fixture *f = *state;
	char key[20];

	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		/* Every third is to stay longer. */
		put(f, key, "x", NOW, NOW + (i % 3 == 0 ? 10 * DAY : DAY) + i);
	}
	assert_int_equal(cache_file_count(f->cache), 100);
	/* The last two of them took the places of the first of those. */
	assert_false(has(f, "key0", NOW, "x"));
	assert_true(has(f, "key3", NOW, "x"));
	assert_false(has(f, "key298", NOW, "x"));
	assert_true(has(f, "key299", NOW, "x"));

	/* A lower limit: it gets there by and by. */
	cache_open_again(f, 20);
	assert_int_equal(cache_file_count(f->cache), 100);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "new%d", i);
		put(f, key, "y", NOW, NOW + 20 * DAY);
	}
	assert_int_equal(cache_file_count(f->cache), 20);
	assert_true(has(f, "new19", NOW, "y"));
}

/* However often everything in it is replaced. */
static void the_file_is_bounded(void **state)
{
	struct fixture *f = *state;
	char key[20], value[CACHE_VALUE_MAX + 1];
	struct stat st;

	memset(value, 'v', CACHE_VALUE_MAX);
	value[CACHE_VALUE_MAX] = '\0';
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		put(f, key, value, NOW, NOW + DAY + i % 7);
		if (i % 500 == 0)
			cache_file_sweep(f->cache, NOW, 10);
	}
	assert_true(has(f, "key4999", NOW, value));
	assert_int_equal(cache_file_count(f->cache), 100);
	cache_open_again(f, 100);
	assert_int_equal(cache_file_count(f->cache), 100);
	assert_int_equal(stat(str_cstr(&f->path), &st), 0);
	assert_true(st.st_size < 32 << 20);
}

static void a_clock_that_goes_back(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "x", NOW, NOW + DAY);
	put(f, "ahead", "x", NOW + 300 * DAY, NOW + 301 * DAY);
	/* A little is nothing. */
	assert_true(has(f, "a", NOW - 60, "x"));
	/* What was written far in the future says nothing about now, and does not stay until then. */
	assert_false(has(f, "ahead", NOW, "x"));
	assert_int_equal(cache_file_count(f->cache), 1);
	put(f, "ahead", "x", NOW + 300 * DAY, NOW + 301 * DAY);
	put(f, "ahead too", "x", NOW + 300 * DAY, NOW + 302 * DAY);
	assert_int_equal(cache_file_sweep(f->cache, NOW, 10), 2);
	assert_true(has(f, "a", NOW, "x"));
	/* In a full cache it is not what is good that goes. */
	cache_open_again(f, 2);
	put(f, "ahead", "x", NOW + 300 * DAY, NOW + 301 * DAY);
	put(f, "b", "x", NOW, NOW + 2 * DAY);
	assert_true(has(f, "a", NOW, "x"));
	assert_true(has(f, "b", NOW, "x"));
}

static void in_memory(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_NONE;

	cache_file_close(TAKE(f->cache));
	assert_int_equal(cache_file_open(NULL, 10, &f->cache, &err), 0);
	put(f, "a", "x", NOW, NOW + DAY);
	assert_true(has(f, "a", NOW, "x"));
	cache_file_close(TAKE(f->cache));
	/* After its end, or where it could not be had. */
	put(f, "a", "x", NOW, NOW + DAY);
	assert_false(has(f, "a", NOW, "x"));
	cache_file_remove(f->cache, VIEW("a"));
	assert_int_equal(cache_file_sweep(f->cache, NOW, 1), 0);
	assert_int_equal(cache_file_count(f->cache), 0);
}

/* ---- files ---- */

static void map_names_the_file(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str map = STR_EMPTY, path = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_printf(&map, "proxy:btree:%s/map", f->folder);
	str_printf(&path, "%s/map.posta", f->folder);
	cache_file_close(TAKE(f->cache));
	assert_int_equal(cache_file_open_map("m", str_cstr(&map), 10, &f->cache, &err), 0);
	put(f, "a", "x", NOW, NOW + DAY);
	cache_file_close(TAKE(f->cache));
	assert_int_equal(cache_file_open(str_cstr(&path), 10, &f->cache, &err), 0);
	assert_true(has(f, "a", NOW, "x"));
	cache_file_close(TAKE(f->cache));
	assert_int_equal(cache_file_open_map("m", "", 10, &f->cache, &err), 0);
	put(f, "a", "y", NOW, NOW + DAY);
	assert_true(has(f, "a", NOW, "y"));
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void garbage_is_thrown_away(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "x", NOW, NOW + DAY);
	cache_file_close(TAKE(f->cache));
	write_file(str_cstr(&f->path), "This is no LMDB.\n");
	cache_open_at(f, 100);
	assert_false(has(f, "a", NOW, "x"));
	put(f, "a", "y", NOW, NOW + DAY);
	cache_open_again(f, 100);
	assert_true(has(f, "a", NOW, "y"));

	/* The note of a crash, which counts once. */
	write_file(str_cstr(&f->mark), "x");
	cache_open_again(f, 100);
	assert_false(has(f, "a", NOW, "y"));
	put(f, "a", "z", NOW, NOW + DAY);
	cache_open_again(f, 100);
	assert_true(has(f, "a", NOW, "z"));
}

/* A hard link, or a symbolic one, could have us empty or write a file that is somebody else's. */
static void only_our_own_file(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str other = STR_EMPTY;
	struct stat st;

	str_printf(&other, "%s/other", f->folder);
	write_file(str_cstr(&other), "precious");
	cache_file_close(TAKE(f->cache));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(str_cstr(&f->path)), 0);
		if (i == 0)
			assert_int_equal(link(str_cstr(&other), str_cstr(&f->path)), 0);
		else if (i == 1)
			assert_int_equal(symlink(str_cstr(&other), str_cstr(&f->path)), 0);
		else
			assert_int_equal(mkfifo(str_cstr(&f->path), 0600), 0);
		cache_open_at(f, 100);
		put(f, "a", "x", NOW, NOW + DAY);
		cache_file_close(TAKE(f->cache));
		assert_int_equal(stat(str_cstr(&other), &st), 0);
		assert_int_equal(st.st_size, 8);
		assert_int_equal(lstat(str_cstr(&f->path), &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	/* One that others may write is not read either. */
	assert_int_equal(chmod(str_cstr(&f->path), 0666), 0);
	cache_open_at(f, 100);
	assert_false(has(f, "a", NOW, "x"));
}

/* Opens it and ends, without a word. */
static void end_in_it(struct fixture *f)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct cache_file *cache;

		cache_file_open(str_cstr(&f->path), 100, &cache, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Killed twice, and closed well after that, it stays; three times in a row it is under suspicion. */
static void processes_that_end_in_it(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "x", NOW, NOW + DAY);
	for (int i = 0; i < 2; i++) {
		cache_file_close(TAKE(f->cache));
		end_in_it(f);
		end_in_it(f);
		cache_open_at(f, 100);
		assert_true(has(f, "a", NOW, "x"));
	}
	cache_file_close(TAKE(f->cache));
	end_in_it(f);
	end_in_it(f);
	end_in_it(f);
	cache_open_at(f, 100);
	assert_false(has(f, "a", NOW, "x"));
}

/* The next process has nothing until the one before it has closed its cache, and then what that put in. */
static void one_process_at_a_time(void **state)
{
	struct fixture *f = *state;
	int ready[2], go[2], status;
	char byte;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	cache_file_close(TAKE(f->cache));

	pid_t child = fork();

	if (child == 0) {
		struct cache_file *cache;

		if (cache_file_open(str_cstr(&f->path), 100, &cache, NULL) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		cache_file_put(cache, VIEW("a"), VIEW("child"), NOW, NOW + DAY);
		cache_file_close(cache);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	cache_open_at(f, 100);
	put(f, "b", "parent", NOW, NOW + DAY);
	assert_false(has(f, "b", NOW, "parent"));
	assert_int_equal(cache_file_sweep(f->cache, NOW, 1), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(has(f, "a", NOW, "child"));
	put(f, "b", "parent", NOW, NOW + DAY);
	cache_open_again(f, 100);
	assert_true(has(f, "b", NOW, "parent"));
	close(go[0]);
	close(go[1]);
	close(ready[0]);
	close(ready[1]);
}

/* ---- damage ---- */

static uint32_t seed = 11;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void mutate(const struct fixture *f)
{
	_cleanup_fd_ int fd = open(str_cstr(&f->path), O_WRONLY);
	unsigned char noise[4096];
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
	for (uint32_t i = any(20) + 1; i > 0; i--) {
		static const size_t lengths[] = { 1, 2, 8, 64, 4096 };
		size_t length = lengths[any(ARRAY_SIZE(lengths))];

		for (size_t j = 0; j < length; j++)
			noise[j] = (unsigned char)any(256);
		assert_int_equal(pwrite(fd, noise, length, (off_t)any((uint32_t)st.st_size)),
				 (ssize_t)length);
	}
	if (any(8) == 0)
		assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
}

/* What a program does: opens it, looks everything up, puts something in. 0: to the end. */
static int use_in_child(struct fixture *f)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	int status;

	fflush(NULL);

	pid_t child = fork();

	if (child == 0) {
		_cleanup_(str_free) struct str value = STR_EMPTY;
		struct cache_file *cache;
		char key[20];

		for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
			signal(signals[i], SIG_DFL);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		alarm(20);
		if (cache_file_open(str_cstr(&f->path), 500, &cache, NULL) < 0)
			_exit(2);
		for (int i = 0; i < 500; i++) {
			snprintf(key, sizeof(key), "key%d", i);
			cache_file_get(cache, view_of(key), NOW, &value, NULL);
			cache_file_put(cache, view_of(key), VIEW("value"), NOW, NOW + DAY + i);
		}
		cache_file_sweep(cache, NOW + DAY + 100, 1000);
		cache_file_close(cache);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Whatever is wrong with the file, the processes after the one that met it go on. */
static void damage_ends_few_processes(void **state)
{
	struct fixture *f = *state;
	int ended = 0;

	cache_file_close(TAKE(f->cache));
	assert_int_equal(use_in_child(f), 0);
	for (int i = 0; i < MUTATIONS; i++) {
		int tries = 0;

		mutate(f);
		while (use_in_child(f) != 0 && tries < 4)
			tries++;
		/* One where a signal tells, three where something else ends it: a damaged heap. */
		assert_true(tries <= 3);
		ended += tries > 0;
	}
	/* Else the mutations were none. */
	assert_true(ended > 0);
	cache_open_at(f, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_and_forgets, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(keys_of_any_length, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(what_is_over_goes, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(full_gives_up_what_is_over_first, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(the_file_is_bounded, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(a_clock_that_goes_back, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(in_memory, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(map_names_the_file, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(garbage_is_thrown_away, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(only_our_own_file, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(processes_that_end_in_it, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(one_process_at_a_time, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(damage_ends_few_processes, fixture_make,
						fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

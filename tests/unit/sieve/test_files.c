/* Where scripts are, and what they remember: files in a Maildir. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sieve/memory.h"
#include "sieve/scripts.h"

static char maildir[] = "/tmp/posta-sieve-XXXXXX";

static int files_setup(void **unused)
{
	(void)unused;
	return mkdtemp(maildir) != NULL ? 0 : -1;
}

static int files_teardown(void **unused)
{
	char command[64];

	(void)unused;
	snprintf(command, sizeof(command), "rm -r %s", maildir);
	return system(command);
}

static int list_name(void *argument, struct view name, uint64_t size)
{
	str_printf(argument, "%.*s:%llu ", VIEW_ARG(name), (unsigned long long)size);
	return 0;
}

static void names(void **unused)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{ "main", true },  { "a b.c", true },	      { "M\xc3\xbcll", true },
		{ "", false },	   { ".x", false },	      { "../x", false },
		{ "a/b", false },  { "a\nb", false },	      { "a\xc2\x85", false },
		{ "\xff", false }, { "\xe2\x80\xa8", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(script_name_is_valid(view_of(cases[i].name)) == cases[i].valid);
}

static void scripts(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)unused;
	assert_int_equal(scripts_active(maildir, &text), -ENOENT);
	assert_int_equal(scripts_activate(maildir, VIEW("a"), &err), -ENOENT);
	assert_int_equal(scripts_write(maildir, VIEW("../a"), VIEW("keep;"), &err), -EINVAL);
	assert_int_equal(scripts_write(maildir, VIEW("a"), VIEW("keep;"), &err), 0);
	assert_int_equal(scripts_activate(maildir, VIEW("a"), &err), 0);
	assert_int_equal(scripts_delete(maildir, VIEW("a"), &err), -EPERM);
	/* The active one stays so, and no other is overwritten. */
	assert_int_equal(scripts_rename(maildir, VIEW("a"), VIEW("b"), &err), 0);
	assert_int_equal(scripts_active(maildir, &text), 0);
	assert_string_equal(str_cstr(&text), "b");
	assert_int_equal(scripts_write(maildir, VIEW("c"), VIEW("stop; "), &err), 0);
	assert_int_equal(scripts_rename(maildir, VIEW("c"), VIEW("b"), &err), -EEXIST);
	assert_int_equal(scripts_rename(maildir, VIEW("x"), VIEW("y"), &err), -ENOENT);
	str_clear(&text);
	assert_int_equal(scripts_each(maildir, list_name, &text), 0);
	assert_true(strstr(str_cstr(&text), "b:5 ") != NULL);
	assert_true(strstr(str_cstr(&text), "c:6 ") != NULL);
	assert_null(strstr(str_cstr(&text), "a:"));
	str_clear(&text);
	assert_int_equal(scripts_read(maildir, VIEW("c"), 5, &text, &err), -EFBIG);
	assert_int_equal(scripts_read(maildir, VIEW("c"), 6, &text, &err), 0);
	assert_string_equal(str_cstr(&text), "stop; ");
	assert_int_equal(scripts_activate(maildir, VIEW_NONE, &err), 0);
	assert_int_equal(scripts_delete(maildir, VIEW("b"), &err), 0);
	assert_int_equal(scripts_delete(maildir, VIEW("b"), &err), -ENOENT);
}

/* A link of the user's, or to another's, is not followed. */
static void links(void **unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct stat st;

	(void)unused;
	script_path(maildir, VIEW("link"), &path);
	assert_int_equal(scripts_write(maildir, VIEW("link"), VIEW("keep;"), &err), 0);
	assert_int_equal(scripts_activate(maildir, VIEW("link"), &err), 0);
	assert_int_equal(unlink(str_cstr(&path)), 0);
	assert_int_equal(symlink("/etc/passwd", str_cstr(&path)), 0);
	assert_int_equal(scripts_activate(maildir, VIEW("link"), &err), -ENOENT);
	assert_true(scripts_read(maildir, VIEW("link"), 100000, &text, &err) < 0);
	assert_true(scripts_open_active(maildir, "/", &st, &text, &err) < 0);
	assert_int_equal(scripts_activate(maildir, VIEW_NONE, &err), 0);
}

/* What Dovecot has left runs until somebody has chosen, be it none. */
static void of_dovecot(void **unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, name = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct stat st;
	int fd;

	(void)unused;
	str_printf(&path, "%s/sieve/active", maildir);
	(void)unlink(str_cstr(&path));
	str_clear(&path);
	str_printf(&path, "%s/.dovecot.sieve", maildir);
	assert_int_equal(io_replace_file(str_cstr(&path), VIEW("keep;"), 0600, &err), 0);
	assert_int_equal(scripts_write(maildir, VIEW("mine"), VIEW("keep;"), &err), 0);
	fd = scripts_open_active(maildir, "/", &st, &name, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(str_cstr(&name), str_cstr(&path));
	assert_int_equal(scripts_activate(maildir, VIEW_NONE, &err), 0);
	assert_int_equal(scripts_open_active(maildir, "/", &st, &name, &err), -ENOENT);
	assert_int_equal(unlink(str_cstr(&path)), 0);
}

#define KEY_A "0123456789abcdef0123456789abcdef"
#define KEY_B "f123456789abcdef0123456789abcdef"

static void memory(void **unused)
{
	struct error err = ERROR_NONE;
	struct view a = VIEW(KEY_A), b = VIEW(KEY_B), one = VIEW("4AR1"), two = VIEW("4BR2");

	(void)unused;
	assert_int_equal(sieve_memory_has(maildir, a, one, 100, &err), 0);
	assert_int_equal(sieve_memory_note(maildir, a, one, 100, 200, false, &err), 0);
	/* Its own delivery does not meet it, another one does, until it is over. */
	assert_int_equal(sieve_memory_has(maildir, a, one, 150, &err), 0);
	assert_int_equal(sieve_memory_note(maildir, a, one, 150, 200, false, &err), 0);
	assert_int_equal(sieve_memory_has(maildir, a, two, 150, &err), 1);
	assert_int_equal(sieve_memory_note(maildir, a, two, 150, 300, false, &err), 1);
	assert_int_equal(sieve_memory_has(maildir, b, two, 150, &err), 0);
	assert_int_equal(sieve_memory_has(maildir, a, two, 200, &err), 0);
	assert_int_equal(sieve_memory_note(maildir, a, two, 150, 300, true, &err), 0);
	assert_int_equal(sieve_memory_has(maildir, a, one, 250, &err), 1);
}

static void memory_is_bounded(void **unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	FILE *file;

	(void)unused;
	str_printf(&path, "%s/%s/memory", maildir, SIEVE_STATE);
	file = fopen(str_cstr(&path), "w");
	for (int i = 0; i < SIEVE_MEMORY_MAX; i++)
		fprintf(file, "%032d 1000 x\n", i);
	fclose(file);
	assert_int_equal(sieve_memory_note(maildir, VIEW(KEY_A), VIEW("1"), 1, 900, false, &err),
			 0);
	str_printf(&text, "%032d", 0);
	assert_int_equal(sieve_memory_has(maildir, str_view(&text), VIEW("2"), 1, &err), 0);
	str_clear(&text);
	str_printf(&text, "%032d", 1);
	assert_int_equal(sieve_memory_has(maildir, str_view(&text), VIEW("2"), 1, &err), 1);
	assert_int_equal(sieve_memory_has(maildir, VIEW(KEY_A), VIEW("2"), 1, &err), 1);
}

static void sent(void **unused)
{
	struct error err = ERROR_NONE;

	(void)unused;
	assert_false(sieve_sent_has(maildir, 100, VIEW("4AR1r")));
	assert_int_equal(sieve_sent_note(maildir, 100, VIEW("4AR1r"), 7, &err), 0);
	assert_int_equal(sieve_sent_note(maildir, 100, VIEW("../x"), 7, &err), -EINVAL);
	assert_true(sieve_sent_has(maildir, 100, VIEW("4AR1r")));
	assert_false(sieve_sent_has(maildir, 101, VIEW("4AR1r")));
	assert_false(sieve_sent_has(maildir, 100, VIEW("4AR1a")));
	/* What is over goes when another day begins. */
	assert_int_equal(sieve_sent_note(maildir, 107, VIEW("4CR1r"), 7, &err), 0);
	assert_true(sieve_sent_has(maildir, 100, VIEW("4AR1r")));
	assert_int_equal(sieve_sent_note(maildir, 108, VIEW("4DR1r"), 7, &err), 0);
	assert_false(sieve_sent_has(maildir, 100, VIEW("4AR1r")));
	assert_true(sieve_sent_has(maildir, 107, VIEW("4CR1r")));
}

/* Somebody keeps the lock: it is not waited for without end. */
static void locked(void **unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)unused;
	str_printf(&path, "%s/" SIEVE_STATE "/lock", maildir);

	_cleanup_fd_ int fd = open(str_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(sieve_memory_note(maildir, VIEW(KEY_A), VIEW("x"), 1, 2, true, &err),
			 -EBUSY);
}

static void told(void **unused)
{
	struct stat st;
	_cleanup_(str_free) struct str path = STR_EMPTY;

	(void)unused;
	assert_true(sieve_telling_is_due(maildir, 0, 100));
	str_printf(&path, "%s/%s/told", maildir, SIEVE_STATE);
	assert_int_equal(stat(str_cstr(&path), &st), 0);
	assert_false(sieve_telling_is_due(maildir, st.st_mtime + 99, 100));
	assert_true(sieve_telling_is_due(maildir, st.st_mtime + 100, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),  cmocka_unit_test(scripts),
		cmocka_unit_test(links),  cmocka_unit_test(of_dovecot),
		cmocka_unit_test(memory), cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(sent),	  cmocka_unit_test(locked),
		cmocka_unit_test(told),
	};

	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}

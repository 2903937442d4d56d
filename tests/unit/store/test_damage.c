/* An index with damage in it: whoever meets that goes on, at the latest with the next process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "fixture.h"

enum { MESSAGES = 300, MUTATIONS = 40, SIGNALLED = 1000 };

static uint32_t seed = 7;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void index_path(const struct fixture *f, const char *file, struct str *out)
{
	str_clear(out);
	str_printf(out, "%s/%s", f->path, file);
}

static bool exists(const struct fixture *f, const char *file)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	index_path(f, file, &path);
	return access(str_cstr(&path), F_OK) == 0;
}

static void run_command(const struct fixture *f, const char *format)
{
	_cleanup_(str_free) struct str command = STR_EMPTY;

	str_printf(&command, "cd %s && %s", f->path, format);
	assert_int_equal(system(str_cstr(&command)), 0);
}

/* What a session does: opens, reads all, changes something. 0: it saw all messages. */
static int use_store(struct fixture *f)
{
	struct flag_change change = { .operation = FLAGS_ADD, .flags = FLAG_FLAGGED };
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	struct error err = ERROR_NONE;
	struct flag_result result;
	uint32_t seq = 1;
	int fd, found = 0;

	if (store_open(f->path, &STORE_DEFAULTS, &f->store, &err) < 0 ||
	    mailbox_open(f->store, VIEW("INBOX"), MAILBOX_READ_WRITE, &box) < 0)
		return 1;
	for (seq = 1; seq <= mailbox_count(box); seq++) {
		uint64_t size;

		if (mailbox_content(box, seq, &fd, &size) == 0) {
			found += size > 0;
			close(fd);
		}
	}
	seq = 1;
	if (mailbox_change_flags(box, &seq, 1, &change, &result) == 0)
		flag_result_free(&result);
	if (mailbox_count(box) != MESSAGES || found != MESSAGES)
		return 2;
	mailbox_close(TAKE(box));
	store_close(TAKE(f->store));
	return 0;
}

#ifdef __SANITIZE_ADDRESS__
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>

/* A copy of as many bytes as damage says is stopped by the sanitizer before it is the crash that it would be. */
static void crash_as_without(void)
{
	raise(SIGSEGV);
}

static void keep_crashes(void)
{
	__asan_set_death_callback(crash_as_without);
}
#else
static void keep_crashes(void)
{
}
#endif

/* The test's own handlers would take a crash for a failed test, in the middle of the child. */
static void be_a_child(struct fixture *f)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(3);
	keep_crashes();
	f->store = NULL;
	alarm(60);
}

/* In a process of its own, as a session is. */
static int use_in_child(struct fixture *f)
{
	int status;

	fflush(NULL);

	pid_t child = fork();

	if (child == 0) {
		be_a_child(f);
		_exit(use_store(f));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Bytes, words or whole pages of the index become something else. */
static void mutate(const struct fixture *f)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	unsigned char noise[4096];
	struct stat st;

	index_path(f, "posta.index/data.mdb", &path);

	_cleanup_fd_ int fd = open(str_cstr(&path), O_WRONLY);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (uint32_t i = any(20) + 1; i > 0; i--) {
		static const size_t lengths[] = { 1, 2, 8, 64, 4096 };
		size_t length = lengths[any(5)];
		off_t at = (off_t)any((uint32_t)st.st_size);

		for (size_t k = 0; k < length; k++)
			noise[k] = any(3) == 0 ? 0xff : (unsigned char)any(256);
		/* The first bytes of a page say what is in it: there the worst is done. */
		if (any(2) == 0)
			at = at / 4096 * 4096;
		assert_int_equal(io_pwrite_all(fd, noise, length, at), 0);
	}
	if (any(8) == 0)
		assert_int_equal(ftruncate(fd, (off_t)any((uint32_t)st.st_size)), 0);
}

static void fill(struct fixture *f)
{
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", MESSAGES);
	box = fixture_mailbox(f, "INBOX");
	mailbox_close(box);
	fixture_settle(f);
	store_close(TAKE(f->store));
}

static void damage_is_met_once(void **state)
{
	struct fixture *f = *state;
	unsigned crashes = 0, noticed = 0;

	fill(f);
	run_command(f, "cp -a posta.index good");
	for (int round = 0; round < MUTATIONS; round++) {
		int first, second;

		run_command(f, "rm -rf posta.index posta.index.damaged && cp -a good posta.index");
		mutate(f);
		first = use_in_child(f);
		second = first != 0 ? use_in_child(f) : 0;
		/* 2: a number in a record is another one, which nobody can see. */
		if (second != 0 && second != 2)
			fail_msg("mutation %d: %d, then %d", round, first, second);
		crashes += first >= SIGNALLED;
		noticed += exists(f, "posta.index.damaged");
	}
	/* Else the mutations would not reach what they are for. */
	assert_true(crashes > 0);
	assert_true(noticed >= crashes);
	run_command(f, "rm -rf good");
	fixture_reopen(f);
}

/* A crash elsewhere is not blamed on the index, and one soon after another is not either. */
static void an_index_is_set_aside_once(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_int_equal(use_in_child(f), 0);
	run_command(f, "printf x >posta.index/crashed");
	assert_int_equal(use_in_child(f), 0);
	assert_true(exists(f, "posta.index.damaged/data.mdb"));
	run_command(f, "rm posta.index.damaged/data.mdb && printf x >posta.index/crashed");
	assert_int_equal(use_in_child(f), 0);
	assert_false(exists(f, "posta.index.damaged/data.mdb"));
	fixture_reopen(f);
	fixture_verify(f);
}

static void a_crash_elsewhere_is_not_the_index_fault(void **state)
{
	struct fixture *f = *state;
	int status;

	fill(f);
	fflush(NULL);

	pid_t child = fork();

	if (child == 0) {
		be_a_child(f);
		if (use_store(f) == 0 && store_open(f->path, &STORE_DEFAULTS, &f->store, NULL) == 0)
			abort();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(use_in_child(f), 0);
	assert_false(exists(f, "posta.index.damaged"));
	fixture_reopen(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(damage_is_met_once),
		TEST(an_index_is_set_aside_once),
		TEST(a_crash_elsewhere_is_not_the_index_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

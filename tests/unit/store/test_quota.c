/* Limits of what a user's mail may be: the rules, what is counted, and that it never drifts. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "store/quota.h"

static struct quota *rules(const char *text)
{
	struct error err = ERROR_NONE;
	struct quota *quota;

	if (quota_parse(view_of(text), &quota, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return quota;
}

/* ---- rules ---- */

static void limits_of_folders(void **state)
{
	static const struct {
		const char *text, *folder;
		unsigned use;
		struct quota_size whole, own;
	} cases[] = {
		{ "*:storage=1G", "INBOX", 0, { 1 << 30, 0 }, { 0 } },
		{ "*:storage=1000", "INBOX", 0, { 1024000, 0 }, { 0 } },
		{ "*:bytes=1000:messages=20", "INBOX", 0, { 1000, 20 }, { 0 } },
		{ "*:bytes=1kB", "INBOX", 0, { 1024, 0 }, { 0 } },
		/* As Dovecot's manual has them. */
		{ "*:storage=1M Trash:storage=+100K", "Trash", 0, { 1150976, 0 }, { 0 } },
		{ "*:bytes=1000 Trash:bytes=+10%%", "Trash", 0, { 1100, 0 }, { 0 } },
		{ "*:bytes=1000 Trash:bytes=-10%", "trash", 0, { 900, 0 }, { 0 } },
		{ "*:bytes=1000 Trash:bytes=50%", "Trash", 0, { 500, 0 }, { 0 } },
		{ "*:bytes=1000 Trash:bytes=+10%", "Trash2", 0, { 1000, 0 }, { 0 } },
		{ "*:bytes=1000 Trash:bytes=-200%", "Trash", 0, { 1, 0 }, { 0 } },
		/* The later one counts, field by field. */
		{ "*:bytes=1000:messages=5 *:bytes=2000", "INBOX", 0, { 2000, 5 }, { 0 } },
		{ "*:bytes=1000 *:bytes=0 x:bytes=+10%", "x", 0, { 0, 0 }, { 0 } },
		{ "*:bytes=1000 Lists/*:own_bytes=10%", "Lists.posta", 0, { 1000, 0 }, { 100, 0 } },
		{ "*:bytes=1000 \\Junk:own_messages=7", "Spam", USE_JUNK, { 1000, 0 }, { 0, 7 } },
		{ "*:bytes=1000 \\Junk:own_messages=7", "Junk", 0, { 1000, 0 }, { 0 } },
		{ "*:bytes=1000 a*b?:own_messages=7", "aXbYbc", 0, { 1000, 0 }, { 0, 7 } },
		{ "*:bytes=1000 a*b?:own_messages=7", "aXbY.b", 0, { 1000, 0 }, { 0 } },
		/* UTF-8 in the rule, modified UTF-7 in the name. */
		{ "*:bytes=9 Entw\xc3\xbcrfe:own_bytes=5", "Entw&APw-rfe", 0, { 9, 0 }, { 5, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(quota_freep) struct quota *quota = rules(cases[i].text);
		struct quota_size whole, own;

		assert_non_null(quota);
		quota_limits(quota, view_of(cases[i].folder), cases[i].use, &whole, &own);
		if (memcmp(&whole, &cases[i].whole, sizeof(whole)) != 0 ||
		    memcmp(&own, &cases[i].own, sizeof(own)) != 0)
			fail_msg("%s of %s: %llu %llu, %llu %llu", cases[i].text, cases[i].folder,
				 (unsigned long long)whole.bytes,
				 (unsigned long long)whole.messages, (unsigned long long)own.bytes,
				 (unsigned long long)own.messages);
	}
}

static void what_is_no_rule(void **state)
{
	static const char *const wrong[] = {
		"1G",
		"*",

		":storage=1",
		"*:storage",
		"*:storage=x",
		"*:storage=-",
		"*:bytes=1X",
		"*:bytes=99999999999999999999",
		"warn=0%",
		"grace=lots",
		"*:space=1G",
		"*:storage=999999999999T",
		"warn=1:2:3:4:5:6:7:8:9",
	};
	static const char *const nothing[] = {
		"",	     "grace=10% warn=80%", "*:storage=0", "Trash:ignore user=a@b",
		"*:backend", "Trash:storage=+10%"
	};
	struct error err = ERROR_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct quota *quota;

		if (quota_parse(view_of(wrong[i]), &quota, &err) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		if (rules(nothing[i]) != NULL)
			fail_msg("limits something: %s", nothing[i]);
}

static void grace_is_for_one_message(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=1000 grace=10%");
	const struct quota_size limit = { 1000, 0 };
	const struct {
		uint64_t now, more, count;
		bool room;
	} cases[] = {
		{ 0, 1000, 1, true },  { 999, 101, 1, true }, { 999, 102, 1, false },
		{ 1000, 1, 1, false }, { 1050, 1, 1, false }, { 900, 150, 2, false },
		{ 900, 100, 2, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (quota_has_room(quota, &limit, &(struct quota_size){ cases[i].now, 1 },
				   &(struct quota_size){ cases[i].more, cases[i].count }) !=
		    cases[i].room)
			fail_msg("case %zu", i);
}

/* ---- what is counted ---- */

static int append_text(struct fixture *f, const char *folder, size_t size)
{
	const struct append_meta meta = { 0 };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct append *append;
	uint32_t uidvalidity, uid;
	int r = append_begin(f->store, view_of(folder), APPEND_NOW, &append);

	assert_int_equal(r, 0);
	while (text.len + 2 < size)
		str_append_byte(&text, 'x');
	str_append(&text, VIEW("\r\n"));
	assert_int_equal(append_write(append, str_view(&text)), 0);
	return append_finish(&append, &meta, 1, &uidvalidity, &uid);
}

/* As local opens it. */
static struct store_options delivery_index = { .create = true, .leave_owed = true };

static int deliver_here(const char *maildir, const char *folder, size_t size,
			const struct quota *quota)
{
	_cleanup_free_ char *text = mem_new_bytes(size);
	const struct mail_source source = { .content = { .file = -1, .bytes = text, .size = size },
					    .admit = quota != NULL ? quota_admit : NULL,
					    .quota = quota,
					    .index = &delivery_index };
	struct error err = ERROR_NONE;

	memset(text, 'x', size);
	return maildir_deliver(maildir, view_of(folder), true, &source, NULL, &err);
}

/* By a process of its own, as always: LMDB opens an index once in a process. */
static int deliver_to(const char *maildir, const char *folder, size_t size,
		      const struct quota *quota)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(-deliver_here(maildir, folder, size, quota));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int deliver_text(struct fixture *f, const char *folder, size_t size,
			const struct quota *quota)
{
	return deliver_to(f->path, folder, size, quota);
}

static void expect_usage(struct fixture *f, uint64_t bytes, uint64_t messages)
{
	struct quota_size used;

	assert_int_equal(store_quota_usage(f->store, &used), 0);
	assert_int_equal(used.bytes, bytes);
	assert_int_equal(used.messages, messages);
}

static void appends_keep_to_it(void **state)
{
	_cleanup_(quota_freep) struct quota *quota =
		rules("*:bytes=1000 Trash:bytes=+10% Big:ignore");
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	struct copy_result result;
	struct fixture *f = *state;
	uint32_t one = 1;

	store_set_quota(f->store, quota);
	assert_int_equal(store_create(f->store, VIEW("Trash"), 0, NULL), 0);
	assert_int_equal(store_create(f->store, VIEW("Big"), 0, NULL), 0);
	assert_int_equal(append_text(f, "INBOX", 600), 0);
	/* What another process delivered meanwhile counts, and nobody has opened it. */
	assert_int_equal(deliver_text(f, "Trash", 300, NULL), 0);
	assert_int_equal(append_text(f, "INBOX", 101), -EDQUOT);
	assert_int_equal(append_text(f, "INBOX", 100), 0);
	assert_int_equal(append_text(f, "INBOX", 1), -EDQUOT);
	assert_int_equal(append_text(f, "Trash", 101), -EDQUOT);
	assert_int_equal(append_text(f, "Trash", 100), 0);
	assert_int_equal(append_text(f, "Big", 5000), 0);
	expect_usage(f, 1100, 4);
	/* A copy takes room; a move takes none. */
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_copy(box, &one, 1, VIEW("Trash"), false, &result), -EDQUOT);
	assert_int_equal(mailbox_copy(box, &one, 1, VIEW("Trash"), true, &result), 0);
	copy_result_free(&result);
	expect_usage(f, 1100, 4);
	/* But from where it did not count. */
	mailbox_close(TAKE(box));
	box = fixture_mailbox(f, "Big");
	assert_int_equal(mailbox_copy(box, &one, 1, VIEW("INBOX"), true, &result), -EDQUOT);
	expect_usage(f, 1100, 4);
	fixture_settle(f);
	fixture_verify(f);
}

static void a_folder_has_a_limit_of_its_own(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("Junk:own_messages=2");
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	struct quota_size used, whole, own;
	struct copy_result result;
	struct fixture *f = *state;
	uint32_t one = 1;

	store_set_quota(f->store, quota);
	assert_int_equal(store_create(f->store, VIEW("Junk"), 0, NULL), 0);
	assert_int_equal(append_text(f, "INBOX", 10), 0);
	assert_int_equal(append_text(f, "Junk", 10), 0);
	assert_int_equal(deliver_text(f, "Junk", 10, quota), 0);
	assert_int_equal(deliver_text(f, "Junk", 10, quota), -EFBIG);
	assert_int_equal(append_text(f, "Junk", 10), -EDQUOT);
	assert_int_equal(append_text(f, "INBOX", 10), 0);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_copy(box, &one, 1, VIEW("Junk"), true, &result), -EDQUOT);
	assert_int_equal(store_quota_folder(f->store, VIEW("Junk"), &used, &whole, &own), 0);
	assert_int_equal(used.messages, 2);
	assert_int_equal(own.messages, 2);
	assert_int_equal(whole.messages, 0);
}

/* A replaced message makes room for the one that takes its place, also where there is none. */
static void a_replacement_may_shrink(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=1000");
	_cleanup_(quota_freep) struct quota *less = rules("*:bytes=500");
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	const struct append_meta meta = { 0 };
	struct fixture *f = *state;
	struct append *append;
	uint32_t uidvalidity, uid;

	store_set_quota(f->store, quota);
	assert_int_equal(append_text(f, "INBOX", 900), 0);
	store_set_quota(f->store, less);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &append), 0);
	for (int i = 0; i < 80; i++)
		assert_int_equal(append_write(append, VIEW("12345678\r\n")), 0);
	assert_int_equal(append_replace(&append, &meta, box, 1, &uidvalidity, &uid), 0);
	expect_usage(f, 800, 1);
}

static void deliveries_keep_to_it(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=1000");
	struct fixture *f = *state;

	assert_int_equal(deliver_text(f, "", 600, quota), 0);
	assert_int_equal(deliver_text(f, "", 401, quota), -EMSGSIZE);
	assert_int_equal(deliver_text(f, "New", 400, quota), 0);
	assert_int_equal(deliver_text(f, "", 1, quota), -EFBIG);
	/* As much as the files are, whatever the index was. */
	fixture_lose_index(f);
	assert_int_equal(deliver_text(f, "", 1, quota), -EFBIG);
	fixture_reopen(f);
	expect_usage(f, 1000, 2);
	/* What another program removes makes room. */
	mailbox_close(fixture_mailbox(f, "INBOX"));
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "tmp"), 0);
	fixture_verify(f);
}

/* The first message of a user is not let in because there is nothing to look at yet. */
static void the_first_message_is_held_to_it(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=1000");
	_cleanup_(str_free) struct str maildir = STR_EMPTY;
	struct fixture *f = *state;

	str_printf(&maildir, "%s/new-user/Maildir", f->path);
	assert_int_equal(deliver_to(str_cstr(&maildir), "", 1001, quota), -EMSGSIZE);
	assert_int_equal(deliver_to(str_cstr(&maildir), "", 1000, quota), 0);
	assert_int_equal(deliver_to(str_cstr(&maildir), "", 1, quota), -EFBIG);
}

/* What sessions have to do is no delivery's work: it only counts what will be there. */
static void deliveries_leave_what_is_owed(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=1000");
	struct fixture *f = *state;
	struct mailbox *box;
	uint32_t one = 1;

	assert_int_equal(append_text(f, "INBOX", 600), 0);
	fixture_settle(f);
	/* The folders were read and are not read again, which would settle it. */
	usleep(20000);
	expect_usage(f, 600, 1);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_remove(box, &one, 1), 0);
	mailbox_close(box);
	assert_true(store_owes(f->store));
	assert_int_equal(deliver_text(f, "", 900, quota), 0);
	assert_true(store_owes(f->store));
	assert_int_equal(deliver_text(f, "", 101, quota), -EMSGSIZE);
	fixture_settle(f);
	expect_usage(f, 900, 1);
	fixture_verify(f);
}

/* It is the administrator's, also where it is a delivery that numbers messages. */
static void deliveries_keep_to_the_limit_of_the_index(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:messages=100000");
	struct fixture *f = *state;

	store_close(TAKE(f->store));
	fixture_deliver_many(f, "INBOX", 8000);
	delivery_index.index_limit = 1 << 20;
	assert_int_equal(deliver_text(f, "", 1, quota), -ENOSPC);
	delivery_index.index_limit = 0;
	assert_int_equal(deliver_text(f, "", 1, quota), 0);
	fixture_reopen(f);
}

/* A delivery that is done again finds itself, although there would be no room for it any more. */
static void done_again_it_needs_no_room(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=10");
	const struct mail_source source = {
		.content = { .file = -1, .bytes = "1234567\r\n", .size = 9 },
		.identity = VIEW("4XyZR0011"),
		.arrival = 1000000,
		.again = true,
		.admit = quota_admit,
		.quota = quota,
	};
	struct fixture *f = *state;
	struct error err = ERROR_NONE;

	store_close(TAKE(f->store));
	assert_int_equal(maildir_deliver(f->path, VIEW(""), true, &source, NULL, &err), 0);
	assert_int_equal(maildir_deliver(f->path, VIEW(""), true, &source, NULL, &err), 0);
	fixture_reopen(f);
	store_set_quota(f->store, quota);
	expect_usage(f, 9, 1);
}

/* ---- crashes and races ---- */

static void fixture_remove_tmp(struct fixture *f)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -f %s/tmp/*", f->path);
	assert_int_equal(system(command), 0);
}

/* Killed at many places: what is counted afterwards is what is there. */
static void no_kill_makes_it_drift(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=100000000");
	struct fixture *f = *state;
	struct quota_size used, again;

	store_close(TAKE(f->store));
	for (unsigned i = 0; i < 40; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			fixture_reopen(f);
			store_set_quota(f->store, quota);
			for (;;) {
				struct mailbox *box;

				(void)deliver_here(f->path, "", 700, NULL);
				(void)append_text(f, "INBOX", 300);
				box = fixture_mailbox(f, "INBOX");
				if (mailbox_count(box) > 3)
					(void)mailbox_remove(box, (const uint32_t[]){ 1, 2 }, 2);
				mailbox_close(box);
			}
		}
		usleep(1000 + i * 700);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	fixture_reopen(f);
	store_set_quota(f->store, quota);
	assert_int_equal(store_quota_usage(f->store, &used), 0);
	fixture_settle(f);
	fixture_verify(f);
	/* Counted anew from the files; what was complete and not yet said to be there is not one of them. */
	fixture_remove_tmp(f);
	fixture_lose_index(f);
	fixture_reopen(f);
	assert_int_equal(store_quota_usage(f->store, &again), 0);
	assert_int_equal(used.messages, again.messages);
	assert_int_equal(used.bytes, again.bytes);
}

/* At the limit each of several deliveries at once may pass by one message, and all of them count. */
static void a_race_passes_by_one_each(void **state)
{
	enum { PROCESSES = 4, LIMIT = 20 };
	_cleanup_(quota_freep) struct quota *quota = rules("*:messages=20");
	struct fixture *f = *state;
	struct quota_size used;

	store_close(TAKE(f->store));
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			while (deliver_here(f->path, "", 100, quota) == 0)
				;
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	fixture_reopen(f);
	store_set_quota(f->store, quota);
	assert_int_equal(store_quota_usage(f->store, &used), 0);
	assert_in_range(used.messages, LIMIT, LIMIT + PROCESSES - 1);
	assert_int_equal(used.bytes, used.messages * 100);
	assert_int_equal(append_text(f, "INBOX", 10), -EDQUOT);
}

/* ---- warnings, maildirsize ---- */

static uint32_t inbox_count(struct fixture *f)
{
	struct folder_status status;

	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	return status.messages;
}

static void a_crossing_is_told_once(void **state)
{
	_cleanup_(quota_freep) struct quota *quota =
		rules("*:bytes=10000 warn=80%:95% user=alice@example.test");
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct fixture *f = *state;
	uint32_t one = 1;

	assert_int_equal(deliver_text(f, "Other", 7900, quota), 0);
	assert_int_equal(inbox_count(f), 0);
	assert_int_equal(deliver_text(f, "Other", 100, quota), 0);
	assert_int_equal(inbox_count(f), 1);
	assert_int_equal(deliver_text(f, "Other", 1, quota), 0);
	assert_int_equal(inbox_count(f), 1);
	box = fixture_mailbox(f, "INBOX");
	fixture_content(box, 1, &text);
	assert_true(view_find(str_view(&text), VIEW("Subject: Your mailbox is 80% full\r\n")) !=
		    VIEW_NOT_FOUND);
	assert_true(view_find(str_view(&text), VIEW("To: <alice@example.test>\r\n")) !=
		    VIEW_NOT_FOUND);
	mailbox_close(TAKE(box));
	/* Below it again, then above: once more. By a session this time. */
	box = fixture_mailbox(f, "Other");
	assert_int_equal(mailbox_remove(box, &one, 1), 0);
	mailbox_close(TAKE(box));
	store_set_quota(f->store, quota);
	store_quota_warn(f->store);
	fixture_settle(f);
	assert_int_equal(append_text(f, "Other", 7900), 0);
	assert_int_equal(inbox_count(f), 1);
	store_quota_warn(f->store);
	store_quota_warn(f->store);
	assert_int_equal(inbox_count(f), 2);
	store_set_quota(f->store, NULL);
}

static void expect_maildirsize(struct fixture *f, const char *wanted)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;

	str_printf(&path, "%s/maildirsize", f->path);
	assert_int_equal(io_read_file(str_cstr(&path), 10000, &text, NULL), 0);
	assert_string_equal(str_cstr(&text), wanted);
}

static void maildirsize_is_kept(void **state)
{
	_cleanup_(quota_freep) struct quota *quota = rules("*:bytes=10000:messages=9 maildirsize");
	struct fixture *f = *state;

	assert_int_equal(deliver_text(f, "", 100, quota), 0);
	expect_maildirsize(f, "10000S,9C\n100 1\n");
	assert_int_equal(deliver_text(f, "New", 200, quota), 0);
	expect_maildirsize(f, "10000S,9C\n100 1\n200 1\n");
	store_set_quota(f->store, quota);
	mailbox_close(fixture_mailbox(f, "New"));
	mailbox_close(fixture_mailbox(f, "INBOX"));
	store_quota_warn(f->store);
	expect_maildirsize(f, "10000S,9C\n300 2\n");
	store_set_quota(f->store, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_folders),
		cmocka_unit_test(what_is_no_rule),
		cmocka_unit_test(grace_is_for_one_message),
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(appends_keep_to_it),
		T(a_folder_has_a_limit_of_its_own),
		T(a_replacement_may_shrink),
		T(deliveries_keep_to_it),
		T(the_first_message_is_held_to_it),
		T(deliveries_leave_what_is_owed),
		T(deliveries_keep_to_the_limit_of_the_index),
		T(done_again_it_needs_no_room),
		T(no_kill_makes_it_drift),
		T(a_race_passes_by_one_each),
		T(a_crossing_is_told_once),
		T(maildirsize_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

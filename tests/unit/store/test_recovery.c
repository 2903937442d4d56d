/* Lost indexes, crashes, other Maildir programs, two processes at once. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define MAIL "Subject: hello\r\n\r\nbody\r\n"

static void set_flags(struct mailbox *box, uint32_t seq, unsigned flags, uint64_t keywords)
{
	struct flag_change c = { .operation = FLAGS_ADD, .flags = flags, .keywords = keywords };
	struct flag_result result;

	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	flag_result_free(&result);
}

static void a_lost_index_is_built_again(void **state)
{
	struct fixture *f = *state;
	struct message_info before, after;
	struct folder_status status;
	struct mailbox *box;
	uint32_t uidvalidity, seq = 5;
	uint64_t modseq;

	fixture_deliver_many(f, "INBOX", 5);
	box = fixture_mailbox(f, "INBOX");
	uidvalidity = mailbox_uidvalidity(box);
	set_flags(box, 2, FLAG_SEEN | FLAG_ANSWERED,
		  1ULL << mailbox_keyword_add(box, VIEW("work")));
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	assert_int_equal(mailbox_info(box, 3, &before), 0);
	modseq = mailbox_highest_modseq(box);
	mailbox_close(box);
	/* store_close settles. */
	fixture_lose_index(f);
	fixture_deliver(f, "INBOX", MAIL);
	sleep(1); /* mod-sequences start from the clock's seconds */
	fixture_reopen(f);

	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 5);
	assert_int_equal(mailbox_uidvalidity(box), uidvalidity);
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(mailbox_uid(box, i), i);
	/* 5 was expunged: never again. */
	assert_true(mailbox_uid(box, 5) > 5);
	assert_int_equal(mailbox_flags(box, 2) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_ANSWERED);
	assert_int_equal(mailbox_keywords(box, 2), mailbox_keyword_mask(box, VIEW("work")));
	assert_int_not_equal(mailbox_keywords(box, 2), 0);
	assert_int_equal(mailbox_recent(box), 1);
	assert_int_equal(mailbox_info(box, 3, &after), 0);
	assert_memory_equal(before.id, after.id, 16);
	assert_int_equal(before.internal_date, after.internal_date);
	assert_true(mailbox_highest_modseq(box) > modseq);
	assert_true(mailbox_modseq_floor(box) > modseq);
	mailbox_close(box);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	assert_int_equal(status.unseen, 4);
	fixture_settle(f);
	fixture_verify(f);
}

static void a_damaged_index_is_built_again(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 3);
	box = fixture_mailbox(f, "INBOX");
	mailbox_close(box);
	store_close(f->store);
	f->store = NULL;
	fixture_file(f, "posta.index/data.mdb",
		     "this is no LMDB file, this is no LMDB file, this is no LMDB file");
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_uid(box, 1), 1);
	mailbox_close(box);
}

/* Runs in another process, which ends without a word. */
static void in_crashing_process(struct fixture *f, void (*work)(struct fixture *))
{
	int status;
	pid_t pid;

	store_close(f->store);
	f->store = NULL;
	pid = fork();
	if (pid == 0) {
		fixture_reopen(f);
		work(f);
		_exit(77);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 77);
	fixture_reopen(f);
}

/* Which messages were expunged is known for a time; before that nobody guesses. */
static void tombstones_grow_old(void **state)
{
	struct fixture *f = *state;
	struct store_options options = STORE_DEFAULTS;
	struct mailbox *box;
	uint32_t seq = 1, *uids;
	uint64_t before, between;
	size_t count;
	struct mailbox_changes changes;

	fixture_deliver_many(f, "INBOX", 4);
	store_close(f->store);
	options.tombstone_time = 1;
	assert_int_equal(store_open(f->path, &options, &f->store, NULL), 0);
	box = fixture_mailbox(f, "INBOX");
	before = mailbox_highest_modseq(box);
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_vanished_since(box, before, &uids, &count), 0);
	assert_int_equal(count, 1);
	free(uids);
	assert_true(mailbox_modseq_floor(box) <= before);
	between = mailbox_highest_modseq(box);
	sleep(2);
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	assert_true(mailbox_modseq_floor(box) >= between);
	assert_int_equal(mailbox_vanished_since(box, mailbox_modseq_floor(box), &uids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(uids[0], 2);
	free(uids);
	/* Messages that are there are known as changed all the same. */
	assert_int_equal(mailbox_changed_since(box, 0, &uids, &count), 0);
	assert_int_equal(count, 2);
	free(uids);
	mailbox_close(box);
}

static void flags_that_wait(struct mailbox *box, uint32_t seq, unsigned flags)
{
	struct flag_change c = { .operation = FLAGS_ADD, .flags = flags, .may_wait = true };
	struct flag_result result;

	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	flag_result_free(&result);
}

static void change_flags_that_wait(struct fixture *f)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX"), *other = fixture_mailbox(f, "INBOX");
	struct mailbox_changes changes;

	/* What has just changed in the directories is looked at twice, and that commits. */
	for (int i = 0; i < 2; i++) {
		usleep(20000);
		if (mailbox_refresh(other, true, &changes) < 0)
			_exit(3);
		mailbox_changes_free(&changes);
	}
	flags_that_wait(box, 1, FLAG_SEEN);
	flags_that_wait(box, 2, FLAG_SEEN);
	if (store_commit(f->store) < 0)
		_exit(1);
	flags_that_wait(box, 2, FLAG_FLAGGED);
	flags_that_wait(box, 3, FLAG_FLAGGED);
	if (store_is_committed(f->store) || mailbox_refresh(other, true, &changes) < 0 ||
	    changes.flags_count != 3 || !(mailbox_flags(other, 3) & FLAG_FLAGGED))
		_exit(2);
	mailbox_changes_free(&changes);
}

/* What waits for its commit is undone by a crash, all of it and nothing else. */
static void a_crash_undoes_what_waits(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 3);
	mailbox_close(fixture_mailbox(f, "INBOX"));
	in_crashing_process(f, change_flags_that_wait);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_int_equal(mailbox_flags(box, 2) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_int_equal(mailbox_flags(box, 3) & FLAGS_SYSTEM, 0);
	/* Other changes, and the end of the store, commit it first. */
	flags_that_wait(box, 3, FLAG_SEEN);
	set_flags(box, 1, FLAG_DRAFT, 0);
	assert_true(store_is_committed(f->store));
	flags_that_wait(box, 3, FLAG_DRAFT);
	mailbox_close(box);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_flags(box, 3) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_DRAFT);
	/* An index that is deleted meanwhile takes nothing along. */
	flags_that_wait(box, 2, FLAG_ANSWERED);
	assert_int_equal(store_drop_index(f->path, NULL), 0);
	flags_that_wait(box, 1, FLAG_ANSWERED);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(mailbox_flags(box, 2) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_ANSWERED);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

static void change_all(struct mailbox *box, enum flag_operation operation, unsigned flags)
{
	_cleanup_free_ uint32_t *seqs = fixture_seqs(100);
	struct flag_change c = { .operation = operation, .flags = flags, .may_wait = true };
	struct flag_result result;

	if (mailbox_change_flags(box, seqs, 100, &c, &result) < 0)
		_exit(1);
	flag_result_free(&result);
}

static void change_flags_often(struct fixture *f)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX");

	change_all(box, FLAGS_ADD, FLAG_ANSWERED);
	for (int i = 0; i < 30; i++)
		change_all(box, i % 2 == 0 ? FLAGS_ADD : FLAGS_REMOVE, FLAG_SEEN);
	change_all(box, FLAGS_ADD, FLAG_FLAGGED);
}

/* What shares a commit is as much as there is room for in the index; what changes nothing keeps nobody waiting. */
static void a_commit_is_shared_by_few(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 100);
	mailbox_close(fixture_mailbox(f, "INBOX"));
	in_crashing_process(f, change_flags_often);
	box = fixture_mailbox(f, "INBOX");
	assert_true(mailbox_flags(box, 1) & FLAG_ANSWERED);
	assert_false(mailbox_flags(box, 1) & FLAG_FLAGGED);
	flags_that_wait(box, 1, FLAG_ANSWERED);
	assert_true(store_is_committed(f->store));
	mailbox_close(box);
}

static void change_everything(struct fixture *f)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX");
	uint32_t seqs[] = { 1, 2 }, three = 3, uid, uidvalidity, four = 4;
	struct append_meta meta = { .flags = FLAG_SEEN };
	struct copy_result result;
	struct append *append;

	set_flags(box, 1, FLAG_FLAGGED, 0);
	assert_int_equal(mailbox_copy(box, seqs, 2, VIEW("Copies"), false, &result), 0);
	assert_int_equal(mailbox_copy(box, &three, 1, VIEW("Moved"), true, &result), 0);
	assert_int_equal(mailbox_remove(box, &four, 1), 0);
	assert_int_equal(append_begin(f->store, VIEW("Appended"), APPEND_NOW, &append), 0);
	assert_int_equal(append_write(append, VIEW(MAIL)), 0);
	assert_int_equal(append_finish(&append, &meta, 1, &uidvalidity, &uid), 0);
}

static void check_everything(struct fixture *f)
{
	static const struct {
		const char *name;
		uint32_t count;
	} folders[] = { { "INBOX", 3 }, { "Copies", 2 }, { "Moved", 1 }, { "Appended", 1 } };
	_cleanup_(str_free) struct str text = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct mailbox *box = fixture_mailbox(f, folders[i].name);

		assert_int_equal(mailbox_count(box), folders[i].count);
		for (uint32_t seq = 1; seq <= folders[i].count; seq++)
			fixture_content(box, seq, &text);
		if (i <= 1)
			assert_true(mailbox_flags(box, 1) & FLAG_FLAGGED);
		mailbox_close(box);
	}
}

static void make_folders(struct fixture *f)
{
	static const char *const names[] = { "Copies", "Moved", "Appended" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(store_create(f->store, view_of(names[i]), 0, NULL), 0);
	fixture_deliver_many(f, "INBOX", 5);
}

static void a_crash_only_delays_what_is_owed(void **state)
{
	struct fixture *f = *state;

	make_folders(f);
	in_crashing_process(f, change_everything);
	/* Acknowledged, so it is there. */
	check_everything(f);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, ".Moved/cur"), 1);
	assert_int_equal(fixture_count_files(f, "cur"), 3);
	check_everything(f);
	fixture_verify(f);
}

static void a_crash_and_a_lost_index(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	make_folders(f);
	in_crashing_process(f, change_everything);
	/* Deleted without the settling of store_close. */
	in_crashing_process(f, (void (*)(struct fixture *))fixture_reopen);
	fixture_lose_index(f);
	fixture_reopen(f);
	/* Nothing that was acknowledged is lost; unsettled flags and moves may be undone. */
	box = fixture_mailbox(f, "Appended");
	assert_int_equal(mailbox_count(box), 1);
	mailbox_close(box);
	box = fixture_mailbox(f, "Copies");
	assert_int_equal(mailbox_count(box), 2);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

/* Half of the owed work is done by hand, as if the crash came between the files and the index. */
static void files_may_be_ahead_of_the_index(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY, from = STR_EMPTY, to = STR_EMPTY;
	struct mailbox *box;

	fixture_deliver(f, "INBOX", MAIL);
	box = fixture_mailbox(f, "INBOX");
	set_flags(box, 1, FLAG_SEEN, 0);
	fixture_only_file(f, "new", &name);
	str_printf(&from, "%s/new/%s", f->path, str_cstr(&name));
	str_printf(&to, "%s/cur/%s,U=1:2,S", f->path, str_cstr(&name));
	assert_int_equal(rename(str_cstr(&from), str_cstr(&to)), 0);
	fixture_content(box, 1, &name);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 1);
	mailbox_close(box);
}

/* ---- killed at any moment ---- */

static void shuffle_forever(struct fixture *f)
{
	for (;;) {
		static const char *const names[] = { "INBOX", "Moved", "Copies", "Appended" };

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			struct mailbox *box = fixture_mailbox(f, names[i]);
			struct copy_result result;

			if (mailbox_count(box) > 0)
				set_flags(box, 1, FLAG_SEEN, 0);
			assert_int_equal(mailbox_copy(box, NULL, 0,
						      view_of(names[(i + 1) % ARRAY_SIZE(names)]),
						      true, &result),
					 0);
			copy_result_free(&result);
			mailbox_close(box);
			(void)store_settle(f->store, 7);
		}
	}
}

static void killed_at_any_moment(void **state)
{
	static const char *const names[] = { "INBOX", "Moved", "Copies", "Appended" };
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	make_folders(f);
	fixture_deliver_many(f, "Copies", 20);
	for (int i = 0; i < 15; i++) {
		unsigned count = 0;
		pid_t pid;

		store_close(f->store);
		f->store = NULL;
		pid = fork();
		if (pid == 0) {
			fixture_reopen(f);
			shuffle_forever(f);
			_exit(1);
		}
		usleep(15000 + 1777 * (unsigned)i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		fixture_reopen(f);
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			struct mailbox *box = fixture_mailbox(f, names[n]);

			for (uint32_t seq = 1; seq <= mailbox_count(box); seq++)
				fixture_content(box, seq, &text);
			count += mailbox_count(box);
			mailbox_close(box);
		}
		assert_int_equal(count, 25);
		fixture_settle(f);
		fixture_verify(f);
	}
}

/* ---- other programs ---- */

static void rename_file(struct fixture *f, const char *directory, const char *suffix)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, from = STR_EMPTY, to = STR_EMPTY;

	fixture_only_file(f, directory, &name);
	str_printf(&from, "%s/%s/%s", f->path, directory, str_cstr(&name));
	str_truncate(&name, view_find_byte(str_view(&name), ':'));
	str_printf(&to, "%s/%s/%s%s", f->path, directory, str_cstr(&name), suffix);
	assert_int_equal(rename(str_cstr(&from), str_cstr(&to)), 0);
}

static void flags_of_other_programs(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct mailbox *box;

	fixture_deliver(f, "INBOX", MAIL);
	box = fixture_mailbox(f, "INBOX");
	set_flags(box, 1, FLAG_FLAGGED, 0);
	fixture_settle(f);
	rename_file(f, "cur", ":2,RS");
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.flags_count, 1);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_ANSWERED | FLAG_SEEN);
	fixture_content(box, 1, &text);

	/* Renamed behind our back: found all the same. */
	rename_file(f, "cur", ":2,RST");
	fixture_content(box, 1, &text);
	set_flags(box, 1, FLAG_DRAFT, 0);
	fixture_settle(f);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_uid(box, 1), 1);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

static void keywords_of_copies_outlast_the_index(void **state)
{
	struct fixture *f = *state;
	struct copy_result result;
	struct mailbox *box;
	uint32_t seq = 1;

	assert_int_equal(store_create(f->store, VIEW("Target"), 0, NULL), 0);
	fixture_deliver(f, "INBOX", MAIL);
	box = fixture_mailbox(f, "INBOX");
	set_flags(box, 1, FLAG_SEEN, 1ULL << mailbox_keyword_add(box, VIEW("work")));
	assert_int_equal(mailbox_copy(box, &seq, 1, VIEW("Target"), false, &result), 0);
	copy_result_free(&result);
	mailbox_close(box);
	fixture_settle(f);
	fixture_lose_index(f);
	fixture_reopen(f);
	box = fixture_mailbox(f, "Target");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_not_equal(mailbox_keyword_mask(box, VIEW("work")), 0);
	assert_int_equal(mailbox_keywords(box, 1), mailbox_keyword_mask(box, VIEW("work")));
	mailbox_close(box);
}

/* The power went before the delivery's name was durable, but after the index had given it a UID. */
static void a_delivery_that_was_undone_is_no_ghost(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY, path = STR_EMPTY;
	struct mailbox *box;

	fixture_deliver(f, "INBOX", MAIL);
	fixture_only_file(f, "new", &name);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 1);
	str_printf(&path, "%s/new/%s", f->path, str_cstr(&name));
	assert_int_equal(unlink(str_cstr(&path)), 0);
	mailbox_close(box);
	fixture_settle(f);
	fixture_reopen(f);
	/* Delivered again from the queue. */
	fixture_deliver(f, "INBOX", MAIL);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_uid(box, 1), 2);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

static void files_removed_by_other_programs(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct mailbox *box;
	char command[256];
	uint64_t size;
	int fd;

	fixture_deliver_many(f, "INBOX", 4);
	box = fixture_mailbox(f, "INBOX");
	fixture_settle(f);
	snprintf(command, sizeof(command), "rm %s/cur/*,U=2:* %s/cur/*,U=3:*", f->path, f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(mailbox_content(box, 2, &fd, &size), -ENOENT);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 2);
	assert_int_equal(changes.expunged[0], 3);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 2);
	mailbox_close(box);
	fixture_verify(f);
}

static void files_put_there_by_other_programs(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY, long_name = STR_EMPTY;
	struct message_info info;
	struct mailbox *box;

	/* Bare LFs, no sizes in the name, a UID that was never ours, a name without room. */
	fixture_file(f, "cur/1000.P1.other:2,S", "Subject: lf\n\nline\n");
	fixture_file(f, "cur/1001.P1.other,U=4000000000:2,", MAIL);
	fixture_file(f, "cur/.hidden", MAIL);
	str_append_cstr(&long_name, "cur/1002.");
	for (int i = 0; i < 240; i++)
		str_append_byte(&long_name, 'x');
	fixture_file(f, str_cstr(&long_name), MAIL);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_int_equal(mailbox_uid(box, 2), 2);
	fixture_content(box, 1, &text);
	assert_string_equal(str_cstr(&text), "Subject: lf\r\n\r\nline\r\n");
	assert_int_equal(mailbox_info(box, 1, &info), 0);
	assert_int_equal(info.size, strlen("Subject: lf\r\n\r\nline\r\n"));
	assert_int_equal(info.disk_size, strlen("Subject: lf\n\nline\n"));
	fixture_settle(f);
	for (uint32_t seq = 1; seq <= 3; seq++)
		fixture_content(box, seq, &text);
	mailbox_close(box);
	fixture_verify(f);
	fixture_lose_index(f);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_uid(box, 3), 3);
	mailbox_close(box);
}

static void a_dovecot_maildir_keeps_its_uids(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct folder_info info;
	struct mailbox *box;

	store_close(f->store);
	f->store = NULL;
	fixture_file(f, "cur/1700000000.M1P1.mx,S=23,W=23:2,Sb", MAIL);
	fixture_file(f, "cur/1700000001.M1P1.mx,S=23,W=23:2,", MAIL);
	fixture_file(f, "dovecot-uidlist",
		     "3 V1600000000 N120 Gabcdef0123456789\n"
		     "17 :1700000001.M1P1.mx,S=23,W=23\n"
		     "99 W23 :1700000000.M1P1.mx,S=23,W=23\n");
	fixture_file(f, "dovecot-keywords", "0 $Forwarded\n1 $MDNSent\n");
	fixture_file(f, "subscriptions", "V\t2\n\nINBOX\nLists\tposta\n");
	str_printf(&path, "%s/posta-uidvalidity", f->path);
	unlink(str_cstr(&path));
	assert_int_equal(store_drop_index(f->path, NULL), 0);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_uidvalidity(box), 1600000000);
	assert_int_equal(mailbox_count(box), 2);
	assert_int_equal(mailbox_uid(box, 1), 17);
	assert_int_equal(mailbox_uid(box, 2), 99);
	assert_int_equal(mailbox_uidnext(box), 120);
	assert_string_equal(mailbox_keyword_name(box, 1), "$MDNSent");
	assert_int_equal(mailbox_keywords(box, 2), 2);
	mailbox_close(box);
	assert_int_equal(store_folder_info(f->store, VIEW("Lists.posta"), &info), 0);
	assert_true(info.subscribed);
}

static void what_is_new_in_tmp_stays(void **state)
{
	struct fixture *f = *state;

	/* Fresh, so it may be somebody's who is still writing. */
	fixture_file(f, "tmp/1000.P1.other", MAIL);
	fixture_file(f, "cur/1001.P1.other:2,", MAIL);
	mailbox_close(fixture_mailbox(f, "INBOX"));
	assert_int_equal(fixture_count_files(f, "tmp"), 1);
}

/* ---- two processes ---- */

static void two_processes_at_once(void **state)
{
	enum { ROUNDS = 40 };
	struct fixture *f = *state;
	struct mailbox *box;
	pid_t pids[2];

	fixture_deliver_many(f, "INBOX", 1);
	store_close(f->store);
	f->store = NULL;
	for (int p = 0; p < 2; p++) {
		pids[p] = fork();
		if (pids[p] != 0)
			continue;
		fixture_reopen(f);
		box = fixture_mailbox(f, "INBOX");
		for (int i = 0; i < ROUNDS; i++) {
			struct mailbox_changes changes;
			struct append_meta meta = { .flags = 0 };
			struct append *append;
			uint32_t uid, uidvalidity;

			if (append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &append) < 0 ||
			    append_write(append, VIEW(MAIL)) < 0 ||
			    append_finish(&append, &meta, 1, &uidvalidity, &uid) < 0 ||
			    mailbox_refresh(box, true, &changes) < 0 || mailbox_find(box, uid) == 0)
				_exit(1);
			mailbox_changes_free(&changes);
			(void)store_settle(f->store, 10);
		}
		mailbox_close(box);
		store_close(f->store);
		_exit(0);
	}
	for (int p = 0; p < 2; p++) {
		int status;

		waitpid(pids[p], &status, 0);
		assert_int_equal(status, 0);
	}
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 2 * ROUNDS + 1);
	assert_int_equal(mailbox_uid(box, mailbox_count(box)), 2 * ROUNDS + 1);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

static void the_index_grows_to_its_limit(void **state)
{
	struct fixture *f = *state;
	struct store_options options = { .index_limit = 1 << 20, .create = true };
	struct mailbox *box;
	int r;

	store_close(f->store);
	f->store = NULL;
	fixture_deliver_many(f, "INBOX", 8000);
	assert_int_equal(store_open(f->path, &options, &f->store, NULL), 0);
	r = mailbox_open(f->store, VIEW("INBOX"), MAILBOX_READ_WRITE, &box);
	assert_int_equal(r, -ENOSPC);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 8000);
	mailbox_close(box);
}

/* A crash between the removal or renaming of a file and the transaction that forgets that it is owed. */
static void what_is_owed_twice_takes_no_copy(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY, name = STR_EMPTY, path = STR_EMPTY;
	struct copy_result result;
	uint32_t first = 1;
	struct mailbox *box;

	assert_int_equal(store_create(f->store, VIEW("Work"), 0, NULL), 0);
	assert_int_equal(store_create(f->store, VIEW("Moved"), 0, NULL), 0);
	/* The folders are not read again, so nothing is settled between the next steps. */
	usleep(20000);
	box = fixture_mailbox(f, "Moved");
	assert_int_equal(mailbox_copy(box, &first, 0, VIEW("Work"), false, &result), 0);
	copy_result_free(&result);
	mailbox_close(box);
	fixture_deliver(f, "Work", MAIL);
	box = fixture_mailbox(f, "Work");
	fixture_only_file(f, ".Work/new", &name);
	str_printf(&path, "%s/.Work/new/%s", f->path, str_cstr(&name));
	/* One file without a UID in its name, two copies with the same name but for their UIDs. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mailbox_copy(box, &first, 1, VIEW("Work"), false, &result), 0);
		copy_result_free(&result);
	}
	assert_int_equal(unlink(str_cstr(&path)), 0);
	assert_int_equal(mailbox_remove(box, &first, 1), 0);
	mailbox_close(box);
	fixture_settle(f);
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_count(box), 2);
	fixture_content(box, 1, &text);
	assert_string_equal(str_cstr(&text), MAIL);
	str_clear(&text);
	fixture_content(box, 2, &text);
	assert_string_equal(str_cstr(&text), MAIL);
	mailbox_close(box);
	fixture_verify(f);

	/* The same with a message whose file is lost and that is moved away. */
	fixture_deliver(f, "Work", MAIL);
	box = fixture_mailbox(f, "Work");
	str_clear(&name);
	str_clear(&path);
	fixture_only_file(f, ".Work/new", &name);
	str_printf(&path, "%s/.Work/new/%s", f->path, str_cstr(&name));
	first = 3;
	assert_int_equal(mailbox_copy(box, &first, 1, VIEW("Work"), false, &result), 0);
	copy_result_free(&result);
	assert_int_equal(unlink(str_cstr(&path)), 0);
	assert_int_equal(mailbox_copy(box, &first, 1, VIEW("Moved"), true, &result), 0);
	copy_result_free(&result);
	mailbox_close(box);
	fixture_settle(f);
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_count(box), 3);
	str_clear(&text);
	fixture_content(box, 3, &text);
	assert_string_equal(str_cstr(&text), MAIL);
	mailbox_close(box);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lost_index_is_built_again),
		TEST(a_damaged_index_is_built_again),
		TEST(a_crash_only_delays_what_is_owed),
		TEST(a_crash_undoes_what_waits),
		TEST(a_commit_is_shared_by_few),
		TEST(tombstones_grow_old),
		TEST(a_crash_and_a_lost_index),
		TEST(files_may_be_ahead_of_the_index),
		TEST(killed_at_any_moment),
		TEST(flags_of_other_programs),
		TEST(files_removed_by_other_programs),
		TEST(keywords_of_copies_outlast_the_index),
		TEST(a_delivery_that_was_undone_is_no_ghost),
		TEST(files_put_there_by_other_programs),
		TEST(a_dovecot_maildir_keeps_its_uids),
		TEST(what_is_new_in_tmp_stays),
		TEST(two_processes_at_once),
		TEST(the_index_grows_to_its_limit),
		TEST(what_is_owed_twice_takes_no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The index is deleted, or made again, under a store that is open. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL "Subject: hello\r\n\r\nbody\r\n"

static void set_flags(struct mailbox *box, uint32_t seq, unsigned flags, uint64_t keywords)
{
	struct flag_change c = { .operation = FLAGS_ADD, .flags = flags, .keywords = keywords };
	struct flag_result result;

	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	assert_int_equal(result.changed_count, 1);
	flag_result_free(&result);
}

static int append(struct fixture *f, uint32_t *uid)
{
	struct append_meta meta = { .flags = 0 };
	struct append *append;
	uint32_t uidvalidity;
	int r = append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &append);

	if (r == 0)
		r = append_write(append, VIEW(MAIL));
	return r < 0 ? r : append_finish(&append, &meta, 1, &uidvalidity, uid);
}

static void delete_path(struct fixture *f, const char *what)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s/%s", f->path, what);
	assert_int_equal(system(command), 0);
}

/* Nothing is told but changes of flags: what was the same stays so. */
static void refresh_quietly(struct mailbox *box, size_t flags)
{
	struct mailbox_changes changes;

	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 0);
	assert_int_equal(changes.flags_count, flags);
	assert_false(changes.exists);
	mailbox_changes_free(&changes);
}

/* What another process would find. */
static void check_from_outside(struct fixture *f, void (*check)(struct fixture *))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		f->store = NULL; /* the parent's */
		fixture_reopen(f);
		check(f);
		store_close(f->store);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void has_flags_of_2_and_3(struct fixture *f)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX");

	if (mailbox_count(box) != 5 || mailbox_uid(box, 2) != 2 ||
	    (mailbox_flags(box, 2) & FLAGS_SYSTEM) != (FLAG_SEEN | FLAG_FLAGGED) ||
	    (mailbox_flags(box, 3) & FLAGS_SYSTEM) != FLAG_ANSWERED)
		_exit(1);
	mailbox_close(box);
}

/* Neither the flags nor the appended message have reached the files when the index goes. */
static void deleted_under_an_open_mailbox(struct fixture *f, const char *what)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct mailbox *box, *again;
	uint32_t uidvalidity, uid;
	uint64_t modseq;

	fixture_deliver_many(f, "INBOX", 4);
	assert_int_equal(append(f, &uid), 0);
	box = fixture_mailbox(f, "INBOX");
	uidvalidity = mailbox_uidvalidity(box);
	set_flags(box, 2, FLAG_SEEN | FLAG_FLAGGED, 1ULL << mailbox_keyword_add(box, VIEW("work")));
	refresh_quietly(box, 0);
	modseq = mailbox_highest_modseq(box);

	delete_path(f, what);
	refresh_quietly(box, 0);
	assert_true(mailbox_highest_modseq(box) > modseq);
	assert_int_equal(mailbox_flags(box, 2) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_FLAGGED);
	assert_int_equal(mailbox_keywords(box, 2), mailbox_keyword_mask(box, VIEW("work")));
	for (uint32_t seq = 1; seq <= 5; seq++)
		fixture_content(box, seq, &text);
	assert_int_equal(mailbox_find(box, uid), 5);

	set_flags(box, 3, FLAG_ANSWERED, 0);
	again = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_uidvalidity(again), uidvalidity);
	assert_int_equal(mailbox_count(again), 5);
	for (uint32_t seq = 1; seq <= 5; seq++)
		assert_int_equal(mailbox_uid(again, seq), mailbox_uid(box, seq));
	assert_int_equal(mailbox_flags(again, 3) & FLAGS_SYSTEM, FLAG_ANSWERED);
	assert_int_not_equal(mailbox_keywords(again, 2), 0);
	mailbox_close(again);
	check_from_outside(f, has_flags_of_2_and_3);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

static void all_of_it(void **state)
{
	deleted_under_an_open_mailbox(*state, "posta.index");
}

static void only_the_data(void **state)
{
	deleted_under_an_open_mailbox(*state, "posta.index/data.mdb");
}

/* Who opens the index from then on has another lock. */
static void only_the_lock(void **state)
{
	deleted_under_an_open_mailbox(*state, "posta.index/lock.mdb");
}

static void a_change_notices_by_itself(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 5);
	box = fixture_mailbox(f, "INBOX");
	set_flags(box, 2, FLAG_SEEN, 0);
	delete_path(f, "posta.index");
	set_flags(box, 2, FLAG_FLAGGED, 0);
	delete_path(f, "posta.index");
	set_flags(box, 3, FLAG_ANSWERED, 0);
	check_from_outside(f, has_flags_of_2_and_3);
	refresh_quietly(box, 0);
	mailbox_close(box);
}

static void copies_moves_and_expunges(void **state)
{
	struct fixture *f = *state;
	struct copy_result result;
	struct mailbox_changes changes;
	struct folder_status status;
	struct mailbox *box;
	uint32_t seq = 1, two = 2, three = 3;

	assert_int_equal(store_create(f->store, VIEW("Target"), 0, NULL), 0);
	fixture_deliver_many(f, "INBOX", 5);
	box = fixture_mailbox(f, "INBOX");
	delete_path(f, "posta.index");
	assert_int_equal(mailbox_copy(box, &seq, 1, VIEW("Target"), false, &result), 0);
	assert_int_equal(result.count, 1);
	copy_result_free(&result);
	delete_path(f, "posta.index");
	assert_int_equal(mailbox_copy(box, &two, 1, VIEW("Target"), true, &result), 0);
	assert_int_equal(result.count, 1);
	copy_result_free(&result);
	delete_path(f, "posta.index");
	assert_int_equal(mailbox_remove(box, &three, 1), 0);
	delete_path(f, "posta.index");
	/* Before the files had followed, and the message of the snapshot has no tombstone now. */
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 2);
	assert_int_equal(changes.expunged[0], 3);
	assert_int_equal(changes.expunged[1], 2);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 3);
	mailbox_close(box);
	assert_int_equal(store_status(f->store, VIEW("Target"), &status), 0);
	assert_int_equal(status.messages, 2);
	fixture_settle(f);
	fixture_verify(f);
	assert_int_equal(fixture_count_files(f, "cur"), 3);
}

static void appends_and_folders(void **state)
{
	struct fixture *f = *state;
	struct append_meta meta = { .flags = FLAG_SEEN };
	struct folder_status status;
	struct append *append;
	struct mailbox *box;
	uint32_t uid, uidvalidity;

	/* So that the numbers of folders are not the same in the next index. */
	assert_int_equal(store_create(f->store, VIEW("B"), 0, NULL), 0);
	assert_int_equal(store_create(f->store, VIEW("A"), 0, NULL), 0);
	assert_int_equal(store_create(f->store, VIEW("C"), 0, NULL), 0);
	assert_int_equal(store_delete(f->store, VIEW("B"), NULL), 0);
	assert_int_equal(append_begin(f->store, VIEW("C"), APPEND_NOW, &append), 0);
	assert_int_equal(append_write(append, VIEW(MAIL)), 0);
	delete_path(f, "posta.index");
	assert_int_equal(append_finish(&append, &meta, 1, &uidvalidity, &uid), 0);
	box = fixture_mailbox(f, "C");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_find(box, uid), 1);
	assert_int_equal(mailbox_uidvalidity(box), uidvalidity);
	mailbox_close(box);
	delete_path(f, "posta.index");
	assert_int_equal(store_create(f->store, VIEW("A"), 0, NULL), -EEXIST);
	delete_path(f, "posta.index");
	assert_int_equal(store_status(f->store, VIEW("C"), &status), 0);
	assert_int_equal(status.messages, 1);
	assert_int_equal(status.unseen, 0);
	delete_path(f, "posta.index");
	assert_int_equal(store_rename(f->store, VIEW("C"), VIEW("D"), NULL), 0);
	assert_int_equal(store_status(f->store, VIEW("D"), &status), 0);
	assert_int_equal(status.messages, 1);
	assert_int_equal(status.uidvalidity, uidvalidity);
}

static void flag_1_remove_2_append_1(struct fixture *f)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX");
	uint32_t two = 2, uid;

	set_flags(box, 1, FLAG_DRAFT, 0);
	if (mailbox_remove(box, &two, 1) < 0 || append(f, &uid) < 0)
		_exit(1);
	mailbox_close(box);
}

static void made_again_by_another_process(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 3);
	box = fixture_mailbox(f, "INBOX");
	fixture_settle(f);
	delete_path(f, "posta.index");
	check_from_outside(f, flag_1_remove_2_append_1);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 1);
	assert_int_equal(changes.expunged[0], 2);
	assert_int_equal(changes.flags_count, 1);
	assert_int_equal(changes.flags[0], 1);
	assert_true(changes.exists);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 3);
	assert_true(mailbox_flags(box, 1) & FLAG_DRAFT);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

/* Without the index nobody knows what the folder was, so that the folder is another one. */
static void the_folder_is_gone_too(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct mailbox *box;
	uint32_t seq = 1;

	assert_int_equal(store_create(f->store, VIEW("Gone"), 0, NULL), 0);
	fixture_deliver(f, "Gone", MAIL);
	box = fixture_mailbox(f, "Gone");
	fixture_settle(f);
	delete_path(f, "posta.index");
	delete_path(f, ".Gone");
	assert_int_equal(mailbox_remove(box, &seq, 1), -ESTALE);
	assert_int_equal(mailbox_refresh(box, true, &changes), -ESTALE);
	mailbox_close(box);
}

static void cached_parts_are_not_mixed_up(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str envelope = STR_EMPTY;
	struct mailbox_changes changes;
	struct mailbox *box;
	uint32_t one = 1;
	char subject[64];

	/* Contents have other numbers in the next index, since the first message is gone. */
	fixture_deliver_many(f, "INBOX", 4);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_remove(box, &one, 1), 0);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	for (int round = 0; round < 3; round++) {
		for (uint32_t seq = 1; seq <= 3; seq++) {
			str_clear(&envelope);
			assert_int_equal(mailbox_cached(box, seq, CACHED_ENVELOPE, &envelope), 0);
			snprintf(subject, sizeof(subject), "\"number %06u\"", seq);
			assert_non_null(strstr(str_cstr(&envelope), subject));
		}
		if (round == 0)
			delete_path(f, "posta.index");
		if (round == 0)
			refresh_quietly(box, 0);
		assert_int_equal(mailbox_flush_cache(box), 0);
	}
	mailbox_close(box);
}

/* ---- again and again, while others are at work ---- */

enum { ROUNDS = 150, WRITERS = 2 };

/* Of one writer; shared with who deletes. */
struct tally {
	volatile unsigned done, refused;
};

static void append_many(struct fixture *f, struct tally *tally)
{
	struct mailbox *box = fixture_mailbox(f, "INBOX");

	for (int i = 0; i < ROUNDS;) {
		struct mailbox_changes changes;
		uint32_t uid;
		int r = append(f, &uid);

		if (r < 0 && r != -EAGAIN)
			_exit(1);
		i += r == 0;
		tally->done += r == 0;
		tally->refused += r != 0;
		r = mailbox_refresh(box, true, &changes);
		if (r < 0 && r != -EAGAIN)
			_exit(2);
		mailbox_changes_free(&changes);
		if (i % 3 == 0)
			(void)store_settle(f->store, 10);
	}
	mailbox_close(box);
}

static unsigned done_by_all(const struct tally *tally)
{
	unsigned done = 0;

	for (int p = 0; p < WRITERS; p++)
		done += tally[p].done;
	return done;
}

static void delete_quickly(struct fixture *f)
{
	static const char *const names[] = { "/data.mdb", "/lock.mdb", "" };
	_cleanup_(str_free) struct str path = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		str_clear(&path);
		str_printf(&path, "%s/posta.index%s", f->path, names[i]);
		(void)remove(str_cstr(&path));
	}
}

static void writers_and_a_deleter(void **state)
{
	struct fixture *f = *state;
	struct tally *tally = mmap(NULL, WRITERS * sizeof(*tally), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seen = 0, refused = 0;
	struct mailbox *box;
	int running = WRITERS;

	store_close(f->store);
	f->store = NULL;
	for (int p = 0; p < WRITERS; p++) {
		if (fork() == 0) {
			fixture_reopen(f);
			append_many(f, &tally[p]);
			store_close(f->store);
			_exit(0);
		}
	}
	while (running > 0) {
		int status;

		/* However slow this machine is, somebody gets something done in between. */
		if (done_by_all(tally) > seen) {
			seen = done_by_all(tally);
			delete_quickly(f);
		}
		usleep(2000);
		while (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			running--;
		}
	}
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	fixture_settle(f);
	mailbox_close(box);
	box = fixture_mailbox(f, "INBOX");
	/* What was acknowledged is there; what was refused may be, if another index had it already. */
	for (int p = 0; p < WRITERS; p++)
		refused += tally[p].refused;
	assert_in_range(mailbox_count(box), WRITERS * ROUNDS, WRITERS * ROUNDS + refused);
	munmap(tally, WRITERS * sizeof(*tally));
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_it),
		TEST(only_the_data),
		TEST(only_the_lock),
		TEST(a_change_notices_by_itself),
		TEST(copies_moves_and_expunges),
		TEST(appends_and_folders),
		TEST(made_again_by_another_process),
		TEST(the_folder_is_gone_too),
		TEST(cached_parts_are_not_mixed_up),
		TEST(writers_and_a_deleter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

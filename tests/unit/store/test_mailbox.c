/* Delivery, numbering, flags, expunge, copy, move and append, as a session sees them. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MAIL "From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n"

static void change(struct mailbox *box, uint32_t seq, enum flag_operation operation, unsigned flags)
{
	struct flag_change c = { .operation = operation, .flags = flags };
	struct flag_result result;

	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	flag_result_free(&result);
}

static void delivery_is_numbered(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct mailbox_changes changes;

	fixture_deliver(f, "INBOX", MAIL);

	struct mailbox *box = fixture_mailbox(f, "inbox");

	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_uid(box, 1), 1);
	assert_int_equal(mailbox_recent(box), 1);
	assert_int_equal(mailbox_first_unseen(box), 1);
	assert_true(mailbox_flags(box, 1) & FLAG_RECENT);
	fixture_content(box, 1, &text);
	assert_string_equal(str_cstr(&text), MAIL);

	fixture_deliver(f, "INBOX", MAIL);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_true(changes.exists);
	assert_true(changes.recent);
	assert_int_equal(changes.expunged_count, 0);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 2);
	assert_int_equal(mailbox_uid(box, 2), 2);
	assert_int_equal(mailbox_find(box, 2), 2);
	assert_int_equal(mailbox_find(box, 3), 0);
	mailbox_close(box);

	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "new"), 0);
	assert_int_equal(fixture_count_files(f, "cur"), 2);
	fixture_verify(f);

	/* \Recent was for the first. */
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_recent(box), 0);
	mailbox_close(box);
}

static void sizes_and_dates(void **state)
{
	struct fixture *f = *state;
	struct message_info info;

	fixture_deliver(f, "INBOX", MAIL);

	struct mailbox *box = fixture_mailbox(f, "INBOX");

	assert_int_equal(mailbox_info(box, 1, &info), 0);
	assert_int_equal(info.size, strlen(MAIL));
	assert_int_equal(info.disk_size, strlen(MAIL));
	assert_true(info.internal_date > 1700000000);
	assert_int_equal(mailbox_info(box, 2, &info), -ENOENT);
	assert_int_equal(mailbox_info(box, 0, &info), -ENOENT);
	mailbox_close(box);
}

static void flags_reach_the_file_name(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct flag_result result;

	fixture_deliver(f, "INBOX", MAIL);

	struct mailbox *box = fixture_mailbox(f, "INBOX");
	int bit = mailbox_keyword_add(box, VIEW("$Forwarded"));
	uint32_t seq = 1;
	struct flag_change c = { .operation = FLAGS_ADD,
				 .flags = FLAG_SEEN | FLAG_FLAGGED,
				 .keywords = 1ULL << bit };

	assert_int_equal(bit, 0);
	assert_int_equal(mailbox_keyword_add(box, VIEW("$forwarded")), 0);
	assert_int_equal(mailbox_keyword_add(box, VIEW("a b")), -EINVAL);
	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	assert_int_equal(result.changed_count, 1);
	assert_int_equal(result.others_count, 0);
	assert_true(result.modseq > 0);
	flag_result_free(&result);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_FLAGGED);
	assert_int_equal(mailbox_keywords(box, 1), 1);

	/* Once more: nothing changes. */
	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	assert_int_equal(result.changed_count, 0);
	assert_int_equal(result.modseq, 0);
	flag_result_free(&result);

	fixture_settle(f);
	fixture_only_file(f, "cur", &name);
	assert_true(view_ends(str_view(&name), VIEW(",U=1:2,FSa")));
	change(box, 1, FLAGS_REMOVE, FLAG_SEEN);
	change(box, 1, FLAGS_REPLACE, FLAG_ANSWERED);
	assert_int_equal(mailbox_keywords(box, 1), 0);
	mailbox_close(box);
	fixture_settle(f);
	fixture_only_file(f, "cur", &name);
	assert_true(view_ends(str_view(&name), VIEW(",U=1:2,R")));
	fixture_verify(f);
}

static void expunge_keeps_numbers_until_told(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct folder_status status;
	size_t count;

	fixture_deliver_many(f, "INBOX", 5);

	struct mailbox *box = fixture_mailbox(f, "INBOX");

	change(box, 2, FLAGS_ADD, FLAG_DELETED);
	change(box, 4, FLAGS_ADD, FLAG_DELETED);
	assert_int_equal(mailbox_expunge(box, NULL, 0, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(mailbox_count(box), 5);
	assert_int_equal(mailbox_refresh(box, false, &changes), 0);
	assert_int_equal(changes.expunged_count, 0);
	mailbox_changes_free(&changes);
	assert_true(mailbox_is_gone(box, 2));
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 2);
	assert_int_equal(changes.expunged[0], 4);
	assert_int_equal(changes.expunged[1], 2);
	assert_int_equal(changes.expunged_uids[0], 4);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_uid(box, 3), 5);
	mailbox_close(box);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "cur"), 3);
	fixture_verify(f);

	/* UIDs are never used again. */
	fixture_deliver(f, "INBOX", MAIL);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	assert_int_equal(status.messages, 4);
	assert_int_equal(status.uidnext, 7);
	assert_int_equal(status.unseen, 4);
	assert_int_equal(status.deleted, 0);
	assert_int_equal(status.recent, 1);
	assert_int_equal(status.size, 3 * 31 + strlen(MAIL));
}

static void only_given_messages_are_expunged(void **state)
{
	struct fixture *f = *state;
	uint32_t seqs[] = { 1, 2 };
	size_t count;

	fixture_deliver_many(f, "INBOX", 3);

	struct mailbox *box = fixture_mailbox(f, "INBOX");

	change(box, 2, FLAGS_ADD, FLAG_DELETED);
	change(box, 3, FLAGS_ADD, FLAG_DELETED);
	assert_int_equal(mailbox_expunge(box, seqs, 2, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(mailbox_remove(box, seqs, 1), 0);
	mailbox_close(box);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_uid(box, 1), 3);
	mailbox_close(box);
}

static void copies_are_links(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ uint32_t *seqs = fixture_seqs(3);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct message_info original, copied;
	struct copy_result result;

	fixture_deliver_many(f, "INBOX", 3);
	assert_int_equal(store_create(f->store, VIEW("Other"), 0, NULL), 0);

	struct mailbox *box = fixture_mailbox(f, "INBOX");
	int bit = mailbox_keyword_add(box, VIEW("work"));
	struct flag_change c = { .operation = FLAGS_ADD,
				 .flags = FLAG_SEEN,
				 .keywords = 1U << bit };
	struct flag_result flags;

	assert_int_equal(mailbox_change_flags(box, seqs, 1, &c, &flags), 0);
	flag_result_free(&flags);
	assert_int_equal(mailbox_copy(box, seqs, 3, VIEW("Other"), false, &result), 0);
	assert_int_equal(result.count, 3);
	assert_int_equal(result.from[2], 3);
	assert_int_equal(result.to[2], 3);
	copy_result_free(&result);
	/* Into the same folder, too. */
	assert_int_equal(mailbox_copy(box, seqs, 1, VIEW("INBOX"), false, &result), 0);
	assert_int_equal(result.to[0], 4);
	copy_result_free(&result);
	assert_int_equal(mailbox_copy(box, seqs, 1, VIEW("Missing"), false, &result), -ENOENT);

	struct mailbox *other = fixture_mailbox(f, "Other");

	assert_int_equal(mailbox_count(other), 3);
	assert_int_equal(mailbox_flags(other, 1) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_string_equal(mailbox_keyword_name(other, 0), "work");
	assert_int_equal(mailbox_keywords(other, 1), 1);
	assert_int_equal(mailbox_info(box, 2, &original), 0);
	assert_int_equal(mailbox_info(other, 2, &copied), 0);
	assert_memory_equal(original.id, copied.id, 16);
	assert_int_equal(original.internal_date, copied.internal_date);
	fixture_content(other, 2, &text);
	fixture_settle(f);
	fixture_content(other, 3, &text);
	mailbox_close(other);
	mailbox_close(box);
	assert_int_equal(fixture_count_files(f, ".Other/cur"), 3);
	assert_int_equal(fixture_count_files(f, ".Other/tmp"), 0);
	assert_int_equal(fixture_count_files(f, "cur"), 4);
	fixture_verify(f);
}

static void ten_thousand_move_in_one_transaction(void **state)
{
	enum { COUNT = 10000 };
	struct fixture *f = *state;
	_cleanup_free_ uint32_t *seqs = fixture_seqs(COUNT);
	struct mailbox_changes changes;
	struct folder_status status;
	struct copy_result result;

	fixture_deliver_many(f, "INBOX", COUNT);
	assert_int_equal(store_create(f->store, VIEW("Archive.2026"), 0, NULL), 0);

	struct mailbox *box = fixture_mailbox(f, "INBOX");

	assert_int_equal(mailbox_count(box), COUNT);
	assert_int_equal(mailbox_copy(box, seqs, COUNT, VIEW("Archive.2026"), true, &result), 0);
	assert_int_equal(result.count, COUNT);
	assert_int_equal(result.to[COUNT - 1], COUNT);
	copy_result_free(&result);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, COUNT);
	assert_int_equal(changes.expunged[0], COUNT);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 0);
	mailbox_close(box);
	assert_int_equal(store_status(f->store, VIEW("Archive.2026"), &status), 0);
	assert_int_equal(status.messages, COUNT);

	/* Readable before and after its file has moved. */
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct mailbox *archive = fixture_mailbox(f, "Archive.2026");

	fixture_content(archive, COUNT, &text);
	fixture_settle(f);
	fixture_content(archive, COUNT, &text);
	mailbox_close(archive);
	assert_int_equal(fixture_count_files(f, ".Archive.2026/cur"), COUNT);
	assert_int_equal(fixture_count_files(f, "cur"), 0);
	fixture_verify(f);
}

static void appended(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view keywords[] = { VIEW("$MDNSent"), VIEW("todo") };
	struct append_meta meta[] = {
		{ .flags = FLAG_DRAFT | FLAG_SEEN, .keywords = keywords, .keyword_count = 2 },
		{ .flags = 0 },
	};
	struct append *appends[2];
	struct message_info info;
	uint32_t uidvalidity, uids[2];

	assert_int_equal(append_begin(f->store, VIEW("Nowhere"), APPEND_NOW, &appends[0]), -ENOENT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			append_begin(f->store, VIEW("INBOX"), i == 0 ? 0 : APPEND_NOW, &appends[i]),
			0);
		assert_int_equal(append_write(appends[i], VIEW("Subject: x\r")), 0);
		assert_int_equal(append_write(appends[i], VIEW("\n\r\nbody\r\n")), 0);
	}
	assert_int_equal(append_complete(&(struct append_list){ appends, 1 }), 0);
	assert_int_equal(append_finish(appends, meta, 2, &uidvalidity, uids), 0);
	assert_int_equal(uids[0], 1);
	assert_int_equal(uids[1], 2);

	struct mailbox *box = fixture_mailbox(f, "INBOX");

	assert_int_equal(mailbox_uidvalidity(box), uidvalidity);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_DRAFT | FLAG_SEEN);
	assert_int_equal(mailbox_keywords(box, 1), 3);
	assert_int_equal(mailbox_info(box, 1, &info), 0);
	assert_int_equal(info.internal_date, 0);
	assert_int_equal(info.size, 20);
	fixture_content(box, 1, &text);
	fixture_settle(f);
	fixture_content(box, 2, &text);
	assert_string_equal(str_cstr(&text), "Subject: x\r\n\r\nbody\r\n");
	mailbox_close(box);
	assert_int_equal(fixture_count_files(f, "tmp"), 0);

	/* Given up. */
	assert_int_equal(append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &appends[0]), 0);
	assert_int_equal(fixture_count_files(f, "tmp"), 1);
	append_free(appends[0]);
	assert_int_equal(fixture_count_files(f, "tmp"), 0);
	fixture_verify(f);
}

static void two_sessions_tell_each_other(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct flag_result result;
	uint32_t seq = 1;

	fixture_deliver_many(f, "INBOX", 2);

	struct mailbox *one = fixture_mailbox(f, "INBOX"), *two = fixture_mailbox(f, "INBOX");
	struct flag_change c = { .operation = FLAGS_ADD, .flags = FLAG_SEEN };

	change(one, 1, FLAGS_ADD, FLAG_FLAGGED);
	/* The other one has not been told yet, and changes the same message. */
	assert_int_equal(mailbox_change_flags(two, &seq, 1, &c, &result), 0);
	assert_int_equal(result.others_count, 1);
	flag_result_free(&result);
	assert_int_equal(mailbox_flags(two, 1) & FLAGS_SYSTEM, FLAG_FLAGGED | FLAG_SEEN);
	assert_int_equal(mailbox_refresh(two, true, &changes), 0);
	assert_int_equal(changes.flags_count, 0);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_refresh(one, true, &changes), 0);
	assert_int_equal(changes.flags_count, 1);
	assert_int_equal(changes.flags[0], 1);
	mailbox_changes_free(&changes);

	/* RFC 7162: only if nobody changed it since. */
	c.conditional = true;
	c.unchanged_since = 1;
	assert_int_equal(mailbox_change_flags(two, &seq, 1, &c, &result), 0);
	assert_int_equal(result.modified_count, 1);
	flag_result_free(&result);
	mailbox_close(one);
	mailbox_close(two);
}

static void read_only_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct flag_change c = { .operation = FLAGS_ADD, .flags = FLAG_SEEN };
	struct flag_result result;
	struct mailbox *box;
	uint32_t seq = 1;

	fixture_deliver(f, "INBOX", MAIL);
	assert_int_equal(mailbox_open(f->store, VIEW("INBOX"), MAILBOX_READ_ONLY, &box), 0);
	assert_int_equal(mailbox_recent(box), 1);
	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), -EPERM);
	assert_int_equal(mailbox_expunge(box, NULL, 0, NULL), -EPERM);
	mailbox_close(box);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_recent(box), 1);
	mailbox_close(box);
}

static void since_a_modseq(void **state)
{
	struct fixture *f = *state;
	uint32_t seq = 3, *uids;
	size_t count;

	fixture_deliver_many(f, "INBOX", 4);

	struct mailbox *box = fixture_mailbox(f, "INBOX");
	uint64_t before = mailbox_highest_modseq(box);

	change(box, 2, FLAGS_ADD, FLAG_SEEN);
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	assert_int_equal(mailbox_changed_since(box, before, &uids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(uids[0], 2);
	free(uids);
	assert_int_equal(mailbox_vanished_since(box, before, &uids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(uids[0], 3);
	free(uids);
	assert_true(mailbox_modseq_floor(box) <= before);
	mailbox_close(box);
}

static void keywords_have_a_limit(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box = fixture_mailbox(f, "INBOX");

	for (int i = 0; i < KEYWORDS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%d", i);
		assert_int_equal(mailbox_keyword_add(box, view_of(name)), i);
	}
	assert_int_equal(mailbox_keyword_add(box, VIEW("onemore")), -ERANGE);
	mailbox_close(box);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivery_is_numbered),
		TEST(sizes_and_dates),
		TEST(flags_reach_the_file_name),
		TEST(expunge_keeps_numbers_until_told),
		TEST(only_given_messages_are_expunged),
		TEST(copies_are_links),
		TEST(ten_thousand_move_in_one_transaction),
		TEST(appended),
		TEST(two_sessions_tell_each_other),
		TEST(read_only_changes_nothing),
		TEST(since_a_modseq),
		TEST(keywords_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A snapshot that is saved, and had again by another process after all sorts of changes. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>

static void save(struct fixture *f, struct mailbox *box, struct str *saved)
{
	struct mailbox_changes changes;

	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	fixture_settle(f);
	assert_int_equal(mailbox_has_news(box), 0);
	assert_int_equal(mailbox_save(box, saved), 0);
	mailbox_close(box);
	fixture_reopen(f);
}

static struct mailbox *restore(struct fixture *f, const struct str *saved)
{
	struct mailbox *box = NULL;

	assert_int_equal(mailbox_restore(f->store, str_view(saved), &box), 0);
	return box;
}

static void flag(struct mailbox *box, uint32_t seq, unsigned flags)
{
	struct flag_change c = { .operation = FLAGS_ADD, .flags = flags };
	struct flag_result result;

	assert_int_equal(mailbox_change_flags(box, &seq, 1, &c, &result), 0);
	flag_result_free(&result);
}

static void nothing_has_changed(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	struct mailbox_changes changes;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 5);
	save(f, fixture_mailbox(f, "INBOX"), &saved);
	box = restore(f, &saved);
	assert_int_equal(mailbox_count(box), 5);
	assert_int_equal(mailbox_recent(box), 5);
	assert_true(mailbox_is_writable(box));
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count + changes.flags_count, 0);
	assert_false(changes.exists || changes.recent || changes.keywords);
	mailbox_changes_free(&changes);
	mailbox_close(box);
}

static void all_changes_are_told(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	struct mailbox_changes changes;
	struct mailbox *box, *other;
	uint32_t gone[] = { 1, 4, 6 }, last = 6;

	fixture_deliver_many(f, "INBOX", 6);
	box = fixture_mailbox(f, "INBOX");
	flag(box, 2, FLAG_SEEN);
	save(f, box, &saved);

	other = fixture_mailbox(f, "INBOX");
	flag(other, 3, FLAG_FLAGGED);
	flag(other, 4, FLAG_FLAGGED);
	assert_int_equal(mailbox_remove(other, gone, 3), 0);
	mailbox_close(other);
	fixture_deliver_many(f, "INBOX", 2);
	/* One that came and went meanwhile was never there. */
	other = fixture_mailbox(f, "INBOX");
	last = mailbox_count(other);
	assert_int_equal(mailbox_uid(other, last), 8);
	assert_int_equal(mailbox_remove(other, &last, 1), 0);
	assert_int_equal(mailbox_keyword_add(other, VIEW("new")), 0);
	mailbox_close(other);

	box = restore(f, &saved);
	assert_int_equal(mailbox_count(box), 6);
	for (uint32_t seq = 1; seq <= 6; seq++)
		assert_int_equal(mailbox_uid(box, seq), seq);
	assert_int_equal(mailbox_has_news(box), 1);
	assert_int_equal(mailbox_refresh(box, false, &changes), 0);
	assert_int_equal(changes.expunged_count, 0);
	assert_int_equal(changes.flags_count, 1);
	assert_int_equal(changes.flags[0], 3);
	assert_true(changes.exists);
	assert_true(changes.keywords);
	assert_int_equal(mailbox_count(box), 7);
	assert_int_equal(mailbox_flags(box, 2) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_int_equal(mailbox_flags(box, 3) & FLAGS_SYSTEM, FLAG_FLAGGED);
	assert_true(mailbox_is_gone(box, 4));
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	assert_int_equal(changes.expunged_count, 3);
	assert_int_equal(changes.expunged[0], 6);
	assert_int_equal(changes.expunged[1], 4);
	assert_int_equal(changes.expunged[2], 1);
	mailbox_changes_free(&changes);
	assert_int_equal(mailbox_count(box), 4);
	assert_int_equal(mailbox_uid(box, 4), 7);
	mailbox_close(box);
}

static void what_is_open_cannot_be_saved(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	struct mailbox_changes changes;
	uint32_t seq = 1;
	struct mailbox *box;

	fixture_deliver_many(f, "INBOX", 2);
	box = fixture_mailbox(f, "INBOX");
	/* \Recent is claimed, and nobody else knows. */
	assert_int_equal(mailbox_save(box, &saved), -EBUSY);
	fixture_settle(f);
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	assert_int_equal(mailbox_has_news(box), 1);
	assert_int_equal(mailbox_refresh(box, false, &changes), 0);
	mailbox_changes_free(&changes);
	/* A client that does not know yet. */
	assert_int_equal(mailbox_save(box, &saved), -EBUSY);
	mailbox_close(box);
}

static void a_folder_is_renamed_or_gone(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	struct mailbox *box;

	assert_int_equal(store_create(f->store, VIEW("One"), 0, NULL), 0);
	fixture_deliver_many(f, "One", 3);
	assert_int_equal(mailbox_open(f->store, VIEW("One"), MAILBOX_READ_ONLY, &box), 0);
	save(f, box, &saved);
	assert_int_equal(store_rename(f->store, VIEW("One"), VIEW("Two"), NULL), 0);
	box = restore(f, &saved);
	assert_string_equal(mailbox_name(box), "Two");
	assert_int_equal(mailbox_count(box), 3);
	assert_false(mailbox_is_writable(box));
	mailbox_close(box);
	assert_int_equal(store_delete(f->store, VIEW("Two"), NULL), 0);
	assert_int_equal(mailbox_restore(f->store, str_view(&saved), &box), -ESTALE);
	/* Another one of that name is not it. */
	assert_int_equal(store_create(f->store, VIEW("One"), 0, NULL), 0);
	assert_int_equal(mailbox_restore(f->store, str_view(&saved), &box), -ESTALE);
}

static void an_index_that_does_not_know(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	struct mailbox *box = NULL;

	fixture_deliver_many(f, "INBOX", 3);
	save(f, fixture_mailbox(f, "INBOX"), &saved);
	fixture_lose_index(f);
	fixture_reopen(f);
	/* Its mod-sequences begin above all others, and there are no tombstones below. */
	assert_int_equal(mailbox_restore(f->store, str_view(&saved), &box), -ESTALE);
	assert_int_equal(mailbox_restore(f->store, VIEW("nonsense"), &box), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_has_changed),	    TEST(all_changes_are_told),
		TEST(what_is_open_cannot_be_saved), TEST(a_folder_is_renamed_or_gone),
		TEST(an_index_that_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

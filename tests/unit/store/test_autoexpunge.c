/* Folders that are kept short, while others change them. */
#include "fixture.h"

#include "store/autoexpunge.h"

/* Closing the look at a folder is when another session comes in between. */
void __real_mailbox_close(struct mailbox *mailbox);
void __wrap_mailbox_close(struct mailbox *mailbox);

static struct store *other;
static uint32_t other_removes;

void __wrap_mailbox_close(struct mailbox *mailbox)
{
	uint32_t count = other_removes;

	other_removes = 0;
	__real_mailbox_close(mailbox);
	if (count > 0) {
		_cleanup_free_ uint32_t *seqs = fixture_seqs(count);
		struct mailbox *box;

		assert_int_equal(mailbox_open(other, VIEW("Short"), MAILBOX_READ_WRITE, &box), 0);
		assert_int_equal(mailbox_remove(box, seqs, count), 0);
		__real_mailbox_close(box);
	}
}

static size_t run(struct fixture *f, const char *text)
{
	struct error err = ERROR_NONE;
	struct autoexpunge *rules = autoexpunge_parse(view_of(text), &err);
	size_t removed = 0;

	assert_non_null(rules);
	assert_int_equal(autoexpunge_run(f->store, rules, &removed), 0);
	autoexpunge_free(rules);
	return removed;
}

static void assert_uids(struct fixture *f, const char *folder, uint32_t first, uint32_t count)
{
	struct mailbox *box = fixture_mailbox(f, folder);

	assert_int_equal(mailbox_count(box), count);
	assert_int_equal(mailbox_uid(box, 1), first);
	mailbox_close(box);
}

static void the_oldest_go(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_create(f->store, VIEW("Short"), 0, NULL), 0);
	fixture_deliver_many(f, "Short", 10);
	fixture_deliver_many(f, "INBOX", 10);
	assert_int_equal(run(f, "Short=1w, Other=/1"), 0);
	assert_int_equal(run(f, "Short=1w/6"), 4);
	assert_uids(f, "Short", 5, 6);
	assert_uids(f, "INBOX", 1, 10);
}

/* Each of them saw ten: none may remove the first seven of what the other has left. */
static void what_others_remove_is_not_removed_twice(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_create(f->store, VIEW("Short"), 0, NULL), 0);
	fixture_deliver_many(f, "Short", 10);
	other = f->store;
	other_removes = 4;
	assert_int_equal(run(f, "Short=/3"), 3);
	assert_uids(f, "Short", 8, 3);
	for (int i = 0; i < 7; i++)
		fixture_deliver(f, "Short", "Subject: later\r\n\r\nbody\r\n");
	other_removes = 7;
	assert_int_equal(run(f, "Short=/3"), 0);
	assert_uids(f, "Short", 15, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_oldest_go, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_others_remove_is_not_removed_twice,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

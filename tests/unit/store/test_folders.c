/* Folders: list, create, delete, rename, subscribe, and what other programs do to them. */
#include "fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int append_folder(void *argument, const struct folder_info *folder)
{
	struct str *out = argument;

	if (out->len > 0)
		str_append_byte(out, ' ');
	str_append(out, folder->name);
	if (!folder->exists)
		str_append_byte(out, '!');
	if (folder->has_children)
		str_append_byte(out, '/');
	if (folder->subscribed)
		str_append_byte(out, '+');
	return 0;
}

static void assert_list(struct fixture *f, const char *expected)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;

	assert_int_equal(store_list(f->store, append_folder, &found), 0);
	assert_string_equal(str_cstr(&found), expected);
}

static int create(struct fixture *f, const char *name)
{
	return store_create(f->store, view_of(name), 0, NULL);
}

static void listing(void **state)
{
	struct fixture *f = *state;

	assert_list(f, "INBOX");
	assert_int_equal(create(f, "Archive.2026"), 0);
	assert_int_equal(create(f, "Archive.2026"), -EEXIST);
	assert_int_equal(create(f, "inbox"), -EEXIST);
	assert_int_equal(create(f, "a..b"), -EINVAL);
	assert_int_equal(create(f, "AAA"), 0);
	assert_list(f, "INBOX AAA Archive!/ Archive.2026");
	assert_int_equal(store_subscribe(f->store, VIEW("Nowhere.Yet"), true, NULL), 0);
	assert_int_equal(store_subscribe(f->store, VIEW("inbox"), true, NULL), 0);
	assert_list(f, "INBOX+ AAA Archive!/ Archive.2026 Nowhere.Yet!+");
	assert_int_equal(store_subscribe(f->store, VIEW("Nowhere.Yet"), false, NULL), 0);
	assert_int_equal(store_subscribe(f->store, VIEW("Nowhere.Yet"), false, NULL), 0);
	assert_list(f, "INBOX+ AAA Archive!/ Archive.2026");

	/* All of it is in the files. */
	fixture_lose_index(f);
	fixture_reopen(f);
	assert_list(f, "INBOX+ AAA Archive!/ Archive.2026");
}

static void special_use(void **state)
{
	struct fixture *f = *state;
	struct folder_info info;

	assert_int_equal(create(f, "Drafts"), 0);
	assert_int_equal(store_create(f->store, VIEW("Kladde"), USE_DRAFTS, NULL), 0);
	assert_int_equal(store_folder_info(f->store, VIEW("Drafts"), &info), 0);
	assert_int_equal(info.special_use, USE_DRAFTS);
	assert_int_equal(store_folder_info(f->store, VIEW("Kladde"), &info), 0);
	assert_int_equal(info.special_use, USE_DRAFTS);
	assert_int_equal(store_folder_info(f->store, VIEW("Missing"), &info), -ENOENT);
}

static void deleting(void **state)
{
	struct fixture *f = *state;
	struct folder_status before, after;
	struct mailbox_changes changes;
	struct mailbox *box;

	assert_int_equal(create(f, "A"), 0);
	assert_int_equal(create(f, "A.B"), 0);
	fixture_deliver_many(f, "A", 10);
	assert_int_equal(store_status(f->store, VIEW("A"), &before), 0);
	assert_int_equal(before.messages, 10);
	box = fixture_mailbox(f, "A");
	assert_int_equal(store_delete(f->store, VIEW("A"), NULL), 0);
	assert_int_equal(mailbox_refresh(box, true, &changes), -ESTALE);
	mailbox_close(box);
	assert_list(f, "INBOX A!/ A.B");
	assert_int_equal(store_delete(f->store, VIEW("A"), NULL), -ENOENT);
	assert_int_equal(store_delete(f->store, VIEW("InBox"), NULL), -EPERM);
	assert_int_equal(store_status(f->store, VIEW("A"), &after), -ENOENT);

	/* The same name again is another folder. */
	assert_int_equal(create(f, "A"), 0);
	assert_int_equal(store_status(f->store, VIEW("A"), &after), 0);
	assert_int_equal(after.messages, 0);
	assert_true(after.uidvalidity > before.uidvalidity);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, ".A/new"), 0);
}

static void renaming(void **state)
{
	struct fixture *f = *state;
	struct folder_status before, after;
	struct mailbox_changes changes;
	struct mailbox *box;

	assert_int_equal(create(f, "A"), 0);
	assert_int_equal(create(f, "A.B.C"), 0);
	assert_int_equal(create(f, "AB"), 0);
	fixture_deliver_many(f, "A", 3);
	box = fixture_mailbox(f, "A");
	assert_int_equal(store_status(f->store, VIEW("A"), &before), 0);
	assert_int_equal(store_rename(f->store, VIEW("A"), VIEW("AB"), NULL), -EEXIST);
	assert_int_equal(store_rename(f->store, VIEW("A"), VIEW("A.X"), NULL), -EINVAL);
	assert_int_equal(store_rename(f->store, VIEW("Z"), VIEW("Y"), NULL), -ENOENT);
	assert_int_equal(store_rename(f->store, VIEW("A"), VIEW("inbox"), NULL), -EEXIST);
	assert_int_equal(store_rename(f->store, VIEW("A"), VIEW("New.Place"), NULL), 0);
	assert_list(f, "INBOX AB New!/ New.Place/ New.Place.B!/ New.Place.B.C");
	assert_int_equal(store_status(f->store, VIEW("New.Place"), &after), 0);
	assert_int_equal(after.uidvalidity, before.uidvalidity);
	assert_int_equal(after.id, before.id);
	assert_int_equal(after.messages, 3);
	assert_int_equal(mailbox_refresh(box, true, &changes), 0);
	mailbox_changes_free(&changes);
	assert_string_equal(mailbox_name(box), "New.Place");
	mailbox_close(box);
	/* A folder that is only a parent. */
	assert_int_equal(store_rename(f->store, VIEW("New.Place.B"), VIEW("B"), NULL), 0);
	assert_list(f, "INBOX AB B!/ B.C New!/ New.Place");
	fixture_settle(f);
	fixture_verify(f);
}

static void renaming_inbox_moves_its_messages(void **state)
{
	struct fixture *f = *state;
	struct folder_status status;

	fixture_deliver_many(f, "INBOX", 3);
	assert_int_equal(store_rename(f->store, VIEW("INBOX"), VIEW("Old"), NULL), 0);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	assert_int_equal(status.messages, 0);
	assert_int_equal(store_status(f->store, VIEW("Old"), &status), 0);
	assert_int_equal(status.messages, 3);
	fixture_settle(f);
	fixture_verify(f);
}

static void folders_of_other_programs(void **state)
{
	struct fixture *f = *state;
	char command[256];

	assert_int_equal(create(f, "Mine"), 0);
	assert_int_equal(maildir_create(f->path, VIEW("Theirs.Sub"), NULL), 0);
	/* No cur/: no folder. */
	snprintf(command, sizeof(command), "mkdir -p '%s/.nothing'", f->path);
	assert_int_equal(system(command), 0);
	assert_list(f, "INBOX Mine Theirs!/ Theirs.Sub");
	snprintf(command, sizeof(command), "rm -rf '%s/.Mine'", f->path);
	assert_int_equal(system(command), 0);
	assert_list(f, "INBOX Theirs!/ Theirs.Sub");
}

static void a_folder_removed_while_open(void **state)
{
	struct fixture *f = *state;
	struct mailbox_changes changes;
	struct mailbox *box;
	char command[256];

	assert_int_equal(create(f, "Mine"), 0);
	fixture_deliver_many(f, "Mine", 2);
	box = fixture_mailbox(f, "Mine");
	snprintf(command, sizeof(command), "rm -rf '%s/.Mine'", f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(mailbox_refresh(box, true, &changes), -ESTALE);
	mailbox_close(box);
	assert_list(f, "INBOX");
}

/* Stands in the way of a file, as one that cannot be read now; `aside` has it meanwhile. */
static void hide_file(struct fixture *f, const char *name, bool hidden)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, aside = STR_EMPTY;

	str_printf(&path, "%s/%s", f->path, name);
	str_printf(&aside, "%s.aside", str_cstr(&path));
	if (hidden) {
		assert_int_equal(rename(str_cstr(&path), str_cstr(&aside)), 0);
		assert_int_equal(symlink(name, str_cstr(&path)), 0); /* to itself */
	} else {
		assert_int_equal(rename(str_cstr(&aside), str_cstr(&path)), 0);
	}
}

/* What outlives the index is not given up, and made anew, because a look at it failed. */
static void files_that_cannot_be_read_now(void **state)
{
	static const char *const names[] = { "posta-uidvalidity", "subscriptions" };
	_cleanup_(str_free) struct str id = STR_EMPTY, again = STR_EMPTY;
	struct fixture *f = *state;
	struct folder_status before, after;

	assert_int_equal(store_subscribe(f->store, VIEW("Nowhere"), true, NULL), 0);
	fixture_deliver_many(f, "INBOX", 1);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &before), 0);
	assert_int_equal(store_mailbox_id(f->store, VIEW("INBOX"), &id), 0);
	hide_file(f, "posta-mailbox-id", true);
	assert_int_equal(store_mailbox_id(f->store, VIEW("INBOX"), &again), -ELOOP);
	hide_file(f, "posta-mailbox-id", false);
	assert_int_equal(store_mailbox_id(f->store, VIEW("INBOX"), &again), 0);
	assert_string_equal(str_cstr(&again), str_cstr(&id));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct store *store = NULL;
		struct error err;

		fixture_lose_index(f);
		hide_file(f, names[i], true);
		if (store_open(f->path, &STORE_DEFAULTS, &store, &err) == 0)
			assert_true(store_status(store, VIEW("INBOX"), &after) < 0);
		store_close(store);
		hide_file(f, names[i], false);
		fixture_reopen(f);
		assert_int_equal(store_status(f->store, VIEW("INBOX"), &after), 0);
		assert_int_equal(after.uidvalidity, before.uidvalidity);
		assert_list(f, "INBOX Nowhere!+");
	}
}

/* In place of libc's: the list ends early, as on a disk that fails, after so many names; below 0: it does not. */
static int names_left = -1;

struct dirent *readdir(DIR *directory)
{
	struct dirent *(*real)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");

	if (names_left == 0) {
		errno = EIO;
		return NULL;
	}
	names_left -= names_left > 0;
	return real(directory);
}

/* What was not read of a directory was not removed. */
static void directories_that_fail(void **state)
{
	struct fixture *f = *state;
	struct folder_status status;

	assert_int_equal(create(f, "A"), 0);
	fixture_deliver_many(f, "INBOX", 5);
	for (names_left = 0; names_left < 6;) {
		int left = names_left;

		fixture_lose_index(f);
		names_left = -1;
		fixture_reopen(f);
		assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
		fixture_settle(f);
		fixture_file(f, "cur/1700000000.M1P1.mx:2,", "x\n");
		names_left = left;
		assert_true(store_status(f->store, VIEW("INBOX"), &status) < 0);
		names_left = -1;
		assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
		assert_int_equal(status.messages, 6 + left); /* one more each time */
		assert_int_equal(store_status(f->store, VIEW("A"), &status), 0);
		names_left = left + 1;
	}
	names_left = -1;
}

static void fifty_folders_with_20000_messages(void **state)
{
	enum { FOLDERS = 50, EACH = 400 };
	struct fixture *f = *state;
	unsigned messages = 0;
	char name[32];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "Folder%02u", i);
		assert_int_equal(create(f, name), 0);
		fixture_deliver_many(f, name, EACH);
	}
	fixture_reopen(f);
	for (unsigned i = 0; i < FOLDERS; i++) {
		struct folder_status status;

		snprintf(name, sizeof(name), "Folder%02u", i);
		assert_int_equal(store_status(f->store, view_of(name), &status), 0);
		messages += status.messages;
	}
	assert_int_equal(messages, FOLDERS * EACH);
	fixture_settle(f);
	fixture_verify(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listing),
		TEST(special_use),
		TEST(deleting),
		TEST(renaming),
		TEST(renaming_inbox_moves_its_messages),
		TEST(folders_of_other_programs),
		TEST(a_folder_removed_while_open),
		TEST(files_that_cannot_be_read_now),
		TEST(directories_that_fail),
		TEST(fifty_folders_with_20000_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

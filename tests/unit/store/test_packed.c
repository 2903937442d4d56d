/* Messages that are written compressed: on disk they are smaller, and to everybody else the same. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/names.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void make_text(struct str *text, size_t lines)
{
	str_append_cstr(text, "Subject: packed\r\n\r\n");
	for (size_t i = 0; i < lines; i++)
		str_printf(text, "%zu: and so on\r\n", i);
}

static void deliver_packed(struct fixture *f, struct view text)
{
	struct error err = ERROR_NONE;
	struct mail_source source = { .content = { -1, 0, text.len, text.data },
				      .prefix = VIEW("Return-Path: <>\r\n"),
				      .packs = true };

	if (maildir_deliver(f->path, VIEW("INBOX"), true, &source, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void append_packed(struct fixture *f, struct view text)
{
	struct append_meta meta = { 0 };
	struct append *append;
	uint32_t uidvalidity, uid;

	assert_int_equal(append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &append), 0);
	for (size_t at = 0; at < text.len; at += 3000)
		assert_int_equal(append_write(append, view_first(view_from(text, at), 3000)), 0);
	assert_int_equal(append_finish(&append, &meta, 1, &uidvalidity, &uid), 0);
}

static void reopen_packing(struct fixture *f)
{
	struct store_options options = STORE_DEFAULTS;
	struct error err = ERROR_NONE;

	store_close(TAKE(f->store));
	options.packs = true;
	assert_int_equal(store_open(f->path, &options, &f->store, &err), 0);
}

/* The only file is of so many bytes, and says so. */
static off_t file_size(struct fixture *f, const char *part)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, path = STR_EMPTY;
	struct file_name parsed;
	struct stat st;

	fixture_only_file(f, part, &name);
	str_printf(&path, "%s/%s/%s", f->path, part, str_cstr(&name));
	assert_int_equal(stat(str_cstr(&path), &st), 0);
	assert_true(file_name_parse(str_view(&name), &parsed));
	assert_true(file_name_is_of(&parsed, (uint64_t)st.st_size));
	assert_true(file_name_wire_size(&parsed, (uint64_t)st.st_size) != SIZE_UNKNOWN);
	return st.st_size;
}

static void expect_message(struct fixture *f, const char *prefix, struct view text)
{
	_cleanup_(str_free) struct str expected = STR_EMPTY, found = STR_EMPTY;
	struct folder_info status;
	struct message_info info;
	struct mailbox *box;

	str_printf(&expected, "%s%.*s", prefix, VIEW_ARG(text));
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_info(box, 1, &info), 0);
	assert_int_equal(info.size, expected.len);
	fixture_content(box, 1, &found);
	assert_true(view_eq(str_view(&found), str_view(&expected)));
	mailbox_close(box);
	fixture_settle(f);
	assert_int_equal(store_folder_info(f->store, VIEW("INBOX"), &status), 0);
	fixture_verify(f);
}

static void a_delivery(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct fixture *f = *state;

	make_text(&text, 50000);
	deliver_packed(f, str_view(&text));
	assert_true(file_size(f, "new") < (off_t)text.len / 2);
	expect_message(f, "Return-Path: <>\r\n", str_view(&text));
	fixture_lose_index(f);
	fixture_reopen(f);
	expect_message(f, "Return-Path: <>\r\n", str_view(&text));
}

static void an_append(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct fixture *f = *state;

	make_text(&text, 50000);
	reopen_packing(f);
	append_packed(f, str_view(&text));
	expect_message(f, "", str_view(&text));
	assert_true(file_size(f, "cur") < (off_t)text.len / 2);
	fixture_lose_index(f);
	fixture_reopen(f);
	expect_message(f, "", str_view(&text));
}

/* A block of the disk is a block of the disk. */
static void short_ones_are_not_packed(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct fixture *f = *state;

	make_text(&text, 200);
	assert_true(text.len > 3000 && text.len < 4000);
	deliver_packed(f, str_view(&text));
	assert_int_equal(file_size(f, "new"), text.len + 17);
	expect_message(f, "Return-Path: <>\r\n", str_view(&text));
}

/* Its name says that all is there before the index knows of it, as that of one that is not packed does. */
static void a_name_before_the_index(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct append *append;
	struct fixture *f = *state;
	struct append_list list = { .appends = &append, .count = 1 };

	make_text(&text, 50000);
	reopen_packing(f);
	assert_int_equal(append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &append), 0);
	assert_int_equal(append_write(append, str_view(&text)), 0);
	assert_int_equal(append_complete(&list), 0);
	assert_true(file_size(f, "tmp") < (off_t)text.len / 2);
	append_free(append);
	assert_int_equal(fixture_count_files(f, "tmp"), 0);
}

static void damage_is_seen(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, name = STR_EMPTY, path = STR_EMPTY;
	struct fixture *f = *state;
	struct mailbox *box;
	uint64_t size;
	FILE *file;
	int fd;

	make_text(&text, 50000);
	deliver_packed(f, str_view(&text));
	fixture_only_file(f, "new", &name);
	str_printf(&path, "%s/new/%s", f->path, str_cstr(&name));
	file = fopen(str_cstr(&path), "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 20000, SEEK_SET), 0);
	assert_int_equal(fwrite("damage", 6, 1, file), 1);
	assert_int_equal(fclose(file), 0);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_content(box, 1, &fd, &size), -EIO);
	mailbox_close(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_delivery),
		TEST(an_append),
		TEST(short_ones_are_not_packed),
		TEST(a_name_before_the_index),
		TEST(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

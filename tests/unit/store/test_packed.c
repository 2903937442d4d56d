/* Messages that are written compressed: on disk they are smaller, and to everybody else the same. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "store/names.h"
#include "store/pack.h"
#include "store/release.h"
#include "store/unpack.h"

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

/* The first ones fit, and the last has a byte more. */
static void the_length_from_which_they_are(void **state)
{
	static const size_t lengths[] = { 1, 4095, 4096, 4097 };
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)state;
	make_text(&text, 400);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_fd_ int fd = memfd_create("packed", MFD_CLOEXEC);
		_cleanup_(packer_freep) struct packer *packer = packer_new(fd, true);
		struct view all = view_first(str_view(&text), lengths[i]);
		uint64_t packed;

		for (size_t at = 0; at < all.len; at += 100)
			assert_int_equal(packer_write(packer, view_first(view_from(all, at), 100)),
					 0);
		assert_int_equal(packer_end(packer, &packed), 0);
		assert_int_equal(packed != 0, lengths[i] > 4096);
		assert_int_equal(lseek(fd, 0, SEEK_END), packed != 0 ? packed : all.len);
		assert_int_equal(unpack_is_packed(fd), packed != 0);
	}
}

static void a_full_disk(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)state;
	make_text(&text, 50000);
	/* What is short is held, what is packed is not all written before the end. */
	for (size_t len = 1; len <= text.len; len *= 4)
		for (int wanted = 0; wanted < 2; wanted++) {
			_cleanup_fd_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
			_cleanup_(packer_freep) struct packer *packer = packer_new(fd, wanted);
			uint64_t packed;
			int r = packer_write(packer, view_first(str_view(&text), len));

			assert_int_equal(r < 0 ? r : packer_end(packer, &packed), -ENOSPC);
		}
}

static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* As of a MULTIAPPEND: all are written before the first is completed. (A sanitizer's malloc tells nothing.) */
static void many_at_once(void **state)
{
	enum { COUNT = 40 };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct append_meta metas[COUNT] = { 0 };
	struct append *appends[COUNT];
	uint32_t uidvalidity, uids[COUNT];
	struct fixture *f = *state;
	struct mailbox *box;
	size_t before;

	make_text(&text, 400);
	reopen_packing(f);
	before = memory_in_use();
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(append_begin(f->store, VIEW("INBOX"), APPEND_NOW, &appends[i]), 0);
		assert_int_equal(append_write(appends[i], str_view(&text)), 0);
		assert_int_equal(append_end(appends[i]), 0);
	}
	assert_true(memory_in_use() < before + 4 * 1024 * 1024);
	assert_int_equal(append_finish(appends, metas, COUNT, &uidvalidity, uids), 0);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), COUNT);
	for (uint32_t seq = 1; seq <= COUNT; seq++) {
		_cleanup_(str_free) struct str found = STR_EMPTY;

		fixture_content(box, seq, &found);
		assert_true(view_eq(str_view(&found), str_view(&text)));
	}
	mailbox_close(box);
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

/* Of sizes that no name could have all is as if there were none; what is read is what is there. */
static void names_that_lie(void **state)
{
	static const char *const names[] = {
		"cur/1.a.b,S=9223372036854775807,W=9223372036854775807,Z=17:2,",
		"cur/2.a.b,S=5,W=1,Z=17:2,",
		"cur/3.a.b,Z=17:2,",
		"cur/4.a.b,S=17,W=17,Z=4:2,",
		"cur/5.a.b,S=17,W=18,Z=99999999999999999999:2,",
		"cur/6.a.b,S=1,W=2,Z=17,Z=0,Z=:2,",
	};
	struct fixture *f = *state;
	struct folder_status status;
	struct mailbox *box;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fixture_file(f, names[i], "Subject: x\n\nbare\n");
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), ARRAY_SIZE(names));
	for (uint32_t seq = 1; seq <= mailbox_count(box); seq++) {
		_cleanup_(str_free) struct str content = STR_EMPTY;
		struct message_info info;

		fixture_content(box, seq, &content);
		assert_string_equal(str_cstr(&content), "Subject: x\r\n\r\nbare\r\n");
		assert_int_equal(mailbox_info(box, seq, &info), 0);
		assert_int_equal(info.size, content.len);
	}
	mailbox_close(box);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	assert_int_equal(status.size, 20 * ARRAY_SIZE(names));
	fixture_settle(f);
	fixture_verify(f);
}

static void released(void *argument, const char *folder, size_t count)
{
	(void)folder;
	*(size_t *)argument += count;
}

/* A copy in the same folder gets a name of its own then: with the sizes that the first one has. */
static void a_copy_is_released(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, path = STR_EMPTY, list = STR_EMPTY;
	struct copy_result copies = { 0 };
	struct fixture *f = *state;
	struct error err = ERROR_NONE;
	struct mailbox *box;
	uint32_t seq = 1;
	size_t count = 0, at;

	make_text(&text, 50000);
	deliver_packed(f, str_view(&text));
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_copy(box, &seq, 1, VIEW("INBOX"), false, &copies), 0);
	copy_result_free(&copies);
	mailbox_close(box);
	if (store_release(f->store, released, &count, &err) < 0)
		fail_msg("%s", err.text);
	store_close(TAKE(f->store));
	assert_int_equal(count, 2);
	str_printf(&path, "%s/dovecot-uidlist", f->path);
	assert_int_equal(io_read_file(str_cstr(&path), 100000, &list, NULL), 0);
	str_clear(&path);
	str_printf(&path, ",S=%zu,W=%zu,Z=", text.len + 17, text.len + 17);
	for (int i = 0; i < 2; i++) {
		at = view_find(str_view(&list), str_view(&path));
		assert_true(at != VIEW_NOT_FOUND);
		str_consume(&list, at + path.len);
	}
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 2);
	for (seq = 1; seq <= 2; seq++) {
		struct message_info info;

		assert_int_equal(mailbox_info(box, seq, &info), 0);
		assert_int_equal(info.size, text.len + 17);
	}
	mailbox_close(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_delivery),
		TEST(an_append),
		TEST(short_ones_are_not_packed),
		TEST(the_length_from_which_they_are),
		TEST(a_full_disk),
		TEST(many_at_once),
		TEST(a_name_before_the_index),
		TEST(damage_is_seen),
		TEST(a_copy_is_released),
		TEST(names_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

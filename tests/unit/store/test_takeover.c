/* Maildirs that come from other servers, and go back to them. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"
#include "store/owed.h"
#include "store/release.h"

#define MAIL "Subject: hello\r\n\r\nbody\r\n"

static void make_directory(struct fixture *f, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

/* The Maildir as another server left it: without ours. */
static void leave(struct fixture *f)
{
	char path[160];

	store_close(f->store);
	f->store = NULL;
	snprintf(path, sizeof(path), "%s/posta-uidvalidity", f->path);
	unlink(path);
	assert_int_equal(store_drop_index(f->path, NULL), 0);
}

static bool exists(struct fixture *f, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	return access(path, F_OK) == 0;
}

static void add_name(struct fixture *f, const char *directory)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/cur", directory);
	make_directory(f, directory);
	make_directory(f, path);
	snprintf(path, sizeof(path), "%s/cur/1.a.b:2,S", directory);
	fixture_file(f, path, MAIL);
}

static void every_folder_is_seen(void **state)
{
	static const char *const rows[][2] = {
		{ ".100% sure", "100% sure" },
		{ ".a*b", "a*b" },
		{ ".Inbox.Work", "INBOX.Work" },
		{ ".INBOX", "INBOX.INBOX" },
		{ ".Entw\xc3\xbcrfe", "Entw&APw-rfe" },
		{ ".old\xe9", "old&AOk-" },
		{ ".R&D", "R&-D" },
		{ ".a..b", "a._b" },
	};
	struct fixture *f = *state;
	struct folder_status status;
	struct folder_info info;

	leave(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		add_name(f, rows[i][0]);
	fixture_file(f, "subscriptions", "Inbox.Work\n100% sure\nEntw\xc3\xbcrfe\nINBOX\n");
	fixture_reopen(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (store_status(f->store, view_of(rows[i][1]), &status) < 0 ||
		    status.messages != 1)
			fail_msg("%s: no %s", rows[i][0], rows[i][1]);
		assert_int_equal(store_folder_info(f->store, view_of(rows[i][1]), &info), 0);
		assert_int_equal(info.subscribed, i == 0 || i == 2 || i == 4);
	}
	assert_int_equal(store_folder_info(f->store, VIEW("INBOX"), &info), 0);
	assert_true(info.subscribed);
	/* One that is there already is not lost for it. */
	add_name(f, ".inbox.work");
	assert_int_equal(store_status(f->store, VIEW("INBOX.work"), &status), 0);
	add_name(f, ".iNBOX.Work");
	assert_int_equal(store_status(f->store, VIEW("INBOX.Work"), &status), 0);
	assert_true(exists(f, ".iNBOX.Work/cur/1.a.b:2,S"));
	/* Nobody makes such names here. */
	assert_int_equal(store_create(f->store, VIEW("50%"), 0, NULL), -EINVAL);
	assert_int_equal(store_rename(f->store, VIEW("a*b"), VIEW("a*c"), NULL), -EINVAL);
	assert_int_equal(store_rename(f->store, VIEW("a*b"), VIEW("ab"), NULL), 0);
}

static void assert_uidl(struct mailbox *box, uint32_t seq, const char *expected)
{
	_cleanup_(str_free) struct str uidl = STR_EMPTY;
	int r = mailbox_saved_uidl(box, seq, &uidl);

	if (expected == NULL)
		assert_int_equal(r, -ENOENT);
	else
		assert_string_equal(str_cstr(&uidl), expected);
}

static void dovecot_uidls(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	leave(f);
	fixture_file(f, "cur/1700000000.M1P1.mx,S=23,W=23:2,S", MAIL);
	fixture_file(f, "cur/1700000001.M1P1.mx,S=23,W=23:2,", MAIL);
	fixture_file(f, "dovecot-uidlist",
		     "3 V1600000000 N120 Gabc\n"
		     "17 Pfrom-courier-1 W23 :1700000001.M1P1.mx,S=23,W=23\n"
		     "99 W23 :1700000000.M1P1.mx,S=23,W=23\n");
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_uidl(box, 1, "from-courier-1");
	assert_uidl(box, 2, NULL);
	mailbox_close(box);
	/* Also when the files have got other names. */
	fixture_settle(f);
	fixture_lose_index(f);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_uidl(box, 1, "from-courier-1");
	mailbox_close(box);
}

static void a_courier_maildir(void **state)
{
	struct fixture *f = *state;
	struct folder_info info;
	struct mailbox *box;

	leave(f);
	make_directory(f, "courierimapkeywords");
	fixture_file(f, "cur/1700000000.M1P1V1.mx,S=23:2,S", MAIL);
	fixture_file(f, "cur/1700000001.M1P1V1.mx,S=23:2,", MAIL);
	fixture_file(f, "cur/1700000002.M1P1V1.mx,S=23:2,", MAIL);
	fixture_file(
		f, "courierimapuiddb",
		"1 1234567890 45\n7 1700000001.M1P1V1.mx,S=23\n44 1700000000.M1P1V1.mx,S=23\n");
	fixture_file(
		f, "courierimapkeywords/:list",
		"$label1\nwork\n\n1700000001.M1P1V1.mx,S=23:0 1\n1700000000.M1P1V1.mx,S=23:1\n");
	fixture_file(f, "courierpop3dsizelist",
		     "/2 45 1234567890\n1700000001.M1P1V1.mx,S=23:2, 23 7:1234567890\n"
		     "1700000002.M1P1V1.mx,S=23 23 0:0\n");
	fixture_file(f, "courierimapsubscribed", "INBOX\nINBOX.Sent\nINBOX.Lists.posta\n");
	add_name(f, ".Sent");
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_uidvalidity(box), 1234567890);
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_uid(box, 1), 7);
	assert_int_equal(mailbox_uid(box, 2), 44);
	assert_true(mailbox_uid(box, 3) >= 45);
	assert_int_equal(mailbox_keywords(box, 1), mailbox_keyword_mask(box, VIEW("$label1")) |
							   mailbox_keyword_mask(box, VIEW("work")));
	assert_int_equal(mailbox_keywords(box, 2), mailbox_keyword_mask(box, VIEW("work")));
	assert_int_not_equal(mailbox_keywords(box, 2), 0);
	assert_uidl(box, 1, "UID7-1234567890");
	assert_uidl(box, 2, NULL);
	assert_uidl(box, 3, "1700000002.M1P1V1.mx,S=23");
	mailbox_close(box);
	assert_int_equal(store_folder_info(f->store, VIEW("Sent"), &info), 0);
	assert_true(info.subscribed);
	assert_int_equal(store_folder_info(f->store, VIEW("Lists.posta"), &info), 0);
	assert_true(info.subscribed);
}

static void write_gzip(struct fixture *f, const char *name, const char *text, bool cut)
{
	char path[160], command[400];
	gzFile file;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	file = gzopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
	assert_int_equal(gzclose(file), Z_OK);
	if (cut) {
		snprintf(command, sizeof(command), "truncate -s -12 '%s'", path);
		assert_int_equal(system(command), 0);
	}
}

static void compressed_files(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY, out = STR_EMPTY;
	struct message_info info;
	struct mailbox *box;
	uint64_t size;
	int fd;

	leave(f);
	str_append_cstr(&text, "Subject: packed\n\n");
	for (int i = 0; i < 20000; i++)
		str_append_cstr(&text, "0123456789 this is a line\n");
	write_gzip(f, "cur/1700000000.M1P1.mx,S=16:2,SZ", "Subject: small\n\n", false);
	write_gzip(f, "cur/1700000001.M1P1.mx,S=520018,W=540019:2,", str_cstr(&text), false);
	write_gzip(f, "cur/1700000002.M1P1.mx:2,", str_cstr(&text), true);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 3);
	assert_int_equal(mailbox_info(box, 1, &info), 0);
	assert_int_equal(info.size, 18);
	fixture_content(box, 1, &out);
	assert_string_equal(str_cstr(&out), "Subject: small\r\n\r\n");
	assert_int_equal(mailbox_info(box, 2, &info), 0);
	assert_int_equal(info.size, text.len + 20002);
	str_clear(&out);
	fixture_content(box, 2, &out);
	assert_int_equal(out.len, text.len + 20002);
	assert_true(view_ends(str_view(&out), VIEW("this is a line\r\n")));
	/* What is broken is an error, not half a message. */
	assert_int_equal(mailbox_content(box, 3, &fd, &size), -EIO);
	mailbox_close(box);
}

/* As `zstd` packs it at that level; `cut`: without its end. */
static void write_zstd(struct fixture *f, const char *name, struct view text, int level, bool cut)
{
	size_t room = ZSTD_compressBound(text.len), len;
	_cleanup_free_ char *packed = mem_new_bytes(room);
	char path[160];

	len = ZSTD_compress(packed, room, text.data, text.len, level);
	assert_false(ZSTD_isError(len));
	snprintf(path, sizeof(path), "%s/%s", f->path, name);

	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, packed, cut ? len - 5 : len), 0);
}

static void files_of_zstd(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str text = STR_EMPTY, out = STR_EMPTY;
	struct mailbox *box;
	uint64_t size;
	int fd;

	leave(f);
	str_append_cstr(&text, "Subject: packed\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		str_printf(&text, "%d this is a line\r\n", i);
	write_zstd(f, "cur/1700000000.M1P1.mx,S=16:2,S", VIEW("Subject: small\n\n"), 3, false);
	write_zstd(f, "cur/1700000001.M1P1.mx:2,", str_view(&text), 19, false);
	write_zstd(f, "cur/1700000002.M1P1.mx:2,", str_view(&text), 1, true);
	/* It ends where a block of what comes out does. */
	write_zstd(f, "cur/1700000003.M1P1.mx:2,", view_first(str_view(&text), 65536), 3, false);
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_count(box), 4);
	fixture_content(box, 1, &out);
	assert_string_equal(str_cstr(&out), "Subject: small\r\n\r\n");
	str_clear(&out);
	fixture_content(box, 2, &out);
	assert_true(view_eq(str_view(&out), str_view(&text)));
	assert_int_equal(mailbox_content(box, 3, &fd, &size), -EIO);
	str_clear(&out);
	fixture_content(box, 4, &out);
	assert_true(view_eq(str_view(&out), view_first(str_view(&text), 65536)));
	mailbox_close(box);
}

static uint64_t size_of(struct mailbox *box, uint32_t seq)
{
	struct message_info info;

	assert_int_equal(mailbox_info(box, seq, &info), 0);
	return info.size;
}

static void a_size_in_a_name_that_lies(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct folder_status status;
	struct mailbox *box;

	fixture_file(f, "cur/1.a.b,S=17,W=17:2,", "Subject: x\n\nbare\n");
	fixture_file(f, "cur/2.a.b,S=17,W=99:2,", "Subject: x\n\nbare\n");
	fixture_file(f, "cur/3.a.b,S=24,W=24:2,", MAIL);
	box = fixture_mailbox(f, "INBOX");
	for (uint32_t seq = 1; seq <= 3; seq++) {
		str_clear(&out);
		fixture_content(box, seq, &out);
		assert_string_equal(str_cstr(&out), seq < 3 ? "Subject: x\r\n\r\nbare\r\n" : MAIL);
		assert_int_equal(size_of(box, seq), out.len);
	}
	mailbox_close(box);
	assert_int_equal(store_status(f->store, VIEW("INBOX"), &status), 0);
	assert_int_equal(status.size, 20 + 20 + 24);
}

/* ---- going back ---- */

static void told(void *argument, const char *folder, size_t count)
{
	str_printf(argument, "%s=%zu ", folder, count);
}

static void a_store_is_released(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str said = STR_EMPTY, list = STR_EMPTY, path = STR_EMPTY;
	struct copy_result copies = { 0 };
	struct error err = ERROR_NONE;
	struct flag_change change = { .operation = FLAGS_ADD, .flags = FLAG_SEEN };
	struct flag_result result;
	uint32_t seq = 2, uidvalidity;
	struct mailbox *box;

	assert_int_equal(store_create(f->store, VIEW("A.B"), 0, NULL), 0);
	fixture_deliver_many(f, "INBOX", 3);
	fixture_deliver(f, "A.B", MAIL);
	box = fixture_mailbox(f, "INBOX");
	uidvalidity = mailbox_uidvalidity(box);
	change.keywords = 1ULL << mailbox_keyword_add(box, VIEW("work"));
	assert_int_equal(mailbox_change_flags(box, &seq, 1, &change, &result), 0);
	flag_result_free(&result);
	/* A copy has the same name but for its UID. */
	assert_int_equal(mailbox_copy(box, &seq, 1, VIEW("INBOX"), false, &copies), 0);
	copy_result_free(&copies);
	seq = 1;
	assert_int_equal(mailbox_remove(box, &seq, 1), 0);
	mailbox_close(box);

	if (store_release(f->store, told, &said, &err) < 0)
		fail_msg("%s", err.text);
	store_close(f->store);
	f->store = NULL;
	assert_string_equal(str_cstr(&said), "INBOX=3 A.B=1 ");
	assert_false(exists(f, "posta.index"));
	assert_false(exists(f, "posta-uidvalidity"));
	assert_false(exists(f, ".A.B/posta-uidvalidity"));
	assert_int_equal(fixture_count_files(f, "cur"), 3);
	str_printf(&path, "%s/dovecot-uidlist", f->path);
	assert_int_equal(io_read_file(str_cstr(&path), 100000, &list, NULL), 0);
	str_clear(&path);
	str_printf(&path, "3 V%u N5 G", uidvalidity);
	assert_true(view_starts(str_view(&list), str_view(&path)));
	assert_int_equal(view_find(str_view(&list), VIEW(",U=")), VIEW_NOT_FOUND);
	assert_true(view_find(str_view(&list), VIEW("\n4 :")) != VIEW_NOT_FOUND);

	/* Taken over again, all is as it was. */
	fixture_reopen(f);
	box = fixture_mailbox(f, "INBOX");
	assert_int_equal(mailbox_uidvalidity(box), uidvalidity);
	assert_int_equal(mailbox_count(box), 3);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(mailbox_uid(box, i), i + 1);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_SEEN);
	assert_int_equal(mailbox_keywords(box, 1), mailbox_keyword_mask(box, VIEW("work")));
	assert_int_equal(mailbox_keywords(box, 3), mailbox_keyword_mask(box, VIEW("work")));
	assert_int_not_equal(mailbox_keywords(box, 3), 0);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
}

/* A file that cannot be read now (here: a link to itself) is none that says nothing. */
static void what_cannot_be_read_is_not_lost(void **state)
{
	static const char *const files[] = { "posta-keywords", "dovecot-keywords",
					     "courierimapkeywords", "posta-special-use" };
	struct fixture *f = *state;
	struct mailbox *box;

	fixture_deliver(f, "INBOX", MAIL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;
		struct error err;

		str_printf(&path, "%s/%s", f->path, files[i]);
		fixture_lose_index(f);
		assert_int_equal(symlink(files[i], str_cstr(&path)), 0);
		if (store_open(f->path, &STORE_DEFAULTS, &f->store, &err) == 0)
			assert_int_equal(
				mailbox_open(f->store, VIEW("INBOX"), MAILBOX_READ_WRITE, &box),
				-ELOOP);
		assert_int_equal(unlink(str_cstr(&path)), 0);
		fixture_reopen(f);
		mailbox_close(fixture_mailbox(f, "INBOX"));
	}
	box = fixture_mailbox(f, "INBOX");

	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/dovecot-uidlist", f->path);
	assert_int_equal(symlink("dovecot-uidlist", str_cstr(&path)), 0);
	str_clear(&path);
	assert_int_equal(mailbox_saved_uidl(box, 1, &path), -ELOOP);
	mailbox_close(box);
}

/* No descriptor is left: that a file is not where it was does not follow. */
static void a_file_that_cannot_be_looked_for_is_not_gone(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct rlimit before, none;
	enum part part;
	int r;

	fixture_deliver(f, "INBOX", MAIL);
	mailbox_close(fixture_mailbox(f, "INBOX"));
	fixture_settle(f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = file_locate(f->path, VIEW("1700000000.M1P1.mx,S=23:2,"), NULL, &part, &name);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	r = file_locate(f->path, VIEW("1700000000.M1P1.mx,S=23:2,"), NULL, &part, &name);
	assert_int_equal(r, -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_folder_is_seen),
		TEST(dovecot_uidls),
		TEST(a_courier_maildir),
		TEST(compressed_files),
		TEST(files_of_zstd),
		TEST(a_size_in_a_name_that_lies),
		TEST(a_store_is_released),
		TEST(what_cannot_be_read_is_not_lost),
		TEST(a_file_that_cannot_be_looked_for_is_not_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

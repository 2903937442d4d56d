/* Delivery into Maildir and mbox. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

struct mail {
	FILE *file;
	struct mail_source source;
};

static void mail_open(struct mail *mail, const char *prefix, struct view text)
{
	mail->file = tmpfile();
	assert_non_null(mail->file);
	/* The content lies somewhere in the middle of a queue file. */
	fputs("envelope", mail->file);
	assert_int_equal(fwrite(text.data, 1, text.len, mail->file), text.len);
	fputs("end", mail->file);
	fflush(mail->file);
	mail->source = (struct mail_source){
		.content = { .file = fileno(mail->file), .offset = 8, .size = text.len },
		.prefix = view_of(prefix)
	};
}

static void maildir(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY, path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct mail mail;
	struct stat st;

	mail_open(&mail, "Delivered-To: a@b\r\n", VIEW("Subject: x\r\n\r\n\0body\r\n"));
	assert_int_equal(maildir_deliver(f->path, VIEW(""), false, &mail.source, &name, &err), 0);
	str_printf(&path, "%s/new/%s", f->path, str_cstr(&name));
	assert_int_equal(io_read_file(str_cstr(&path), 1000, &text, NULL), 0);
	/* A NUL is stored as it came. */
	assert_true(view_eq(str_view(&text),
			    VIEW("Delivered-To: a@b\r\nSubject: x\r\n\r\n\0body\r\n")));
	assert_int_equal(stat(str_cstr(&path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	str_clear(&path);
	str_printf(&path, ",S=%zu,W=%zu", text.len, text.len);
	assert_true(view_ends(str_view(&name), str_view(&path)));
	assert_int_equal(fixture_count_files(f, "tmp"), 0);

	assert_int_equal(maildir_deliver(f->path, VIEW("Missing"), false, &mail.source, NULL, &err),
			 -ENOENT);
	assert_int_equal(maildir_deliver(f->path, VIEW("../x"), true, &mail.source, NULL, &err),
			 -EINVAL);
	assert_int_equal(maildir_deliver(f->path, VIEW("List.x"), true, &mail.source, NULL, &err),
			 0);
	assert_int_equal(fixture_count_files(f, ".List.x/new"), 1);
	fclose(mail.file);
}

static void maildir_failures_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_NONE;
	struct mail mail;

	mail_open(&mail, "", VIEW("text\r\n"));
	mail.source.content.size = 1000; /* more than the file has */
	assert_int_equal(maildir_deliver(f->path, VIEW(""), false, &mail.source, NULL, &err), -EIO);
	assert_true(err.text[0] != '\0');
	assert_int_equal(fixture_count_files(f, "tmp"), 0);
	assert_int_equal(fixture_count_files(f, "new"), 0);
	fclose(mail.file);
}

static int deliver_named(struct fixture *f, struct mail *mail, const char *identity, bool again)
{
	struct error err = ERROR_NONE;
	int r;

	mail->source.identity = view_of(identity);
	mail->source.arrival = 1234567890123456;
	mail->source.again = again;
	r = maildir_deliver(f->path, VIEW(""), false, &mail->source, NULL, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	return (int)(fixture_count_files(f, "new") + fixture_count_files(f, "cur"));
}

/* What is done again finds itself, also where a session has moved it; another's is another. */
static void done_again(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str name = STR_EMPTY, from = STR_EMPTY, to = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct mail mail;

	mail_open(&mail, "Delivered-To: a@b\r\n", VIEW("Subject: x\r\n\r\nbody\r\n"));
	mail.source.identity = VIEW("4ABCR01");
	mail.source.arrival = 1234567890123456;
	assert_int_equal(maildir_deliver(f->path, VIEW(""), false, &mail.source, &name, &err), 0);
	assert_true(view_starts(str_view(&name), VIEW("1234567890.M123456Q4ABCR01.")));
	assert_int_equal(deliver_named(f, &mail, "4ABCR01", false), 1);
	assert_int_equal(deliver_named(f, &mail, "4ABCR01", true), 1);
	str_printf(&from, "%s/new/%s", f->path, str_cstr(&name));
	str_printf(&to, "%s/cur/%s,U=7:2,S", f->path, str_cstr(&name));
	assert_int_equal(rename(str_cstr(&from), str_cstr(&to)), 0);
	assert_int_equal(deliver_named(f, &mail, "4ABCR01", true), 1);
	/* A longer name that begins so is another delivery's. */
	assert_int_equal(deliver_named(f, &mail, "4ABCR0", true), 2);
	assert_int_equal(deliver_named(f, &mail, "4ABCR02", true), 3);
	assert_int_equal(fixture_count_files(f, "tmp"), 0);
	fclose(mail.file);
}

/* By another process, as deliveries are: an index is open once in each. */
static void deliver_flagged(struct fixture *f, struct mail *mail, const char *folder,
			    const char *keywords)
{
	struct error err = ERROR_NONE;
	int status = -1;
	pid_t pid;

	mail->source.flags = FLAG_SEEN | FLAG_FLAGGED;
	mail->source.keywords = view_of(keywords);
	pid = fork();
	if (pid == 0)
		_exit(maildir_deliver(f->path, view_of(folder), true, &mail->source, NULL, &err) <
		      0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void assert_keyword(const struct mailbox *box, uint32_t seq, const char *keyword, bool has)
{
	uint64_t mask = mailbox_keyword_mask(box, view_of(keyword));

	assert_true(has == (mask != 0 && (mailbox_keywords(box, seq) & mask) != 0));
}

/* Flags and keywords that a message is delivered with are those that a session sees. */
static void with_flags(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;
	struct mail mail;

	mail_open(&mail, "", VIEW("Subject: x\r\n\r\nbody\r\n"));
	deliver_flagged(f, &mail, "Work", "$Label1 no[good] Second");
	assert_int_equal(fixture_count_files(f, ".Work/cur"), 1);
	assert_int_equal(fixture_count_files(f, ".Work/new"), 0);
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_count(box), 1);
	assert_int_equal(mailbox_flags(box, 1) & FLAGS_SYSTEM, FLAG_SEEN | FLAG_FLAGGED);
	assert_keyword(box, 1, "$label1", true);
	assert_keyword(box, 1, "Second", true);
	mailbox_close(box);
	/* The index is there now; one keyword is known, one is new. */
	deliver_flagged(f, &mail, "Work", "Third Second");
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_count(box), 2);
	assert_keyword(box, 2, "Third", true);
	assert_keyword(box, 2, "Second", true);
	assert_keyword(box, 2, "$Label1", false);
	assert_keyword(box, 1, "Third", false);
	mailbox_close(box);
	/* Done again, it finds itself in cur/. */
	mail.source.identity = VIEW("4ABCR01");
	mail.source.arrival = 1234567890123456;
	deliver_flagged(f, &mail, "Work", "Third");
	mail.source.again = true;
	deliver_flagged(f, &mail, "Work", "Third");
	assert_int_equal(fixture_count_files(f, ".Work/cur"), 3);
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_count(box), 3);
	mailbox_close(box);
	fixture_settle(f);
	fixture_verify(f);
	fclose(mail.file);
}

static bool count_folder(void *argument, struct view folder)
{
	struct str *names = argument;

	str_printf(names, "[%.*s]", VIEW_ARG(folder));
	return false;
}

/* What a delivery may ask of folders. */
static void folders(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str names = STR_EMPTY, id = STR_EMPTY, same = STR_EMPTY;
	struct error err = ERROR_NONE;

	assert_int_equal(store_create(f->store, VIEW("Bin"), USE_TRASH, &err), 0);
	assert_true(maildir_has_folder(f->path, VIEW("inbox")));
	assert_true(maildir_has_folder(f->path, VIEW("Bin")));
	assert_false(maildir_has_folder(f->path, VIEW("Other")));
	assert_false(maildir_has_folder(f->path, VIEW("../x")));
	assert_int_equal(maildir_special_use(f->path, VIEW("Bin")), USE_TRASH);
	assert_int_equal(maildir_special_use(f->path, VIEW("Junk")), USE_JUNK);
	maildir_mailbox_id(f->path, VIEW("Bin"), &id);
	assert_int_equal(id.len, 0);
	assert_int_equal(store_mailbox_id(f->store, VIEW("Bin"), &same), 0);
	maildir_mailbox_id(f->path, VIEW("Bin"), &id);
	assert_true(view_eq(str_view(&id), str_view(&same)));
	maildir_each_folder(f->path, count_folder, &names);
	assert_true(view_find(str_view(&names), VIEW("[INBOX]")) != VIEW_NOT_FOUND);
	assert_true(view_find(str_view(&names), VIEW("[Bin]")) != VIEW_NOT_FOUND);
}

static struct error said; /* by the last deliver_mbox */

static int deliver_mbox(struct fixture *f, const char *name, const char *prefix, const char *text)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct mbox_options options = { .mode = 0600,
					.owner = geteuid(),
					.limit = 1000,
					.locks = "fcntl, dotlock",
					.deadline = clock_after(300) };
	struct mail mail;
	int r;

	str_printf(&path, "%s/%s", f->path, name);
	mail_open(&mail, prefix, view_of(text));
	said = ERROR_NONE;
	r = mbox_deliver(str_cstr(&path), &options, VIEW("se nder@x"), &mail.source, &said);
	fclose(mail.file);
	return r;
}

static void assert_mbox(struct fixture *f, const char *name, const char *expected)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, found = STR_EMPTY;
	struct view rest, line;

	str_printf(&path, "%s/%s", f->path, name);
	assert_int_equal(io_read_file(str_cstr(&path), 10000, &text, NULL), 0);
	rest = str_view(&text);
	/* The date in From_ lines is that of now. */
	while (view_next(&rest, '\n', &line)) {
		str_append(&found,
			   view_first(line, view_starts(line, VIEW("From ")) ? 15 : line.len));
		str_append_byte(&found, '|');
	}
	assert_string_equal(str_cstr(&found), expected);
}

static void mbox(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str path = STR_EMPTY;

	assert_int_equal(
		deliver_mbox(f, "mbox", "X: y\r\n",
			     "Subject: 1\r\n\r\nFrom me\r\n>From\r\n>>From you\r\nFro\r\n\rx\r\n"),
		0);
	assert_int_equal(deliver_mbox(f, "mbox", "", "Subject: 2\r\n\r\nno end"), 0);
	assert_mbox(f, "mbox",
		    "From se-nder@x |X: y|Subject: 1||>From me|>From|>>>From you|Fro|\rx||"
		    "From se-nder@x |Subject: 2||no end|||");
	str_printf(&path, "%s/mbox.lock", f->path);
	assert_int_not_equal(access(str_cstr(&path), F_OK), 0);
}

static void mbox_refuses(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY;

	fixture_file(f, "real", "");
	str_printf(&from, "%s/real", f->path);
	str_printf(&to, "%s/link", f->path);
	assert_int_equal(symlink(str_cstr(&from), str_cstr(&to)), 0);
	assert_int_equal(deliver_mbox(f, "link", "", "x\r\n"), -EPERM);
	unlink(str_cstr(&to));
	assert_int_equal(link(str_cstr(&from), str_cstr(&to)), 0);
	assert_int_equal(deliver_mbox(f, "link", "", "x\r\n"), -EPERM);
	assert_true(deliver_mbox(f, "cur", "", "x\r\n") < 0);
	/* Somebody has it. */
	fixture_file(f, "taken", "");
	fixture_file(f, "taken.lock", "");
	assert_int_equal(deliver_mbox(f, "taken", "", "x\r\n"), -EAGAIN);
	assert_mbox(f, "taken", "|");
	fixture_file(f, "full", "From x\n");
	_cleanup_(str_free) struct str large = STR_EMPTY;

	for (int i = 0; i < 100; i++)
		str_append_cstr(&large, "0123456789\r\n");
	assert_int_equal(deliver_mbox(f, "full", "", str_cstr(&large)), -EFBIG);
}

/* In a spool that everybody may write to, somebody else can have made a file of any name first. */
static void mbox_of_somebody_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str path = STR_EMPTY, lock = STR_EMPTY;

	if (geteuid() != 0)
		skip();
	fixture_file(f, "theirs", "");
	str_printf(&path, "%s/theirs", f->path);
	assert_int_equal(chown(str_cstr(&path), 12345, 12345), 0);
	assert_int_equal(deliver_mbox(f, "theirs", "", "x\r\n"), -EPERM);
	assert_non_null(strstr(said.text, str_cstr(&path)));
	assert_non_null(strstr(said.text, "12345"));
	assert_mbox(f, "theirs", "|");
	assert_int_equal(chown(str_cstr(&path), 0, 0), 0);
	fixture_file(f, "theirs.lock", "");
	str_printf(&lock, "%s/theirs.lock", f->path);
	assert_int_equal(chown(str_cstr(&lock), 12345, 12345), 0);
	assert_int_equal(deliver_mbox(f, "theirs", "", "x\r\n"), -EPERM);
	assert_non_null(strstr(said.text, str_cstr(&lock)));
	assert_int_equal(unlink(str_cstr(&lock)), 0);
	assert_int_equal(deliver_mbox(f, "theirs", "", "x\r\n"), 0);
}

static void an_mbox_that_fails_is_cut_back(void **state)
{
	struct fixture *f = *state;
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct mail mail;

	fixture_file(f, "mbox", "From x\nold\n\n");
	str_printf(&path, "%s/mbox", f->path);
	mail_open(&mail, "", VIEW("text\r\n"));
	mail.source.content.size = 100000;
	struct mbox_options options = { .mode = 0600,
					.owner = MBOX_ANY_OWNER,
					.locks = "fcntl",
					.deadline = clock_after(300) };

	assert_int_equal(mbox_deliver(str_cstr(&path), &options, VIEW(""), &mail.source, NULL),
			 -EIO);
	fclose(mail.file);
	assert_mbox(f, "mbox", "From x|old|||");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(maildir),
		TEST(maildir_failures_leave_nothing),
		TEST(done_again),
		TEST(with_flags),
		TEST(folders),
		TEST(mbox),
		TEST(mbox_refuses),
		TEST(mbox_of_somebody_else),
		TEST(an_mbox_that_fails_is_cut_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

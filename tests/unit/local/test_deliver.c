/*
 * local-deliver as a program: what it stores, runs and reads, as whom, and what it refuses to
 * believe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pwd.h>

#include "base/io.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "mail/outcome.h"
#include "program.h"
#include "table/table.h"
#include "task/task.h"

#include "../owners.h"

#define UID	   4321
#define INCLUDED   30
#define SIEVE_USER "scripted@example.test"

static char root[] = "/tmp/posta-local-XXXXXX";
static const char *self; /* a system user with a .forward: ourselves, or "daemon" */
static struct program program;
static struct ipc_pool *pool;
static char content_path[128];

static const char content[] = "From: a@example.test\r\n\r\nFrom me\r\n>From you\r\nend\r\n";

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	struct error err = ERROR_NONE;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (io_replace_file(path, view_of(text), mode, &err) < 0)
		fail_msg("%s", err.text);
	chmod(path, mode);
}

static void build(const char *name, enum table_source source, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	char path[128];
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	write_file(name, str_cstr(&text), 0644);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (table_build("hash", path, source, &report) < 0)
		fail_msg("%s", str_cstr(&report));
}

static void make_folder(const char *name, uid_t owner)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	mkdir(path, 0755);
	if (geteuid() == 0 && chown(path, owner, owner) < 0)
		abort();
}

static void write_aliases(void)
{
	build("conf/aliases", SOURCE_ALIASES,
	      "cmd: \"|cat > %s/out/cmd; echo hello; exit $EXTENSION\"\n"
	      "plain: \"|/bin/cat /etc/hostname\"\n"
	      "env: \"|env > %s/out/env; id -u >> %s/out/env\"\n"
	      "quota: \"|echo 4.2.2 over quota; exit 69\"\n"
	      "moved: \"|echo 5.1.6 gone; echo to sea; exit 75\"\n"
	      "noform: \"|echo 4.2.2x; exit 73\"\n"
	      "absent: \"|/nonexistent\"\n"
	      "setgid: \"|test `%s/out/id -g` = 1\"\n"
	      "slow: \"|echo begun; sleep 30\"\n"
	      "held: \"|until test -e %s/out/go; do sleep 0.02; done\"\n"
	      "file: %s/out/mbox, %s/out/dir/, %s/out/theirs\n"
	      "list: :include:%s/conf/list\n"
	      "open: :include:%s/conf/open\n",
	      root, root, root, root, root, root, root, root, root, root);
}

static int set_up(void **unused)
{
	const struct passwd *me = getpwuid(geteuid() == 0 ? 1 : geteuid());
	char path[128];

	(void)unused;
	self = mem_strdup(me->pw_name);
	assert_non_null(mkdtemp(root));
	chmod(root, 0755);
	make_folder("conf", 0);
	make_folder("private", 0);
	make_folder("mail", UID);
	make_folder("out", 65534);
	make_folder("home", me->pw_uid);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	str_printf(&text,
		   "queue_directory = %s\nmailbox_users = hash:%s/conf/users\n"
		   "mydestination = local.test\nmyhostname = mx.example.test\n"
		   "virtual_uid = %d\n"
		   "virtual_gid = %d\nvirtual_home = %s/mail/%%d/%%n\nrecipient_delimiter = +\n"
		   "alias_maps = hash:%s/conf/aliases\nvirtual_mailbox_base = %s/mail\n"
		   "virtual_mailbox_maps = inline:{ v@v.test=v/, q@v.test=q/, m@v.test=m.mbox, "
		   "up@v.test=../x/ }\n"
		   "virtual_uid_maps = static:%d\nvirtual_gid_maps = static:%d\n"
		   "forward_path = %s/home/${user}${recipient_delimiter}${extension}, "
		   "%s/home/by/${extension}/for\n"
		   "mail_location = maildir:~/Maildir\ncommand_time_limit = 8s\n"
		   "mailbox_quota_maps = inline:{ q@v.test=*:messages=1 }\n"
		   "mailbox_size_limit = 1000\nvirtual_mailbox_limit = 1000\n"
		   "local_deliver_children = 3\n%s",
		   root, root, UID, UID, root, root, root, UID, UID, root, root, owners_nobody);
	write_file("conf/main.cf", str_cstr(&text), 0644);
	write_file("conf/master.cf", "", 0644);
	build("conf/users", SOURCE_USERS,
	      "alice@example.test:x::::::\n" SIEVE_USER ":x::::::\n"
	      "full@example.test:x::::::quota_messages=1\n"
	      "small@example.test:x::::::quota=50\n"
	      "wrong@example.test:x::::::quota=lots\n");
	write_aliases();
	_cleanup_(str_free) struct str list = STR_EMPTY;
	str_printf(&list, "one@example.test\n\"|touch %s/out/included\"\n%s/out/inc\n", root, root);
	write_file("conf/list", str_cstr(&list), 0644);
	write_file("conf/open", "x@example.test\n", 0666);
	write_file("message", content, 0644);
	snprintf(content_path, sizeof(content_path), "%s/message", root);
	snprintf(path, sizeof(path), "%s/conf", root);
	ipc_set_root(root);
	pool = ipc_pool_new("private/local-deliver", 10);
	return program_start(&program, LOCAL_DELIVER_PROGRAM, "local-deliver", path, root) ? 0 : -1;
}

static int tear_down(void **unused)
{
	char command[128];
	int status = program_stop(&program);

	(void)unused;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) != 0 || !WIFEXITED(status);
}

/* ---- asking ---- */

static struct {
	uint8_t outcome, cause;
	char status[32];
	struct str text, user;
} got;

static void take(struct ipc *ipc, const struct message *m)
{
	assert_int_equal(m->type, MSG_result);
	got.outcome = m->result.outcome;
	got.cause = m->result.cause;
	snprintf(got.status, sizeof(got.status), "%.*s", VIEW_ARG(m->result.status));
	str_set(&got.text, m->result.diagnostic);
	str_set(&got.user, m->result.remote);
	ipc_pool_put(pool, ipc, true);
}

static void expect(uint8_t outcome, const char *status, const char *text)
{
	if (got.outcome != outcome || strcmp(got.status, status) != 0 ||
	    strstr(str_cstr(&got.text), text) == NULL)
		fail_msg("%d %s %s instead of %d %s %s", got.outcome, got.status,
			 str_cstr(&got.text), outcome, status, text);
}

/* Every second time the content goes along, instead of the file. */
static struct view small_content(void)
{
	static unsigned calls;

	return calls++ % 2 ? view_make(content, sizeof(content) - 1) : VIEW_NONE;
}

static void deliver_to(const char *user, uint8_t kind)
{
	_cleanup_fd_ int fd = open(content_path, O_RDONLY);
	struct view small = small_content();
	struct message m;
	struct ipc *ipc;

	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, mailbox_deliver,
				      .queue_id = VIEW("4ABC"), .user = view_of(user), .kind = kind,
				      .sender = VIEW("a@example.test"),
				      .recipient = VIEW("alice+x@example.test"),
				      .original = VIEW("al@example.test"),
				      .content_size = sizeof(content) - 1, .content = small,
				      .file = small.len > 0 ? 0 : fd),
			 0);
	take(ipc, &m);
}

static void run(uint8_t kind, uint8_t source, const char *owner, const char *via,
		const char *target, const char *extension)
{
	_cleanup_fd_ int fd = open(content_path, O_RDONLY);
	struct view small = small_content();
	struct message m;
	struct ipc *ipc;

	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, program_deliver,
				      .queue_id = VIEW("4ABC"), .kind = kind, .source = source,
				      .owner = view_of(owner), .via = view_of(via),
				      .target = view_of(target), .extension = view_of(extension),
				      .sender = VIEW("a@example.test"),
				      .recipient = VIEW("cmd@local.test"),
				      .original = VIEW("cmd@local.test"),
				      .content_size = sizeof(content) - 1, .content = small,
				      .file = small.len > 0 ? 0 : fd),
			 0);
	take(ipc, &m);
}

static const char *in_root(const char *format)
{
	static char text[512];

	snprintf(text, sizeof(text), format, root);
	return text;
}

static void read_file(const char *name, struct str *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	str_clear(text);
	assert_int_equal(io_read_file(path, 100000, text, NULL), 0);
}

/* The only file of a folder. */
static void read_only_file(const char *folder, struct str *text, uid_t *owner)
{
	char path[256], name[512] = "";
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int count = 0;

	snprintf(path, sizeof(path), "%s/%s", root, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
		assert_non_null(strstr(entry->d_name, ",S="));
		count++;
	}
	closedir(dir);
	assert_int_equal(count, 1);
	read_file(name, text);
	snprintf(path, sizeof(path), "%s", root);
	_cleanup_(str_free) struct str full = STR_EMPTY;
	str_printf(&full, "%s/%s", root, name);
	assert_int_equal(stat(str_cstr(&full), &st), 0);
	*owner = st.st_uid;
	assert_int_equal(unlink(str_cstr(&full)), 0);
}

static uid_t as(uid_t uid)
{
	return geteuid() == 0 ? uid : geteuid();
}

/* ---- mailboxes ---- */

static void mailboxes(void *unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	uid_t owner;

	(void)unused;
	deliver_to("alice+x@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to maildir");
	assert_string_equal(str_cstr(&got.user), "alice@example.test");
	read_only_file("mail/example.test/alice/Maildir/new", &text, &owner);
	assert_int_equal(owner, as(UID));
	assert_string_equal(str_cstr(&text), "Return-Path: <a@example.test>\r\n"
					     "X-Original-To: al@example.test\r\n"
					     "Delivered-To: alice+x@example.test\r\n"
					     "From: a@example.test\r\n\r\nFrom me\r\n>From you\r\n"
					     "end\r\n");
	deliver_to("nobody-here@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_FAILED, "5.1.1", "unknown user: \"nobody-here@example.test\"");
	deliver_to("no-such-user", MAILBOX_SYSTEM_USER);
	expect(OUTCOME_FAILED, "5.1.1", "unknown user");
	if (geteuid() == 0) {
		deliver_to("root", MAILBOX_SYSTEM_USER);
		expect(OUTCOME_DEFERRED, "4.3.5", "never handled as root");
	}
	/* virtual_mailbox_maps */
	deliver_to("V+y@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to maildir");
	assert_string_equal(str_cstr(&got.user), "v@v.test");
	read_only_file("mail/v/new", &text, &owner);
	assert_int_equal(owner, as(UID));
	deliver_to("up@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DEFERRED, "4.3.5", "no usable path");
	deliver_to("m@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to mailbox");
	read_file("mail/m.mbox", &text);
	assert_true(view_starts(str_view(&text), VIEW("From a@example.test ")));
	assert_non_null(strstr(str_cstr(&text), "\n>From me\n>>From you\nend\n\n"));
	assert_null(strchr(str_cstr(&text), '\r'));
	for (int i = 0; i < 10 && got.outcome == OUTCOME_DELIVERED; i++)
		deliver_to("m@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_FAILED, "5.2.2", "mailbox is full");
}

static void test_mailboxes(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(mailboxes, NULL), 0);
}

static void quotas(void *unused)
{
	(void)unused;
	deliver_to("full@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered");
	/* From here on nothing fits, which is worth to be known; and whose mailbox it is. */
	deliver_to("full@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_FAILED, "5.2.2", "Quota exceeded (mailbox for user is full)");
	assert_int_equal(got.cause, CAUSE_FULL);
	assert_string_equal(str_cstr(&got.user), "full@example.test");
	/* A smaller one would. */
	deliver_to("small@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_FAILED, "5.2.2", "Quota exceeded");
	assert_int_equal(got.cause, CAUSE_OTHER);
	/* What cannot be read limits everything, until it is mended. */
	deliver_to("wrong@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DEFERRED, "4.3.5", "lots");
	/* virtual_mailbox_maps, by the domain's rule */
	deliver_to("q@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered");
	deliver_to("q@v.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_FAILED, "5.2.2", "Quota exceeded");
}

static void test_quotas(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(quotas, NULL), 0);
}

/* A folder that the user may not write to puts off, and the process stays usable. */
static void not_writable(void *unused)
{
	(void)unused;
	if (geteuid() != 0)
		return;
	make_folder("mail/locked.test", 0);
	build("conf/users", SOURCE_USERS,
	      "alice@example.test:x::::::\nbob@locked.test:x::::::\n" SIEVE_USER ":x::::::\n");
	deliver_to("bob@locked.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DEFERRED, "4.2.0", "Permission denied");
	deliver_to("alice@example.test", MAILBOX_VIRTUAL_USER);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered");
}

static void test_not_writable(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(not_writable, NULL), 0);
}

/* ---- commands and files ---- */

static void commands(void *unused)
{
	const char *cmd = in_root("cat > %s/out/cmd; echo hello; exit $EXTENSION");
	_cleanup_free_ char *command = mem_strdup(cmd);
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)unused;
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "0");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to command: ");
	read_file("out/cmd", &text);
	assert_true(view_starts(str_view(&text), VIEW("From a@example.test  ")));
	assert_non_null(strstr(str_cstr(&text), "\nDelivered-To: cmd@local.test\n"));
	assert_non_null(strstr(str_cstr(&text), "\n\nFrom me\n>From you\nend\n"));
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "75");
	expect(OUTCOME_DEFERRED, "4.3.0", "hello");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "3");
	expect(OUTCOME_FAILED, "5.3.0", "status 3");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "73");
	expect(OUTCOME_FAILED, "5.2.0", "hello");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "76");
	expect(OUTCOME_FAILED, "5.5.0", "hello");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "78");
	expect(OUTCOME_FAILED, "5.3.5", "hello");
	/* A status code that it prints says more than its exit status. */
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "quota", "", "echo 4.2.2 over quota; exit 69", "");
	expect(OUTCOME_DEFERRED, "4.2.2", "over quota");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "moved", "", "echo 5.1.6 gone; echo to sea; exit 75",
	    "");
	expect(OUTCOME_FAILED, "5.1.6", "gone to sea");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "noform", "", "echo 4.2.2x; exit 73", "");
	expect(OUTCOME_FAILED, "5.2.0", "4.2.2x");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "absent", "", "/nonexistent", "");
	expect(OUTCOME_DEFERRED, "4.3.0", "/nonexistent");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", command, "67");
	expect(OUTCOME_FAILED, "5.1.1", "hello");
	/* It need not read its input. */
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "plain", "", "/bin/cat /etc/hostname", "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to command");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "slow", "", "echo begun; sleep 30", "");
	expect(OUTCOME_FAILED, "5.3.0", "time limit exceeded");
	assert_non_null(strstr(str_cstr(&got.text), "begun"));
}

static void test_commands(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(commands, NULL), 0);
}

/* Mailing list managers are run by set-gid programs: local-deliver may not be one, what it runs may. */
static void set_gid_commands(void *unused)
{
	char command[256];

	(void)unused;
	if (geteuid() != 0)
		return;
	snprintf(command, sizeof(command),
		 "cp /usr/bin/id %s/out && chgrp 1 %s/out/id && chmod 2755 %s/out/id", root, root,
		 root);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "test `%s/out/id -g` = 1", root);
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "setgid", "", command, "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to command");
}

static void test_set_gid_commands(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(set_gid_commands, NULL), 0);
}

static void environment(void *unused)
{
	_cleanup_free_ char *command = NULL;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	char format[256];
	char uid[16];

	(void)unused;
	snprintf(format, sizeof(format), "env > %s/out/env; id -u >> %s/out/env", root, root);
	command = mem_strdup(format);
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "env", "", command, "a'b $(x)");
	expect(OUTCOME_DELIVERED, "2.0.0", "");
	read_file("out/env", &text);
	assert_non_null(strstr(str_cstr(&text), "SENDER=a@example.test\n"));
	assert_non_null(strstr(str_cstr(&text), "RECIPIENT=cmd@local.test\n"));
	assert_non_null(strstr(str_cstr(&text), "LOCAL=cmd\n"));
	assert_non_null(strstr(str_cstr(&text), "DOMAIN=local.test\n"));
	assert_non_null(strstr(str_cstr(&text), "EXTENSION=a_b___x_\n"));
	assert_null(strstr(str_cstr(&text), "OLDPWD"));
	assert_null(strstr(str_cstr(&text), "TERM="));
	snprintf(uid, sizeof(uid), "\n%u\n", (unsigned)as(65534));
	assert_non_null(strstr(str_cstr(&text), uid));
}

static void test_environment(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(environment, NULL), 0);
}

static void files(void *unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	uid_t owner;

	(void)unused;
	run(PROGRAM_FILE, SOURCE_ALIAS, "file", "", in_root("%s/out/mbox"), "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to file: ");
	read_file("out/mbox", &text);
	assert_non_null(strstr(str_cstr(&text), "\n>From me\n"));
	run(PROGRAM_FILE, SOURCE_ALIAS, "file", "", in_root("%s/out/dir/"), "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to file: ");
	read_only_file("out/dir/new", &text, &owner);
	assert_int_equal(owner, as(65534));
	/* strict_mailbox_ownership is of mailboxes: an alias may name anybody's file. */
	write_file("out/theirs", "", 0666);
	run(PROGRAM_FILE, SOURCE_ALIAS, "file", "", in_root("%s/out/theirs"), "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to file: ");
}

static void test_files(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(files, NULL), 0);
}

/* Whoever speaks for local cannot make anything be run that the administrator did not write. */
static void not_believed(void *unused)
{
	char marker[128];

	(void)unused;
	snprintf(marker, sizeof(marker), "%s/out/evil", root);
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "cmd", "", in_root("touch %s/out/evil"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "has changed");
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "none", "", in_root("touch %s/out/evil"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "no alias");
	run(PROGRAM_FILE, SOURCE_ALIAS, "cmd", "", in_root("%s/out/evil"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "has changed");
	run(PROGRAM_FILE, SOURCE_ALIAS, "file", "", in_root("%s/out/mbox2"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "has changed");
	/* include is not in allow_mail_to_commands. */
	_cleanup_free_ char *list = mem_strdup(in_root("%s/conf/list"));
	run(PROGRAM_COMMAND, SOURCE_ALIAS, "list", list, in_root("touch %s/out/included"), "");
	expect(OUTCOME_FAILED, "5.7.1", "not allowed");
	run(PROGRAM_COMMAND, SOURCE_FORWARD, self, "", in_root("touch %s/out/evil"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "");
	run(PROGRAM_COMMAND, SOURCE_FORWARD, "no-such-user", "", "touch /tmp/x", "");
	expect(OUTCOME_FAILED, "5.1.1", "unknown user");
	assert_int_equal(access(marker, F_OK), -1);
}

static void test_not_believed(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(not_believed, NULL), 0);
}

/* ---- sources ---- */

/* 1 with the text, 0: none, -1: a result. */
static int read_source(uint8_t source, const char *owner, const char *via, const char *extension,
		       struct str *text)
{
	struct message m;
	struct ipc *ipc;
	int found;

	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, source_read,
				      .source = source, .owner = view_of(owner),
				      .via = view_of(via), .extension = view_of(extension)),
			 0);
	if (m.type == MSG_result) {
		take(ipc, &m);
		return -1;
	}
	assert_int_equal(m.type, MSG_source_file);
	found = m.source_file.found;
	str_clear(text);
	if (found) {
		char *to = str_reserve(text, 10000);
		ssize_t n = pread(m.source_file.file, to, 10000, 0);

		assert_true(n >= 0);
		str_grow(text, (size_t)n);
	}
	message_close_fd(&m);
	ipc_pool_put(pool, ipc, true);
	return found;
}

static void sources(void *unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	char name[128];

	(void)unused;
	assert_int_equal(read_source(SOURCE_ALIAS, "list", in_root("%s/conf/list"), "", &text), 1);
	assert_true(view_starts(str_view(&text), VIEW("one@example.test\n")));
	/* One that everybody may write to; one that the alias does not name. */
	assert_int_equal(read_source(SOURCE_ALIAS, "open", in_root("%s/conf/open"), "", &text), 0);
	assert_int_equal(read_source(SOURCE_ALIAS, "list", "/etc/passwd", "", &text), -1);
	expect(OUTCOME_DEFERRED, "4.3.0", "has changed");
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "", &text), 0);
	/* Of an extension nothing becomes a step upwards. */
	make_folder("home/by", 0);
	make_folder("home/by/x", 0);
	write_file("home/for", "up@elsewhere.test\n", 0644);
	write_file("home/by/for", "here@elsewhere.test\n", 0644);
	write_file("home/by/x/for", "x@elsewhere.test\n", 0644);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "..", &text), 0);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", ".", &text), 0);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "x", &text), 1);
	assert_int_equal(read_source(SOURCE_FORWARD, "no-such-user", "", "", &text), 0);
	snprintf(name, sizeof(name), "home/%s", self);
	write_file(name, "someone@elsewhere.test\n", 0644);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "", &text), 1);
	assert_string_equal(str_cstr(&text), "someone@elsewhere.test\n");
	snprintf(name, sizeof(name), "home/%s+ext_x", self);
	write_file(name, "ext@elsewhere.test\n", 0644);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "ext/x", &text), 1);
	assert_string_equal(str_cstr(&text), "ext@elsewhere.test\n");
	write_file(name, "ext@elsewhere.test\n", 0666);
	assert_int_equal(read_source(SOURCE_FORWARD, self, "", "ext/x", &text), 0);
}

static void test_sources(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(sources, NULL), 0);
}

static void forwarded_commands(void *unused)
{
	char name[128], line[256];

	(void)unused;
	snprintf(name, sizeof(name), "home/%s", self);
	snprintf(line, sizeof(line), "\\me, \"|cat > %s/home/cmd\", %s/home/box\n", root, root);
	write_file(name, line, 0644);
	run(PROGRAM_COMMAND, SOURCE_FORWARD, self, "", in_root("cat > %s/home/cmd"), "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to command");
	run(PROGRAM_FILE, SOURCE_FORWARD, self, "", in_root("%s/home/box"), "");
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to file");
	run(PROGRAM_FILE, SOURCE_FORWARD, self, "", in_root("%s/home/box2"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "does not stand where");
	run(PROGRAM_COMMAND, SOURCE_FORWARD, self, "", in_root("cat > %s/home/cmd2"), "");
	expect(OUTCOME_DEFERRED, "4.3.0", "does not stand where");
}

static void test_forwarded_commands(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(forwarded_commands, NULL), 0);
}

/* ---- many at a time, more than there are processes ---- */

static int delivered;

static void deliver_one(void *unused)
{
	_cleanup_fd_ int fd = open(content_path, O_RDONLY);
	struct message m;
	struct ipc *ipc;

	(void)unused;
	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, mailbox_deliver,
				      .queue_id = VIEW("4ABC"), .user = VIEW("alice@example.test"),
				      .kind = MAILBOX_VIRTUAL_USER, .sender = VIEW(""),
				      .recipient = VIEW("alice@example.test"),
				      .content_size = sizeof(content) - 1, .file = fd),
			 0);
	if (m.type == MSG_result && m.result.outcome == OUTCOME_DELIVERED)
		delivered++;
	ipc_pool_put(pool, ipc, true);
}

static void many(void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++)
		task_spawn("delivery", deliver_one, NULL);
	while (delivered < 50)
		task_sleep(10);
}

static void test_many(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(many, NULL), 0);
	assert_int_equal(delivered, 50);
}

/* ---- scripts, and a delivery that is done again ---- */

static const char script[] = "require [\"fileinto\",\"mailbox\",\"copy\",\"vacation\"];\n"
			     "fileinto :create :copy \"Copies\"; redirect :copy \"b@x.test\";\n"
			     "vacation :addresses \"al@example.test\" \"Away.\";\n";
static const char answered[] = "From: a@example.test\r\nTo: al@example.test\r\n\r\nHello\r\n";

/* What is to be sent, as letters, and the result. */
static void deliver_scripted(const char *queue_id, bool again, struct str *mails)
{
	struct message m;
	struct ipc *ipc;

	str_clear(mails);
	assert_int_equal(
		ipc_exchange(pool, clock_after(5000), &ipc, &m, mailbox_deliver,
			     .queue_id = view_of(queue_id), .user = VIEW(SIEVE_USER),
			     .kind = MAILBOX_VIRTUAL_USER, .again = again,
			     .sender = VIEW("a@example.test"), .recipient = VIEW(SIEVE_USER),
			     .original = VIEW("al@example.test"), .arrival = 1234567890123456,
			     .content_size = sizeof(answered) - 1,
			     .content = view_make(answered, sizeof(answered) - 1)),
		0);
	while (m.type == MSG_sieve_mail) {
		str_append_byte(mails, m.sieve_mail.kind == SIEVE_MAIL_REDIRECT ? 'r' : 'a');
		assert_true(view_is(m.sieve_mail.recipient, m.sieve_mail.kind == SIEVE_MAIL_REDIRECT
								    ? "b@x.test"
								    : "a@example.test"));
		message_close_fd(&m);
		assert_int_equal(ipc_receive(ipc, &m), 0);
	}
	take(ipc, &m);
	expect(OUTCOME_DELIVERED, "2.0.0", "filed into Copies");
}

static void say_sent(const char *queue_id, uint8_t sent)
{
	struct message m;
	struct ipc *ipc;

	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, sieve_sent, .sent = sent,
				      .queue_id = view_of(queue_id), .user = VIEW(SIEVE_USER),
				      .kind = MAILBOX_VIRTUAL_USER, .recipient = VIEW(SIEVE_USER),
				      .original = VIEW("al@example.test"),
				      .arrival = 1234567890123456),
			 0);
	take(ipc, &m);
	expect(OUTCOME_DELIVERED, "2.0.0", "noted");
}

static int count_in(const char *folder)
{
	char path[160];
	struct dirent *entry;
	DIR *directory;
	int count = 0;

	snprintf(path, sizeof(path), "%s/mail/example.test/scripted/Maildir/%s", root, folder);
	directory = opendir(path);
	if (directory == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void make_script(void)
{
	static const char *const folders[] = { "", "/scripted", "/scripted/Maildir",
					       "/scripted/Maildir/sieve" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "mail/example.test%s", folders[i]);
		make_folder(path, UID);
	}
	write_file("mail/example.test/scripted/Maildir/sieve/x.sieve", script, 0644);
	write_file("mail/example.test/scripted/Maildir/sieve/active", "x\n", 0644);
}

/* So many others are compiled meanwhile that those kept from before give way: not one at work. */
static void many_scripts(void *unused)
{
	_cleanup_(str_free) struct str mails = STR_EMPTY, text = STR_EMPTY;
	char path[128];

	(void)unused;
	make_script();
	str_append_cstr(&text, "require [\"fileinto\",\"mailbox\",\"copy\",\"include\"];\n");
	for (int i = 0; i < INCLUDED; i++)
		str_printf(&text, "include \"i%d\";\n", i);
	str_append_cstr(&text, "fileinto :create :copy \"Copies\";\n");
	write_file("mail/example.test/scripted/Maildir/sieve/x.sieve", str_cstr(&text), 0644);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < INCLUDED; i++) {
			snprintf(path, sizeof(path),
				 "mail/example.test/scripted/Maildir/sieve/i%d.sieve", i);
			write_file(path, &"####\n"[round], 0644);
		}
		deliver_scripted("4AAA", false, &mails);
		assert_string_equal(str_cstr(&mails), "");
	}
}

static void test_many_scripts(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(many_scripts, NULL), 0);
}

/* Files, the redirect and the answer find themselves; another message has its own. */
static void again(void *unused)
{
	_cleanup_(str_free) struct str mails = STR_EMPTY;

	(void)unused;
	make_script();
	deliver_scripted("4AAA", false, &mails);
	assert_string_equal(str_cstr(&mails), "ra");
	/* Nobody has said that they were sent. */
	deliver_scripted("4AAA", true, &mails);
	assert_string_equal(str_cstr(&mails), "ra");
	say_sent("4AAA", SIEVE_MAIL_REDIRECT);
	deliver_scripted("4AAA", true, &mails);
	assert_string_equal(str_cstr(&mails), "a");
	say_sent("4AAA", SIEVE_MAIL_ANSWER);
	deliver_scripted("4AAA", true, &mails);
	assert_string_equal(str_cstr(&mails), "");
	assert_int_equal(count_in("new") + count_in("cur"), 1);
	assert_int_equal(count_in(".Copies/new"), 1);
	/* The sender has had an answer. */
	deliver_scripted("4BBB", false, &mails);
	assert_string_equal(str_cstr(&mails), "r");
	assert_int_equal(count_in("new") + count_in("cur"), 2);
	assert_int_equal(count_in("tmp"), 0);
}

static void test_again(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(again, NULL), 0);
}

/* ---- one user's deliveries that hang, and another's ---- */

struct held {
	const char *owner, *command;
	uint8_t source;
	int ended;
};

static void run_held(void *argument)
{
	struct held *held = argument;
	struct message m;
	struct ipc *ipc;

	assert_int_equal(ipc_exchange(pool, clock_after(5000), &ipc, &m, program_deliver,
				      .queue_id = VIEW("4ABC"), .kind = PROGRAM_COMMAND,
				      .source = held->source, .owner = view_of(held->owner),
				      .target = view_of(held->command),
				      .content_size = sizeof(content) - 1,
				      .content = view_make(content, sizeof(content) - 1)),
			 0);
	take(ipc, &m);
	expect(OUTCOME_DELIVERED, "2.0.0", "delivered to command");
	held->ended++;
}

/* Two of three processes hang; who waits for a third of these does not keep the other user's. */
static void others_go_on(void *unused)
{
	_cleanup_free_ char *alias =
		mem_strdup(in_root("until test -e %s/out/go; do sleep 0.02; done"));
	_cleanup_free_ char *forward =
		mem_strdup(in_root("until test -e %s/home/go; do sleep 0.02; done"));
	struct held hanging = { "held", alias, SOURCE_ALIAS, 0 };
	struct held other = { self, forward, SOURCE_FORWARD, 0 };
	char name[128], line[256];

	(void)unused;
	if (geteuid() != 0)
		return; /* all are one user's */
	snprintf(name, sizeof(name), "home/%s", self);
	snprintf(line, sizeof(line), "\"|%s\"\n", forward);
	write_file(name, line, 0644);
	task_spawn("other", run_held, &other);
	task_sleep(100);
	for (int i = 0; i < 3; i++)
		task_spawn("hanging", run_held, &hanging);
	task_sleep(500);
	task_spawn("other", run_held, &other);
	task_sleep(100);
	write_file("home/go", "", 0644);
	for (int i = 0; i < 300 && other.ended < 2; i++)
		task_sleep(10);
	assert_int_equal(other.ended, 2);
	assert_int_equal(hanging.ended, 0);
	write_file("out/go", "", 0644);
	while (hanging.ended < 3)
		task_sleep(10);
}

static void test_others_go_on(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(others_go_on, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes),    cmocka_unit_test(test_quotas),
		cmocka_unit_test(test_again),	     cmocka_unit_test(test_many_scripts),
		cmocka_unit_test(test_not_writable), cmocka_unit_test(test_commands),
		cmocka_unit_test(test_environment),  cmocka_unit_test(test_set_gid_commands),
		cmocka_unit_test(test_files),	     cmocka_unit_test(test_not_believed),
		cmocka_unit_test(test_sources),	     cmocka_unit_test(test_forwarded_commands),
		cmocka_unit_test(test_many),	     cmocka_unit_test(test_others_go_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Finding users: tables, extensions, where the mail is, and who is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "table/table.h"
#include "user/user.h"

static char folder[] = "/tmp/posta-user-XXXXXX";
static char users_path[64];

static void write_users(const char *text)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct error err = ERROR_NONE;

	assert_int_equal(io_replace_file(users_path, view_of(text), 0600, &err), 0);
	if (table_build("hash", users_path, SOURCE_USERS, &report) < 0)
		fail_msg("%s", str_cstr(&report));
}

static void configure(const char *more)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_printf(&text,
		   "mailbox_users = hash:%s\n"
		   "mydestination = local.test\n"
		   "virtual_uid = 4321\nvirtual_gid = 4322\n"
		   "virtual_home = /srv/mail/%%d/%%n\n"
		   "recipient_delimiter = +\n%s",
		   users_path, more);
	conf_unload();
	if (conf_load_text(str_view(&text), folder, NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	if (users_open(&err) < 0)
		fail_msg("%s", err.text);
}

static void set_up_users(void)
{
	write_users("alice@example.test:{PLAIN}a::::::\n"
		    "Carol@Example.Test:{PLAIN}c:2000:2001::/home/carol::nologin\n"
		    "dave@example.test:{PLAIN}d:50:50::/home/dave::\n"
		    "a/b@example.test:{PLAIN}d::::::\n"
		    "eve@example.test:{PLAIN}e:2000:2000::/home/eve::mail=maildir:~/m/%n\n"
		    "list+x@example.test:{PLAIN}l::::::\n"
		    "bare:{PLAIN}b::::::\n");
}

static int set_up(void **unused)
{
	(void)unused;
	assert_non_null(mkdtemp(folder));
	snprintf(users_path, sizeof(users_path), "%s/users", folder);
	set_up_users();
	return 0;
}

static int tear_down(void **unused)
{
	char command[128];

	(void)unused;
	users_close();
	conf_unload();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void mailbox_users(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;

	(void)unused;
	configure("");
	assert_int_equal(user_find(VIEW("ALICE@example.TEST"), &user, &err), 1);
	assert_string_equal(user.name, "alice@example.test");
	assert_string_equal(user.home, "/srv/mail/example.test/alice");
	assert_string_equal(user.mail, "/srv/mail/example.test/alice/Maildir");
	assert_string_equal(user.password, "{PLAIN}a");
	assert_false(user.system);
	assert_int_equal(user.uid, geteuid() == 0 ? 4321 : geteuid());
	assert_int_equal(user.gid, geteuid() == 0 ? 4322 : getegid());
	user_free(&user);
	assert_int_equal(user_find(VIEW("carol@example.test"), &user, &err), 1);
	assert_string_equal(user.name, "carol@example.test");
	assert_string_equal(user.mail, "/home/carol/Maildir");
	assert_string_equal(user.extra, "nologin");
	user_free(&user);
	assert_int_equal(user_find(VIEW("eve@example.test"), &user, &err), 1);
	assert_string_equal(user.mail, "/home/eve/m/eve");
	user_free(&user);
	assert_int_equal(user_find(VIEW("nobody@example.test"), &user, &err), 0);
	assert_int_equal(user_find(VIEW("alice@other.test"), &user, &err), 0);
	assert_int_equal(user_find(VIEW(""), &user, &err), 0);
	assert_int_equal(user_find(VIEW("alice@example.test\n"), &user, &err), 0);
}

/* For all, for the domain or the user, the user's own: in this order, so that the last one counts. */
static void quota_rules(void **unused)
{
	static const struct {
		const char *name, *rules;
	} cases[] = {
		{ "alice@example.test", "user=alice@example.test grace=10% warn=80%:95% "
					"*:storage=1G Trash:storage=+10% *:messages=7" },
		{ "carol@example.test",
		  "user=carol@example.test grace=10% warn=80%:95% *:storage=1G "
		  "Trash:storage=+10% *:storage=2G" },
		{ "quinn@example.test",
		  "user=quinn@example.test grace=10% warn=80%:95% *:storage=1G "
		  "Trash:storage=+10% *:messages=7 *:bytes=5M *:messages=9 *:storage=3 "
		  "Trash:ignore grace=0" },
		{ "bare", "user=bare@origin.test grace=10% warn=80%:95% *:storage=1G "
			  "Trash:storage=+10%" },
	};

	(void)unused;
	write_users("alice@example.test:{PLAIN}a::::::\ncarol@example.test:{PLAIN}a::::::\n"
		    "quinn@example.test:{PLAIN}q::::::quota=5M nologin quota_messages=9 "
		    "userdb_quota_rule=*:storage=3 quota_rule2=Trash:ignore quota_grace=0\n"
		    "bare:{PLAIN}b::::/home/bare::\n");
	configure("mailbox_quota_rules = *:storage=1G, Trash:storage=+10%\nmyorigin = origin.test\n"
		  "mailbox_quota_maps = inline:{ @example.test=*:messages=7, "
		  "carol@example.test=*:storage=2G }\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(user_free) struct user user = { .name = NULL };

		struct error err = ERROR_NONE;

		if (user_find(view_of(cases[i].name), &user, &err) != 1)
			fail_msg("%s: %s", cases[i].name, err.text);
		assert_string_equal(user.quota, cases[i].rules);
	}
	configure("mailbox_quota_rules = *:storage=1G\nmailbox_quota_maildirsize = yes\n");

	_cleanup_(user_free) struct user kept = { .name = NULL };
	struct error err = ERROR_NONE;

	assert_int_equal(user_find(VIEW("alice@example.test"), &kept, &err), 1);
	assert_string_equal(kept.quota,
			    "user=alice@example.test grace=10% warn=80%:95% maildirsize "
			    "*:storage=1G");
	/* Without the table nobody is let grow. */
	configure("mailbox_quota_maps = fail:x\n");

	_cleanup_(user_free) struct user user = { .name = NULL };

	assert_true(user_find(VIEW("alice@example.test"), &user, NULL) < 0);
	set_up_users();
	configure("");
}

static void extensions(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };

	(void)unused;
	configure("");
	assert_int_equal(user_find(VIEW("alice+shop@example.test"), &user, NULL), 1);
	assert_string_equal(user.name, "alice@example.test");
	user_free(&user);
	/* An entry with the extension comes first. */
	assert_int_equal(user_find(VIEW("list+x@example.test"), &user, NULL), 1);
	assert_string_equal(user.name, "list+x@example.test");
	user_free(&user);
	assert_int_equal(user_find(VIEW("list+y@example.test"), &user, NULL), 0);
}

static void refused(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;

	(void)unused;
	configure("");
	/* A name that would lead out of its folder. */
	assert_int_equal(user_find(VIEW("a/b@example.test"), &user, &err), -EINVAL);
	assert_null(user.name);
	if (geteuid() != 0)
		return;
	assert_int_equal(user_find(VIEW("dave@example.test"), &user, &err), -EPERM);
	assert_non_null(strstr(err.text, "virtual_minimum_uid"));
	assert_int_equal(user_find(VIEW("root"), &user, &err), -EPERM);
	assert_int_equal(user_find(VIEW("root@local.test"), &user, &err), -EPERM);
}

static void system_users(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };

	(void)unused;
	configure("");
	assert_int_equal(user_find(VIEW("daemon"), &user, NULL), 1);
	assert_true(user.system);
	assert_string_equal(user.name, "daemon");
	assert_null(user.password);
	user_free(&user);
	assert_int_equal(user_find(VIEW("Daemon+x@local.TEST"), &user, NULL), 1);
	assert_string_equal(user.name, "daemon");
	user_free(&user);
	assert_int_equal(user_find(VIEW("daemon@elsewhere.test"), &user, NULL), 0);
	assert_int_equal(user_find(VIEW("no-such-user-here"), &user, NULL), 0);
	assert_int_equal(user_find(VIEW("../daemon"), &user, NULL), 0);
}

static void mail_of_system_users(void **unused)
{
	static const struct {
		const char *configuration, *mail;
	} places[] = {
		{ "mail_location = maildir:/srv/%u\n", "/srv/daemon" },
		{ "mail_location = /srv/%n/\n", "/srv/daemon" },
		{ "home_mailbox = Mail/\nmail_spool_directory = /var/mail/\n", "@/Mail" },
		{ "mail_spool_directory = /var/mail/\n", "/var/mail/daemon" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(user_free) struct user user = { .name = NULL };
		char expected[256];

		configure(places[i].configuration);
		assert_int_equal(user_find(VIEW("daemon"), &user, NULL), 1);
		snprintf(expected, sizeof(expected), "%s%s",
			 places[i].mail[0] == '@' ? user.home : "",
			 places[i].mail + (places[i].mail[0] == '@'));
		assert_string_equal(user.mail, expected);
	}
}

static void wrong_location(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;

	(void)unused;
	configure("mail_location = maildir:~/Maildir:INDEX=/x\n");
	assert_int_equal(user_find(VIEW("alice@example.test"), &user, &err), -EINVAL);
	assert_non_null(strstr(err.text, "without options"));
	configure("mail_location = maildir:~/%x\n");
	assert_int_equal(user_find(VIEW("alice@example.test"), &user, &err), -EINVAL);
	configure("mail_location = maildir:Maildir\n");
	assert_int_equal(user_find(VIEW("alice@example.test"), &user, &err), -EINVAL);
}

/* A replaced table is seen at once; one that was missing too; a broken one leaves the old. */
static void changes(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };

	(void)unused;
	configure("");
	assert_int_equal(user_find(VIEW("new@example.test"), &user, NULL), 0);
	write_users("new@example.test:{PLAIN}n::::::\nalice@example.test:{PLAIN}b::::::\n");
	assert_int_equal(user_find(VIEW("new@example.test"), &user, NULL), 1);
	user_free(&user);
	assert_int_equal(user_find(VIEW("alice@example.test"), &user, NULL), 1);
	assert_string_equal(user.password, "{PLAIN}b");
	user_free(&user);
	assert_int_equal(user_find(VIEW("carol@example.test"), &user, NULL), 0);
}

static void no_table_yet(void **unused)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	char more[128];

	(void)unused;
	snprintf(more, sizeof(more), "mailbox_users = hash:%s/missing\n", folder);
	configure(more);
	assert_int_equal(user_find(VIEW("alice@example.test"), &user, NULL), 0);
	assert_int_equal(user_find(VIEW("daemon"), &user, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mailbox_users),  cmocka_unit_test(quota_rules),
		cmocka_unit_test(extensions),	  cmocka_unit_test(refused),
		cmocka_unit_test(system_users),	  cmocka_unit_test(mail_of_system_users),
		cmocka_unit_test(wrong_location), cmocka_unit_test(no_table_yet),
		cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

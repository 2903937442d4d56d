/* auth as a program, asked through the functions that smtpd, imapd and pop3d use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "program.h"
#include "services/clients.h"
#include "table/table.h"
#include "task/task.h"
#include "user/user.h"

#include "../owners.h"

static char root[] = "/tmp/posta-auth-XXXXXX";
static struct program program, anvil;
static struct str session; /* of a session */

static void write_file(const char *name, const char *text)
{
	char path[128];
	struct error err = ERROR_NONE;

	snprintf(path, sizeof(path), "%s/conf/%s", root, name);
	if (io_replace_file(path, view_of(text), 0644, &err) < 0)
		fail_msg("%s", err.text);
}

static void write_users(const char *alices_password)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY, text = STR_EMPTY, report = STR_EMPTY;
	char path[128];

	assert_int_equal(password_hash(view_of(alices_password), NULL, &hash, NULL), 0);
	str_printf(&text,
		   "alice@example.test:%s::::::\n"
		   "bob@example.test:{PLAIN}b::::::nologin\n"
		   "weak@example.test:{MD5}x::::::\n"
		   "fay@example.test:{PLAIN}f::::::\n"
		   "locked@example.test:*::::::\n",
		   str_cstr(&hash));
	write_file("passwords", str_cstr(&text));
	snprintf(path, sizeof(path), "%s/conf/passwords", root);
	if (table_build("hash", path, SOURCE_USERS, &report) < 0)
		fail_msg("%s", str_cstr(&report));
}

static int set_up(void **unused)
{
	char path[128], text[2048];

	(void)unused;
	assert_non_null(mkdtemp(root));
	chmod(root, 0755);
	snprintf(path, sizeof(path), "%s/conf", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/private", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sockets", root);
	mkdir(path, 0755);
	snprintf(text, sizeof(text),
		 "queue_directory = %s\nmailbox_passwords = hash:%s/conf/passwords\n"
		 "mydestination = local.test\nauth_default_realm = example.test\n"
		 "virtual_uid = 4321\nvirtual_gid = 4321\nrecipient_delimiter = +\n"
		 "auth_system_users = shadow\n"
		 "auth_denied_users = inline:{ { fay@example.test = yes } }\n"
		 "auth_mechanisms = plain, login, scram-sha-256, scram-sha-256-plus, external\n"
		 "auth_failure_delay = 0\nmyhostname = mx.example.test\n%s",
		 root, root, owners_nobody);
	write_file("main.cf", text);
	write_file("master.cf", "smtp inet n - n - - smtpd\n");
	write_users("secret");
	snprintf(path, sizeof(path), "%s/conf", root);
	ipc_set_root(root);
	if (!program_start(&anvil, ANVIL_PROGRAM, "anvil", path, root) ||
	    !program_start(&program, AUTH_PROGRAM, "auth", path, root))
		return -1;
	return 0;
}

static int tear_down(void **unused)
{
	char command[128];

	(void)unused;
	program_stop(&program);
	program_stop(&anvil);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* ---- in tasks ---- */

static void in_task(void (*function)(void *))
{
	assert_int_equal(task_run(function, NULL), 0);
}

static const struct auth_client imap = { .service = { "imap", 4 },
					 .has_session = true,
					 .secured = true,
					 .address = { "192.0.2.1", 9 } };
static const struct auth_client smtp = { .service = { "smtp", 4 },
					 .secured = true,
					 .address = { "192.0.2.1", 9 } };

static int try_password(const char *user, const char *password, bool secured, struct str *as)
{
	struct auth_client client = imap;
	struct auth_answer answer;
	int why;

	client.secured = secured;
	auth_password(&client, view_of(user), view_of(password), &answer);
	why = answer.state == AUTH_OK ? -1 : answer.why;
	if (as != NULL)
		str_set(as, str_view(&answer.user));
	auth_answer_free(&answer);
	return why;
}

static void passwords(void *unused)
{
	_cleanup_(str_free) struct str as = STR_EMPTY;

	(void)unused;
	assert_int_equal(try_password("alice@example.test", "secret", true, &as), -1);
	assert_string_equal(str_cstr(&as), "alice@example.test");
	assert_int_equal(try_password("ALICE@Example.Test", "secret", true, &as), -1);
	assert_string_equal(str_cstr(&as), "alice@example.test");
	assert_int_equal(try_password("alice", "secret", true, &as), -1);
	assert_string_equal(str_cstr(&as), "alice@example.test");
	assert_int_equal(try_password("alice@example.test", "Secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("alice@example.test", "", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("alice+x@example.test", "secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("nobody-here@example.test", "secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("", "secret", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("al\xc3\xa9@example.test", "secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("alice@example.test\n", "secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("bob@example.test", "b", true, NULL), AUTH_FAIL_DISABLED);
	assert_int_equal(try_password("bob@example.test", "x", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("weak@example.test", "x", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("locked@example.test", "*", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	/* Denied also by the name that she need not write in full. */
	assert_int_equal(try_password("fay@example.test", "f", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("FAY@Example.Test", "f", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("fay", "f", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("root", "x", true, NULL), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("alice@example.test", "secret", false, NULL),
			 AUTH_FAIL_MECHANISM);
}

static void test_passwords(void **unused)
{
	(void)unused;
	in_task(passwords);
}

/* -1 for success, else why. `responses` are given in turn. */
static int converse(const char *mechanism, const struct view *initial, const struct view *responses,
		    size_t count)
{
	struct auth_answer answer;
	struct auth_exchange *exchange =
		auth_begin(&smtp, view_of(mechanism), initial != NULL,
			   initial != NULL ? *initial : VIEW_NONE, &answer);
	int result;

	for (size_t i = 0; i < count && answer.state == AUTH_CONTINUE; i++)
		auth_respond(exchange, responses[i], &answer);
	result = answer.state == AUTH_OK ? -1 : answer.state == AUTH_CONTINUE ? -2 : answer.why;
	auth_exchange_free(exchange);
	auth_answer_free(&answer);
	return result;
}

static void mechanisms(void *unused)
{
	static const struct {
		struct view plain;
		int result;
	} cases[] = {
		{ VIEW("\0alice@example.test\0secret"), -1 },
		{ VIEW("alice@example.test\0alice@example.test\0secret"), -1 },
		{ VIEW("bob@example.test\0alice@example.test\0secret"), AUTH_FAIL_CREDENTIALS },
		{ VIEW(""), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0\0\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0\0\0\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("alice@example.test"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0alice@example.test"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0alice@example.test\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0alice@example.test\0secret\0"), AUTH_FAIL_CREDENTIALS },
		{ VIEW("\0alice@example.test\0secret\0x"), AUTH_FAIL_CREDENTIALS },
	};
	const struct view login[] = { VIEW("alice@example.test"), VIEW("secret") };
	const struct view wrong[] = { VIEW("alice@example.test"), VIEW("secre") };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(converse("PLAIN", &cases[i].plain, NULL, 0), cases[i].result);
		assert_int_equal(converse("plain", NULL, &cases[i].plain, 1), cases[i].result);
	}
	assert_int_equal(converse("LOGIN", NULL, login, 2), -1);
	assert_int_equal(converse("LOGIN", &login[0], &login[1], 1), -1);
	assert_int_equal(converse("LOGIN", NULL, wrong, 2), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(converse("LOGIN", NULL, login, 1), -2);
	assert_int_equal(converse("CRAM-MD5", NULL, NULL, 0), AUTH_FAIL_MECHANISM);
}

static void test_mechanisms(void **unused)
{
	(void)unused;
	in_task(mechanisms);
}

/* -1 for success, else why. `user`: whom the certificate names. */
static int by_certificate(const char *mechanism, struct view user, bool secured)
{
	struct auth_client client = smtp;
	struct auth_answer answer;
	int result;

	client.certificate_user = user;
	client.secured = secured;
	auth_exchange_free(auth_begin(&client, view_of(mechanism), true, VIEW_NONE, &answer));
	result = answer.state == AUTH_OK ? -1 : answer.why;
	auth_answer_free(&answer);
	return result;
}

/* EXTERNAL takes the certificate's word; what binds a channel needs a channel that can be bound. */
static void external(void *unused)
{
	struct view alice = VIEW("alice@example.test");

	(void)unused;
	assert_int_equal(by_certificate("EXTERNAL", alice, true), -1);
	assert_int_equal(by_certificate("EXTERNAL", alice, false), AUTH_FAIL_MECHANISM);
	assert_int_equal(by_certificate("EXTERNAL", VIEW_NONE, true), AUTH_FAIL_CREDENTIALS);
	assert_int_equal(by_certificate("SCRAM-SHA-256-PLUS", alice, true), AUTH_FAIL_MECHANISM);
}

static void test_external(void **unused)
{
	(void)unused;
	in_task(external);
}

static void announced(void *unused)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	struct auth_client client = smtp;

	(void)unused;
	assert_int_equal(auth_mechanisms(&smtp, &names), 0);
	assert_string_equal(str_cstr(&names),
			    "PLAIN LOGIN SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL");
	client.secured = false;
	assert_int_equal(auth_mechanisms(&client, &names), 0);
	assert_string_equal(str_cstr(&names), "SCRAM-SHA-256");
}

static void test_announced(void **unused)
{
	(void)unused;
	in_task(announced);
}

/* The salt that this name is told to have. */
static void scram_salt_of(const char *name, struct str *salt)
{
	_cleanup_(str_free) struct str first = STR_EMPTY;
	struct auth_answer answer;
	struct auth_exchange *exchange;
	struct view all;
	size_t at;

	str_printf(&first, "n,,n=%s,r=rOprNGfwEbeRWgbNEkqO", name);
	exchange = auth_begin(&smtp, VIEW("SCRAM-SHA-256"), true, str_view(&first), &answer);
	assert_int_equal(answer.state, AUTH_CONTINUE);
	all = str_view(&answer.bytes);
	at = view_find(all, VIEW(",s="));
	assert_true(at != VIEW_NOT_FOUND);
	all = view_from(all, at + 3);
	str_set(salt, view_first(all, view_find_byte(all, ',')));
	assert_true(salt->len > 0);
	auth_exchange_free(exchange);
	auth_answer_free(&answer);
}

/* A salt that changes with how a name is written would tell that it is nobody's. */
static void scram_salts(void *unused)
{
	static const char *const same[] = { "nobody@example.test", "NoBody@Example.TEST",
					    "nobody" };
	_cleanup_(str_free) struct str first = STR_EMPTY, salt = STR_EMPTY;

	(void)unused;
	scram_salt_of("nobody@example.test", &first);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		scram_salt_of(same[i], &salt);
		assert_string_equal(str_cstr(&salt), str_cstr(&first));
	}
	scram_salt_of("other@example.test", &salt);
	assert_string_not_equal(str_cstr(&salt), str_cstr(&first));
}

static void test_scram_salts(void **unused)
{
	(void)unused;
	in_task(scram_salts);
}

static void cookies(void *unused)
{
	_cleanup_(str_free) struct str user = STR_EMPTY;
	struct auth_answer answer;

	(void)unused;
	auth_password(&imap, VIEW("alice@example.test"), VIEW("secret"), &answer);
	assert_int_equal(answer.state, AUTH_OK);
	assert_int_equal(answer.cookie.len, 64);
	assert_int_equal(auth_redeem(str_view(&answer.cookie), VIEW("imap"), &user, &session), 0);
	assert_string_equal(str_cstr(&user), "alice@example.test");
	/* Once only. */
	assert_int_equal(auth_redeem(str_view(&answer.cookie), VIEW("imap"), &user, &session),
			 -EACCES);
	auth_answer_free(&answer);
	/* For that service only, and a wrong try spends it. */
	auth_password(&imap, VIEW("alice@example.test"), VIEW("secret"), &answer);
	assert_int_equal(auth_redeem(str_view(&answer.cookie), VIEW("pop3"), &user, &session),
			 -EACCES);
	assert_int_equal(auth_redeem(str_view(&answer.cookie), VIEW("imap"), &user, &session),
			 -EACCES);
	auth_answer_free(&answer);
	assert_int_equal(auth_redeem(VIEW("0123"), VIEW("imap"), &user, &session), -EACCES);
	assert_int_equal(auth_redeem(VIEW(""), VIEW("imap"), &user, &session), -EACCES);
}

static void test_cookies(void **unused)
{
	(void)unused;
	in_task(cookies);
}

/* A new password is in force at once, and the old one is not, cache or no cache. */
static void changed_password(void *unused)
{
	(void)unused;
	assert_int_equal(try_password("alice@example.test", "secret", true, NULL), -1);
	write_users("other");
	assert_int_equal(try_password("alice@example.test", "secret", true, NULL),
			 AUTH_FAIL_CREDENTIALS);
	assert_int_equal(try_password("alice@example.test", "other", true, NULL), -1);
	write_users("secret");
	assert_int_equal(try_password("alice@example.test", "secret", true, NULL), -1);
}

static void test_changed_password(void **unused)
{
	(void)unused;
	in_task(changed_password);
}

/* Conversations that hang, break off or talk nonsense are nobody else's trouble. */
static void neighbours(void *unused)
{
	struct auth_answer answers[20];
	struct auth_client client = imap;
	struct auth_exchange *hanging[20];
	struct ipc *rude;
	struct message m;

	(void)unused;
	client.address = VIEW("192.0.2.9");
	for (size_t i = 0; i < ARRAY_SIZE(hanging); i++)
		hanging[i] = auth_begin(&client, VIEW("PLAIN"), false, VIEW_NONE, &answers[i]);
	rude = ipc_connect("private/auth", clock_after(5000));
	assert_non_null(rude);
	assert_int_equal(ipc_send(rude, anvil_new_mail, .user = VIEW("x")), 0);
	assert_int_equal(ipc_expect(rude, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 550);
	assert_true(ipc_receive(rude, &m) < 0);
	ipc_free(rude);
	rude = ipc_connect("private/auth", clock_after(5000));
	assert_int_equal(write(ipc_fd(rude), "\0\0\0\377garbage!", 12), 12);
	assert_true(ipc_receive(rude, &m) < 0);
	ipc_free(rude);
	assert_int_equal(try_password("alice@example.test", "secret", true, NULL), -1);
	for (size_t i = 0; i < ARRAY_SIZE(hanging); i++) {
		assert_int_equal(answers[i].state, AUTH_CONTINUE);
		auth_exchange_free(hanging[i]);
		auth_answer_free(&answers[i]);
	}
	assert_int_equal(try_password("alice@example.test", "secret", true, NULL), -1);
}

static void test_neighbours(void **unused)
{
	(void)unused;
	in_task(neighbours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwords),	 cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_announced),	 cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_changed_password), cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_scram_salts),	 cmocka_unit_test(test_external),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

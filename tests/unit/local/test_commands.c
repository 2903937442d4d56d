/*
 * local-deliver as a program: the commands of pipe and spawn that master.cf has. Whoever asks gives
 * a service's name, and gets nothing that does not stand there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "program.h"
#include "task/task.h"

#include "../owners.h"

static char root[] = "/tmp/posta-commands-XXXXXX";
static const char *self; /* as whom commands run: ourselves, or "daemon" */
static struct program program;
static struct ipc_pool *pool;

static const char content[] = "From: a@example.test\r\n\r\nFrom me\r\n.\r\nend\r\n";

static void write_file(const char *name, const char *format, ...)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	str_printf(&path, "%s/%s", root, name);
	if (io_replace_file(str_cstr(&path), str_view(&text), 0644, &err) < 0)
		fail_msg("%s", err.text);
}

static void make_folder(const char *name, uid_t owner)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", root, name);
	mkdir(str_cstr(&path), 0755);
	if (geteuid() == 0 && chown(str_cstr(&path), owner, owner) < 0)
		abort();
}

static void write_master_cf(void)
{
	write_file(
		"conf/master.cf",
		"plain unix - n n - - pipe flags=DRhu. user=%s argv=/usr/bin/tee %s/out/${user}\n"
		"fails unix - n n - - pipe user=%s argv=/bin/sh -c { echo 4.2.2 full; exit 69 }\n"
		"slow unix - n n - - pipe user=%s argv=/bin/sleep 60\n"
		"dies unix - n n - - pipe user=%s argv=/bin/sh -c { kill -9 $$$$ }\n"
		"endless unix - n n - - pipe user=%s argv=/usr/bin/yes\n"
		"leaves unix - n n - - pipe user=%s argv=/bin/sh -c { setsid yes & sleep 0.1 }\n"
		"lazy unix - n n - - pipe user=%s argv=/bin/true\n"
		"absent unix - n n - - pipe user=%s argv=/nonexistent\n"
		"env unix - n n - - pipe user=%s directory=%s/out\n"
		"  argv=/bin/sh -c { pwd; env; echo \"<$$1>\" } x ${sender}\n"
		"many unix - n n - - pipe user=%s argv=/bin/echo ${recipient} -- ${nexthop}\n"
		"root unix - n n - - pipe user=root argv=/bin/true\n"
		"ours unix - n n - - pipe user=nobody argv=/bin/true\n"
		"nobody unix - n n - - pipe user=no-such-user argv=/bin/true\n"
		"wrong unix - n n - - pipe user=%s argv=\n"
		"talk unix - n n - 1 spawn user=%s argv=/bin/sh -c { read x; id -un; echo $x }\n"
		"stays unix - n n - - spawn user=%s argv=/bin/sleep 60\n"
		"127.0.0.1:99 inet n n n - - spawn user=%s argv=/bin/echo inet\n",
		self, root, self, self, self, self, self, self, self, self, root, self, self, self,
		self, self);
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
	make_folder("out", me->pw_uid);
	write_file("conf/main.cf",
		   "queue_directory = %s\nmyhostname = mx.example.test\nmailbox_users =\n"
		   "alias_maps =\nrecipient_delimiter = +\n"
		   "command_time_limit = 30s\nslow_time_limit = 1s\nendless_time_limit = "
		   "1s\nstays_time_limit = 1s\n"
		   "export_environment = TZ=UTC, MAIL_CONFIG\n%s",
		   root, owners_nobody);
	write_master_cf();
	snprintf(path, sizeof(path), "%s/conf", root);
	ipc_set_root(root);
	pool = ipc_pool_new("private/local-deliver", 10);
	ipc_pool_set_timeout(pool, 20000);
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

/* ---- pipe ---- */

static const char recipients[] = "Bob+x@Example.test\0bob@old.test";

static void expect_pipe(const char *service, uint8_t outcome, const char *status, const char *text)
{
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(pool, clock_after(5000), &ipc, &m, pipe_deliver,
			     .queue_id = VIEW("4ABC"), .service = view_of(service),
			     .nexthop = VIEW("next.test"), .sender = VIEW("$(id)@from.test"),
			     .recipients = view_make(recipients, sizeof(recipients)),
			     .content = view_make(content, sizeof(content) - 1),
			     .content_size = sizeof(content) - 1);

	assert_int_equal(r, 0);
	assert_int_equal(m.type, MSG_result);

	_cleanup_(str_free) struct str got = STR_EMPTY;
	str_printf(&got, "%.*s %.*s", VIEW_ARG(m.result.status), VIEW_ARG(m.result.diagnostic));
	if (m.result.outcome != outcome || !view_starts(str_view(&got), view_of(status)) ||
	    strstr(str_cstr(&got), text) == NULL)
		fail_msg("%s: %d %s", service, m.result.outcome, str_cstr(&got));
	ipc_pool_put(pool, ipc, true);
}

static void pipes(void *unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)unused;
	expect_pipe("plain", OUTCOME_DELIVERED, "2.0.0", "Return-Path");
	str_printf(&path, "%s/out/bob", root);
	assert_int_equal(io_read_file(str_cstr(&path), 10000, &text, &err), 0);
	assert_string_equal(str_cstr(&text),
			    "Return-Path: <\"$(id)\"@from.test>\nDelivered-To: Bob+x@Example.test\n"
			    "From: a@example.test\n\nFrom me\n..\nend\n.\n");
	expect_pipe("fails", OUTCOME_DEFERRED, "4.2.2", "full");
	expect_pipe("dies", OUTCOME_DEFERRED, "4.3.0", "signal 9");
	expect_pipe("lazy", OUTCOME_DELIVERED, "2.0.0", "");
	expect_pipe("absent", OUTCOME_DEFERRED, "4.3.0", "/nonexistent");
	expect_pipe("slow", OUTCOME_FAILED, "5.3.0", "time limit");
	/* Output without end holds nothing up, nor does that of a process that stays. */
	expect_pipe("endless", OUTCOME_FAILED, "5.3.0", "time limit");
	expect_pipe("leaves", OUTCOME_DELIVERED, "2.0.0", "y y y");
	expect_pipe("many", OUTCOME_DELIVERED, "2.0.0", "Bob+x@Example.test -- next.test");
	expect_pipe("env", OUTCOME_DELIVERED, "2.0.0", "/out");
	expect_pipe("env", OUTCOME_DELIVERED, "2.0.0", "TZ=UTC");
	expect_pipe("env", OUTCOME_DELIVERED, "2.0.0", "MAIL_CONFIG=/tmp/");
	expect_pipe("env", OUTCOME_DELIVERED, "2.0.0", "<$(id)@from.test>");
}

static void test_pipes(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(pipes, NULL), 0);
}

static void refused(void *unused)
{
	struct message m;
	struct ipc *ipc;

	(void)unused;
	expect_pipe("root", OUTCOME_DEFERRED, "4.3.5", "configuration error");
	expect_pipe("nobody", OUTCOME_DEFERRED, "4.3.5", "configuration error");
	expect_pipe("wrong", OUTCOME_DEFERRED, "4.3.5", "configuration error");
	if (geteuid() == 0)
		expect_pipe("ours", OUTCOME_DEFERRED, "4.3.5", "configuration error");
	/* One of spawn, one that is not there, an address with a line end, a number of two words. */
	for (int i = 0; i < 4; i++) {
		static const char evil[] = "a\nb@x.test\0";
		int r = ipc_exchange(pool, clock_after(5000), &ipc, &m, pipe_deliver,
				     .queue_id = i == 3 ? VIEW("4A\0BC") : VIEW("4ABC"),
				     .service = i == 0	 ? VIEW("talk")
						: i == 1 ? VIEW("other")
							 : VIEW("lazy"),
				     .recipients =
					     i == 2 ? view_make(evil, sizeof(evil))
						    : view_make(recipients, sizeof(recipients)),
				     .content = VIEW("x"), .content_size = 1);

		assert_true(r < 0);
	}
}

static void test_refused(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(refused, NULL), 0);
}

/* ---- spawn ---- */

struct talk {
	const char *service;
	bool inet;
	int ends[2], result;
	enum message_type answer;
	bool done;
};

static void talk_run(void *argument)
{
	struct talk *talk = argument;
	struct message m = { .type = MSG_none };
	struct ipc *ipc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, talk->ends), 0);
	assert_int_equal(write(talk->ends[0], "hello\n", 6), 6);
	talk->result = ipc_exchange(pool, clock_after(5000), &ipc, &m, spawn_command,
				    .service = view_of(talk->service), .inet = talk->inet,
				    .connection = talk->ends[1]);
	talk->answer = m.type;
	if (talk->result == 0)
		ipc_pool_put(pool, ipc, true);
	close(talk->ends[1]);
	talk->done = true;
}

static void expect_talk(const char *service, bool inet, const char *text)
{
	struct talk talk = { .service = service, .inet = inet };
	char got[100] = "";

	talk_run(&talk);
	assert_int_equal(talk.result, 0);
	assert_int_equal(talk.answer, MSG_done);
	assert_true(read(talk.ends[0], got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
	close(talk.ends[0]);
}

static void spawns(void *unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct talk twice[2] = { { .service = "talk" }, { .service = "talk" } };
	struct talk other = { .service = "lazy" };

	(void)unused;
	str_printf(&text, "%s\nhello\n", self);
	expect_talk("talk", false, str_cstr(&text));
	expect_talk("127.0.0.1:99", true, "inet\n");
	/* maxproc 1: one after the other. */
	for (int i = 0; i < 2; i++)
		task_spawn("talk", talk_run, &twice[i]);
	while (!twice[0].done || !twice[1].done)
		task_sleep(10);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(twice[i].result, 0);
		close(twice[i].ends[0]);
	}
	/* It is ended at its time limit. */
	struct talk stays = { .service = "stays" };

	talk_run(&stays);
	assert_int_equal(stays.result, 0);
	close(stays.ends[0]);
	/* A line of pipe is none of spawn's. */
	talk_run(&other);
	assert_true(other.result < 0);
	close(other.ends[0]);
}

static void test_spawns(void **unused)
{
	(void)unused;
	assert_int_equal(task_run(spawns, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_spawns),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* From main.cf and master.cf to what master is to do. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "daemon/programs.h"
#include "master.h"

static char folder[] = "/tmp/posta-test-plan-XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);

	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

/* Loads "smtpd" and so on as programs that exist. 0 or -EINVAL. */
static int load(const char *main_cf, const char *master_cf, struct plan *plan, struct str *report,
		struct str *notes)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text,
		   "queue_directory = /var/spool/test\nmyhostname = a.test\n"
		   "daemon_directory = %s\ninet_protocols = ipv4\n%s",
		   folder, main_cf);
	write_file("main.cf", text.data, 0644);
	write_file("master.cf", master_cf, 0644);
	return plan_load(folder, plan, report, notes);
}

static void good(const char *main_cf, const char *master_cf, struct plan *plan)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;

	if (load(main_cf, master_cf, plan, &report, &notes) < 0)
		fail_msg("%s", str_cstr(&report));
}

static void bad(const char *main_cf, const char *master_cf, const char *expected)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	assert_int_equal(load(main_cf, master_cf, &plan, &report, &notes), -EINVAL);
	if (strstr(str_cstr(&report), expected) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", str_cstr(&report), expected);
}

static void assert_sockets(const struct plan_service *service, const char *expected)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;

	for (size_t i = 0; i < service->socket_count; i++)
		str_printf(&names, "%s%s", i ? " " : "", service->sockets[i].name);
	assert_string_equal(str_cstr(&names), expected);
}

static void services_and_sockets(void **state)
{
	struct plan plan;

	(void)state;
	good("inet_interfaces = loopback-only\n",
	     "smtp inet n - - - 1 smtpd -o a=b\n"
	     "127.0.0.5:10025 inet n - - - - smtpd\n"
	     "cleanup unix - - - - 0 cleanup\n"
	     "submit unix n - - - - cleanup\n"
	     "qmgr unix - - - - 5 qmgr x also=public/showq y\n",
	     &plan);
	assert_int_equal(plan.count, 6); /* and the log */
	assert_string_equal(plan.services[5].key, "postlog unix-dgram");
	assert_int_equal(plan.services[5].socket_count, 0);
	assert_string_equal(plan.services[0].key, "smtp inet");
	assert_sockets(&plan.services[0], "127.0.0.1:25");
	assert_int_equal(plan.services[0].processes, 1);
	assert_sockets(&plan.services[1], "127.0.0.5:10025");
	assert_sockets(&plan.services[2], "private/cleanup");
	assert_true(plan.services[2].processes >= 1);
	assert_sockets(&plan.services[3], "public/submit");
	/* One process, whatever maxproc says: it holds the queue. */
	assert_int_equal(plan.services[4].processes, 1);
	assert_sockets(&plan.services[4], "private/qmgr public/showq");
	assert_string_equal(plan.services[4].line->arguments[0], "x");
	assert_string_equal(plan.services[4].line->arguments[1], "y");
	assert_null(plan.services[4].line->arguments[2]);
	plan_free(&plan);
}

static void ports_and_interfaces(void **state)
{
	struct plan plan;

	(void)state;
	good("base_port = 10000\ninet_interfaces = 127.0.0.2, [127.0.0.3] 127.0.0.2\n",
	     "submission inet n - - - - smtpd\n2525 inet n - - - - smtpd\n", &plan);
	assert_sockets(&plan.services[0], "127.0.0.2:10587 127.0.0.3:10587");
	assert_sockets(&plan.services[1], "127.0.0.2:2525 127.0.0.3:2525");
	plan_free(&plan);
	good("inet_protocols = all\n", "smtp inet n - - - - smtpd\n", &plan);
	assert_sockets(&plan.services[0], "0.0.0.0:25 [::]:25");
	assert_false(plan.services[0].sockets[0].optional);
	assert_true(plan.services[0].sockets[1].optional);
	plan_free(&plan);
	good("inet_protocols = ipv6\n", "[::1]:26 inet n - - - - smtpd\n", &plan);
	assert_sockets(&plan.services[0], "[::1]:26");
	assert_false(plan.services[0].sockets[0].optional);
	plan_free(&plan);
}

static const struct plan_service *find(const struct plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->services[i].key, key) == 0)
			return &plan->services[i];
	fail_msg("no service %s", key);
	return NULL;
}

static const char *program_of(const struct plan_service *service)
{
	return strrchr(service->path, '/') + 1;
}

static void assert_notes(const struct str *notes, const char *const *expected)
{
	for (; *expected != NULL; expected++)
		if (strstr(str_cstr(notes), *expected) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", str_cstr(notes), *expected);
}

/* A master.cf of Postfix makes a suite that works: with a word about what is otherwise. */
static void lines_of_postfix(void **state)
{
	static const char *const expected[] = {
		"left out, as others do their work: pickup, defer, error\n",
		"line 6: services of type fifo are not used: old\n",
		"line 11: program flush is not there yet: no service flush\n",
		"added as in share/posta/master.cf: submit, verify, greylist, reporter, resolver, "
		"filter, "
		"connector, "
		"proxymap, "
		"auth, oauth, "
		"anvil, status, "
		"keys, "
		"local-deliver\n",
		NULL
	};
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	(void)state;
	assert_int_equal(load("inet_interfaces = 127.0.0.1\n",
			      "smtp inet n - y - - smtpd\n"
			      "pickup unix n - y 60 1 pickup\n"
			      " -o content_filter= -o cleanup_service_name=sub-cleanup\n"
			      "cleanup unix n - y - 0 cleanup\n"
			      "sub-cleanup unix n - y - 0 cleanup -o header_checks=pcre:/x\n"
			      "old fifo n - y - - cleanup\n"
			      "qmgr unix n - n 300 1 oqmgr\n"
			      "bounce unix - - y - 0 bounce\n"
			      "defer unix - - y - 0 bounce\n"
			      "error unix - - y - - error\n"
			      "flush unix n - y 1000? 0 flush\n"
			      "showq unix n - y - - showq\n"
			      "virtual unix - n n - - virtual\n"
			      "smtp-amavis unix - - n - 2 lmtp\n  -o max_use=20\n",
			      &plan, &report, &notes),
			 0);
	assert_notes(&notes, expected);
	assert_int_equal(plan.count, 23);
	/* Not where Postfix has them, but where ours look for them. */
	assert_sockets(find(&plan, "cleanup unix"), "private/cleanup");
	assert_sockets(find(&plan, "sub-cleanup unix"), "private/sub-cleanup");
	assert_sockets(find(&plan, "qmgr unix"), "private/qmgr");
	assert_sockets(find(&plan, "showq unix"), "public/showq");
	assert_sockets(find(&plan, "submit unix"), "public/submit");
	assert_string_equal(program_of(find(&plan, "qmgr unix")), "qmgr");
	assert_string_equal(program_of(find(&plan, "virtual unix")), "local");
	assert_string_equal(program_of(find(&plan, "smtp-amavis unix")), "smtp");
	assert_string_equal(find(&plan, "smtp-amavis unix")->line->arguments[0], "lmtp");
	/* Who takes local users' mail does so as pickup and the cleanup that it names would. */
	const struct service *submit = find(&plan, "submit unix")->line;

	assert_int_equal(submit->override_count, 3);
	assert_string_equal(submit->overrides[0].name, "header_checks");
	assert_string_equal(submit->overrides[1].name, "content_filter");
	assert_string_equal(submit->overrides[1].value, "");
	plan_free(&plan);
}

/* The smtpd behind postscreen serves what postscreen would, and does what that does. */
static void postscreen(void **state)
{
	static const char *const set[] = { "smtpd_proxy_timeout=7", "postscreen_x=1",
					   "postscreen_enable=yes" };
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	const struct plan_service *service;
	struct plan plan;

	(void)state;
	assert_int_equal(load("inet_interfaces = 127.0.0.1\n",
			      "smtp inet n - y - 1 postscreen\n  -o postscreen_x=1\n"
			      "  -o smtpd_proxy_timeout=8\n"
			      "smtpd pass - - y - - smtpd\n  -o smtpd_proxy_timeout=7\n",
			      &plan, &report, &notes),
			 0);
	assert_ptr_equal(strstr(str_cstr(&notes), "postscreen"), NULL);
	service = find(&plan, "smtp inet");
	assert_string_equal(program_of(service), "smtpd");
	assert_sockets(service, "127.0.0.1:25");
	assert_int_equal(service->line->processes, -1);
	assert_int_equal(service->line->override_count, ARRAY_SIZE(set));
	for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
		_cleanup_(str_free) struct str one = STR_EMPTY;

		str_printf(&one, "%s=%s", service->line->overrides[i].name,
			   service->line->overrides[i].value);
		assert_string_equal(str_cstr(&one), set[i]);
	}
	plan_free(&plan);
}

/* One that was written for us stays as it is: what it lacks is meant. */
static void partial(void **state)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	(void)state;
	assert_int_equal(load("", "smtp inet n - - - - smtpd\nold fifo n - - - - smtpd\n", &plan,
			      &report, &notes),
			 0);
	assert_int_equal(plan.count, 2);
	assert_string_equal(str_cstr(&notes),
			    "master.cf, line 2: services of type fifo are not used: old\n"
			    "master.cf lacks services that are in share/posta/master.cf: cleanup, "
			    "submit, qmgr, showq, bounce, verify, greylist, reporter, resolver, "
			    "filter, connector, "
			    "proxymap, auth, oauth, anvil, "
			    "status, keys\n");
	plan_free(&plan);
}

/* A line that was copied from Postfix does not make the whole file one of Postfix's. */
static void ours_with_lines_of_postfix(void **state)
{
	static const char *const expected[] = {
		"line 4: program flush is not there yet: no service foo\n", NULL
	};
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	(void)state;
	if (load("",
		 "qmgr unix - - - - 1 qmgr\n"
		 "submit unix n - - - - cleanup\n"
		 "resolver unix - - - - 1 resolver\n"
		 "foo unix - n n - - flush\n"
		 "postlog unix-dgram n - n - 1 postlogd\n"
		 "showq unix n - y - - showq\n",
		 &plan, &report, &notes) < 0)
		fail_msg("%s", str_cstr(&report));
	assert_notes(&notes, expected);
	assert_sockets(find(&plan, "qmgr unix"), "private/qmgr");
	assert_sockets(find(&plan, "submit unix"), "public/submit");
	plan_free(&plan);
}

/* A command that cannot be is named before anybody waits for it. */
static void commands(void **state)
{
	static const char *const expected[] = {
		"line 2: service bad will not start: flags=: there is no flag \"Z\"\n", NULL
	};
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	(void)state;
	if (load("",
		 "good unix - n n - - pipe user=a argv=/bin/true\n"
		 "bad unix - n n - - pipe flags=Z user=a argv=/bin/true\n",
		 &plan, &report, &notes) == 0)
		plan_free(&plan);
	if (strstr(str_cstr(&notes), expected[0]) == NULL)
		fail_msg("%s", str_cstr(&notes));
	assert_null(strstr(str_cstr(&notes), "line 1:"));
}

/* The folders of Postfix's queue have the names of ours. */
static void queue_of_postfix(void **state)
{
	static const char *const names[] = { "maildrop", "active", "deferred" };
	char main_cf[200];

	(void)state;
	snprintf(main_cf, sizeof(main_cf), "queue_directory = %s\n", folder);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct plan plan;

		good(main_cf, "2525 inet n - - - - smtpd\n", &plan);
		plan_free(&plan);
		write_file(names[i], "", 0644);
	}
	bad(main_cf, "2525 inet n - - - - smtpd\n", "is the queue of Postfix");
}

static void all_errors_at_once(void **state)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	static const char *const expected[] = { "main.cf, line 5: ipc_timeout",
						"master.cf, line 1: column \"wakeup\"",
						"master.cf, line 2: expected 8 columns", NULL };
	struct plan plan;

	(void)state;
	assert_int_equal(load("ipc_timeout = soon\n", "smtp inet n - - x - smtpd\nshort inet n\n",
			      &plan, &report, &notes),
			 -EINVAL);
	assert_notes(&report, expected);
}

static void what_is_wrong(void **state)
{
	(void)state;
	bad("", "smpt inet n - - - - smtpd\n", "\"smpt\" is no port");
	bad("", "0 inet n - - - - smtpd\n", "is no port");
	bad("", "a/b unix n - - - - cleanup\n", "cannot be the name");
	bad("", "master unix n - - - - cleanup\n", "cannot be the name");
	bad("", "qmgr unix - - - - - qmgr also=/etc/x\n", "also=public/NAME");
	bad("", "qmgr unix - - - - - qmgr also=public/../x\n", "also=public/NAME");
	bad("", "25 inet n - - - - smtpd\nsmtp inet n - - - - smtpd\n", "service in line 1");
	bad("", "", "no services");
	bad("inet_interfaces =\n", "smtp inet n - - - - smtpd\n", "no address to listen on");
	bad("queue_directory = relative\n", "smtp inet n - - - - smtpd\n", "absolute path");
	bad("base_port = 65000\n", "smtp inet n - - - - smtpd\n", "base_port");
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	for (size_t i = 0; program_at(i) != NULL; i++)
		write_file(program_at(i)->name, "#!/bin/sh\n", 0755);
	return 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* 0.0.0.0:25 and 127.0.0.1:25 are two sockets that the kernel takes as one unless told otherwise. */
static void shared_port(void **state)
{
	struct plan plan;

	(void)state;
	good("",
	     "2525 inet n - - - - smtpd\n127.0.0.1:2525 inet n - - - - smtpd\n"
	     "127.0.0.1:2626 inet n - - - - smtpd\n",
	     &plan);
	assert_true(plan.services[0].sockets[0].shares_port);
	assert_true(plan.services[1].sockets[0].shares_port);
	assert_false(plan.services[2].sockets[0].shares_port);
	plan_free(&plan);
}

/* A program of others is a service less; it has its sockets, so that who asks learns of it. */
static void no_program(void **state)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, notes = STR_EMPTY;
	struct plan plan;

	(void)state;
	assert_int_equal(load("",
			      "2525 inet n - - - - smtpd\nfoo unix - n n - - nosuch x=y\n"
			      "2525 inet n - - - - smtpd\n",
			      &plan, &report, &notes),
			 0);
	assert_non_null(strstr(str_cstr(&notes), "line 2: there is no program nosuch"));
	assert_non_null(strstr(str_cstr(&notes), "line 1: service 2525 stands again in line 3"));
	assert_int_equal(plan.count, 3);
	assert_null(plan.services[0].path);
	assert_int_equal(plan.services[0].processes, 0);
	assert_sockets(&plan.services[0], "private/foo");
	assert_int_equal(plan.services[1].line->line, 3);
	plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_and_sockets),
		cmocka_unit_test(ports_and_interfaces),
		cmocka_unit_test(lines_of_postfix),
		cmocka_unit_test(postscreen),
		cmocka_unit_test(partial),
		cmocka_unit_test(ours_with_lines_of_postfix),
		cmocka_unit_test(queue_of_postfix),
		cmocka_unit_test(commands),
		cmocka_unit_test(all_errors_at_once),
		cmocka_unit_test(what_is_wrong),
		cmocka_unit_test(no_program),
		cmocka_unit_test(shared_port),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Tables that are asked elsewhere: other tasks run during a look-up, and may close the tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "table/table.h"
#include "task/task.h"

static char folder[] = "/tmp/posta-test-proxy-XXXXXX";
static struct tables *tables;
static int listener, found;
static bool closes;
static struct str value, server_saw;

static int listen_at(const char *service)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(ipc_socket_address(service, &address), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* Answers one question, as proxymap would; before that the tables may be closed, as if reopened. */
static void answer_once(void *unused)
{
	struct message m;
	int fd;

	(void)unused;
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
		task_wait_readable(listener, MSEC_FOREVER);

	struct ipc *ipc = ipc_new(fd);

	assert_int_equal(ipc_expect(ipc, MSG_table_ask, &m), 0);
	str_append(&server_saw, m.table_ask.table);
	str_append_byte(&server_saw, ' ');
	str_append(&server_saw, m.table_ask.key);
	if (closes)
		tables_close(TAKE(tables));
	ipc_send(ipc, table_answered, .outcome = TABLE_FOUND, .value = VIEW("there"));
	ipc_flush(ipc);
	ipc_free(ipc);
}

static void look_up(void *unused)
{
	struct error err = ERROR_NONE;

	(void)unused;
	task_spawn("proxymap", answer_once, NULL);
	found = tables_lookup(tables, VIEW("Key"), &value, &err);
	task_quit(0);
}

static void ask(void)
{
	struct error err = ERROR_NONE;

	str_clear(&value);
	str_clear(&server_saw);
	tables = tables_open("inline:{a=b}, proxy:socketmap:unix:/x:map, fail:x", 0, &err);
	assert_non_null(tables);
	task_run(look_up, NULL);
	assert_int_equal(found, 1);
	assert_string_equal(str_cstr(&value), "there");
	assert_string_equal(str_cstr(&server_saw), "socketmap:unix:/x:map Key");
}

static void test_answer(void **state)
{
	(void)state;
	ask();
	assert_string_equal(tables_answered(tables), "socketmap:unix:/x:map");
	tables_close(TAKE(tables));
}

static void test_closed_during_a_look_up(void **state)
{
	(void)state;
	closes = true;
	ask();
	assert_null(tables);
}

static int set_up(void **state)
{
	char path[100];

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/private", folder);
	mkdir(path, 0700);
	ipc_set_root(folder);
	listener = listen_at("private/proxymap");
	return 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	close(listener);
	str_free(&value);
	str_free(&server_saw);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_closed_during_a_look_up),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

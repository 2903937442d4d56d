/* cleanup at the other end of a socket pair, with a queue and a configuration of its own. */
#ifndef TEST_CLEANUP_HELPER_H
#define TEST_CLEANUP_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "milters.h"
#include "task/task.h"

static char test_directory[64];
static void (*test_body)(struct ipc *client);

static inline void test_serve(void *argument)
{
	cleanup_serve(argument);
	ipc_free(argument);
}

static inline void test_main(void *argument)
{
	int pair[2];
	struct ipc *server, *client;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	server = ipc_new(pair[0]);
	client = ipc_new(pair[1]);
	ipc_set_socket_name(server, argument);
	task_spawn("cleanup", test_serve, server);
	test_body(client);
	ipc_free(client);
	task_quit(0);
}

/* Runs `body` against cleanup on this socket, with these lines in main.cf. */
static inline void test_with_cleanup(const char *socket_name, const char *main_cf,
				     void (*body)(struct ipc *client))
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;
	char command[128];

	log_set_level(LOG_ERROR_LEVEL);
	/* In memory where there is such a place: a disk's fsync would take most of the time. */
	snprintf(test_directory, sizeof(test_directory), "/dev/shm/posta-cleanup-XXXXXX");
	if (mkdtemp(test_directory) == NULL) {
		snprintf(test_directory, sizeof(test_directory), "/tmp/posta-cleanup-XXXXXX");
		assert_non_null(mkdtemp(test_directory));
	}
	str_printf(&path, "%s/main.cf", test_directory);
	str_printf(&text,
		   "myhostname = mx.example.test\nmydomain = example.test\n"
		   "myorigin = example.test\nqueue_directory = %s\nalias_maps =\n"
		   "local_recipient_maps =\nmailbox_users =\n%s",
		   test_directory, main_cf);
	assert_int_equal(io_replace_file(str_cstr(&path), str_view(&text), 0600, &err), 0);
	if (conf_load(test_directory, NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	assert_int_equal(queue_make_folders(test_directory, &err), 0);
	cleanup.queue = queue_open(test_directory, &err);
	cleanup.routes = routes_open(&err);
	cleanup.submitters =
		permit_open("authorized_submit_users", param.authorized_submit_users, &err);
	if (cleanup.submitters == NULL || cleanup.queue == NULL || cleanup.routes == NULL)
		fail_msg("%s", err.text);
	if (content_open(&err) < 0 || cleanup_milters_open(&err) < 0)
		fail_msg("%s", err.text);
	ipc_set_root(test_directory);
	test_body = body;
	task_run(test_main, (void *)(uintptr_t)socket_name);
	permit_close(cleanup.submitters);
	routes_close(cleanup.routes);
	queue_close(cleanup.queue);
	snprintf(command, sizeof(command), "rm -rf '%s'", test_directory);
	assert_int_equal(system(command), 0);
}

static inline void test_begin(struct ipc *client, const struct msg_mail *mail)
{
	assert_int_equal(ipc_send_message(client, MSG_mail, mail), 0);
}

static inline void test_rcpt(struct ipc *client, const char *address)
{
	assert_int_equal(ipc_send(client, rcpt, .address = view_of(address)), 0);
}

/* Sends data_end; the code of the verdict, and the id of the message. */
static inline uint32_t test_end(struct ipc *client, struct str *id)
{
	struct message m;

	assert_int_equal(ipc_send(client, data_end), 0);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	if (id != NULL)
		str_set(id, m.verdict.queue_id);
	return m.verdict.code;
}

static inline void test_read_content(struct view id, struct str *content)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;

	if (queue_file_open(cleanup.queue, id, NULL, QUEUE_OPEN_VERIFY, &f, &err) < 0)
		fail_msg("%s", err.text);
	size_t size = (size_t)queue_file_content_size(f);

	str_clear(content);
	assert_int_equal(io_pread_all(queue_file_fd(f), str_reserve(content, size), size,
				      (off_t)queue_file_content_offset(f)),
			 0);
	str_grow(content, size);
}

/* "address<original " for each recipient, "|filter" where they go to a content filter first. */
static inline void test_read_recipients(struct view id, struct str *list)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	if (queue_file_open(cleanup.queue, id, NULL, 0, &f, &err) < 0)
		fail_msg("%s", err.text);
	str_clear(list);
	while (queue_file_next_recipient(f, &cursor, &r) > 0)
		str_printf(list, "%.*s<%.*s ", VIEW_ARG(r.address), VIEW_ARG(r.original));
	if (queue_file_envelope(f)->filter.len > 0)
		str_printf(list, "|%.*s", VIEW_ARG(queue_file_envelope(f)->filter));
}

#endif

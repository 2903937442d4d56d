/* Connections: order, descriptors, hostile peers, pools, the end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "ipc/pack.h"
#include "task/task.h"

static void run(task_function *function)
{
	assert_int_equal(task_run(function, NULL), 0);
}

static void pair(struct ipc **a, struct ipc **b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*a = ipc_new(fds[0]);
	*b = ipc_new(fds[1]);
	ipc_set_timeout(*a, 2000);
	ipc_set_timeout(*b, 2000);
}

/* One ipc connection, and the bare other end of it for what no ipc would send. */
static int half_pair(struct ipc **a)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*a = ipc_new(fds[0]);
	ipc_set_timeout(*a, 2000);
	return fds[1];
}

static size_t count_open_files(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- order and size ---- */

static void many_messages_in_order(void *unused)
{
	struct ipc *a, *b;
	struct message m;

	(void)unused;
	pair(&a, &b);
	assert_int_equal(ipc_send(a, mail, .sender = VIEW("x@y.test"), .size = 7), 0);
	for (uint8_t i = 0; i < 200; i++)
		assert_int_equal(ipc_send(a, rcpt, .address = VIEW("a@b.test"), .notify = i), 0);
	assert_int_equal(ipc_flush(a), 0);
	assert_int_equal(ipc_expect(b, MSG_mail, &m), 0);
	assert_true(view_is(m.mail.sender, "x@y.test"));
	assert_int_equal(m.mail.size, 7);
	for (uint8_t i = 0; i < 200; i++) {
		assert_int_equal(ipc_expect(b, MSG_rcpt, &m), 0);
		assert_int_equal(m.rcpt.notify, i);
	}
	ipc_free(a);
	assert_int_equal(ipc_receive(b, &m), -ENODATA);
	ipc_free(b);
}

static void test_order(void **state)
{
	(void)state;
	run(many_messages_in_order);
}

#define FRAMES 100

static void send_frames(void *argument)
{
	static char frame[IPC_FRAME_MAX];
	struct ipc *ipc = argument;

	for (int i = 0; i < FRAMES; i++) {
		size_t len = i % 3 == 0 ? IPC_FRAME_MAX : i % 3 == 1 ? 1 : 5000 + (size_t)i;

		memset(frame, 'a' + i % 26, len);
		assert_int_equal(ipc_send(ipc, data, .bytes = view_make(frame, len)), 0);
	}
	assert_int_equal(ipc_send(ipc, data_end), 0);
	assert_int_equal(ipc_flush(ipc), 0);
	ipc_free(ipc);
}

static void frames_larger_than_the_socket(void *unused)
{
	struct ipc *a, *b;
	struct message m;

	(void)unused;
	pair(&a, &b);
	task_spawn("sender", send_frames, a);
	for (int i = 0; i < FRAMES; i++) {
		size_t len = i % 3 == 0 ? IPC_FRAME_MAX : i % 3 == 1 ? 1 : 5000 + (size_t)i;

		assert_int_equal(ipc_expect(b, MSG_data, &m), 0);
		assert_int_equal(m.data.bytes.len, len);
		for (size_t at = 0; at < len; at += 997)
			assert_int_equal(m.data.bytes.data[at], 'a' + i % 26);
	}
	ipc_free(b);
}

static void test_frames(void **state)
{
	(void)state;
	run(frames_larger_than_the_socket);
}

/* ---- descriptors ---- */

static int temporary_file(const char *text)
{
	char path[] = "/tmp/posta-test-ipc-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd > 0);
	unlink(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void assert_content(int fd, const char *text)
{
	char got[16] = "";

	assert_true(fd > 2);
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* Small messages around them, two in a row: each gets its own. */
static void each_message_has_its_descriptor(void *unused)
{
	struct ipc *a, *b;
	struct message m;
	int one = temporary_file("one"), two = temporary_file("two");

	(void)unused;
	pair(&a, &b);
	assert_int_equal(ipc_send(a, done), 0);
	assert_int_equal(ipc_send(a, queue_opened, .file = one), 0);
	assert_int_equal(ipc_send(a, queue_opened, .file = two), 0);
	assert_int_equal(ipc_send(a, queue_opened), 0);
	assert_int_equal(ipc_send(a, done), 0);
	assert_int_equal(ipc_flush(a), 0);
	assert_int_equal(ipc_expect(b, MSG_done, &m), 0);
	assert_int_equal(ipc_expect(b, MSG_queue_opened, &m), 0);
	assert_content(m.queue_opened.file, "one");
	message_close_fd(&m);
	assert_int_equal(m.queue_opened.file, -1);
	assert_int_equal(ipc_expect(b, MSG_queue_opened, &m), 0);
	assert_content(m.queue_opened.file, "two");
	message_close_fd(&m);
	assert_int_equal(ipc_expect(b, MSG_queue_opened, &m), 0);
	assert_int_equal(m.queue_opened.file, -1);
	assert_int_equal(ipc_expect(b, MSG_done, &m), 0);
	ipc_free(a);
	ipc_free(b);
	close(one);
	close(two);
}

static void send_sessions(void *argument)
{
	static char input[IPC_FRAME_MAX];
	struct ipc *ipc = argument;
	int one = temporary_file("one"), two = temporary_file("two");

	assert_int_equal(ipc_send(ipc, session_join, .input = view_make(input, sizeof(input)),
				  .connection = one),
			 0);
	assert_int_equal(ipc_send(ipc, session_join, .input = view_make(input, sizeof(input)),
				  .connection = two),
			 0);
	close(one);
	close(two);
	ipc_free(ipc);
}

/* The rest of the first message and the beginning of the second could come in one read. */
static void large_messages_with_descriptors(void *unused)
{
	struct ipc *a, *b;
	struct message m;

	(void)unused;
	pair(&a, &b);
	task_spawn("sender", send_sessions, a);
	task_sleep(5);
	assert_int_equal(ipc_expect(b, MSG_session_join, &m), 0);
	assert_int_equal(m.session_join.input.len, IPC_FRAME_MAX);
	assert_content(m.session_join.connection, "one");
	message_close_fd(&m);
	assert_int_equal(ipc_expect(b, MSG_session_join, &m), 0);
	assert_content(m.session_join.connection, "two");
	message_close_fd(&m);
	ipc_free(b);
}

static void test_descriptors(void **state)
{
	size_t before = count_open_files();

	(void)state;
	run(each_message_has_its_descriptor);
	run(large_messages_with_descriptors);
	assert_int_equal(count_open_files(), before);
}

/* Raw bytes with `count` descriptors. */
static void send_raw(int to, const void *bytes, size_t len, size_t count)
{
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd = temporary_file("x"), fds[8] = { fd, fd, fd, fd, fd, fd, fd, fd };

	if (count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));

		struct cmsghdr *c = CMSG_FIRSTHDR(&header);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(to, &header, 0), len);
	close(fd);
}

static const unsigned char done_bytes[] = { 0, 0, 0, 2, 0, MSG_done };
static const unsigned char opened_bytes[] = { 0, 0, 0, 3, 0, MSG_queue_opened, 1 };

static void hostile_descriptors(void *unused)
{
	static const struct {
		const unsigned char *bytes;
		size_t len, count;
		int result;
	} cases[] = {
		{ done_bytes, sizeof(done_bytes), 0, 0 },
		{ done_bytes, sizeof(done_bytes), 1, -EBADMSG },     /* has none */
		{ done_bytes, sizeof(done_bytes), 8, -EBADMSG },     /* and far too many */
		{ opened_bytes, sizeof(opened_bytes), 1, 0 },	     /* as it should be */
		{ opened_bytes, sizeof(opened_bytes), 0, -EBADMSG }, /* promised, not sent */
		{ opened_bytes, sizeof(opened_bytes), 2, -EBADMSG }, /* one too many */
		{ opened_bytes, 5, 1, -EBADMSG },		     /* then the end */
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipc *a;
		struct message m;
		int other = half_pair(&a);

		send_raw(other, cases[i].bytes, cases[i].len, cases[i].count);
		close(other);
		assert_int_equal(ipc_receive(a, &m), cases[i].result);
		if (cases[i].result < 0) /* for good */
			assert_int_equal(ipc_receive(a, &m), cases[i].result);
		message_close_fd(&m);
		ipc_free(a);
	}
}

static void test_hostile_descriptors(void **state)
{
	size_t before = count_open_files();

	(void)state;
	run(hostile_descriptors);
	assert_int_equal(count_open_files(), before);
}

/* ---- hostile bytes ---- */

static void hostile_heads(void *unused)
{
	static const unsigned char heads[][6] = {
		{ 0xff, 0xff, 0xff, 0xff, 0, MSG_data }, /* 4 GB */
		{ 0, 0, 0, 2, 0, 0 },			 /* type none */
		{ 0, 0, 0, 2, 0xff, 0xff },		 /* a type that there is not */
		{ 0, 0, 0, 1, 0, MSG_done },		 /* shorter than its own head */
		{ 0, 0, 0, 0, 0, MSG_done },
		{ 0, 0, 0, 3, 0, MSG_done }, /* longer than `done` can be */
		{ 0, 2, 0, 0, 0, MSG_data }, /* longer than `data` can be */
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct ipc *a;
		struct message m;
		int other = half_pair(&a);

		assert_int_equal(write(other, heads[i], 6), 6);
		assert_int_equal(ipc_receive(a, &m), -EBADMSG);
		close(other);
		ipc_free(a);
	}
}

/* Every beginning of a stream of two messages, then the end of it. */
static void ends_anywhere(void *unused)
{
	static const unsigned char two[] = { 0, 0, 0, 2, 0,  MSG_done,
					     0, 0, 0, 7, 0,  MSG_queue_open,
					     0, 0, 0, 1, 'Q' };

	(void)unused;
	for (size_t len = 0; len <= sizeof(two); len++) {
		struct ipc *a;
		struct message m;
		int other = half_pair(&a), r;

		assert_int_equal(write(other, two, len), len);
		close(other);
		r = ipc_receive(a, &m);
		assert_int_equal(r, len == 0 ? -ENODATA : len < 6 ? -EBADMSG : 0);
		if (r == 0) {
			r = ipc_receive(a, &m);
			assert_int_equal(r, len == 6 ? -ENODATA : len < sizeof(two) ? -EBADMSG : 0);
		}
		if (len == sizeof(two))
			assert_true(view_is(m.queue_open.queue_id, "Q"));
		ipc_free(a);
	}
}

static void byte_by_byte(void *argument)
{
	static const unsigned char bytes[] = { 0, 0, 0, 7, 0, MSG_queue_open, 0, 0, 0, 1, 'Q' };
	int other = *(int *)argument;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(write(other, bytes + i, 1), 1);
		task_yield();
		task_sleep(1);
	}
}

static void arrives_in_pieces(void *unused)
{
	struct ipc *a;
	struct message m;
	int other = half_pair(&a);

	(void)unused;
	task_spawn("bytes", byte_by_byte, &other);
	assert_int_equal(ipc_expect(a, MSG_queue_open, &m), 0);
	assert_true(view_is(m.queue_open.queue_id, "Q"));
	ipc_free(a);
	close(other);
}

static void test_hostile_bytes(void **state)
{
	(void)state;
	run(hostile_heads);
	run(ends_anywhere);
	run(arrives_in_pieces);
}

/* ---- waits that end ---- */

static void wait_for_shut_down(void *argument)
{
	struct ipc *ipc = argument;
	struct message m;

	assert_int_equal(ipc_receive(ipc, &m), -ESHUTDOWN);
	/* Answers of other programs still come. */
	ipc_finish_first(ipc, true);
	assert_int_equal(ipc_expect(ipc, MSG_done, &m), 0);
	ipc_free(ipc);
}

static void timeouts_and_shut_down(void *unused)
{
	struct ipc *a, *b;
	struct message m;

	(void)unused;
	pair(&a, &b);
	ipc_set_timeout(a, 20);
	assert_int_equal(ipc_receive(a, &m), -ETIMEDOUT);
	ipc_set_timeout(a, 2000);
	task_spawn("waits", wait_for_shut_down, a);
	task_sleep(5);
	task_shut_down();
	task_sleep(5);
	assert_int_equal(ipc_send(b, done), 0);
	assert_int_equal(ipc_flush(b), 0);
	task_sleep(5);
	ipc_free(b);
}

static void test_waits(void **state)
{
	(void)state;
	run(timeouts_and_shut_down);
}

/* ---- retiring, and pools ---- */

static bool retires;

static bool is_retiring(void)
{
	return retires;
}

static char folder[] = "/tmp/posta-test-ipc-XXXXXX";
static int listen_fd = -1;
static int served; /* connections */

static void serve(void *argument)
{
	struct ipc *ipc = argument;
	struct message m;

	while (ipc_next_request(ipc, &m) == 0)
		assert_int_equal(ipc_send(ipc, done), 0);
	ipc_free(ipc);
}

static void accept_some(void *unused)
{
	(void)unused;
	for (;;) {
		if (task_wait_acceptable(listen_fd, MSEC_FOREVER) < 0)
			return;

		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		served++;
		task_spawn("serve", serve, ipc_new(fd));
	}
}

static void open_service(void)
{
	struct sockaddr_un address;
	char path[64];

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/private", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	ipc_set_root(folder);
	assert_int_equal(ipc_socket_address("private/x", &address), 0);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listen_fd, 10), 0);
}

static void close_service(void)
{
	char path[64];

	task_forget_fd(listen_fd);
	close(listen_fd);
	snprintf(path, sizeof(path), "%s/private/x", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/private", folder);
	rmdir(path);
	rmdir(folder);
}

static void ask(struct ipc_pool *pool)
{
	struct ipc *ipc = NULL;
	struct message m;
	int r = ipc_exchange(pool, clock_after(20000), &ipc, &m, queued, .queue_id = VIEW("Q"));

	assert_int_equal(r, 0);
	assert_int_equal(m.type, MSG_done);
	assert_string_equal(ipc_socket_name(ipc), "private/x");
	ipc_pool_put(pool, ipc, true);
}

static void kept_connections(void *unused)
{
	struct ipc_pool *pool = ipc_pool_new("private/x", 2);

	(void)unused;
	open_service();
	task_spawn("accept", accept_some, NULL);
	ask(pool);
	ask(pool);
	assert_int_equal(served, 1); /* the same one */
	/* A program that retires drops the request that comes; the client asks once more. */
	ipc_set_retire_check(is_retiring);
	retires = true;
	struct ipc *ipc = ipc_pool_get(pool, clock_after(20000));
	struct message m;

	assert_int_equal(ipc_send(ipc, queued, .queue_id = VIEW("Q")), 0);
	assert_int_equal(ipc_receive(ipc, &m), -ENODATA);
	ipc_pool_put(pool, ipc, false);
	retires = false;
	ask(pool);
	assert_int_equal(served, 2);
	/* Closed behind our back while it was kept. */
	retires = true;
	ipc = ipc_pool_get(pool, clock_after(20000));
	assert_int_equal(ipc_send(ipc, done), 0);
	assert_int_equal(ipc_flush(ipc), 0);
	ipc_pool_put(pool, ipc, true);
	task_sleep(5);
	retires = false;
	ask(pool);
	assert_int_equal(served, 3);
	ipc_pool_free(pool);
	close_service();
	ipc_set_retire_check(NULL);
	task_quit(0);
}

static void test_pool(void **state)
{
	(void)state;
	run(kept_connections);
}

static void nobody_there(void *unused)
{
	(void)unused;
	ipc_set_root("/nonexistent");
	assert_null(ipc_connect("private/x", clock_after(20)));
	assert_int_equal(errno, ENOENT);
}

/* Where the queue directory's path alone is longer than a socket's address. */
static void long_path(void *unused)
{
	char path[400] = "/tmp/posta-test-ipc-long", command[450];
	struct sockaddr_un address;

	(void)unused;
	while (strlen(path) < 200)
		strncat(path, "/a-folder-with-a-long-name", sizeof(path) - strlen(path) - 1);
	snprintf(command, sizeof(command), "mkdir -p %s/private", path);
	assert_int_equal(system(command), 0);
	ipc_set_root(path);
	assert_int_equal(ipc_socket_address("private/x", &address), 0);

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);

	struct ipc *ipc = ipc_connect("private/x", clock_after(100));

	assert_non_null(ipc);
	ipc_free(ipc);
	close(fd);
	ipc_set_root("");
	assert_int_equal(system("rm -r /tmp/posta-test-ipc-long"), 0);
}

static void test_connect(void **state)
{
	(void)state;
	run(nobody_there);
	run(long_path);
}

/* ---- what a peer may send ---- */

static void refused_messages(void *unused)
{
	struct ipc *client, *server;
	struct message_set may_send = { 0 };
	struct message m;
	size_t open_before;

	(void)unused;
	pair(&client, &server);
	message_set_add(&may_send, MSG_done);
	ipc_limit(server, &may_send);
	assert_int_equal(ipc_send(client, done), 0);
	assert_int_equal(ipc_flush(client), 0);
	assert_int_equal(ipc_expect(server, MSG_done, &m), 0);
	/* Another one is answered, ends the connection, and leaves its descriptor nowhere. */
	open_before = count_open_files();
	assert_int_equal(ipc_send(client, queue_opened, .file = 1), 0);
	assert_int_equal(ipc_receive(server, &m), -EACCES);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 550);
	assert_int_equal(ipc_receive(server, &m), -EACCES);
	ipc_free(server);
	assert_int_equal(ipc_receive(client, &m), -ENODATA);
	ipc_free(client);
	assert_int_equal(count_open_files(), open_before - 2);
}

static void test_refused_messages(void **state)
{
	(void)state;
	run(refused_messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_hostile_descriptors),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_refused_messages),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_connect),
	};

	/* The complaints about hostile peers are what is tested, not what is read. */
	log_set_level(LOG_FATAL_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

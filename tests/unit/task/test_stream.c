/* Plain streams: lines, buffers, time-outs, files, connecting. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "task/stream.h"
#include "task/stream_layer.h"
#include "task/task.h"

static void run(task_function *function)
{
	assert_int_equal(task_run(function, NULL), 0);
}

static void open_streams(struct stream *io[2])
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 2; i++) {
		io[i] = stream_new(pair[i]);
		stream_set_timeout(io[i], 2000);
	}
}

static void say(struct stream *io, const char *text)
{
	assert_int_equal(stream_write(io, view_of(text)), 0);
	assert_int_equal(stream_flush(io), 0);
}

static void expect_line(struct stream *io, size_t max, const char *expected)
{
	struct view line;

	assert_int_equal(stream_read_line(io, &line, max), 0);
	assert_int_equal(line.len, strlen(expected));
	assert_memory_equal(line.data, expected, line.len);
}

/* ---- lines ---- */

static const char conversation[] = "HELO there\r\nbare\n\r\n\nin\rside\r\r\nlast\r\n";

static void byte_by_byte(void *argument)
{
	struct stream *io = argument;

	for (size_t i = 0; i < sizeof(conversation) - 1; i++) {
		assert_int_equal(write(io->fd, conversation + i, 1), 1);
		task_yield();
	}
	stream_free(io);
}

static void read_conversation(struct stream *io)
{
	struct view line;

	expect_line(io, 100, "HELO there");
	assert_true(stream_line_had_cr(io));
	expect_line(io, 4, "bare");
	assert_false(stream_line_had_cr(io));
	expect_line(io, 0, "");
	assert_true(stream_line_had_cr(io));
	expect_line(io, 0, "");
	assert_false(stream_line_had_cr(io));
	expect_line(io, 100, "in\rside\r");
	expect_line(io, 4, "last");
	assert_int_equal(stream_read_line(io, &line, 100), -ENODATA);
	assert_int_equal(stream_read_line(io, &line, 100), -ENODATA);
	assert_int_equal(stream_bytes_in(io), sizeof(conversation) - 1);
}

static void lines(void *unused)
{
	struct stream *io[2];

	(void)unused;
	open_streams(io);
	task_spawn("feeder", byte_by_byte, io[1]);
	read_conversation(io[0]);
	stream_free(io[0]);

	/* The same at once. */
	open_streams(io);
	say(io[1], conversation);
	assert_int_equal(stream_close(io[1]), 0);
	read_conversation(io[0]);
	stream_free(io[0]);
}

static void test_lines(void **state)
{
	(void)state;
	run(lines);
}

static void feed_long_lines(void *argument)
{
	struct stream *io = argument;

	say(io, "12345\n123456\n12345\r\n123456\r\n12345\r6\n");
	/* One that is much longer, in pieces. */
	for (int i = 0; i < 50000; i++)
		assert_int_equal(stream_write(io, VIEW("0123456789")), 0);
	say(io, "\r\nok\r\n");
	for (int i = 0; i < 8; i++) {
		say(io, "12345678"[i] == '8' ? "\n" : "x");
		task_yield();
	}
	say(io, "end\r\n");
	assert_int_equal(stream_close(io), 0);
}

static void long_lines(void *unused)
{
	struct stream *io[2];
	struct view line;

	(void)unused;
	open_streams(io);
	task_spawn("feeder", feed_long_lines, io[1]);
	expect_line(io[0], 5, "12345");
	assert_int_equal(stream_read_line(io[0], &line, 5), -EMSGSIZE);
	expect_line(io[0], 5, "12345");
	assert_int_equal(stream_read_line(io[0], &line, 5), -EMSGSIZE);
	assert_int_equal(stream_read_line(io[0], &line, 5), -EMSGSIZE);
	assert_int_equal(stream_read_line(io[0], &line, 100000), -EMSGSIZE);
	/* The rest was thrown away as it came, not kept. */
	expect_line(io[0], 5, "ok");
	assert_true(io[0]->in_size <= 262144);
	assert_int_equal(stream_read_line(io[0], &line, 3), -EMSGSIZE);
	expect_line(io[0], 5, "end");
	assert_int_equal(stream_read_line(io[0], &line, 5), -ENODATA);
	stream_free(io[0]);

	/* As long as is allowed, beyond the usual buffer. */
	open_streams(io);
	task_spawn("feeder", feed_long_lines, io[1]);
	for (int i = 0; i < 5; i++)
		assert_int_equal(stream_read_line(io[0], &line, 100), 0);
	assert_int_equal(stream_read_line(io[0], &line, 500000), 0);
	assert_int_equal(line.len, 500000);
	expect_line(io[0], 2, "ok");
	expect_line(io[0], 7, "xxxxxxx");
	expect_line(io[0], 7, "end");
	stream_free(io[0]);
}

static void send_without_end(void *argument)
{
	struct stream *io = argument;

	while (stream_write(io, VIEW("endless ")) == 0)
		;
	stream_free(io);
}

static void line_without_end(void *unused)
{
	struct stream *io[2];
	struct view line;

	(void)unused;
	open_streams(io);
	task_spawn("feeder", send_without_end, io[1]);
	assert_int_equal(stream_read_line(io[0], &line, 5), -EMSGSIZE);
	assert_int_equal(stream_read_line(io[0], &line, 5), -EPROTO);
	assert_string_equal(stream_error(io[0]), "a line without end");
	assert_in_range(stream_bytes_in(io[0]), STREAM_SKIP_MAX, 2 * STREAM_SKIP_MAX);
	stream_free(io[0]);
}

static void test_long_lines(void **state)
{
	(void)state;
	run(long_lines);
	run(line_without_end);
}

/* ---- bytes ---- */

static void bytes(void *unused)
{
	struct stream *io[2];
	struct view seen;
	char data[8];

	(void)unused;
	open_streams(io);
	say(io[1], "abcdef");
	assert_int_equal(stream_peek(io[0], &seen), 0);
	assert_true(view_is(seen, "abcdef"));
	stream_consume(io[0], 2);
	assert_true(view_is(stream_buffered(io[0]), "cdef"));
	stream_push_back(io[0], VIEW("b"));
	stream_push_back(io[0], VIEW("123456789a"));
	assert_true(view_is(stream_buffered(io[0]), "123456789abcdef"));
	assert_int_equal(stream_wait(io[0], clock_now() - 1), 0);
	assert_int_equal(stream_read_exact(io[0], data, 8), 0);
	assert_memory_equal(data, "12345678", 8);
	stream_discard_input(io[0]);
	assert_int_equal(stream_buffered(io[0]).len, 0);

	/* Onto a stream that has no buffer. */
	stream_push_back(io[0], VIEW("line\r\nrest"));
	expect_line(io[0], 10, "line");
	say(io[1], "!\n");
	expect_line(io[0], 10, "rest!");

	say(io[1], "xyz");
	stream_free(io[1]);
	assert_int_equal(stream_read_exact(io[0], data, 4), -ENODATA);
	stream_free(io[0]);
}

static void test_bytes(void **state)
{
	(void)state;
	run(bytes);
}

static void greet_late(void *argument)
{
	struct stream *io = argument;

	task_sleep(5);
	say(io, "late\r\n");
	task_sleep(5);
	stream_free(io);
}

static void waiting(void *unused)
{
	struct stream *io[2];
	struct view line;

	(void)unused;
	open_streams(io);
	assert_int_equal(stream_wait(io[0], clock_after(2)), -ETIMEDOUT);
	task_spawn("greeter", greet_late, io[1]);
	assert_int_equal(stream_wait(io[0], clock_after(20000)), 0);
	assert_int_equal(stream_buffered(io[0]).len, 0); /* not read */
	expect_line(io[0], 10, "late");
	/* An idle stream holds no buffers. */
	assert_int_equal(stream_wait(io[0], clock_after(20000)), 0);
	assert_null(io[0]->in);
	assert_null(io[0]->out);
	assert_int_equal(stream_read_line(io[0], &line, 10), -ENODATA);
	assert_int_equal(stream_wait(io[0], clock_after(20000)), 0);
	stream_free(io[0]);
}

static void test_wait(void **state)
{
	(void)state;
	run(waiting);
}

/* ---- ends ---- */

static void drip(void *argument)
{
	struct stream *io = argument;

	while (write(io->fd, "x", 1) == 1)
		task_sleep(2);
	stream_free(io);
}

static void timeouts(void *unused)
{
	struct stream *io[2];
	struct view line;
	msec_t begin = clock_now();

	(void)unused;
	open_streams(io);
	stream_set_timeout(io[0], 20);
	assert_int_equal(stream_read_line(io[0], &line, 10), -ETIMEDOUT);
	assert_true(clock_now() - begin >= 20);
	assert_int_equal(stream_read_line(io[0], &line, 10), -ETIMEDOUT);
	/* One can still say goodbye. */
	say(io[0], "421 too slow\r\n");
	expect_line(io[1], 100, "421 too slow");
	stream_free(io[0]);
	stream_free(io[1]);

	/* Drop by drop: each wait is short enough, all of them together are not. */
	open_streams(io);
	task_spawn("drip", drip, io[1]);
	stream_set_deadline(io[0], clock_after(20));
	begin = clock_now();
	assert_int_equal(stream_read_line(io[0], &line, 100000), -ETIMEDOUT);
	assert_true(clock_now() - begin >= 20);
	stream_free(io[0]);
}

static void test_timeouts(void **state)
{
	(void)state;
	run(timeouts);
}

static void write_until_stuck(void *unused)
{
	struct stream *io[2];
	char block[4096] = { 0 };
	int r = 0;

	(void)unused;
	open_streams(io);
	stream_set_timeout(io[0], 20);
	for (int i = 0; i < 10000 && r == 0; i++)
		r = stream_write(io[0], view_make(block, sizeof(block)));
	assert_int_equal(r, -ETIMEDOUT);
	assert_int_equal(stream_write(io[0], VIEW("x")), -ETIMEDOUT);
	assert_int_equal(stream_flush(io[0]), -ETIMEDOUT);
	stream_free(io[0]);
	stream_free(io[1]);

	/* The peer is gone, but what it said before can be read. */
	open_streams(io);
	say(io[1], "550 go away\r\n");
	stream_free(io[1]);
	r = stream_write(io[0], VIEW("EHLO\r\n"));
	assert_int_equal(r, 0);
	expect_line(io[0], 100, "550 go away");
	assert_int_equal(stream_flush(io[0]), -EPIPE);
	assert_int_equal(stream_close(io[0]), -EPIPE);
}

static void test_dead_peer(void **state)
{
	(void)state;
	run(write_until_stuck);
}

static int shut_result;
static bool goodbye_sent;

static void serve_until_shut_down(void *argument)
{
	struct stream *io = argument;
	struct view line;

	do
		shut_result = stream_read_line(io, &line, 100);
	while (shut_result == 0);
	goodbye_sent = stream_printf(io, "421 %s\r\n", "closing") == 0 && stream_close(io) == 0;
}

static void answer_late(void *argument)
{
	task_sleep(10);
	say(argument, "answer\r\n");
}

static void shut_down(void *unused)
{
	struct stream *client[2], *inner[2];
	struct view line;

	(void)unused;
	open_streams(client);
	open_streams(inner);
	stream_finish_first(client[0], true);
	stream_finish_first(inner[0], true);
	task_spawn("server", serve_until_shut_down, client[1]);
	say(client[0], "NOOP\r\n");
	task_sleep(2);
	task_shut_down();
	expect_line(client[0], 100, "421 closing");
	assert_int_equal(stream_read_line(client[0], &line, 100), -ENODATA);
	assert_int_equal(shut_result, -ESHUTDOWN);
	assert_true(goodbye_sent);
	/* Not dead: what is buffered is there, and it can be made patient later. */
	task_spawn("other program", answer_late, inner[1]);
	stream_finish_first(inner[0], false);
	assert_int_equal(stream_read_line(inner[0], &line, 100), -ESHUTDOWN);
	stream_finish_first(inner[0], true);
	expect_line(inner[0], 100, "answer");
	stream_free(client[0]);
	stream_free(inner[0]);
	stream_free(inner[1]);
}

static void test_shut_down(void **state)
{
	(void)state;
	run(shut_down);
}

/* ---- much ---- */

#define MUCH 3000000

static char pattern(size_t at)
{
	return (char)(at * 7 + at / 251);
}

static void write_much(void *argument)
{
	struct stream *io = argument;
	_cleanup_free_ char *data = mem_new_bytes(MUCH);
	size_t at = 0;

	for (size_t i = 0; i < MUCH; i++)
		data[i] = pattern(i);
	/* Pieces of every kind: tiny, as large as the buffer, larger. */
	for (size_t piece = 1; at < MUCH; piece = piece * 3 % 40009) {
		piece = MIN(piece, MUCH - at);
		assert_int_equal(stream_write(io, view_make(data + at, piece)), 0);
		at += piece;
	}
	assert_int_equal(stream_close(io), 0);
}

static void expect_much(struct stream *io)
{
	struct view part;
	size_t at = 0;

	while (at < MUCH) {
		assert_int_equal(stream_peek(io, &part), 0);
		for (size_t i = 0; i < part.len; i++)
			if (part.data[i] != pattern(at + i))
				fail_msg("byte %zu is wrong", at + i);
		at += part.len;
		stream_consume(io, part.len);
	}
	assert_int_equal(at, MUCH);
	assert_int_equal(stream_peek(io, &part), -ENODATA);
}

static void much(void *unused)
{
	struct stream *io[2];

	(void)unused;
	open_streams(io);
	task_spawn("writer", write_much, io[1]);
	expect_much(io[0]);
	stream_free(io[0]);
}

static void test_much(void **state)
{
	(void)state;
	run(much);
}

static int file;

static void send_file(void *argument)
{
	struct stream *io = argument;

	assert_int_equal(stream_write(io, VIEW("head\r\n")), 0);
	assert_int_equal(stream_write_file(io, file, 0, MUCH), 0);
	assert_int_equal(stream_write(io, VIEW("\r\n")), 0);
	assert_int_equal(stream_write_file(io, file, 5, 3), 0);
	assert_int_equal(stream_write_file(io, file, MUCH - 1, 2), -EIO);
	assert_int_equal(stream_bytes_out(io) >= MUCH, 1);
	assert_int_equal(stream_close(io), 0);
}

static void file_content(void *unused)
{
	struct stream *io[2];
	char path[] = "/tmp/test_streamXXXXXX", three[3];
	_cleanup_free_ char *data = mem_new_bytes(MUCH);

	(void)unused;
	file = mkstemp(path);
	unlink(path);
	for (size_t i = 0; i < MUCH; i++)
		data[i] = pattern(i);
	assert_int_equal(write(file, data, MUCH), MUCH);
	memset(data, 0, MUCH);
	open_streams(io);
	task_spawn("sender", send_file, io[1]);
	expect_line(io[0], 10, "head");
	assert_int_equal(stream_read_exact(io[0], data, MUCH), 0);
	for (size_t i = 0; i < MUCH; i++)
		if (data[i] != pattern(i))
			fail_msg("byte %zu is wrong", i);
	expect_line(io[0], 0, "");
	assert_int_equal(stream_read_exact(io[0], three, 3), 0);
	assert_int_equal(three[1], pattern(6));
	stream_free(io[0]);
	close(file);
}

static void test_file(void **state)
{
	(void)state;
	run(file_content);
}

/* A reader that never has to wait would starve the others. */
static bool other_ran;

static void other(void *unused)
{
	(void)unused;
	other_ran = true;
}

static void flood(void *unused)
{
	int zero = open("/dev/zero", O_RDONLY);
	struct stream *io = stream_new(zero);
	struct view part;

	(void)unused;
	task_spawn("other", other, NULL);
	for (int i = 0; i < 1000 && !other_ran; i++) {
		assert_int_equal(stream_peek(io, &part), 0);
		stream_consume(io, part.len);
	}
	assert_true(other_ran);
	stream_free(io);
}

static void test_fairness(void **state)
{
	(void)state;
	run(flood);
}

/* Pipes are not sockets: send() and MSG_NOSIGNAL do not work on them. */
static void pipes(void *unused)
{
	int ends[2];
	struct stream *from, *to;
	struct view line;

	(void)unused;
	assert_int_equal(pipe(ends), 0);
	from = stream_new(ends[0]);
	to = stream_new(ends[1]);
	say(to, "through a pipe\n");
	expect_line(from, 100, "through a pipe");
	assert_int_equal(stream_printf(to, "%0600d\n", 7), 0);
	assert_int_equal(stream_close(to), 0);
	assert_int_equal(stream_read_line(from, &line, 600), 0);
	assert_int_equal(line.len, 600);
	assert_int_equal(stream_read_line(from, &line, 600), -ENODATA);
	stream_free(from);
}

static void test_pipes(void **state)
{
	(void)state;
	run(pipes);
}

static void detach(void *unused)
{
	struct stream *io[2];
	char data[8];
	int fd;

	(void)unused;
	open_streams(io);
	say(io[1], "one\r\ntwo");
	expect_line(io[0], 10, "one");
	fd = stream_detach(io[0]);
	assert_true(view_is(stream_buffered(io[0]), "two"));
	stream_free(io[0]);
	say(io[1], "more");
	assert_int_equal(read(fd, data, sizeof(data)), 4);
	close(fd);
	stream_free(io[1]);
}

static void test_detach(void **state)
{
	(void)state;
	run(detach);
}

/* ---- connecting ---- */

static void connect_locally(void *unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = address, peer;
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), fd, accepted;

	(void)unused;
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	fd = stream_connect((struct sockaddr *)&address, len, (struct sockaddr *)&from, len,
			    clock_after(20000));
	assert_true(fd >= 0);
	assert_int_equal(task_wait_acceptable(listener, clock_after(20000)), 0);
	accepted = accept(listener, (struct sockaddr *)&peer, &len);
	assert_true(accepted >= 0);
	assert_int_equal(peer.sin_addr.s_addr, from.sin_addr.s_addr);
	close(accepted);
	close(fd);
	assert_int_equal(task_wait_acceptable(listener, clock_after(5)), -ETIMEDOUT);
	close(listener);
	assert_int_equal(
		stream_connect((struct sockaddr *)&address, len, NULL, 0, clock_after(20000)),
		-ECONNREFUSED);
}

static bool delays_acknowledgements(int fd)
{
	int quick;
	socklen_t len = sizeof(quick);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quick, &len), 0);
	return quick == 0;
}

static void answer_lines(void *argument)
{
	struct stream *io = argument;
	struct view line;

	while (stream_read_line(io, &line, 100) == 0)
		say(io, "answer\r\n");
	stream_free(io);
}

/* The second half of a line may wait for the acknowledgement of the first. */
static void parts_are_acknowledged(void *unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, accepted, unread;

	(void)unused;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	fd = stream_connect((struct sockaddr *)&address, len, NULL, 0, clock_after(20000));
	accepted = accept(listener, NULL, NULL);
	assert_true(fd >= 0 && accepted >= 0);

	struct stream *client = stream_new(fd), *server = stream_new(accepted);

	task_spawn("a server", answer_lines, server);
	for (int i = 0; i < 10; i++) {
		say(client, "line\r\n");
		expect_line(client, 100, "answer");
	}
	assert_true(delays_acknowledgements(accepted));
	/* Said while the server waits, and so no answer to what comes now. */
	say(server, "go on\r\n");
	expect_line(client, 100, "go on");
	say(client, "li");
	/* As soon as it was read: later the kernel does it by itself. */
	do
		task_yield();
	while (ioctl(accepted, FIONREAD, &unread) == 0 && unread > 0);
	assert_false(delays_acknowledgements(accepted));
	say(client, "ne\r\n");
	expect_line(client, 100, "answer");
	stream_free(client);
	task_sleep(1);
	close(listener);
}

static void connect_unix(void *unused)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fds[8];
	msec_t begin = clock_now();
	int count = 0, r = 0;

	(void)unused;
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "test_stream.%d", getpid());
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	/* Nobody accepts, and the line is short. */
	while (count < 8) {
		r = stream_connect((struct sockaddr *)&address, sizeof(address), NULL, 0,
				   clock_after(30));
		if (r < 0)
			break;
		fds[count++] = r;
	}
	assert_in_range(count, 1, 7);
	assert_int_equal(r, -ETIMEDOUT);
	assert_true(clock_now() - begin >= 30);
	while (count > 0)
		close(fds[--count]);
	close(listener);
}

static void test_connect(void **state)
{
	(void)state;
	run(connect_locally);
	run(parts_are_acknowledged);
	run(connect_unix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_bytes),	  cmocka_unit_test(test_wait),
		cmocka_unit_test(test_timeouts),  cmocka_unit_test(test_dead_peer),
		cmocka_unit_test(test_shut_down), cmocka_unit_test(test_much),
		cmocka_unit_test(test_file),	  cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_pipes),	  cmocka_unit_test(test_detach),
		cmocka_unit_test(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a content looks like on the wire; read back by a strict receiver, nothing may end early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "content.h"
#include "task/task.h"

static size_t line_limit = 998;

static int file_of(struct view content)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "##", 2), 0);
	assert_int_equal(io_write_all(fd, content.data, content.len), 0);
	return fd;
}

struct job {
	struct view content;
	bool in_memory, to_7bit;
	converter_edit *edit;
	converter_edit_line *edit_line;
	struct str wire;
	int sockets[2];
	int result;
};

static void receive(void *argument)
{
	struct job *job = argument;
	struct stream *io = stream_new(job->sockets[1]);
	struct view bytes;

	while (stream_peek(io, &bytes) == 0) {
		str_append(&job->wire, bytes);
		stream_consume(io, bytes.len);
	}
	stream_free(io);
}

static void send_it(void *argument)
{
	struct job *job = argument;
	struct io_source content = { .file = file_of(job->content),
				     .offset = 2,
				     .size = job->content.len,
				     .bytes = job->in_memory ? job->content.data : NULL };
	struct stream *io;

	socketpair(AF_UNIX, SOCK_STREAM, 0, job->sockets);
	task_spawn("receive", receive, job);
	io = stream_new(job->sockets[0]);
	stream_set_timeout(io, 5000);
	job->result = content_send(io, &content,
				   &(struct content_options){ .line_limit = line_limit,
							      .to_7bit = job->to_7bit,
							      .edit = job->edit,
							      .edit_line = job->edit_line });
	stream_close(io);
	close(content.file);
}

static void check(struct view content, struct view expected)
{
	for (int in_memory = 0; in_memory <= 1; in_memory++) {
		struct job job = { .content = content, .in_memory = in_memory };

		task_run(send_it, &job);
		assert_int_equal(job.result, 0);
		assert_int_equal(job.wire.len, expected.len);
		assert_memory_equal(job.wire.data, expected.data, expected.len);
		str_free(&job.wire);
	}
}

static void test_small(void **state)
{
	check(VIEW(""), VIEW(".\r\n"));
	check(VIEW("a\r\n"), VIEW("a\r\n.\r\n"));
	check(VIEW("a"), VIEW("a\r\n.\r\n"));
	check(VIEW("\n"), VIEW("\n\r\n.\r\n"));
	check(VIEW("a\r"), VIEW("a\r\r\n.\r\n"));
	check(VIEW("."), VIEW("..\r\n.\r\n"));
	check(VIEW(".\r\n"), VIEW("..\r\n.\r\n"));
	check(VIEW("..\r\n"), VIEW("...\r\n.\r\n"));
	check(VIEW("a\r\n.\r\nb\r\n"), VIEW("a\r\n..\r\nb\r\n.\r\n"));
	check(VIEW("a.b\r\n\r\n.c\r\n"), VIEW("a.b\r\n\r\n..c\r\n.\r\n"));
	(void)state;
}

/* SMTP smuggling: no mixture of line ends may leave a lone dot after a line feed. */
static void test_no_smuggling(void **state)
{
	static const char *const ends[] = { "\r\n", "\n", "\r", "\r\r\n", "\n\r", "" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(ends); k++) {
			_cleanup_(str_free) struct str content = STR_EMPTY;
			struct job job = { .content = VIEW_NONE };

			str_printf(&content, "x%s.%sMAIL FROM:<e@vil>\r\n", ends[i], ends[k]);
			job.content = str_view(&content);
			task_run(send_it, &job);

			struct view inner = view_first(str_view(&job.wire), job.wire.len - 3);

			assert_true(view_find(inner, VIEW("\n.\r")) == VIEW_NOT_FOUND);
			assert_true(view_find(inner, VIEW("\n.\n")) == VIEW_NOT_FOUND);
			assert_true(view_ends(str_view(&job.wire), VIEW("\r\n.\r\n")));
			str_free(&job.wire);
		}
	}
	(void)state;
}

/* Dots at every place around the blocks in which the file is read. */
static void test_block_borders(void **state)
{
	line_limit = 1000000;
	for (size_t shift = 0; shift < 6; shift++) {
		_cleanup_(str_free) struct str content = STR_EMPTY, expected = STR_EMPTY;

		while (content.len < (size_t)64 * 1024 - 8 + shift)
			str_append_byte(&content, 'x');
		str_append(&expected, str_view(&content));
		str_append(&content, VIEW("\r\n.y\r\n.\r\nend\r\n"));
		str_append(&expected, VIEW("\r\n..y\r\n..\r\nend\r\n.\r\n"));
		check(str_view(&content), str_view(&expected));
	}
	line_limit = 998;
	(void)state;
}

static void test_short_file(void **state)
{
	const struct content_options options = { .line_limit = line_limit };
	struct io_source content = { .file = file_of(VIEW("abc")), .offset = 2, .size = 4 };
	int sockets[2];
	struct stream *io;

	socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
	io = stream_new(sockets[0]);
	assert_int_equal(content_send(io, &content, &options), -EIO);
	close(content.file);
	content.file = -1;
	assert_int_equal(content_send(io, &content, &options), -EIO);
	stream_free(io);
	close(sockets[1]);
	(void)state;
}

static void test_8bit_header(void **state)
{
	static const struct {
		const char *content;
		int expected;
	} rows[] = {
		{ "a: b\r\n\r\n\303\274", 0 },
		{ "a: \303\274\r\n\r\n", 1 },
		{ "\r\n\303\274", 0 },
		{ "a: b\r\nc: \377\r\n", 1 },
		{ "", 0 },
		{ "a: b\r\n", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct view content = view_of(rows[i].content);
		struct io_source source = { .file = file_of(content),
					    .offset = 2,
					    .size = content.len };

		assert_int_equal(content_header_is_8bit(&source), rows[i].expected);
		source.bytes = content.data;
		assert_int_equal(content_header_is_8bit(&source), rows[i].expected);
		close(source.file);
	}
	(void)state;
}

static void check_long(size_t at, const char *text, const char *expected)
{
	_cleanup_(str_free) struct str content = STR_EMPTY, wire = STR_EMPTY;

	/* Lines before it, so that the long one lies over the end of a block. */
	while (content.len < at)
		str_append(&content, VIEW("1234\r\n"));
	str_append(&wire, str_view(&content));
	str_append_cstr(&content, text);
	str_append_cstr(&wire, expected);
	check(str_view(&content), str_view(&wire));
}

static void test_long_lines(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "123456789012\r\n", "123456789012\r\n.\r\n" },
		{ "1234567890123\r\n", "123456789012\r\n 3\r\n.\r\n" },
		/* The blank counts, and no dot is stuffed after it. */
		{ "123456789012.2345678901.b\r\nx\r\n",
		  "123456789012\r\n .2345678901\r\n .b\r\nx\r\n.\r\n" },
		{ ".23456789012\r\n.\r\n", "..23456789012\r\n..\r\n.\r\n" },
		{ "123456789012\rx\r\n", "123456789012\r\n \rx\r\n.\r\n" },
		{ "123456789012", "123456789012\r\n.\r\n" },
	};

	(void)state;
	line_limit = 12;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check_long(0, cases[i].text, cases[i].expected);
		/* Wherever a block of 64 KiB ends in it. */
		for (size_t at = 65536 - 40; at < 65536; at += 6)
			check_long(at, cases[i].text, cases[i].expected);
	}
	line_limit = 998;
}

/* What a server of 7 bits gets, however the content is cut into blocks. */
static void check_7bit(const char *content, const char *expected)
{
	_cleanup_(str_free) struct str padded = STR_EMPTY, wire = STR_EMPTY;
	size_t pads[] = { 0, 65536 - 60, 65536 - 30, 65536 - 5 };

	for (size_t i = 0; i < ARRAY_SIZE(pads); i++) {
		struct job job = { .in_memory = i % 2 == 0, .to_7bit = true };

		str_clear(&padded);
		while (padded.len + 40 < pads[i])
			str_append(&padded, VIEW("X-Filler: 123456789012345678901234567\r\n"));
		str_set(&wire, str_view(&padded));
		str_append_cstr(&padded, content);
		str_append_cstr(&wire, expected);
		str_append(&wire, VIEW(".\r\n"));
		job.content = str_view(&padded);
		task_run(send_it, &job);
		assert_int_equal(job.result, 0);
		if (!view_eq(str_view(&job.wire), str_view(&wire)))
			fail_msg("%s\nbecame\n%s", content,
				 str_cstr(&job.wire) + MIN(job.wire.len, pads[i]));
		str_free(&job.wire);
	}
}

#define TE  "Content-Transfer-Encoding: "
#define QP  TE "quoted-printable\r\n"
#define S32 "12345678901234567890123456789012"

static void test_7bit(void **state)
{
	/* A body with a label; the label comes at the end of the header, as Postfix puts it. */
	check_7bit(TE "8bit\r\nSubject: x\r\n\r\ngr\303\274n = 1 \r\n.\r\n",
		   "Subject: x\r\n" QP "\r\ngr=C3=BCn =3D 1=20\r\n..\r\n");
	check_7bit("content-transfer-encoding:\r\n BINARY\r\n\r\na\tb\t\r\n\001\r\n",
		   QP "\r\na\tb=09\r\n=01\r\n");
	/* No label: nobody knows what it is. */
	check_7bit("Subject: x\r\n\r\n\303\274\r\n", "Subject: x\r\n\r\n\303\274\r\n");
	check_7bit(TE "7bit\r\n\r\n=\r\n", TE "7bit\r\n\r\n=\r\n");
	check_7bit(TE "base64\r\n\r\n=\r\n", TE "base64\r\n\r\n=\r\n");
	/* Long lines get soft ends. */
	check_7bit(TE "8bit\r\n\r\n" S32 S32 S32 "\r\n",
		   QP "\r\n" S32 S32 "12345678=\r\n901234567890123456789012\r\n");
	/* Part by part; the whole is then of 7 bits. */
	check_7bit("Content-Type: multipart/mixed; boundary=b\r\n" TE "8bit\r\n\r\npre=\r\n"
		   "--b\r\n" TE "8bit\r\n\r\n\303\274\r\n--b\r\n" TE
		   "base64\r\n\r\nAA==\r\n--b--\r\nend=\r\n",
		   "Content-Type: multipart/mixed; boundary=b\r\n" TE "7bit\r\n\r\npre=\r\n"
		   "--b\r\n" QP "\r\n=C3=BC\r\n--b\r\n" TE
		   "base64\r\n\r\nAA==\r\n--b--\r\nend=\r\n");
	/* An enclosed message. */
	check_7bit("Content-Type: message/rfc822\r\n" TE "8bit\r\n\r\nSubject: in\r\n" TE
		   "8bit\r\n\r\n\303\274\r\n",
		   "Content-Type: message/rfc822\r\n" TE "7bit\r\n\r\nSubject: in\r\n" QP
		   "\r\n=C3=BC\r\n");
	/* A header without a body, and a part that ends in its header. */
	check_7bit(TE "8bit\r\n", QP);
	check_7bit("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" TE
		   "8bit\r\n--b--\r\n\303\274\r\n",
		   "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b--\r\n"
		   "\303\274\r\n");
	(void)state;
}

static int edit_subject(void *argument, enum converter_place place, struct view whole,
			struct str *out)
{
	(void)argument;
	if (place != FIELD_PRIMARY)
		return 0;
	if (view_starts(whole, VIEW("X-Stop:")))
		return -EAGAIN;
	if (!view_starts(whole, VIEW("Subject:")))
		return 0;
	str_set(out, VIEW("Subject: other\r\n"));
	return 1;
}

/* Fields of the message's own header may be changed, those of what it contains not. */
static void test_edited(void **state)
{
	struct job job = { .edit = edit_subject,
			   .content = VIEW(
				   "A: b\r\nSubject: one\r\n two\r\n" TE "8bit\r\nContent-Type: "
				   "message/rfc822\r\n\r\nSubject: inner\r\n\r\n\303\274\r\n") };

	task_run(send_it, &job);
	assert_int_equal(job.result, 0);
	assert_string_equal(str_cstr(&job.wire),
			    "A: b\r\nSubject: other\r\n" TE "8bit\r\nContent-Type: "
			    "message/rfc822\r\n\r\nSubject: inner\r\n\r\n\303\274\r\n.\r\n");
	str_clear(&job.wire);
	job.content = VIEW("X-Stop: x\r\n\r\n");
	task_run(send_it, &job);
	assert_int_equal(job.result, -EIO);
	str_free(&job.wire);
	(void)state;
}

static int edit_any_line(void *argument, struct view line, struct str *out)
{
	(void)argument;
	if (view_is(line, "gone"))
		return 1;
	if (!view_is(line, "one"))
		return 0;
	str_set(out, VIEW(".two\r\nthree\r\n"));
	return 1;
}

static void test_edited_lines(void **state)
{
	struct job job = { .edit_line = edit_any_line,
			   .content = VIEW("one\r\n: x\r\n\r\none\r\ngone\r\nfour\r\none") };

	task_run(send_it, &job);
	assert_int_equal(job.result, 0);
	assert_string_equal(str_cstr(&job.wire), "one\r\n: x\r\n\r\n..two\r\nthree\r\nfour\r\n"
						 "..two\r\nthree\r\n.\r\n");
	str_free(&job.wire);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_small),
		cmocka_unit_test(test_no_smuggling), cmocka_unit_test(test_block_borders),
		cmocka_unit_test(test_7bit),	     cmocka_unit_test(test_edited),
		cmocka_unit_test(test_edited_lines), cmocka_unit_test(test_short_file),
		cmocka_unit_test(test_8bit_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

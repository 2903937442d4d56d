/*
 * Where lines go when the disk is full or the writer ends, and which of many equal ones are
 * written.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "postlogd.h"

static char path[] = "/tmp/posta-test-log-XXXXXX";

static struct log_line line_of(const char *text)
{
	return (struct log_line){ .host = VIEW("mx"),
				  .tag = VIEW("posta/smtpd"),
				  .pid = 123,
				  .time = log_line_now(),
				  .level = LOG_INFO_LEVEL,
				  .text = view_of(text) };
}

static void write_line(const char *text)
{
	struct log_line line = line_of(text);

	output_line(&line);
}

/* The file's content, in a buffer that is used again. */
static const char *content(void)
{
	static char bytes[4 * 1024 * 1024];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	close(fd);
	bytes[MAX(n, (ssize_t)0)] = '\0';
	return bytes;
}

static void disk_full(void **state)
{
	struct output_counts counts = { 0 };
	int full = open("/dev/full", O_WRONLY), fd = mkstemp(path);
	size_t lines = 0, kept = 0;
	char wanted[100], text[1001];

	(void)state;
	output_open(full, LOG_SINK_FILE, false, &counts);
	write_line("the first");
	output_flush();
	assert_true(output_is_behind());
	/* More than is kept. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (; lines < 2000; lines++)
		write_line(text);
	output_flush();
	assert_true(output_is_behind());
	/* There is room again, under the same descriptor. */
	dup2(fd, full);
	output_flush();
	assert_false(output_is_behind());
	assert_non_null(strstr(content(), "]: the first\n"));
	for (const char *at = content(); (at = strstr(at, text)) != NULL; at++)
		kept++;
	assert_true(kept > 900 && kept < lines);
	snprintf(wanted, sizeof(wanted), "%zu lines of the log were lost", lines - kept);
	assert_non_null(strstr(content(), wanted));
	/* Said once. */
	write_line("the last");
	output_flush();
	assert_null(strstr(strstr(content(), wanted) + strlen(wanted), "were lost"));
	assert_non_null(strstr(content(), "]: the last\n"));
	close(full);
	close(fd);
}

static void what_a_dead_writer_had(void **state)
{
	struct output_counts counts = { .taken = 10, .written = 7 };
	int fd = open(path, O_WRONLY | O_TRUNC | O_APPEND);

	(void)state;
	output_open(fd, LOG_SINK_FILE, false, &counts);
	output_flush();
	assert_non_null(strstr(content(), "3 lines of the log were lost when postlogd ended"));
	assert_int_equal(counts.taken, counts.written);
	close(fd);
	unlink(path);
}

static bool admit(const char *text, msec_t now)
{
	struct log_line line = line_of(text);

	return repeat_admit(&line, now, 3, 1000);
}

static size_t admitted(const char *format, msec_t now)
{
	size_t count = 0;

	for (int i = 0; i < 10; i++) {
		char text[200];

		snprintf(text, sizeof(text), format, i);
		count += admit(text, now);
	}
	return count;
}

static void equal_lines(void **state)
{
	struct repeat_summary summary;
	msec_t now = 5000;

	(void)state;
	assert_int_equal(admitted("too many: %d from a[192.0.2.1]", now), 3);
	assert_int_equal(admitted("lost connection from a[192.0.2.1]:%d", now), 3);
	/* Another address is another client. */
	assert_int_equal(admitted("too many: 7 from a[192.0.2.1%d]", now), 10);
	assert_int_equal(admitted("too many: 7 from a[2001:db8::%d]", now), 10);
	/* What is said of a message is said. */
	assert_int_equal(admitted("4XyZ12abc: to=<a@b.test>, delay=%d, status=sent", now), 10);
	assert_int_equal(admitted("NOQUEUE: reject: RCPT from a[192.0.2.1]: %d", now), 3);
	assert_true(repeat_is_counting());
	assert_false(repeat_next_summary(&summary, now + 500, 1000));
	for (int i = 0; i < 3; i++) {
		assert_true(repeat_next_summary(&summary, now + 1000, 1000));
		assert_non_null(strstr(summary.text, "7 more lines like this in 1 s: "));
		assert_int_equal(summary.line.pid, 123);
		assert_true(view_is(summary.line.tag, "posta/smtpd"));
	}
	assert_false(repeat_next_summary(&summary, now + 1000, 1000));
	assert_false(repeat_is_counting());
	assert_int_equal(admitted("too many: %d from a[192.0.2.1]", now + 1000), 3);
}

/* What a hostile program sends is no line, or one whose text is clean. */
static void datagrams(void **state)
{
	static char datagram[LOG_DATAGRAM_MAX];
	struct log_line line = line_of("a\nb"), got;
	struct log_reader reader;
	_cleanup_(str_free) struct str out = STR_EMPTY;
	size_t len = log_pack_head(datagram, line.tag);

	(void)state;
	len = log_pack_line(datagram, len, &line);
	assert_true(log_reader_open(&reader, view_make(datagram, len)));
	assert_true(log_reader_next(&reader, &got));
	assert_true(view_is(got.text, "a\nb"));
	got.host = VIEW("mx");
	got.pid = 7;
	log_line_format(&out, &got, LOG_SINK_FILE, false);
	assert_non_null(strstr(str_cstr(&out), " mx posta/smtpd[7]: a?b\n"));
	assert_false(log_reader_next(&reader, &got));
	for (size_t cut = 0; cut < len; cut++) {
		bool is_ours = log_reader_open(&reader, view_make(datagram, cut));

		assert_int_equal(is_ours, cut >= 2 + line.tag.len);
		if (is_ours)
			assert_false(log_reader_next(&reader, &got));
	}
	datagram[1] = (char)200;
	assert_false(log_reader_open(&reader, view_make(datagram, len)));
	assert_false(log_reader_open(&reader, VIEW("==1==ERROR: AddressSanitizer")));
	/* A level that there is not. */
	len = log_pack_head(datagram, line.tag);
	line.level = (enum log_level)99;
	len = log_pack_line(datagram, len, &line);
	assert_true(log_reader_open(&reader, view_make(datagram, len)));
	assert_false(log_reader_next(&reader, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_full),
		cmocka_unit_test(what_a_dead_writer_had),
		cmocka_unit_test(equal_lines),
		cmocka_unit_test(datagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

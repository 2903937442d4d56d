/* Commands as they come: whole, and byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "imap/parser.h"
#include "task/task.h"

/*
 * What is read of a command is written down: t tag, n name, then what `reads` asks for, one letter an
 * argument with its space: a atom, s string, S astring, m list-mailbox, # number, q sequence set
 * (resolved against 10), L streamed literal, . end.
 */
struct row {
	const char *input, *reads, *result;
};

static const struct row rows[] = {
	{ "a001 NOOP\r\n", ".", "t=a001 n=NOOP . " },
	{ "a noop\n", ".", "t=a n=NOOP . " },
	{ "A LOGIN smith sesame\r\n", "SS.", "t=A n=LOGIN S=smith S=sesame . " },
	{ "A LOGIN \"a \\\"b\\\\\" {3+}\r\nx\"y\r\n", "SS.", "t=A n=LOGIN S=a \"b\\ S=x\"y . " },
	{ "A LOGIN {0+}\r\n {3}\r\nabc\r\n", "SS.", "t=A n=LOGIN S= S=abc . " },
	{ "A LOGIN {1}\r\na {1}\r\nb c\r\n", "SSa.", "t=A n=LOGIN S=a S=b a=c . " },
	{ "A X INBOX] \"\"\r\n", "Ss.", "t=A n=X S=INBOX] s= . " },
	{ "A LIST \"\" %*x]\r\n", "Sm.", "t=A n=LIST S= m=%*x] . " },
	{ "A X 0 4294967295\r\n", "##.", "t=A n=X #=0 #=4294967295 . " },
	{ "A X 4294967296\r\n", "#.", "t=A n=X BAD(Number too large) " },
	{ "A X -1\r\n", "#.", "t=A n=X BAD(Expected a number) " },
	{ "A X 1,3:5,9:*\r\n", "q.", "t=A n=X q=1,3-5,9-10 . " },
	{ "A X 12:*\r\n", "q.", "t=A n=X q=10-12 . " },
	{ "A X 0\r\n", "q.", "t=A n=X BAD(Invalid sequence set) " },
	{ "A X 1,\r\n", "q.", "t=A n=X BAD(Invalid sequence set) " },
	{ "A X ,1\r\n", "q.", "t=A n=X BAD(Invalid sequence set) " },
	{ "A X 1:2:3\r\n", "q.", "t=A n=X BAD(Invalid sequence set) " },
	{ "A X a(b\r\n", "a.", "t=A n=X a=a BAD(Too many arguments) " },
	{ "A X \"abc\r\n", "s.", "t=A n=X BAD(Unterminated quoted string) " },
	{ "A X \"a\\n\"\r\n", "s.", "t=A n=X BAD(Invalid quoted string) " },
	{ "A X \"a\\\r\n", "s.", "t=A n=X BAD(Invalid quoted string) " },
	{ "A X abc\r\n", "s.", "t=A n=X BAD(Expected a string) " },
	{ "A X {3+}\r\nabc\r\n", "L.", "t=A n=X L=abc . " },
	{ "A X {3+}\r\nabcd\r\n", "L.", "t=A n=X L=abc BAD(Too many arguments) " },
	{ "A X {5000+}\r\n", "s.", "t=A n=X SIZE(Literal too large) " }, /* the end */
	{ "A X {3}x\r\n", "s.", "t=A n=X BAD(Invalid literal) " },
	{ "A X {+}\r\n", "s.", "t=A n=X BAD(Invalid literal) " },
	/* Blanks that have no meaning. */
	{ "A  X   a  b  \r\n", "aa.", "t=A n=X a=a a=b . " },
	{ "A X \"a  b\" \r\n", "s.", "t=A n=X s=a  b . " },
	{ "A X  {3+}\r\n  a \r\n", "s.", "t=A n=X s=  a . " },
	{ "A NOOP \r\n", ".", "t=A n=NOOP . " },
	{ "A X a\t\r\n", "a.", "t=A n=X a=a BAD(Too many arguments) " },
	{ "A\r\n", ".", "BAD(Missing command) " },
	{ "A \r\n", ".", "BAD(Missing command) " },
	{ " NOOP\r\n", ".", "BAD(Invalid tag) " },
	{ "+ NOOP\r\n", ".", "BAD(Invalid tag) " },
	{ "\r\n", ".", "BAD(Invalid tag) " },
	{ "a* NOOP\r\n", ".", "BAD(Missing command) " },
	{ "a \xc3\xa4\r\n", ".", "BAD(Missing command) " },
	/* After an error the literals after it are skipped. */
	{ "A X ( {4+}\r\nB Y\n {2+}\r\nzz\r\n", "a.", "t=A n=X BAD(Expected an atom) " },
};

static void note_set(struct imap_set *set, struct str *out)
{
	imap_set_resolve(set, 10);
	str_append_cstr(out, "q=");
	for (size_t i = 0; i < set->count; i++) {
		str_printf(out, "%s%u", i > 0 ? "," : "", set->ranges[i].first);
		if (set->ranges[i].last != set->ranges[i].first)
			str_printf(out, "-%u", set->ranges[i].last);
	}
	str_append_byte(out, ' ');
	imap_set_free(set);
}

static int note_literal(struct imap_parser *p, struct str *out)
{
	struct view piece;
	uint64_t size;
	int r = imap_literal_begin(p, 1000, &size);

	str_append_cstr(out, r == 0 ? "L=" : "");
	while (r == 0 && (r = imap_literal_read(p, &piece)) > 0) {
		str_append(out, piece);
		r = 0;
	}
	str_append_cstr(out, r == 0 ? " " : "");
	return r;
}

static int note_argument(struct imap_parser *p, char what, struct str *out)
{
	struct imap_set set;
	struct view text = VIEW_NONE;
	uint64_t number;
	int r = what == '.' ? imap_end(p) : imap_space(p);

	if (r < 0)
		return r;
	switch (what) {
	case '.':
		str_append_cstr(out, ". ");
		return 0;
	case 'L':
		return note_literal(p, out);
	case 'q':
		r = imap_sequence_set(p, &set);
		if (r == 0)
			note_set(&set, out);
		return r;
	case '#':
		r = imap_number(p, UINT32_MAX, &number);
		if (r == 0)
			str_printf(out, "#=%llu ", (unsigned long long)number);
		return r;
	case 'a':
		r = imap_atom(p, &text);
		break;
	case 's':
		r = imap_string(p, &text);
		break;
	case 'S':
		r = imap_astring(p, &text);
		break;
	default:
		r = imap_list_mailbox(p, &text);
	}
	if (r == 0)
		str_printf(out, "%c=%.*s ", what, VIEW_ARG(text));
	return r;
}

static void note_command(struct imap_parser *p, const char *reads, struct str *out)
{
	int r = imap_command_begin(p);

	if (r == 0)
		str_printf(out, "t=%.*s n=%.*s ", VIEW_ARG(imap_command_tag(p)),
			   VIEW_ARG(imap_command_name(p)));
	for (; r == 0 && *reads != '\0'; reads++)
		r = note_argument(p, *reads, out);
	if (r == -EBADMSG)
		str_printf(out, "BAD(%s) ", imap_parser_problem(p));
	else if (r == -EMSGSIZE)
		str_printf(out, "SIZE(%s) ", imap_parser_problem(p));
	else
		assert_int_equal(r, 0);
	assert_int_equal(imap_command_skip(p), 0);
}

struct feeding {
	int fd;
	const struct row *row;
	bool bytewise;
};

static void feed_bytes(const struct feeding *f, const char *bytes, size_t len)
{
	size_t step = f->bytewise ? 1 : len;

	for (size_t at = 0; at < len; at += step) {
		assert_int_equal(write(f->fd, bytes + at, step), step);
		task_yield();
	}
}

static void feed(void *argument)
{
	const struct feeding *f = argument;

	feed_bytes(f, f->row->input, strlen(f->row->input));
	feed_bytes(f, "next ONE\r\n", 10);
}

static void run_row(const struct row *row, bool bytewise)
{
	struct imap_limits limits = { .line = 200, .command = 400 };
	struct str out = STR_EMPTY;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

	struct stream *io = stream_new(pair[0]);
	struct imap_parser *p = imap_parser_new(io, &limits);
	struct feeding feeding = { pair[1], row, bytewise };

	stream_set_timeout(io, 1000);
	task_spawn("feed", feed, &feeding);
	note_command(p, row->reads, &out);
	/* Whatever it was, the next command is read well. */
	note_command(p, ".", &out);
	size_t len = strlen(row->result);

	if (strncmp(str_cstr(&out), row->result, len) != 0 ||
	    strcmp(str_cstr(&out) + len, "t=next n=ONE . ") != 0)
		fail_msg("%s gave: %s", row->input, str_cstr(&out));
	imap_parser_free(p);
	stream_free(io);
	close(pair[1]);
	str_free(&out);
}

static void all_rows(void *argument)
{
	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		run_row(&rows[i], false);
		run_row(&rows[i], true);
	}
}

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(task_run(all_rows, NULL), 0);
}

/* ---- bounds ---- */

static void expect_problem(const char *input, size_t len, const char *problem)
{
	struct imap_limits limits = { .line = 100, .command = 150, .literal_plus = true };
	struct view text;
	int pair[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

	struct stream *io = stream_new(pair[0]);
	struct imap_parser *p = imap_parser_new(io, &limits);

	stream_set_timeout(io, 1000);
	assert_int_equal(write(pair[1], input, len), len);
	assert_int_equal(write(pair[1], "n NOOP\r\n", 8), 8);
	r = imap_command_begin(p);
	while (r == 0 && !imap_at_end(p)) {
		r = imap_space(p);
		if (r == 0)
			r = imap_astring(p, &text);
	}
	assert_true(r == -EBADMSG || r == -EMSGSIZE);
	assert_string_equal(imap_parser_problem(p), problem);
	/* The answer has the tag that its client waits for. */
	assert_true(view_is(imap_command_tag(p), "a"));
	assert_int_equal(imap_command_skip(p), 0);
	assert_int_equal(imap_command_begin(p), 0);
	assert_true(view_is(imap_command_tag(p), "n"));
	imap_parser_free(p);
	stream_free(io);
	close(pair[1]);
}

static void bounds(void *argument)
{
	char line[400] = "a X ";

	(void)argument;
	memset(line + 4, 'y', 96);
	memcpy(line + 100, "z\r\n", 3);
	expect_problem(line, 103, "Line too long");
}

static void bounds_of_commands(void *argument)
{
	struct str text = STR_EMPTY;

	(void)argument;
	/* Literals and the lines after them count together. */
	str_append_cstr(&text, "a X {50+}\r\n");
	for (int i = 0; i < 50; i++)
		str_append_byte(&text, 'x');
	str_append_byte(&text, ' ');
	for (int i = 0; i < 95; i++)
		str_append_byte(&text, 'y');
	str_append_cstr(&text, "\r\n");
	expect_problem(str_cstr(&text), text.len, "Command too large");
	expect_problem("a X y\0z\r\n", 9, "NUL is not allowed");
	expect_problem("a X {3+}\r\na\0b\r\n", 15, "NUL is not allowed");
	str_clear(&text);
	str_append_cstr(&text, "a X {151}\r\n");
	expect_problem(str_cstr(&text), text.len, "Literal too large");
	str_free(&text);
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(task_run(bounds, NULL), 0);
	assert_int_equal(task_run(bounds_of_commands, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

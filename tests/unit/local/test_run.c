/* What a command reads, and what its end means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/commands.h"
#include "run.h"

/* Small enough for a pipe, so that nothing waits. */
static void writes(unsigned flags, const char *eol, const char *content, const char *expected)
{
	const struct msg_work_run m = { .flags = flags,
					.eol = view_of(eol),
					.sender = VIEW("a b@x.test"),
					.headers = VIEW("X: 1\r\n") };
	const struct io_source source = { .file = -1, .bytes = content, .size = strlen(content) };
	char got[1024] = "";
	bool unreadable = true;
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(run_write_message(ends[1], MSEC_FOREVER, &m, &source, &unreadable), 0);
	assert_false(unreadable);
	close(ends[1]);
	n = read(ends[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	close(ends[0]);
	if (strcmp(got, expected) != 0)
		fail_msg("%x: \"%s\", not \"%s\"", flags, got, expected);
}

static void messages(void **unused)
{
	(void)unused;
	writes(0, "\n", "S: x\r\n\r\nline\r\n", "X: 1\nS: x\n\nline\n");
	writes(0, "\r\n", "S: x\r\n\r\nline\n", "X: 1\r\nS: x\r\n\r\nline\r\n");
	/* The end of a line that has none; a CR of its own stays. */
	writes(0, "\n", "a\rb\r\nend", "X: 1\na\rb\nend\n");
	writes(0, "\n", "end\r", "X: 1\nend\r\n");
	writes(PIPE_BLANK, "\n", "x\r\n", "X: 1\nx\n\n");
	writes(PIPE_DOT, "\n", ".\r\na.\r\n..b\r\n", "X: 1\n..\na.\n...b\n.\n");
	writes(PIPE_QUOTE_FROM, "\n", "From x\r\nFro\r\nFrom\r\n>From \r\n From x\r\nFrom ",
	       "X: 1\n>From x\nFro\nFrom\n>From \n From x\n>From \n");
	writes(PIPE_QUOTE_FROM | PIPE_DOT | PIPE_BLANK, "\n", "From .\r\n.From \r\n",
	       "X: 1\n>From .\n..From \n\n.\n");
}

static void from_line(void **unused)
{
	const struct msg_work_run m = { .flags = PIPE_FROM,
					.eol = VIEW("\n"),
					.sender = VIEW("a b@x.test") };
	const struct io_source source = { .file = -1, .bytes = "x\r\n", .size = 3 };
	char got[256] = "";
	bool unreadable;
	int ends[2];

	(void)unused;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(run_write_message(ends[1], MSEC_FOREVER, &m, &source, &unreadable), 0);
	assert_true(read(ends[0], got, sizeof(got) - 1) > 0);
	assert_memory_equal(got, "From a-b@x.test  ", 17);
	assert_non_null(strstr(got, "\nx\n"));
	close(ends[0]);
	close(ends[1]);
}

/* Content that cannot be read is not the command's affair. */
static void unreadable_content(void **unused)
{
	const struct msg_work_run m = { .eol = VIEW("\n") };
	const struct io_source source = { .file = -1, .size = 100 };
	bool unreadable = false;
	int ends[2];

	(void)unused;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(run_write_message(ends[1], MSEC_FOREVER, &m, &source, &unreadable) < 0);
	assert_true(unreadable);
	close(ends[0]);
	unreadable = true;
	/* Nobody reads: that is. */
	const struct io_source readable = { .file = -1, .bytes = "x\r\n", .size = 3 };
	assert_int_equal(run_write_message(ends[1], MSEC_FOREVER, &m, &readable, &unreadable),
			 -EPIPE);
	assert_false(unreadable);
	close(ends[1]);
}

static void statuses(void **unused)
{
	static const struct {
		int status; /* as waitpid has it */
		bool too_long, by_shell;
		const char *said;
		uint8_t kind;
		const char *dsn, *text;
	} cases[] = {
		{ 0, false, false, "fine\n", OUTCOME_DELIVERED, "2.0.0", "fine" },
		{ EX_TEMPFAIL << 8, false, false, "", OUTCOME_DEFERRED, "4.3.0",
		  "temporary failure" },
		{ EX_NOUSER << 8, false, false, "no such\nuser", OUTCOME_FAILED, "5.1.1",
		  "no such user" },
		{ EX_OSERR << 8, false, false, "", OUTCOME_DEFERRED, "4.3.0", "system resource" },
		{ EX_UNAVAILABLE << 8, false, false, "4.2.2 full", OUTCOME_DEFERRED, "4.2.2",
		  "full" },
		{ EX_TEMPFAIL << 8, false, false, "5.1.6 moved", OUTCOME_FAILED, "5.1.6", "moved" },
		{ 1 << 8, false, false, "2.0.0 fine", OUTCOME_FAILED, "5.3.0", "fine" },
		{ 3 << 8, false, false, "", OUTCOME_FAILED, "5.3.0", "exit status 3" },
		{ 137 << 8, false, false, "", OUTCOME_FAILED, "5.3.0", "exit status 137" },
		{ 137 << 8, false, true, "", OUTCOME_DEFERRED, "4.3.0", "signal 9" },
		{ 127 << 8, false, false, "", OUTCOME_FAILED, "5.3.0", "exit status 127" },
		{ 127 << 8, false, true, "", OUTCOME_DEFERRED, "4.3.0", "cannot be run" },
		{ 9, false, false, "", OUTCOME_DEFERRED, "4.3.0", "signal 9" },
		{ 9, true, false, "", OUTCOME_FAILED, "5.3.0", "time limit" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(outcome_free) struct outcome outcome = OUTCOME_NONE;
		const struct run_end end = { .status = cases[i].status,
					     .too_long = cases[i].too_long,
					     .by_shell = cases[i].by_shell,
					     .said = view_of(cases[i].said),
					     .command = VIEW("cmd") };

		run_outcome(&end, &outcome);
		if (outcome.kind != cases[i].kind || strcmp(outcome.status, cases[i].dsn) != 0 ||
		    strstr(str_cstr(&outcome.text), cases[i].text) == NULL)
			fail_msg("case %zu: %s %s", i, outcome.status, str_cstr(&outcome.text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(from_line),
		cmocka_unit_test(unreadable_content),
		cmocka_unit_test(statuses),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

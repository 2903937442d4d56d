#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int ends[2];
static char line[2 * LOG_LINE_MAX];

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_INFO_LEVEL);
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends);
}

static int tear_down(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* What one call wrote, one datagram: one write. */
static const char *logged(void)
{
	ssize_t n = read(ends[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* The text after "program[pid]: ". */
static const char *message(void)
{
	const char *end = strstr(logged(), "]: ");

	return end ? end + 3 : "";
}

static void test_text(void **state)
{
	char program[64];

	(void)state;
	log_open("posta/smtpd", ends[1], LOG_SINK_FILE, false);
	snprintf(program, sizeof(program), " posta/smtpd[%d]: ", getpid());
	log_info("4XyZ: client=%s", "mx");
	assert_non_null(strstr(logged(), program));
	log_info("plain");
	assert_string_equal(message(), "plain\n");
	log_warning("careful");
	assert_string_equal(message(), "warning: careful\n");
	errno = ENOENT;
	log_error("open: %m");
	assert_string_equal(message(), "error: open: No such file or directory\n");
	assert_int_equal(errno, ENOENT);
	/* Nobody writes a second line into the log. */
	log_info("a\nNov 21 23:58:21 mx posta/auth[1]: b\r\x1b\xff");
	assert_string_equal(message(), "a?Nov 21 23:58:21 mx posta/auth[1]: b???\n");
}

static void test_levels(void **state)
{
	(void)state;
	log_open("posta", ends[1], LOG_SINK_FILE, false);
	log_debug("hidden");
	assert_string_equal(logged(), "");
	log_set_level(LOG_DEBUG_LEVEL);
	log_debug("shown");
	assert_string_equal(message(), "debug: shown\n");
	log_set_level(LOG_ERROR_LEVEL);
	log_warning("hidden");
	assert_string_equal(logged(), "");
}

static void test_long(void **state)
{
	char text[3 * LOG_LINE_MAX];

	(void)state;
	log_open("posta", ends[1], LOG_SINK_FILE, false);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	assert_int_equal(strlen(message()), LOG_LINE_MAX);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void test_syslog(void **state)
{
	(void)state;
	log_open("posta", ends[1], LOG_SINK_SYSLOG, false);
	log_info("text");
	assert_true(strncmp(logged(), "<22>", 4) == 0);
	assert_string_equal(strstr(line, "]: "), "]: text");
	log_error("text");
	assert_true(strncmp(logged(), "<19>", 4) == 0);
}

static void test_json(void **state)
{
	(void)state;
	log_open("posta/smtpd", ends[1], LOG_SINK_FILE, true);
	log_warning("4XyZabc123: say \"hi\" \\ \n");
	assert_int_equal(logged()[0], '{');
	assert_non_null(strstr(line, "\"program\":\"posta/smtpd\""));
	assert_non_null(strstr(line, "\"level\":\"warning\""));
	assert_non_null(strstr(line, "\"id\":\"4XyZabc123\""));
	assert_non_null(strstr(line, "\"message\":\"4XyZabc123: say \\\"hi\\\" \\\\ ?\"}\n"));
	log_info("no identifier here: x");
	assert_null(strstr(logged(), "\"id\""));
}

static void test_fatal(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	log_open("posta", ends[1], LOG_SINK_FILE, false);
	pid = fork();
	if (pid == 0)
		log_fatal("enough");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 1 << 8);
	assert_string_equal(message(), "fatal: enough\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_syslog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fatal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

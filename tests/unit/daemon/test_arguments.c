/* The command line that master gives. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/internal.h"

#define MUST "-c", "/etc/posta", "-n", "smtp", "-F", "life=50", "-F", "status=51", "-F", "log=52"

/* The arguments are cut in place, so they are copied first. */
static int read_line(struct birth *birth, const char *const *words, size_t count)
{
	static char copies[64][100];
	char *argv[65];
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < count; i++)
		argv[i] = strcpy(copies[i], words[i]);
	argv[count] = NULL;

	int r = arguments_read((int)count, argv, birth, &err);

	assert_true((r < 0) == (err.text[0] != '\0'));
	return r;
}

#define READ(birth, ...)                                                                           \
	read_line(birth, (const char *const[]){ "smtpd", __VA_ARGS__ },                            \
		  ARRAY_SIZE(((const char *const[]){ "smtpd", __VA_ARGS__ })))

static void a_whole_line(void **state)
{
	struct birth birth;

	(void)state;
	assert_int_equal(READ(&birth, MUST, "-o", "a=b=c", "-o", "empty=", "-L", "7=private/x",
			      "-L", "8=[::1]:25", "-F", "sink=syslog", "--", "-o", "more"),
			 0);
	assert_string_equal(birth.config_directory, "/etc/posta");
	assert_string_equal(birth.service, "smtp");
	assert_int_equal(birth.life_fd, 50);
	assert_int_equal(birth.status_fd, 51);
	assert_int_equal(birth.log_fd, 52);
	assert_int_equal(birth.sink, LOG_SINK_SYSLOG);
	assert_int_equal(birth.override_count, 2);
	assert_string_equal(birth.overrides[0].name, "a");
	assert_string_equal(birth.overrides[0].value, "b=c");
	assert_string_equal(birth.overrides[1].value, "");
	assert_int_equal(birth.listener_count, 2);
	assert_int_equal(birth.listeners[0].fd, 7);
	assert_string_equal(birth.listeners[1].name, "[::1]:25");
	assert_string_equal(birth.arguments[0], "-o");
	assert_string_equal(birth.arguments[1], "more");
	assert_null(birth.arguments[2]);
}

static void what_is_wrong(void **state)
{
	struct birth birth;

	(void)state;
	assert_int_equal(READ(&birth, "-c", "/etc/posta"), -EINVAL); /* not from master */
	assert_int_equal(READ(&birth, MUST, "-x", "y"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-o"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-o", "novalue"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-L", "x=private/x"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-L", "private/x"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-F", "life=-1"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-F", "other=1"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-"), -EINVAL);
	assert_int_equal(READ(&birth, MUST, "-cc", "y"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_line),
		cmocka_unit_test(what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

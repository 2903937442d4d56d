#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/metrics.h"

static void test_set(void **state)
{
	struct error err = ERROR_NONE;

	(void)state;
	assert_int_equal(error_set(&err, -EINVAL, "%s, line %d", "main.cf", 7), -EINVAL);
	assert_string_equal(err.text, "main.cf, line 7");
	error_prefix(&err, "reload %d", 1);
	assert_string_equal(err.text, "reload 1: main.cf, line 7");
	errno = ENOENT;
	assert_int_equal(error_errno(&err, "open %s", "/x"), -ENOENT);
	assert_string_equal(err.text, "open /x: No such file or directory");
	errno = 0;
	assert_int_equal(error_errno(&err, "odd"), -EIO);
}

static void test_nobody_asked(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EPERM, "x"), -EPERM);
	errno = EACCES;
	assert_int_equal(error_errno(NULL, "x"), -EACCES);
	error_prefix(NULL, "x");
}

static void test_long_texts(void **state)
{
	struct error err;
	char text[3 * ERROR_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, -1, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	errno = ENOENT;
	error_errno(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void test_clock(void **state)
{
	msec_t now = clock_now();

	(void)state;
	assert_int_equal(clock_after(MSEC_FOREVER), MSEC_FOREVER);
	assert_int_equal(clock_after(MSEC_FOREVER - 1), MSEC_FOREVER);
	assert_true(clock_after(1000) >= now + 1000);
	assert_true(clock_wall() > 1600000000);
	assert_in_range(clock_wall_usec() / 1000000 - clock_wall() + 1, 0, 2);
}

static void test_metrics(void **state)
{
	(void)state;
	assert_int_equal(metric_get(METRIC_connections), 0);
	metric_add(METRIC_connections, 3);
	metric_add(METRIC_connections, -1);
	assert_int_equal(metric_get(METRIC_connections), 2);
	assert_string_equal(metric_name(METRIC_connections), "connections");
	for (enum metric m = 0; m < METRIC_COUNT; m++)
		assert_true(strlen(metric_help(m)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),	   cmocka_unit_test(test_nobody_asked),
		cmocka_unit_test(test_long_texts), cmocka_unit_test(test_clock),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages that wait for a filter before the queue: each in a place of its own, however large one may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../smtpd/session.h"

#include "base/mem.h"
#include "conf/conf.h"

static void check_places(const char *limit)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct spool *spools[3];
	char bytes[8];

	str_printf(&text,
		   "queue_directory = /tmp\nsmtpd_proxy_filter = 127.0.0.1:1\n"
		   "smtpd_proxy_options = speed_adjust\nmessage_size_limit = %s\n",
		   limit);
	assert_true(conf_load_text(str_view(&text), "/etc/posta", NULL, 0, &report) >= 0);
	assert_int_equal(spool_open(&err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(spools); i++) {
		spools[i] = spool_new();
		assert_int_equal(spool_add(spools[i], view_make(&"abc"[i], 1)), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(spools); i++) {
		assert_int_equal(spool_read(spools[i], 0, bytes, sizeof(bytes)), 1);
		assert_int_equal(bytes[0], "abc"[i]);
		assert_int_equal(spool_read(spools[i], 1, bytes, sizeof(bytes)), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(spools); i++)
		spool_free(spools[i]);
	spool_close();
}

static void test_places(void **unused)
{
	(void)unused;
	check_places("0");
	check_places("3");
	check_places("10240000");
	check_places("9223372036854775807");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_places) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

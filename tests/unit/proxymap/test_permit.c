/* Which tables proxy_read_maps permits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "permit.h"

static char folder[] = "/tmp/posta-test-permit-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void load(const char *main, const char *master)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct error err = ERROR_NONE;

	write_file("main.cf", main);
	write_file("master.cf", master);
	if (conf_load(folder, NULL, 0, &report) < 0 || permit_load(&err) < 0)
		fail_msg("%s%s", str_cstr(&report), err.text);
}

#define M "socketmap:inet:127.0.0.1:99:a"

static void test_default(void **state)
{
	(void)state;
	load("virtual_alias_maps = hash:/x, proxy:" M "\nsmtpd_helo_restrictions = "
	     "check_helo_access tcp:127.0.0.1:7\nmyown = tcp:127.0.0.1:8, proxy:tcp:127.0.0.1:9\n"
	     "transport_maps = pipemap:{tcp:127.0.0.1:5,hash:/y}\n",
	     "smtp inet n - - - - smtpd\n -o transport_maps=tcp:127.0.0.1:6\n"
	     " -o myother=tcp:127.0.0.1:4,proxy:tcp:127.0.0.1:3\n");
	assert_true(permit_has(VIEW(M)));
	assert_true(permit_has(VIEW("tcp:127.0.0.1:7")));
	assert_true(permit_has(VIEW("tcp:127.0.0.1:5")));
	assert_true(permit_has(VIEW("tcp:127.0.0.1:6")));
	/* Named by itself, wherever; but "proxy:" needs proxy_read_maps. */
	assert_true(permit_has(VIEW("tcp:127.0.0.1:8")));
	assert_true(permit_has(VIEW("tcp:127.0.0.1:4")));
	assert_false(permit_has(VIEW("tcp:127.0.0.1:9")));
	assert_false(permit_has(VIEW("tcp:127.0.0.1:3")));
	assert_false(permit_has(VIEW("tcp:127.0.0.1")));
	assert_false(permit_has(VIEW("socketmap:inet:127.0.0.1:99:ab")));
	assert_false(permit_has(VIEW("socketmap:inet:127.0.0.1:99")));
}

static void test_narrow(void **state)
{
	(void)state;
	load("virtual_alias_maps = proxy:" M "\nproxy_read_maps = tcp:127.0.0.1:1\n",
	     "smtp inet n - - - - smtpd\n -o virtual_alias_maps=proxy:" M "\n");
	assert_false(permit_has(VIEW(M)));
	assert_true(permit_has(VIEW("tcp:127.0.0.1:1")));
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	permit_forget();
	conf_unload();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_narrow),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Which tables proxy_read_maps permits. */
#include "../conf_folder.h"

#include "permit.h"

static void load(const char *main_cf, const char *master_cf)
{
	struct error err = ERROR_NONE;

	conf_folder_load(main_cf, master_cf);
	if (permit_load(&err) < 0)
		fail_msg("%s", err.text);
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

static int tear_down(void **state)
{
	permit_forget();
	return conf_folder_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_narrow),
	};

	return cmocka_run_group_tests(tests, conf_folder_make, tear_down);
}

/* Lists of milters as main.cf has them, and replies that may be given to a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/milter.h"

static void load(const char *text)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;

	if (conf_load_text(view_of(text), "/", NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
}

static void test_list(void **state)
{
	struct milter_list list;
	struct error err = ERROR_NONE;

	(void)state;
	load("milter_default_action = accept\nmilter_command_timeout = 7s\n");
	assert_int_equal(milter_list_parse(VIEW(", inet:127.0.0.1:1 { unix:/run/x, protocol=2 "
						"no_header_reply, connect_timeout=2m "
						"default_action=quarantine },inet:h:3"),
					   &list, &err),
			 -EINVAL);
	milter_list_free(&list);
	assert_int_equal(milter_list_parse(VIEW(", inet:127.0.0.1:1 { unix:/run/x, protocol=5, "
						"connect_timeout=2m default_action=quarantine }"
						",inet:h:3"),
					   &list, &err),
			 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(str_cstr(&list.items[0].endpoint), "inet:127.0.0.1:1");
	assert_int_equal(list.items[0].protocol, 6);
	assert_int_equal(list.items[0].command_timeout, 7000);
	assert_int_equal(list.items[0].default_action, MILTER_DEFAULT_ACCEPT);
	assert_string_equal(str_cstr(&list.items[1].endpoint), "unix:/run/x");
	assert_int_equal(list.items[1].protocol, 4);
	assert_int_equal(list.items[1].connect_timeout, 120000);
	assert_int_equal(list.items[1].default_action, MILTER_DEFAULT_QUARANTINE);
	milter_list_free(&list);
	conf_unload();
}

static void test_mistakes(void **state)
{
	static const char *const wrong[] = {
		"127.0.0.1:1",
		"{ }",
		"{ inet:h:1, timeout=1s }",
		"{ inet:h:1, protocol=7 }",
		"{ inet:h:1, protocol=1 }",
		"{ inet:h:1, default_action=maybe }",
		"{ inet:h:1, connect_timeout=0 }",
		"{ inet:h:1, connect_timeout }",
	};

	(void)state;
	load("");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct milter_list list;
		struct error err = ERROR_NONE;

		if (milter_list_parse(view_of(wrong[i]), &list, &err) != -EINVAL)
			fail_msg("%s", wrong[i]);
		assert_true(err.text[0] != '\0');
		milter_list_free(&list);
	}
	conf_unload();
}

/* The default is Postfix's: shutdown from 3.11 on, tempfail before it. */
static void test_default_action(void **state)
{
	(void)state;
	load("");
	assert_string_equal(param.milter_default_action, "shutdown");
	conf_unload();
	load("compatibility_level = 3.6\n");
	assert_string_equal(param.milter_default_action, "tempfail");
	conf_unload();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_default_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/json.h"

static void test_json(void **state)
{
	struct json json = JSON_START;

	(void)state;
	json_object(&json, NULL);
	json_string(&json, "text", VIEW("a \"quote\", a \\, a\ttab, \xc3\xa4"));
	json_string(&json, "lines", VIEW("a\xc2\x85\xc2\xa0\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9z"));
	json_number(&json, "number", -5);
	json_bool(&json, "yes", true);
	json_array(&json, "list");
	json_string(&json, NULL, VIEW(""));
	json_number(&json, NULL, 7);
	json_object(&json, NULL);
	json_end(&json);
	json_end(&json);
	json_string(&json, "bad", VIEW("\xff\x01"));
	json_end(&json);
	assert_string_equal(
		str_cstr(&json.text),
		"{\"text\":\"a \\\"quote\\\", a \\\\, a\\u0009tab, \xc3\xa4\","
		"\"lines\":\"a\\u0085\xc2\xa0\xe2\x80\xa7\\u2028\\u2029z\",\"number\":-5,"
		"\"yes\":true,\"list\":[\"\",7,{}],\"bad\":\"??\"}");
	str_free(&json.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_json) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

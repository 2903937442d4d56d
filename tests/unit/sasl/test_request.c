/* Lines of clients of Dovecot's authentication protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "request.h"

static const struct {
	const char *line;
	int result;
	enum sasl_word word;
	uint32_t id;
	const char *mechanism, *service, *rip, *lip, *data;
	bool secured, has_data, readable;
} cases[] = {
	{ "VERSION\t1\t1", 0, SASL_VERSION, 0, "", "", "", "", "", false, false, false },
	{ "VERSION\tone\t1", -EBADMSG, SASL_VERSION, 0, "", "", "", "", "", false, false, false },
	{ "CPID\t12", 0, SASL_CPID, 0, "", "", "", "", "", false, false, false },
	{ "", 0, SASL_OTHER, 0, "", "", "", "", "", false, false, false },
	{ "AUTH\t7\tPLAIN\tservice=SMTP\tsecured\tlip=192.0.2.1\trip=2001:DB8::1\tresp=YWI=", 0,
	  SASL_AUTH, 7, "PLAIN", "smtp", "2001:db8::1", "192.0.2.1", "ab", true, true, true },
	{ "AUTH\t7\tPLAIN\tservice=smtp", 0, SASL_AUTH, 7, "PLAIN", "smtp", "", "", "", false,
	  false, true },
	{ "AUTH\t7\tPLAIN\tservice=smtp\tresp=", 0, SASL_AUTH, 7, "PLAIN", "smtp", "", "", "",
	  false, true, true },
	{ "AUTH\t7\tPLAIN\tservice=smtp\tresp==", 0, SASL_AUTH, 7, "PLAIN", "smtp", "", "", "",
	  false, true, true },
	{ "AUTH\t7\tPLAIN\tservice=smtp\tresp=YQ", 0, SASL_AUTH, 7, "PLAIN", "smtp", "", "", "",
	  false, true, false },
	/* After the response nothing counts. */
	{ "AUTH\t7\tPLAIN\tservice=smtp\tresp=YQ==\tsecured", 0, SASL_AUTH, 7, "PLAIN", "smtp", "",
	  "", "a", false, true, true },
	{ "AUTH\t7\tPL\001tAIN\tservice=a b\trip=x\tlip=1.2.3.4\0011", 0, SASL_AUTH, 7, "", "", "",
	  "", "", false, false, true },
	{ "AUTH\t7\tABCDEFGHIJKLMNOPQRSTU\tservice=abcdefghijklmnopqrstu", 0, SASL_AUTH, 7, "", "",
	  "", "", "", false, false, true },
	{ "AUTH\t7", 0, SASL_AUTH, 7, "", "", "", "", "", false, false, true },
	{ "AUTH\t4294967296\tPLAIN", -EBADMSG, SASL_AUTH, 0, "", "", "", "", "", false, false,
	  false },
	{ "AUTH", -EBADMSG, SASL_AUTH, 0, "", "", "", "", "", false, false, false },
	{ "CONT\t4294967295\tYQ==", 0, SASL_CONT, UINT32_MAX, "", "", "", "", "a", false, true,
	  true },
	{ "CONT\t1", 0, SASL_CONT, 1, "", "", "", "", "", false, true, true },
	{ "CONT\t1\t?", 0, SASL_CONT, 1, "", "", "", "", "", false, true, false },
	{ "CANCEL\t3", 0, SASL_CANCEL, 3, "", "", "", "", "", false, false, false },
	{ "CANCEL\t-3", -EBADMSG, SASL_CANCEL, 0, "", "", "", "", "", false, false, false },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sasl_request said = { .word = SASL_OTHER };

		assert_int_equal(sasl_request_parse(view_of(cases[i].line), &said),
				 cases[i].result);
		assert_int_equal(said.word, cases[i].word);
		if (cases[i].result == 0) {
			assert_int_equal(said.id, cases[i].id);
			assert_string_equal(str_cstr(&said.mechanism), cases[i].mechanism);
			assert_string_equal(str_cstr(&said.service), cases[i].service);
			assert_string_equal(str_cstr(&said.rip), cases[i].rip);
			assert_string_equal(str_cstr(&said.lip), cases[i].lip);
			assert_string_equal(str_cstr(&said.data), cases[i].data);
			assert_int_equal(said.secured, cases[i].secured);
			assert_int_equal(said.has_data, cases[i].has_data);
			assert_int_equal(said.data_is_readable, cases[i].readable);
		}
		sasl_request_free(&said);
	}
}

static void test_limits(void **state)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct sasl_request said = { .word = SASL_OTHER };

	(void)state;
	str_append_cstr(&line, "AUTH\t1\tPLAIN\tservice=smtp");
	for (int i = 0; i < 199; i++)
		str_append_cstr(&line, "\tx=y");
	assert_int_equal(sasl_request_parse(str_view(&line), &said), 0);
	sasl_request_free(&said);
	str_append_cstr(&line, "\tx");
	assert_int_equal(sasl_request_parse(str_view(&line), &said), -EBADMSG);
	sasl_request_free(&said);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

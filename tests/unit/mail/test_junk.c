/* junk_header_checks: which fields count, and what they must say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mail/junk.h"

static void test_fields(void **state)
{
	static const struct {
		const char *header;
		bool junk;
	} headers[] = {
		{ "X-Spam-Flag: YES\r\n", true },
		{ "x-spam-flag:yes\r\n", true },
		{ "Subject: a\r\nX-Spam-Status:\r\n Yes, score=7.2\r\n", true },
		{ "X-Spam-Flag: NO\r\n", false },
		{ "X-Spam-Flag: yesterday\r\n", false },
		{ "X-Spam-Flag: not YES\r\n", false },
		{ "X-Spam-Flag:\r\n", false },
		{ "X-Spam-Flags: YES\r\n", false },
		{ "X-Other: anything\r\n", true },
		{ "Subject: X-Spam-Flag: YES\r\n", false },
		{ "Subject: a\r\n\r\nX-Spam-Flag: YES\r\n", false },
		{ "", false },
	};
	struct junk_checks *checks =
		junk_checks_parse(VIEW("X-Spam-Flag: Yes, X-Spam-Status: yes,, X-Other:"), NULL);
	struct header_field field;

	assert_non_null(checks);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (junk_checks_find(checks, view_of(headers[i].header), &field) != headers[i].junk)
			fail_msg("%s", headers[i].header);
	assert_true(junk_checks_name(checks, VIEW("x-SPAM-status")));
	assert_false(junk_checks_name(checks, VIEW("X-Spam")));
	junk_checks_free(checks);
	(void)state;
}

static void test_wrong_lists(void **state)
{
	static const char *const lists[] = { "X-Spam", ": Yes", "X Spam: Yes", "X-A: b, Yes" };
	struct error err = ERROR_NONE;
	struct str many = STR_EMPTY;
	struct junk_checks *none = junk_checks_parse(VIEW_NONE, NULL);

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_null(junk_checks_parse(view_of(lists[i]), &err));
	for (int i = 0; i <= JUNK_CHECKS_MAX; i++)
		str_append_cstr(&many, "X-A: b,");
	assert_null(junk_checks_parse(str_view(&many), &err));
	str_free(&many);
	assert_non_null(none);
	assert_false(junk_checks_name(none, VIEW("X-Spam")));
	junk_checks_free(none);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_wrong_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

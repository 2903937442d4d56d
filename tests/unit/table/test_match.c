#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "folder.h"
#include "table/table.h"

static const struct {
	enum matchlist_kind kind;
	bool parents;
	const char *list, *subject, *by; /* NULL: no match; "!": a table failed */
} cases[] = {
	{ MATCH_DOMAINS, false, "", "example.test", NULL },
	{ MATCH_DOMAINS, false, "a.test, Example.TEST", "example.test", "Example.TEST" },
	{ MATCH_DOMAINS, false, "example.test", "sub.example.test", NULL },
	{ MATCH_DOMAINS, true, "example.test", "sub.example.test", "example.test" },
	{ MATCH_DOMAINS, true, "example.test", "notexample.test", NULL },
	{ MATCH_DOMAINS, false, ".example.test", "sub.example.test", ".example.test" },
	{ MATCH_DOMAINS, false, ".example.test", "example.test", NULL },
	{ MATCH_DOMAINS, false, "!bad.example.test, .example.test", "bad.example.test", NULL },
	{ MATCH_DOMAINS, false, "!bad.example.test .example.test", "ok.example.test",
	  ".example.test" },
	{ MATCH_DOMAINS, false, "inline:{x.test=1}", "x.test", "inline:{x.test=1}" },
	{ MATCH_DOMAINS, false, "inline:{x.test=1}", "a.x.test", NULL },
	{ MATCH_DOMAINS, true, "inline:{x.test=1}", "a.x.test", "inline:{x.test=1}" },
	{ MATCH_DOMAINS, false, "inline:{.x.test=1}", "a.b.x.test", "inline:{.x.test=1}" },
	{ MATCH_DOMAINS, false, "static:all", "any.test", "static:all" },
	{ MATCH_DOMAINS, false, "fail:x", "any.test", "!" },
	{ MATCH_ADDRESSES, false, "127.0.0.0/8, 192.0.2.1", "127.9.9.9", "127.0.0.0/8" },
	{ MATCH_ADDRESSES, false, "127.0.0.0/8, 192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ MATCH_ADDRESSES, false, "127.0.0.0/8, 192.0.2.1", "192.0.2.2", NULL },
	{ MATCH_ADDRESSES, false, "[::1]/128 [2001:db8::]/32", "2001:db8:5::1", "[2001:db8::]/32" },
	{ MATCH_ADDRESSES, false, "[::1]/128 [2001:db8::]/32", "::1", "[::1]/128" },
	{ MATCH_ADDRESSES, false, "[::1]", "::1", "[::1]" },
	{ MATCH_ADDRESSES, false, "[::ffff:127.0.0.0]/104", "127.0.0.1", "[::ffff:127.0.0.0]/104" },
	{ MATCH_ADDRESSES, false, "127.0.0.0/8", "::ffff:127.0.0.1", "127.0.0.0/8" },
	{ MATCH_ADDRESSES, false, "[fe80::]/10", "fe80::1%eth0", "[fe80::]/10" },
	{ MATCH_ADDRESSES, false, "!10.0.0.5, 10.0.0.0/8", "10.0.0.5", NULL },
	{ MATCH_ADDRESSES, false, "0.0.0.0/0", "203.0.113.9", "0.0.0.0/0" },
	{ MATCH_ADDRESSES, false, "0.0.0.0/0", "::2", NULL },
	{ MATCH_ADDRESSES, false, "mail.example.test, 10.0.0.1", "10.0.0.1", "10.0.0.1" },
	{ MATCH_ADDRESSES, false, "cidr:{{10.0.0.0/8 ok}}", "10.1.1.1", "cidr:{{10.0.0.0/8 ok}}" },
	{ MATCH_ADDRESSES, false, "10.0.0.0/8", "unknown", NULL },
	{ MATCH_STRINGS, false, "smtp, !lmtp, static:all", "LMTP", NULL },
	{ MATCH_STRINGS, false, "smtp, !lmtp, static:all", "other", "static:all" },
	{ MATCH_STRINGS, false, "smtp", "", NULL },
};

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_NONE;
		struct matchlist *list =
			matchlist_open(cases[i].list, cases[i].kind, cases[i].parents, &err);
		const char *by = NULL, *expected = cases[i].by;

		if (list == NULL)
			fail_msg("%s: %s", cases[i].list, err.text);

		int r = matchlist_match(list, view_of(cases[i].subject), &by);

		if (expected == NULL	 ? r != 0
		    : expected[0] == '!' ? r >= 0
					 : r != 1 || by == NULL || strcmp(by, expected) != 0)
			fail_msg("%s in %s: %d by %s", cases[i].subject, cases[i].list, r,
				 by ? by : "nothing");
		matchlist_close(list);
	}
}

static void test_errors(void **state)
{
	static const struct {
		enum matchlist_kind kind;
		const char *list, *reason;
	} bad[] = {
		{ MATCH_ADDRESSES, "10.0.0.1/8", "bits after the prefix" },
		{ MATCH_ADDRESSES, "10.0.0.0/33", "prefix length" },
		{ MATCH_ADDRESSES, "10.0.0", "not an address" },
		{ MATCH_ADDRESSES, "[::1", "not an address" },
		{ MATCH_ADDRESSES, "[2001:db8::]/129", "prefix length" },
		{ MATCH_DOMAINS, "a, !", "nothing after" },
		{ MATCH_DOMAINS, "/nonexistent/list", "/nonexistent/list" },
		{ MATCH_DOMAINS, "mongodb:/x", "no such type" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_NONE;

		assert_null(matchlist_open(bad[i].list, bad[i].kind, false, &err));
		if (strstr(err.text, bad[i].reason) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].list, err.text,
				 bad[i].reason);
	}
}

static void test_files(void **state)
{
	struct str list_text = STR_EMPTY, inner = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct matchlist *list;

	(void)state;
	str_printf(&inner, "# domains\none.test, two.test\n  three.test\n!%s\n", in_folder("not"));
	write_file("not", "four.test\n");
	write_file("list", str_cstr(&inner));
	str_printf(&list_text, "zero.test %s static:rest", in_folder("list"));
	list = matchlist_open(str_cstr(&list_text), MATCH_DOMAINS, false, &err);
	assert_non_null(list);
	assert_int_equal(matchlist_match(list, VIEW("three.test"), NULL), 1);
	assert_int_equal(matchlist_match(list, VIEW("four.test"), NULL), 0);
	assert_int_equal(matchlist_match(list, VIEW("five.test"), NULL), 1);
	matchlist_close(list);

	/* A file that includes itself ends at a limit. */
	str_clear(&inner);
	str_printf(&inner, "%s\n", in_folder("list"));
	write_file("list", str_cstr(&inner));
	assert_null(matchlist_open(str_cstr(&inner), MATCH_DOMAINS, false, &err));
	assert_non_null(strstr(err.text, "files within files"));
	str_free(&list_text);
	str_free(&inner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "table/internal.h"

static bool append(void *argument, int line, struct view key, struct view value)
{
	str_printf(argument, "%d<%.*s><%.*s>", line, VIEW_ARG(key), VIEW_ARG(value));
	return true;
}

static const struct {
	enum table_source source;
	const char *text, *entries, *complaint; /* NULL: none */
} cases[] = {
	{ SOURCE_MAP, "", "", NULL },
	{ SOURCE_MAP, "a b\n# c\n\nD  e f \n g\n", "1<a><b>4<d><e f g>", NULL },
	{ SOURCE_MAP, "user@Example.TEST\tother@x.test, y\n",
	  "1<user@example.test><other@x.test, y>", NULL },
	{ SOURCE_MAP, "\"two words\" v\n\"a\\\"b\" w\n", "1<two words><v>2<a\"b><w>", NULL },
	{ SOURCE_MAP, "lonely\nok yes\n", "2<ok><yes>", "t, line 1: expected a key" },
	{ SOURCE_MAP, " stray\n", "", "t, line 1: begins with white space" },
	{ SOURCE_MAP, "\"open v\n", "", "t, line 1: a quote without its end" },
	{ SOURCE_ALIASES, "root: alice\nPostmaster:root, \"|cmd -x\"\n",
	  "1<root><alice>2<postmaster><root, \"|cmd -x\">", NULL },
	{ SOURCE_ALIASES, "\"Joe : X\" : /var/mail/x,\n\t:include:/etc/list\n",
	  "1<joe : x></var/mail/x,\t:include:/etc/list>", NULL },
	{ SOURCE_ALIASES, "no colon here\n", "", "t, line 1: expected name: value" },
	{ SOURCE_ALIASES, "bad: alice, <bob\nfine: a b\n", "1<bad><alice, <bob>2<fine><a b>",
	  "t, line 1: unbalanced <>, in the alias \"bad\"" },
	{ SOURCE_ALIASES, "empty:\n", "", "t, line 1: no value after \"empty\"" },
	{ SOURCE_ALIASES, "a@b.c: d\n", "", "t, line 1: an alias is a local name" },
	{ SOURCE_ALIASES, "two words: d\n", "", "t, line 1: such a name must stand in double" },
	{ SOURCE_ALIASES, "x: \"|open\n", "", "t, line 1: a quote without its end" },
	{ SOURCE_ALIASES, "\"x\" y: z\n", "", "t, line 1: expected name: value" },
	{ SOURCE_USERS, "Al@Ex.test:{PLAIN}Pw:1:2::/h::k=v\n# c\n\n",
	  "1<al@ex.test><Al@Ex.test:{PLAIN}Pw:1:2::/h::k=v>", NULL },
	{ SOURCE_USERS, "a@b:c\r\nd@e:f:", "1<a@b><a@b:c>2<d@e><d@e:f:>", NULL },
	{ SOURCE_USERS, "nocolon\n", "", "t, line 1: expected address:password" },
	{ SOURCE_USERS, ":pw\n", "", "t, line 1: expected address:password" },
	{ SOURCE_USERS, "a b:pw\n", "", "t, line 1: white space in the address" },
	{ SOURCE_USERS, " a:pw\n", "", "t, line 1: begins with white space" },
	{ SOURCE_USERS, "a:p\tw\n", "", "t, line 1: a control byte in the line of \"a\"" },
};

static void test_sources(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str entries = STR_EMPTY, report = STR_EMPTY;
		size_t bad = source_parse(view_of(cases[i].text), "t", cases[i].source, true,
					  append, &entries, &report);

		assert_string_equal(str_cstr(&entries), cases[i].entries);
		assert_int_equal(bad, cases[i].complaint != NULL);
		if (cases[i].complaint == NULL)
			assert_string_equal(str_cstr(&report), "");
		else if (!view_starts(str_view(&report), view_of(cases[i].complaint)))
			fail_msg("\"%s\" is not \"%s\"", str_cstr(&report), cases[i].complaint);
		str_free(&entries);
		str_free(&report);
	}
}

/* A password must not get into a message. */
static void test_no_password_in_report(void **state)
{
	struct str entries = STR_EMPTY, report = STR_EMPTY;

	(void)state;
	source_parse(VIEW("a b:sEcReT:1\n:sEcReT\nc:sEcReT\x01:\n"), "t", SOURCE_USERS, true,
		     append, &entries, &report);
	assert_int_equal(view_find(str_view(&report), VIEW("sEcReT")), VIEW_NOT_FOUND);
	str_free(&entries);
	str_free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_no_password_in_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

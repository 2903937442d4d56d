#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/lines.h"

static const struct {
	const char *text;
	const char *lines; /* "number:line|" for each */
} cases[] = {
	{ "", "" },
	{ "\n\n# nothing\n   \n\t# indented comment\n", "" },
	{ "a = b\nc = d\n", "1:a = b|2:c = d|" },
	{ "a = b", "1:a = b|" },
	{ "a =\n  b,\n\tc\nd = e\n", "1:a =  b,\tc|4:d = e|" },
	/* Comments and empty lines do not end a logical line. */
	{ "a = b\n# comment\n\n   # another\n  c\n", "1:a = b  c|" },
	{ "# first\na\n# last\n", "2:a|" },
	{ "a \t\r\n  b\r\n", "1:a  b|" },
	{ "  stray\na\n", "1:  stray|2:a|" },
	{ "a # not a comment\n", "1:a # not a comment|" },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lines lines = lines_of(view_of(cases[i].text));
		struct view line;
		struct str seen = STR_EMPTY;

		while (lines_next(&lines, &line))
			str_printf(&seen, "%d:%.*s|", lines.number, VIEW_ARG(line));
		assert_string_equal(str_cstr(&seen), cases[i].lines);
		str_free(&seen);
		lines_free(&lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What no script may be: each mistake with the line and column where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "sieve/sieve.h"

static void mistakes(void **unused)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *problem;
	} cases[] = {
		{ "keep", 1, 5, "expected \";\"" },
		{ "keep;\nkeep\n", 3, 1, "the script ends" },
		{ "\n  fileinto \"x\";", 2, 3, "needs require \"fileinto\"" },
		{ "require \"fileinto\";\nfileinto;", 2, 1, "more arguments" },
		{ "require \"fileinto\";\nfileinto \"a\" \"b\";", 2, 1, "no more arguments" },
		{ "require \"fileinto\"; fileinto [\"a\", \"b\"];", 1, 30, "needs a string" },
		{ "require [\"fileinto\", \"nonsense\"];", 1, 9, "no extension \"nonsense\"" },
		{ "keep; require \"fileinto\";", 1, 7, "before all other" },
		{ "if true { require \"body\"; }", 1, 11, "at the front" },
		{ "else { keep; }", 1, 1, "after if" },
		{ "if true keep;", 1, 4, "takes no test" },
		{ "if true;", 1, 1, "needs a block" },
		{ "if true { keep;", 1, 16, "\"}\"" },
		{ "if header \"a\" \"b\" { }", 0, 0, NULL },
		{ "if header :is :comparator \"i;none\" \"a\" \"b\" {}", 1, 27, "no comparator" },
		{ "if header :count \"eq\" \"a\" \"1\" {}", 1, 11, "relational" },
		{ "require \"foreverypart\";\nif true { break; }", 2, 11,
		  "in the block of foreverypart" },
		{ "require \"foreverypart\"; foreverypart :name \"a\" {\nbreak :name \"b\"; }", 2,
		  1, "no foreverypart around it" },
		{ "require [\"foreverypart\",\"extracttext\"]; foreverypart {\nextracttext \"a\"; "
		  "}",
		  2, 1, "require \"variables\"" },
		{ "require [\"variables\",\"extracttext\"];\nextracttext \"a\";", 2, 1,
		  "in the block of foreverypart" },
		{ "require \"mime\"; if\nheader :anychild \"a\" \"b\" {}", 2, 1, "needs :mime" },
		{ "require \"mime\"; if\nheader :mime :type :subtype \"a\" \"b\" {}", 2, 1,
		  "takes one of" },
		{ "if header\n:mime \"a\" \"b\" {}", 2, 1, "require \"mime\"" },
		{ "require [\"foreverypart\"];\nforeverypart;", 2, 1, "needs a block" },
		{ "require \"relational\"; if header :count \"xx\" \"a\" \"1\" {}", 1, 40,
		  "\"eq\"" },
		{ "if header :is :is \"a\" \"b\" {}", 1, 15, "twice" },
		{ "if header :over \"a\" \"b\" {}", 1, 11, "does not take :over" },
		{ "if size 100 {}", 1, 4, "either :over or :under" },
		{ "if size :over \"x\" {}", 1, 15, "needs a number" },
		{ "if not true, false {}", 1, 12, "block" },
		{ "if not (true, false) {}", 1, 4, "one test" },
		{ "if allof {}", 1, 4, "needs a test" },
		{ "if unknown \"x\" {}", 1, 4, "no unknown among the tests" },
		{ "unknown;", 1, 1, "no unknown among the commands" },
		{ "stop { }", 1, 1, "takes no block" },
		{ "keep \"x\";", 1, 1, "no more arguments" },
		{ "redirect \"open", 1, 10, "closing quote" },
		{ "/* open", 1, 1, "a comment" },
		{ "redirect text:\nx\n", 1, 10, "a dot alone" },
		{ "if size :over 99999999999 {}", 1, 15, "too large" },
		{ "keep; $", 1, 7, "nothing begins" },
		{ "if header [\"a\" \"b\"] \"c\" {}", 1, 16, "\",\" or \"]\"" },
		{ "if address :user \"to\" \"x\" {}", 1, 12, "subaddress" },
		{ "# \xc3\xa4\xc3\xb6\nkeep x", 2, 7, "the script ends" },
		{ "redirect \"\xc3\xa4\" $", 1, 14, "nothing begins" },
		{ "\"\xff\";", 1, 1, "not UTF-8" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_script *script;
		struct sieve_problem problem;
		int r = sieve_compile(view_of(cases[i].text), &script, &problem);

		if (cases[i].problem == NULL) {
			if (r < 0)
				fail_msg("%s: %s", cases[i].text, problem.text);
			sieve_free(script);
			continue;
		}
		if (r != -EINVAL)
			fail_msg("taken: %s", cases[i].text);
		assert_null(script);
		if (strstr(problem.text, cases[i].problem) == NULL ||
		    problem.line != cases[i].line || problem.column != cases[i].column)
			fail_msg("%s: line %u, column %u: %s", cases[i].text, problem.line,
				 problem.column, problem.text);
	}
}

/* Deep, long and wide ones end as mistakes, not in a crash. */
static void limits(void **unused)
{
	_cleanup_(str_free) struct str deep = STR_EMPTY, wide = STR_EMPTY, tests = STR_EMPTY;
	struct sieve_script *script;
	struct sieve_problem problem;

	(void)unused;
	for (int i = 0; i < 10000; i++) {
		str_append_cstr(&deep, "if true {");
		str_append_cstr(&tests, "not ");
	}
	assert_int_equal(sieve_compile(str_view(&deep), &script, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "deep"));
	str_append_cstr(&wide, "if ");
	str_append(&wide, str_view(&tests));
	assert_int_equal(sieve_compile(str_view(&wide), &script, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "deep"));
	str_clear(&wide);
	for (int i = 0; i < 30000; i++)
		str_append_cstr(&wide, "stop;");
	assert_int_equal(sieve_compile(str_view(&wide), &script, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "more than"));
	while (wide.len <= SIEVE_SCRIPT_MAX)
		str_append_cstr(&wide, "#                                             \n");
	assert_int_equal(sieve_compile(str_view(&wide), &script, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "larger"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mistakes), cmocka_unit_test(limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

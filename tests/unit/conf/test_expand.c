#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/expand.h"

static const struct {
	const char *name, *value;
} values[] = {
	{ "c", "x y" },
	{ "empty", "" },
	{ "domain", "example.test" },
	{ "host", "mx.$domain" },
	{ "deep", "<${host}>" },
	{ "level", "3.10" },
	{ "loop", "$loop" },
	{ "ping", "a$pong" },
	{ "pong", "b$ping" },
	{ "my-smtp_limit", "7" },
	{ "two", "$one$one$one$one$one$one$one$one$one$one" },
	{ "one", "$zero$zero$zero$zero$zero$zero$zero$zero$zero$zero" },
	{ "zero", "$base$base$base$base$base$base$base$base$base$base" },
	{ "base", "$bytes$bytes$bytes$bytes$bytes$bytes$bytes$bytes$bytes$bytes" },
	{ "bytes", "0123456789" },
};

static const char *lookup(void *argument, struct view name)
{
	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (view_is(name, values[i].name))
			return values[i].value;
	return NULL;
}

static const struct {
	const char *text, *result;
} good[] = {
	{ "", "" },
	{ "plain text", "plain text" },
	{ "$c", "x y" },
	{ "$(c)", "x y" },
	{ "${c}", "x y" },
	{ "a${c}b$(c)d", "ax ybx yd" },
	{ "$host, localhost.$domain, localhost",
	  "mx.example.test, localhost.example.test, localhost" },
	{ "$deep", "<mx.example.test>" },
	{ "$$c and $$", "$c and $" },
	{ "$nothing|", "|" },
	{ "${my-smtp_limit}", "7" },
	/* Conditions; the old form takes everything to the end. */
	{ "${c?yes it is}", "yes it is" },
	{ "${c?has $c: and more}", "has x y: and more" },
	{ "${nope?yes}", "" },
	{ "${empty?yes}", "" },
	{ "${nope:none at all}", "none at all" },
	{ "${c:none}", "" },
	/* White space in braces counts, as in Postfix; around them it does not. */
	{ "${c?{ A }:{B}}", " A " },
	{ "${{ a } == {a} ? {eq} : { ne }}", " ne " },
	{ "${nope?{A}:{ B }}", " B " },
	{ "${c ? {A} : {B}}", "A" },
	{ "${nope?{A}:B}", "B" },
	{ "${nope?{A}}", "" },
	{ "${nope:{$host}}", "mx.example.test" },
	{ "$(c?{A}:{B})", "A" },
	{ "${c?{${nope?{1}:{${domain}}}}:{B}}", "example.test" },
	{ "${nope?{$undefined_in_a_branch_not_taken}:{ok}}", "ok" },
	/* Comparisons: numbers if both are, else text. */
	{ "${{1} < {10} ? {num} : {str}}", "num" },
	{ "${{2} < {10} ? {num} : {str}}", "num" },
	{ "${{2} < {10x} ? {num} : {str}}", "str" },
	{ "${{-5} < {3} ? {y} : {n}}", "y" },
	{ "${{$c} == {x y} ? {yes}:{no}}", "yes" },
	{ "${{$c} != {x y} ? {yes}:{no}}", "no" },
	{ "${{a} <= {a} ? {y} : {n}}${{a} >= {b} ? {y} : {n}}${{b} > {a} ? {y} : {n}}", "yny" },
	{ "${{a} == {b}}", "" },
	{ "${{a} != {b}}", "true" },
	{ "${{a} == {b}:{else}}", "else" },
	{ "${{${c?{1}:{2}}} == {1} ? {$host} : {$loop}}", "mx.example.test" },
	{ "${{$level} >level {3.9} ? {newer} : {older}}", "newer" },
	{ "${{$level} > {3.9} ? {newer} : {older}}", "older" },
	{ "${{3} ==level {3.0.0} ? {y} : {n}}", "y" },
	{ "${{0} <level {1} ? {L} : {R}}", "L" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct str out = STR_EMPTY;
		struct error err = ERROR_NONE;
		int r = value_expand(view_of(good[i].text), lookup, NULL, &out, &err);

		if (r < 0)
			print_message("%s: %s\n", good[i].text, err.text);
		assert_int_equal(r, 0);
		assert_string_equal(str_cstr(&out), good[i].result);
		str_free(&out);
	}
}

static const struct {
	const char *text, *reason;
} bad[] = {
	{ "${c", "without its end" },
	{ "$(c}", "without its end" },
	{ "${}", "empty name" },
	{ "$ c", "without a name" },
	{ "price $", "without a name" },
	{ "${a b}", "no name" },
	{ "${c?{a}{b}}", "expected" },
	{ "${c?{a}:{b}c}", "unexpected" },
	{ "${{a} = {b} ? {c}}", "instead of \"=\"" },
	{ "${{a} == b ? {c}}", "expected {text}" },
	{ "${{x} <level {3} ? {y} : {n}}", "expected a level" },
	{ "$loop", "refer to itself" },
	{ "${ping}", "refer to itself" },
	{ "$two$two$two$two$two$two$two$two$two$two", "too large" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct str out = STR_EMPTY;
		struct error err = ERROR_NONE;

		assert_true(value_expand(view_of(bad[i].text), lookup, NULL, &out, &err) < 0);
		if (strstr(err.text, bad[i].reason) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, err.text,
				 bad[i].reason);
		assert_int_equal(out.len, 0);
		str_free(&out);
	}
}

/* Braces without end must cost no more than they are long. */
static void test_deep_nesting(void **state)
{
	struct str text = STR_EMPTY, out = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 2000; i++)
		str_append_cstr(&text, "${c?{");
	for (int i = 0; i < 2000; i++)
		str_append_cstr(&text, "}}");
	assert_true(value_expand(str_view(&text), lookup, NULL, &out, NULL) < 0);
	str_free(&text);
	str_free(&out);
}

static void collect(void *argument, struct view name)
{
	str_printf(argument, "%.*s ", VIEW_ARG(name));
}

static void test_names(void **state)
{
	struct str names = STR_EMPTY;

	(void)state;
	expand_names(VIEW("$a $(b) ${c?{$d}:{${e}}} $$f ${{$g} == {x} ? {$my-h} : {${my-i_x}}} $"),
		     collect, &names);
	assert_string_equal(str_cstr(&names), "a b c d e g my my-i_x ");
	str_free(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

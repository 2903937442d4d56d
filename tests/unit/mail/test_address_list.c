#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/address.h"

static int collect(void *argument, const struct header_address *a)
{
	struct str *out = argument;

	if (a->group_start || a->group_end)
		str_printf(out, "%s%.*s ", a->group_start ? "{" : "}", VIEW_ARG(a->name));
	else
		str_printf(out, "[%.*s|%.*s|%.*s|%.*s] ", VIEW_ARG(a->name), VIEW_ARG(a->route),
			   VIEW_ARG(a->local), VIEW_ARG(a->domain));
	return 0;
}

static const struct {
	const char *in, *out;
} cases[] = {
	/* RFC 5322 appendix A.1 */
	{ "John Doe <jdoe@machine.example>", "[John Doe||jdoe|machine.example] " },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
	  "[\"Joe Q. Public\"||john.q.public|example.com] " },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	  "[Mary Smith||mary|x.test] [||jdoe|example.org] [Who?||one|y.test] " },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	  "[||boss|nil.test] [\"Giant; \\\"Big\\\" Box\"||sysservices|example.net] " },
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	  "{A Group [Ed Jones||c|a.test] [||joe|where.test] [John||jdoe|one.test] } " },
	{ "Undisclosed recipients:;", "{Undisclosed recipients } " },
	/* A.5 and A.6.1 */
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	  "[Pete||pete|silly.test] " },
	{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
	  " joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
	  "{A Group [Chris Jones||c|public.example] [||joe|example.org] [John||jdoe|one.test] } " },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	  "[Mary Smith|@node.test|mary|example.net] [||jdoe|test.example] " },
	{ "Joe Q. Public <john.q.public@example.com>",
	  "[Joe Q. Public||john.q.public|example.com] " },
	/* what people send */
	{ "root", "[||root|] " },
	{ "jdoe@example.org (John Doe)", "[John Doe||jdoe|example.org] " },
	{ "\"a b\"@example.org", "[||a b|example.org] " },
	{ "a@[192.0.2.1]", "[||a|[192.0.2.1]] " },
	{ "=?utf-8?q?J=C3=BCrgen?= <j@x>", "[=?utf-8?q?J=C3=BCrgen?=||j|x] " },
	{ "a@b, c@d;e@f", "[||a|b] [||c|d] [||e|f] " },
	{ "John Doe", "" },
	{ "<>", "" },
	{ ",,,", "" },
	{ "", "" },
	{ "A:", "{A } " },
	{ "A: b@c", "{A [||b|c] } " },
	{ "\"unterminated <a@b>", "[||unterminated <a@b>|] " },
	{ "a@b (unterminated", "[unterminated||a|b] " },
	{ "x <a@b", "[x||a|b] " },
	{ "x <a@b> junk, c@d", "[x||a|b] [||c|d] " },
	{ "\\", "" },
};

static void lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		assert_int_equal(address_list_parse(view_of(cases[i].in), collect, &out), 0);
		if (strcmp(str_cstr(&out), cases[i].out) != 0)
			fail_msg("%s: %s", cases[i].in, str_cstr(&out));
	}
}

/* Lists of recipients: nobody is passed over. */
static void recipients(void **state)
{
	static const struct {
		const char *in, *out;
	} all[] = {
		{ "a@x b@y", "[||a|x] [||b|y] " },
		{ "a@d2.test b@d2.test, c@d2.test", "[||a|d2.test] [||b|d2.test] [||c|d2.test] " },
		{ "a@x, foo bar", "[||a|x] [||foo|] [||bar|] " },
		{ "John Doe <j@x> k@y", "[John Doe||j|x] [||k|y] " },
		{ "<a@x> <b@y>", "[||a|x] [||b|y] " },
		{ "<a@x> Bob B <b@y>; c", "[||a|x] [Bob B||b|y] [||c|] " },
		{ "\"x <y\" z <b@y> w", "[\"x <y\" z||b|y] [||w|] " },
		{ "a@x (one) b@y (<two>) c", "[one||a|x] [<two>||b|y] [||c|] " },
		{ "john . doe @ x . y b@y", "[||john.doe|x.y] [||b|y] " },
		{ "Group: a b; c", "{Group [||a|] [||b|] } [||c|] " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		assert_int_equal(address_list_parse_all(view_of(all[i].in), collect, &out), 0);
		if (strcmp(str_cstr(&out), all[i].out) != 0)
			fail_msg("%s: %s", all[i].in, str_cstr(&out));
	}
}

static int check_place(void *argument, const struct header_address *a)
{
	struct view body = *(struct view *)argument;

	assert_true(view_is(view_make(body.data + a->start, a->end - a->start), "b@c.d"));
	return 7;
}

static void places(void **state)
{
	static const char *const bodies[] = { " A <b@c.d> (x)", "b@c.d", " (x) b@c.d (y), e",
					      "<@x:b@c.d>" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct view body = view_of(bodies[i]);

		assert_int_equal(address_list_parse(body, check_place, &body), 7);
	}
}

/* A megabyte of anything takes no time to speak of: the test's time limit is the check. */
static void hostile_input_is_linear(void **state)
{
	static const char *const pieces[] = { "(", "<",	 "\"", "a@b,", "@",    "a:",
					      "[", "\\", ")(", "a ",   "a@b ", "\"a\" (" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_(str_free) struct str in = STR_EMPTY, out = STR_EMPTY;

		while (in.len < 1000000)
			str_append_cstr(&in, pieces[i]);
		address_list_parse(str_view(&in), collect, &out);
		address_list_parse_all(str_view(&in), collect, &out);
	}
}

/* A field without a body, as views have it: no bytes at no place. */
static void nothing(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	assert_int_equal(address_list_parse(VIEW_NONE, collect, &out), 0);
	assert_int_equal(address_list_parse_all(VIEW_NONE, collect, &out), 0);
	assert_int_equal(address_list_parse_shown(VIEW_NONE, collect, &out), 0);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(recipients),
		cmocka_unit_test(places),
		cmocka_unit_test(nothing),
		cmocka_unit_test(hostile_input_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

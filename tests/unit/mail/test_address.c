#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/address.h"

enum { STRICT = 1, UTF8 = 2 };

struct path_case {
	int flags;
	const char *in, *address, *rest; /* address NULL: refused */
};

static const struct path_case path_cases[] = {
	/* RFC 5321 4.1.2, appendix C and D */
	{ STRICT, "<Smith@bar.com>", "Smith@bar.com", "" },
	{ STRICT, "<> SIZE=10", "", " SIZE=10" },
	{ STRICT, "<postmaster>", "postmaster", "" },
	{ STRICT, "<@hosta.int,@jkl.org:userc@d.bar.org>", "userc@d.bar.org", "" },
	{ STRICT, "<\"Joe\\\\Blow\"@foo.com>", "Joe\\Blow@foo.com", "" },
	{ STRICT, "<\"a b\"@x.org> A=b", "a b@x.org", " A=b" },
	{ STRICT, "<\"a\\\"b\"@x.org>", "a\"b@x.org", "" },
	{ STRICT, "<\"a@b\"@x.org>", "a@b@x.org", "" },
	{ STRICT, "<a@[192.0.2.1]>", "a@[192.0.2.1]", "" },
	{ STRICT, "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "" },
	{ STRICT, "<@a.org:b@[IPv6:2001:db8::1]>", "b@[IPv6:2001:db8::1]", "" },
	{ STRICT, "<a%b.org@c.org>", "a%b.org@c.org", "" },
	{ STRICT, "<b.org!a@c.org>", "b.org!a@c.org", "" },
	{ STRICT, "<!#$%&'*+-/=?^_`{|}~@x.org>", "!#$%&'*+-/=?^_`{|}~@x.org", "" },
	{ STRICT | UTF8, "<j\xc3\xbcrgen@b\xc3\xbc.example>", "j\xc3\xbcrgen@b\xc3\xbc.example",
	  "" },

	{ 0, " a@b.org SIZE=1", "a@b.org", " SIZE=1" },
	{ 0, "a@b.org", "a@b.org", "" },
	{ 0, "  <a@b.org>", "a@b.org", "" },
	{ 0, "<a..b@c.org>", "a..b@c.org", "" },
	{ 0, "<.a.@c.org>", ".a.@c.org", "" },
	{ 0, "<a@c.org.>", "a@c.org.", "" },
	{ 0, "<a.\"b c\".d@c.org>", "a.b c.d@c.org", "" },
	{ 0, "<a@192.0.2.1>", "a@192.0.2.1", "" },

	{ STRICT, "a@b.org", NULL, NULL },
	{ STRICT, " <a@b.org>", NULL, NULL },
	{ STRICT, "<a..b@c.org>", NULL, NULL },
	{ STRICT, "<.a@c.org>", NULL, NULL },
	{ STRICT, "<a.@c.org>", NULL, NULL },
	{ STRICT, "<a@c.org.>", NULL, NULL },
	{ STRICT, "<j\xc3\xbcrgen@b.example>", NULL, NULL },
	{ STRICT | UTF8, "<j\xc3@b.example>", NULL, NULL },
	{ 0, "", NULL, NULL },
	{ 0, "<", NULL, NULL },
	{ 0, "<a@b.org", NULL, NULL },
	{ 0, "a@b.org>", NULL, NULL },
	{ 0, "<a@b.org>>", NULL, NULL },
	{ 0, "<<a@b.org>>", NULL, NULL },
	{ 0, "<a@b.org>x", NULL, NULL },
	{ 0, "<a@b@c.org>", NULL, NULL },
	{ 0, "<\"\"@b.org>", NULL, NULL },
	{ 0, "<\"\">", NULL, NULL },
	{ 0, "<\"a@b.org\">", NULL, NULL },
	{ 0, "<@b.org>", NULL, NULL },
	{ 0, "<@>", NULL, NULL },
	{ 0, "<@a.org,b@c.org>", NULL, NULL },
	{ 0, "<a@>", NULL, NULL },
	{ 0, "<a@.>", NULL, NULL },
	{ 0, "<a@b..c>", NULL, NULL },
	{ 0, "<a@-b.org>", NULL, NULL },
	{ 0, "<a b@c.org>", NULL, NULL },
	{ 0, "<a\\@b@c.org>", NULL, NULL },
	{ 0, "<\"a@c.org>", NULL, NULL },
	{ 0, "<\"a\\\"@c.org>", NULL, NULL },
	{ 0, "<\"a\\\x01\"@c.org>", NULL, NULL },
	{ 0, "<\"a\\\r\\\nb\"@c.org>", NULL, NULL },
	{ 0, "<a@[1.2.3]>", NULL, NULL },
	{ 0, "<a@[2001:db8::1]>", NULL, NULL },
	{ 0, "<a@[1.2.3.4].x>", NULL, NULL },
	{ 0, "<a@b;c>", NULL, NULL },
	{ 0, "John <a@b.org>", "John", " <a@b.org>" }, /* no parameter is called so */
};

static void paths_of_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(path_cases); i++) {
		const struct path_case *c = &path_cases[i];
		_cleanup_(str_free) struct str address = STR_EMPTY;
		struct view rest = view_of(c->in);
		const char *problem = NULL;
		int r = address_parse_path(&rest, c->flags & STRICT, c->flags & UTF8, &address,
					   &problem);

		if (c->address == NULL) {
			if (r == 0)
				fail_msg("%s was taken", c->in);
			assert_non_null(problem);
			assert_int_equal(address.len, 0);
			assert_int_equal(rest.len, strlen(c->in));
		} else {
			if (r < 0)
				fail_msg("%s: %s", c->in, problem);
			assert_string_equal(str_cstr(&address), c->address);
			assert_true(view_is(rest, c->rest));
		}
	}
}

static void a_nul_is_refused(void **state)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct view rest = VIEW("<a\0b@c.org>");
	const char *problem;

	(void)state;
	assert_true(address_parse_path(&rest, false, false, &address, &problem) < 0);
	rest = VIEW("<\"a\0b\"@c.org>");
	assert_true(address_parse_path(&rest, false, false, &address, &problem) < 0);
}

static void lengths_are_bounded(void **state)
{
	_cleanup_(str_free) struct str in = STR_EMPTY, address = STR_EMPTY;
	const char *problem;

	(void)state;
	str_append_cstr(&in, "<");
	for (int i = 0; i < 600; i++)
		str_append_byte(&in, 'a');
	str_append_cstr(&in, "@x.org>");

	struct view rest = str_view(&in);

	assert_true(address_parse_path(&rest, false, false, &address, &problem) < 0);
	assert_string_equal(problem, "address too long");
}

static void quoting(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "a.b@c", "a.b@c" },
		{ "a b@c", "\"a b\"@c" },
		{ "a\"\\b@c", "\"a\\\"\\\\b\"@c" },
		{ "a@b@c", "\"a@b\"@c" },
		{ ".a@c", "\".a\"@c" },
		{ "a..b@c", "\"a..b\"@c" },
		{ "a.@c", "\"a.\"@c" },
		{ "postmaster", "postmaster" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		address_quote(&out, view_of(cases[i].in));
		assert_string_equal(str_cstr(&out), cases[i].out);
	}
}

static void extensions(void **state)
{
	static const struct {
		const char *local, *delimiters, *user, *extension;
	} cases[] = {
		{ "user+x", "+", "user", "x" },
		{ "user+x+y", "+", "user", "x+y" },
		{ "user-x+y", "+-", "user", "x+y" },
		{ "user", "+", "user", NULL },
		{ "+x", "+", "+x", NULL },
		{ "user+", "+", "user", "" },
		{ "owner-list", "-", "owner-list", NULL },
		{ "a-request", "-", "a-request", NULL },
		{ "a+request", "+", "a", "request" },
		{ "user+x", "", "user+x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view user, extension;
		bool split = address_split_extension(view_of(cases[i].local), cases[i].delimiters,
						     &user, &extension);

		assert_int_equal(split, cases[i].extension != NULL);
		assert_true(view_is(user, cases[i].user));
		if (split)
			assert_true(view_is(extension, cases[i].extension));
	}
}

static void domains(void **state)
{
	(void)state;
	assert_true(domain_is_valid(VIEW("example.org"), false));
	assert_true(domain_is_valid(VIEW("localhost"), false));
	assert_true(domain_is_valid(VIEW("1.2.3.4.in-addr.arpa"), false));
	assert_true(domain_is_valid(VIEW("_spf.x"), false));
	assert_true(domain_is_valid(VIEW("b\xc3\xbc.example"), true));
	assert_false(domain_is_valid(VIEW("b\xc3\xbc.example"), false));
	assert_false(domain_is_valid(VIEW("b\xff.example"), true));
	assert_false(domain_is_valid(VIEW("192.0.2.1"), false));
	assert_false(domain_is_valid(VIEW(""), false));
	assert_false(domain_is_valid(VIEW("a..b"), false));
	assert_false(domain_is_valid(VIEW(".a"), false));
	assert_false(domain_is_valid(VIEW("a."), false));
	assert_false(domain_is_valid(VIEW("a-.b"), false));
	assert_false(domain_is_valid(VIEW("a b"), false));
	assert_false(domain_is_valid(VIEW("a\0b"), false));
	assert_int_equal(ip_family(VIEW("192.0.2.1")), 4);
	assert_int_equal(ip_family(VIEW("2001:db8::1")), 6);
	assert_int_equal(ip_family(VIEW("192.0.2")), 0);
	assert_int_equal(ip_family(VIEW("192.0.2.1\0")), 0);
	assert_int_equal(ip_family(VIEW("example")), 0);

	_cleanup_(str_free) struct str out = STR_EMPTY;

	assert_true(domain_is_literal(VIEW("[IPv6:2001:db8::1]"), &out));
	assert_string_equal(str_cstr(&out), "2001:db8::1");
	str_clear(&out);
	assert_int_equal(domain_to_ascii(VIEW("b\xc3\xbc"
					      "cher.example"),
					 &out),
			 0);
	assert_string_equal(str_cstr(&out), "xn--bcher-kva.example");
	assert_true(domain_to_ascii(VIEW("\xff.example"), &out) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_commands),   cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(lengths_are_bounded), cmocka_unit_test(quoting),
		cmocka_unit_test(extensions),	       cmocka_unit_test(domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

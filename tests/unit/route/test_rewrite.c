#include <errno.h>

#include "setup.h"

static int append(void *argument, struct view recipient)
{
	struct str *list = argument;

	if (list->len > 0)
		str_append_byte(list, ' ');
	str_append(list, recipient);
	return 0;
}

static void check_virtual(struct routes *routes, const char *address, int expected,
			  const char *results)
{
	_cleanup_(str_free) struct str list = STR_EMPTY;
	int r = route_expand_virtual(routes, view_of(address), append, &list, NULL);

	if (r != expected || !view_is(str_view(&list), results))
		fail_msg("%s: %d %s", address, r, str_cstr(&list));
}

static void test_virtual(void **state)
{
	site_defaults();
	param.virtual_alias_maps =
		"inline:{ {list@us.example=alice, bob@other.example}, "
		"one@alias.example=two@alias.example,"
		" two@alias.example=three, three=Final@X.Example, self@us.example=self@us.example,"
		" {copy@us.example=copy, alice}, loop1@us.example=loop2, loop2=loop1,"
		" @catch.example=@us.example, @all.example=bob, user@v.example=ext@other.example,"
		" plain=plain@other.example, {quoted@us.example=\"a b\"@other.example},"
		" {empty@us.example=,}, {\"c d\"@us.example=bob@other.example}, "
		"{long@us.example=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.example} }";

	struct routes *routes = site_open();

	check_virtual(routes, "nobody@us.example", 0, "nobody@us.example");
	check_virtual(routes, "list@us.example", 0, "alice@us.example bob@other.example");
	check_virtual(routes, "one@alias.example", 0, "Final@X.Example");
	check_virtual(routes, "self@us.example", 0, "self@us.example");
	check_virtual(routes, "copy@us.example", 0, "copy@us.example alice@us.example");
	check_virtual(routes, "loop1@us.example", -ELOOP, "");
	check_virtual(routes, "who+x@catch.example", 0, "who+x@us.example");
	check_virtual(routes, "who@all.example", 0, "bob@us.example");
	check_virtual(routes, "user+news@v.example", 0, "ext+news@other.example");
	check_virtual(routes, "plain@us.example", 0, "plain@other.example");
	check_virtual(routes, "plain+x@us.example", 0, "plain+x@other.example");
	check_virtual(routes, "plain@other.example", 0, "plain@other.example");
	check_virtual(routes, "quoted@us.example", 0, "a b@other.example");
	check_virtual(routes, "c d@us.example", 0, "bob@other.example");
	check_virtual(routes, "empty@us.example", -EBADMSG, "");
	check_virtual(routes, "long@us.example", -ELOOP, "");
	check_virtual(routes, "", 0, "");
	routes_close(routes);
	(void)state;
}

static void test_virtual_limits(void **state)
{
	site_defaults();
	param.virtual_alias_maps =
		"inline:{ {five@us.example=a1, a2, a3, a4, a5}, {fan@us.example=b, b, b, b},"
		" {b=five, five}, {grow@us.example=grow1} , {grow1=c1, grow1x} }";
	param.virtual_alias_expansion_limit = 5;
	param.propagate_unmatched_extensions = "";

	struct routes *routes = site_open();

	check_virtual(routes, "five@us.example", 0,
		      "a1@us.example a2@us.example a3@us.example a4@us.example a5@us.example");
	check_virtual(routes, "fan@us.example", -E2BIG, "");
	param.virtual_alias_expansion_limit = 4;
	check_virtual(routes, "five@us.example", -E2BIG, "");
	routes_close(routes);
	(void)state;
}

static void check_canonical(struct routes *routes, enum canonical_kind kind, const char *address,
			    int expected, const char *result)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append_cstr(&text, address);

	int r = route_map_canonical(routes, kind, &text);

	if (r != expected || !view_is(str_view(&text), result))
		fail_msg("%s: %d %s", address, r, str_cstr(&text));
}

static void test_canonical(void **state)
{
	site_defaults();
	param.canonical_maps = "inline:{ alice=Alice.Able@us.example, @old.example=@new.example, "
			       "up=down, down=up }";
	param.sender_canonical_maps = "inline:{ bob=bob@public.example }";
	param.recipient_canonical_maps = "inline:{ eve=bob }";
	param.canonical_classes = "envelope_sender, envelope_recipient, header_recipient";

	struct routes *routes = site_open();

	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "alice@us.example", 1,
			"Alice.Able@us.example");
	check_canonical(routes, CANONICAL_HEADER_SENDER, "alice@us.example", 0, "alice@us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, "alice+x@us.example", 1,
			"Alice.Able+x@us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "bob@us.example", 1,
			"bob@public.example");
	check_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, "bob@us.example", 0,
			"bob@us.example");
	check_canonical(routes, CANONICAL_HEADER_RECIPIENT, "eve@us.example", 1, "bob@us.example");
	check_canonical(routes, CANONICAL_HEADER_RECIPIENT, "x+y@old.example", 1,
			"x+y@new.example");
	check_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, "up@us.example", -ELOOP,
			"up@us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "", 0, "");
	routes_close(routes);
	(void)state;
}

static void test_masquerade(void **state)
{
	site_defaults();
	param.masquerade_domains = "!secret.us.example, a.us.example us.example";
	param.masquerade_exceptions = "root";

	struct routes *routes = site_open();

	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "x@host.us.example", 1, "x@us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "x@us.example", 0, "x@us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "x@b.A.us.example", 1, "x@a.us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "x@h.secret.us.example", 0,
			"x@h.secret.us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "x@notus.example", 0, "x@notus.example");
	check_canonical(routes, CANONICAL_ENVELOPE_SENDER, "root@host.us.example", 0,
			"root@host.us.example");
	check_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, "x@host.us.example", 0,
			"x@host.us.example");
	routes_close(routes);
	(void)state;
}

static void check_bcc(struct routes *routes, const char *sender, const char *recipient,
		      int expected, const char *result)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	int r = route_bcc(routes, view_of(sender), view_of(recipient), &out);

	assert_int_equal(r, expected);
	assert_string_equal(str_cstr(&out), result);
}

static void test_bcc(void **state)
{
	site_defaults();
	param.sender_bcc_maps = "inline:{ alice=archive, @other.example=other@us.example }";
	param.recipient_bcc_maps = "inline:{ bob=bobs-archive }";

	struct routes *routes = site_open();

	check_bcc(routes, "x@us.example", "", 0, "");
	check_bcc(routes, "alice@us.example", "", 1, "archive@us.example");
	check_bcc(routes, "alice+x@us.example", "bob@us.example", 1,
		  "archive@us.example\nbobs-archive@us.example");
	check_bcc(routes, "", "bob@us.example", 1, "bobs-archive@us.example");
	param.always_bcc = "keeper";
	check_bcc(routes, "x@other.example", "", 1, "keeper@us.example\nother@us.example");
	routes_close(routes);
	(void)state;
}

static void test_failing_table(void **state)
{
	site_defaults();
	param.virtual_alias_maps = "fail:test";
	param.transport_maps = "fail:test";

	struct routes *routes = site_open();
	struct route route;
	struct unreachable why_not = { 0 };
	_cleanup_(str_free) struct str list = STR_EMPTY;

	assert_true(route_expand_virtual(routes, VIEW("a@us.example"), append, &list, NULL) < 0);
	assert_true(route_resolve(routes, VIEW(""), VIEW("a@us.example"), &route, NULL) < 0);
	route_free(&route);
	assert_true(route_recipient_exists(routes, VIEW_NONE, VIEW("a@us.example"), &why_not,
					   NULL) < 0);
	unreachable_free(&why_not);
	routes_close(routes);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virtual),	  cmocka_unit_test(test_virtual_limits),
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_bcc),	  cmocka_unit_test(test_failing_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

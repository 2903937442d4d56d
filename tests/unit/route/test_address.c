#include "setup.h"

struct row {
	const char *in, *expected;
};

static void check_forms(const struct row *rows, size_t count)
{
	struct routes *routes = site_open();

	for (size_t i = 0; i < count; i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		assert_int_equal(route_canonical_form(routes, view_of(rows[i].in), &out), 0);
		assert_string_equal(str_cstr(&out), rows[i].expected);
		/* Standard form stays as it is, and may be made in place. */
		assert_int_equal(route_canonical_form(routes, str_view(&out), &out), 0);
		assert_string_equal(str_cstr(&out), rows[i].expected);
	}
	routes_close(routes);
}

static void test_standard_form(void **state)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "@", "" },
		{ "user", "user@us.example" },
		{ "User@Other.Example", "User@Other.Example" },
		{ "user@other.example.", "user@other.example" },
		{ "user@other.example..", "user@other.example.." },
		{ "user@host", "user@host" },
		{ "site!user", "user@site" },
		{ "site!next!user", "next!user@site" },
		{ "user%other.example", "user@other.example" },
		{ "user%a%b", "user%a@b" },
		{ "a!b%c", "b%c@a" },
		{ "user%other@us.example", "user%other@us.example" },
		{ "site!user@us.example", "site!user@us.example" },
		{ "@a,@b:user@c", "user@c" },
		{ "@a:user", "user@us.example" },
		{ "user@[192.0.2.1]", "user@[192.0.2.1]" },
		{ "user@[IPv6:2001:DB8::1]", "user@[IPv6:2001:DB8::1]" },
		{ "a@b@C.example", "a@b@C.example" },
		{ "!user", "user@us.example" },
		{ "user@", "user@" },
	};

	site_defaults();
	check_forms(rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_standard_form_options(void **state)
{
	static const struct row off[] = {
		{ "user", "user" },
		{ "site!user", "site!user" },
		{ "user%other", "user%other" },
	};
	static const struct row dot[] = {
		{ "user@host", "user@host.us.example" },
		{ "user@a.b", "user@a.b" },
		{ "user@[192.0.2.1]", "user@[192.0.2.1]" },
	};

	site_defaults();
	param.append_at_myorigin = param.swap_bangpath = param.allow_percent_hack = false;
	check_forms(off, ARRAY_SIZE(off));
	site_defaults();
	param.append_dot_mydomain = true;
	check_forms(dot, ARRAY_SIZE(dot));
	(void)state;
}

static void test_classes(void **state)
{
	static const struct {
		const char *domain;
		enum address_class expected;
	} rows[] = {
		{ "us.example", CLASS_LOCAL },
		{ "US.Example", CLASS_LOCAL },
		{ "localhost", CLASS_LOCAL },
		{ "sub.us.example", CLASS_DEFAULT },
		{ "[192.0.2.25]", CLASS_LOCAL },
		{ "[198.51.100.1]", CLASS_LOCAL },
		{ "[IPv6:2001:db8::25]", CLASS_LOCAL },
		{ "[IPv6:2001:DB8:0::25]", CLASS_LOCAL },
		{ "[0.0.0.0]", CLASS_LOCAL },
		{ "[192.0.2.26]", CLASS_DEFAULT },
		{ "192.0.2.25", CLASS_DEFAULT },
		{ "alias.example", CLASS_VIRTUAL_ALIAS },
		{ "v.example", CLASS_VIRTUAL_MAILBOX },
		{ "relay.example", CLASS_RELAY },
		{ "deep.sub.relay.example", CLASS_RELAY },
		{ "notrelay.example", CLASS_DEFAULT },
		{ "", CLASS_DEFAULT },
	};

	site_defaults();

	struct routes *routes = site_open();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = route_class(routes, view_of(rows[i].domain), NULL);

		if (r != (int)rows[i].expected)
			fail_msg("%s is %d", rows[i].domain, r);
	}
	routes_close(routes);
	(void)state;
}

/* From a stranger: what an open relay would take. Each address goes through standard form first. */
static void test_authorized_destination(void **state)
{
	static const struct {
		const char *address;
		int expected;
	} rows[] = {
		{ "alice@us.example", 1 },
		{ "alice", 1 },
		{ "alice@[192.0.2.25]", 1 },
		{ "x@alias.example", 1 },
		{ "x@v.example", 1 },
		{ "x@relay.example", 1 },
		{ "x@sub.relay.example", 1 },
		{ "us.example!alice", 1 },
		{ "x@other.example", 0 },
		{ "x%other.example@us.example", 0 },
		{ "x%other.example@relay.example", 0 },
		{ "x%other.example@v.example", 0 },
		{ "x%other.example@[192.0.2.25]", 0 },
		{ "x@other.example@us.example", 0 },
		{ "x@other.example@relay.example", 0 },
		{ "other.example!x@us.example", 0 },
		{ "other.example!x", 0 },
		{ "x%other.example", 0 },
		{ "@us.example:x@other.example", 0 },
		{ "@us.example,@relay.example:x@other.example", 0 },
		{ "us.example!other.example!x", 0 },
		{ "x%other.example%us.example", 0 },
		{ "x@[192.0.2.26]", 0 },
		{ "x@us.example.other.example", 0 },
		{ "x@", 0 },
		{ "x@other.example@", 0 },
		{ "", 0 },
	};

	site_defaults();

	struct routes *routes = site_open();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str address = STR_EMPTY;

		route_canonical_form(routes, view_of(rows[i].address), &address);

		int r = route_is_authorized_destination(routes, str_view(&address), NULL);

		if (r != rows[i].expected)
			fail_msg("%s (%s) gives %d", rows[i].address, str_cstr(&address), r);
	}
	param.allow_untrusted_routing = true;
	assert_int_equal(
		route_is_authorized_destination(routes, VIEW("x%other.example@us.example"), NULL),
		1);
	routes_close(routes);
	(void)state;
}

/* "" where somebody can be reached, else "status text", "later" in front where it is for now. */
static void check_reachable(const struct routes *routes, const char *address, const char *expected)
{
	_cleanup_(unreachable_free) struct unreachable why_not = { 0 };
	_cleanup_(str_free) struct str got = STR_EMPTY;
	int r = route_recipient_exists(routes, VIEW("s@other.example"), view_of(address), &why_not,
				       NULL);

	assert_in_range(r, 0, 1);
	if (r == 0)
		str_printf(&got, "%s%s %s", why_not.later ? "later " : "",
			   str_cstr(&why_not.status), str_cstr(&why_not.text));
	if (strcmp(str_cstr(&got), expected) != 0)
		fail_msg("%s gives \"%s\"", address, str_cstr(&got));
}

static void test_recipient_exists(void **state)
{
	static const char *const rows[][2] = {
		{ "alice@us.example", "" },
		{ "Alice@us.example", "" },
		{ "alice+news@us.example", "" },
		{ "nobody@us.example", " User unknown in local recipient table" },
		{ "postmaster@us.example", "" },
		{ "sales@alias.example", "" },
		{ "nobody@alias.example", "5.1.1 User unknown in virtual alias table" },
		{ "any@catch.example", "" },
		{ "vic@v.example", "" },
		{ "ann@v.example", "" },
		{ "ann+x@v.example", "" },
		{ "alice@v.example", " User unknown in virtual mailbox table" },
		{ "any@relay.example", "" },
		{ "any@other.example", "" },
		/* What the route says. */
		{ "gone@us.example", "5.1.6 User has moved to far" },
		{ "moved@us.example", "" },
		{ "closed@us.example", "5.2.1 mailbox closed" },
		{ "dead@us.example", " Address is undeliverable" },
		{ "any@dead.example", "5.7.9 not here" },
		{ "any@later.example", "later 4.3.2 being moved" },
		{ "any@void.example", "" },
	};

	site_defaults();
	param.virtual_alias_maps = "inline:{ sales@alias.example=alice, @catch.example=bob,"
				   " moved=alice }";
	param.relocated_maps = "inline:{ gone=far, moved=far }";
	param.local_recipient_maps = "inline:{ alice=x, gone=x, closed=x, dead=x }";
	param.transport_maps = "inline:{ { closed@us.example = error:5.2.1 mailbox closed },"
			       " dead@us.example=error:, { dead.example = error:5.7.9 not here },"
			       " { later.example = retry:4.3.2 being moved },"
			       " void.example=discard: }";

	struct routes *routes = site_open();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_reachable(routes, rows[i][0], rows[i][1]);
	routes_close(routes);
	(void)state;
}

static void test_recipients_of_open_classes(void **state)
{
	site_defaults();
	param.local_recipient_maps = "";
	param.virtual_mailbox_maps = "";
	param.mailbox_users = "";
	param.relay_recipient_maps = "inline:{ known@relay.example=x }";

	struct routes *routes = site_open();

	check_reachable(routes, "any@us.example", "");
	check_reachable(routes, "any@v.example", "");
	check_reachable(routes, "known@relay.example", "");
	check_reachable(routes, "any@relay.example", " User unknown in relay recipient table");
	routes_close(routes);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard_form),
		cmocka_unit_test(test_standard_form_options),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_authorized_destination),
		cmocka_unit_test(test_recipient_exists),
		cmocka_unit_test(test_recipients_of_open_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

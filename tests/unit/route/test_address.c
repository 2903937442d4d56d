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
		{ "User@Other.Example", "User@other.example" },
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
		{ "user@[IPv6:2001:DB8::1]", "user@[ipv6:2001:db8::1]" },
		{ "a@b@C.example", "a@b@c.example" },
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

static void test_recipient_exists(void **state)
{
	static const struct {
		const char *address;
		enum address_class address_class;
		int expected;
	} rows[] = {
		{ "alice@us.example", CLASS_LOCAL, 1 },
		{ "Alice@us.example", CLASS_LOCAL, 1 },
		{ "alice+news@us.example", CLASS_LOCAL, 1 },
		{ "nobody@us.example", CLASS_LOCAL, 0 },
		{ "sales@alias.example", CLASS_VIRTUAL_ALIAS, 1 },
		{ "nobody@alias.example", CLASS_VIRTUAL_ALIAS, 0 },
		{ "any@catch.example", CLASS_VIRTUAL_ALIAS, 1 },
		{ "vic@v.example", CLASS_VIRTUAL_MAILBOX, 1 },
		{ "ann@v.example", CLASS_VIRTUAL_MAILBOX, 1 },
		{ "ann+x@v.example", CLASS_VIRTUAL_MAILBOX, 1 },
		{ "alice@v.example", CLASS_VIRTUAL_MAILBOX, 0 },
		{ "any@relay.example", CLASS_RELAY, 1 },
		{ "any@other.example", CLASS_DEFAULT, 1 },
		{ "gone@us.example", CLASS_LOCAL, 0 },
	};

	site_defaults();
	param.virtual_alias_maps = "inline:{ sales@alias.example=alice, @catch.example=bob }";
	param.relocated_maps = "inline:{ gone=far }";
	param.local_recipient_maps = "inline:{ alice=x, gone=x }";

	struct routes *routes = site_open();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = route_recipient_exists(routes, view_of(rows[i].address),
					       rows[i].address_class, NULL);

		if (r != rows[i].expected)
			fail_msg("%s gives %d", rows[i].address, r);
	}
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

	assert_int_equal(route_recipient_exists(routes, VIEW("any@us.example"), CLASS_LOCAL, NULL),
			 1);
	assert_int_equal(
		route_recipient_exists(routes, VIEW("any@v.example"), CLASS_VIRTUAL_MAILBOX, NULL),
		1);
	assert_int_equal(
		route_recipient_exists(routes, VIEW("known@relay.example"), CLASS_RELAY, NULL), 1);
	assert_int_equal(
		route_recipient_exists(routes, VIEW("any@relay.example"), CLASS_RELAY, NULL), 0);
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

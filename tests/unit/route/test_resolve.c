#include "setup.h"

struct row {
	const char *address, *expected; /* "class transport:nexthop address" */
};

static void check(const char *sender, const struct row *rows, size_t count)
{
	struct routes *routes = site_open();

	for (size_t i = 0; i < count; i++) {
		struct route route;
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct trail why = { 0 };

		assert_int_equal(route_resolve(routes, view_of(sender), view_of(rows[i].address),
					       &route, &why),
				 0);
		str_printf(&text, "%s %s:%s %s", address_class_name(route.address_class),
			   str_cstr(&route.transport), str_cstr(&route.nexthop),
			   str_cstr(&route.address));
		if (!view_is(str_view(&text), rows[i].expected))
			fail_msg("%s: %s\nexpected: %s\n%s", rows[i].address, str_cstr(&text),
				 rows[i].expected, str_cstr(&why.lines));
		assert_true(why.lines.len > 0);
		str_free(&why.lines);
		route_free(&route);
	}
	routes_close(routes);
}

static void test_classes(void **state)
{
	static const struct row rows[] = {
		{ "alice@us.example", "local local:mx.us.example alice@us.example" },
		{ "alice@[192.0.2.25]", "local local:mx.us.example alice@[192.0.2.25]" },
		{ "vic@v.example", "virtual mailbox virtual:v.example vic@v.example" },
		{ "x@alias.example",
		  "virtual alias error:5.1.1 User unknown in virtual alias table x@alias.example" },
		{ "x@sub.relay.example", "relay relay:sub.relay.example x@sub.relay.example" },
		{ "x@other.example", "default smtp:other.example x@other.example" },
		{ "x@[203.0.113.1]", "default smtp:[203.0.113.1] x@[203.0.113.1]" },
		{ "", "local local:mx.us.example MAILER-DAEMON@mx.us.example" },
		{ "x@-bad-.example",
		  "default error:5.1.3 Bad recipient address syntax x@-bad-.example" },
		/* A command could take it for an option. */
		{ "-x@us.example", "local error:5.1.3 Bad recipient address syntax -x@us.example" },
		{ "-x@other.example",
		  "default error:5.1.3 Bad recipient address syntax -x@other.example" },
	};

	site_defaults();
	param.mydestination = "us.example, mx.us.example";
	check("s@other.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_routing_taken_off(void **state)
{
	static const struct row rows[] = {
		{ "x%other.example@us.example", "default smtp:other.example x@other.example" },
		{ "other.example!x@us.example", "default smtp:other.example x@other.example" },
		{ "x@other.example@us.example", "default smtp:other.example x@other.example" },
		{ "alice%us.example@us.example", "local local:mx.us.example alice@us.example" },
		{ "alice@us.example@", "local local:mx.us.example alice@us.example" },
		{ "@us.example", "local local:mx.us.example MAILER-DAEMON@us.example" },
		{ "%@us.example", "local local:mx.us.example MAILER-DAEMON@us.example" },
		{ "!@us.example", "local local:mx.us.example MAILER-DAEMON@us.example" },
		{ "!!!x@us.example", "local local:mx.us.example x@us.example" },
		{ "x%a%b@us.example", "default smtp:b x%a@b" },
		{ "x%other.example@relay.example",
		  "relay relay:relay.example x%other.example@relay.example" },
	};

	site_defaults();
	check("s@other.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_relayhost(void **state)
{
	static const struct row rows[] = {
		{ "x@other.example", "default smtp:[hub.example]:587 x@other.example" },
		{ "x@relay.example", "relay relay:[hub.example]:587 x@relay.example" },
		{ "alice@us.example", "local local:mx.us.example alice@us.example" },
		{ "vic@v.example", "virtual mailbox lmtp:unix:/run/lmtp vic@v.example" },
	};

	site_defaults();
	param.relayhost = "[hub.example]:587";
	param.virtual_transport = "lmtp:unix:/run/lmtp";
	check("s@us.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_by_sender(void **state)
{
	static const struct row other[] = { { "x@other.example",
					      "default smtp:[hub] x@other.example" } };
	static const struct row boss[] = { { "x@other.example",
					     "default slow:[boss-hub] x@other.example" } };
	static const struct row direct[] = { { "x@other.example",
					       "default smtp:other.example x@other.example" } };
	static const struct row null[] = { { "x@other.example",
					     "default smtp:[bounce-hub] x@other.example" } };

	site_defaults();
	param.relayhost = "[hub]";
	param.sender_dependent_relayhost_maps =
		"inline:{ boss@us.example=[boss-hub], @direct.example=DUNNO, <>=[bounce-hub] }";
	param.sender_dependent_default_transport_maps =
		"inline:{ boss@us.example=slow:, @direct.example=DUNNO }";
	check("s@us.example", other, 1);
	check("boss@us.example", boss, 1);
	check("boss+x@us.example", boss, 1);
	check("x@direct.example", direct, 1);
	check("", null, 1);
	(void)state;
}

static void test_transport_maps(void **state)
{
	static const struct row rows[] = {
		{ "x@one.example", "default slow:one.example x@one.example" },
		{ "x@two.example", "default smtp:[two-hub] x@two.example" },
		{ "x@three.example", "default lmtp:unix:/run/x x@three.example" },
		{ "special@one.example", "default smtp:[special] special@one.example" },
		{ "special+news@one.example", "default smtp:[special] special+news@one.example" },
		{ "special+top@one.example", "default smtp:[top] special+top@one.example" },
		{ "x@sub.one.example", "default smtp:[sub-one] x@sub.one.example" },
		{ "x@a.b.one.example", "default smtp:[sub-one] x@a.b.one.example" },
		{ "x@noop.example", "default smtp:noop.example x@noop.example" },
		{ "x@dead.example", "default error:Address is undeliverable x@dead.example" },
		{ "x@gone.example", "default error:5.1.2 Gone for good x@gone.example" },
		{ "alice@us.example", "local lmtp:[store]:24 alice@us.example" },
		{ "x@alias.example",
		  "virtual alias error:5.1.1 User unknown in virtual alias table x@alias.example" },
	};

	site_defaults();
	param.transport_maps =
		"inline:{ one.example=slow:, two.example=:[two-hub], "
		"three.example=lmtp:unix:/run/x,"
		" special@one.example=smtp:[special], special+top@one.example=:[top],"
		" .one.example=smtp:[sub-one], noop.example=:, dead.example=error:,"
		" {gone.example=error:5.1.2 Gone for good}, us.example=lmtp:[store]:24,"
		" alias.example=smtp:[x] }";
	check("s@us.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_transport_wildcard(void **state)
{
	static const struct row rows[] = {
		{ "x@any.example", "default smtp:[all] x@any.example" },
		{ "alice@us.example", "local local:mx.us.example alice@us.example" },
		{ "x@deep.par.example", "default par:deep.par.example x@deep.par.example" },
	};

	site_defaults();
	param.parent_domain_matches_subdomains = "transport_maps";
	param.transport_maps = "inline:{ *=smtp:[all], us.example=:, par.example=par }";
	check("s@us.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_patterns_see_whole_addresses_only(void **state)
{
	static const struct row rows[] = {
		{ "x@other.example", "default smtp:other.example x@other.example" },
		{ "x@whole.example", "default slow:whole.example x@whole.example" },
	};

	site_defaults();
	param.transport_maps = "regexp:{{/^other/ slow:}, {/@whole\\.example$/ slow:}}";
	check("s@us.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

static void test_relocated(void **state)
{
	static const struct row rows[] = {
		{ "gone@us.example",
		  "local error:5.1.6 User has moved to new@far.example gone@us.example" },
		{ "alice@us.example", "local local:mx.us.example alice@us.example" },
	};

	site_defaults();
	param.relocated_maps = "inline:{ gone@us.example=new@far.example }";
	check("s@us.example", rows, ARRAY_SIZE(rows));
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_routing_taken_off),
		cmocka_unit_test(test_relayhost),
		cmocka_unit_test(test_by_sender),
		cmocka_unit_test(test_transport_maps),
		cmocka_unit_test(test_transport_wildcard),
		cmocka_unit_test(test_patterns_see_whole_addresses_only),
		cmocka_unit_test(test_relocated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

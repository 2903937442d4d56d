/* A small site for the tests: us.example is local, v.example virtual mailboxes, and so on. */
#ifndef TEST_ROUTE_SETUP_H
#define TEST_ROUTE_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "route/route.h"

static inline void site_defaults(void)
{
	param = (struct params){
		.myhostname = "mx.us.example",
		.mydomain = "us.example",
		.myorigin = "us.example",
		.mydestination = "us.example, localhost.us.example, LocalHost",
		.inet_interfaces = "192.0.2.25, 2001:db8::25",
		.proxy_interfaces = "198.51.100.1",
		.relay_domains = "relay.example",
		.relay_recipient_maps = "",
		.local_recipient_maps = "inline:{ alice=x, postmaster=x, bob=x }",
		.virtual_alias_domains = "alias.example",
		.virtual_alias_maps = "",
		.virtual_mailbox_domains = "v.example",
		.virtual_mailbox_maps = "inline:{ vic@v.example=vic/ }",
		.mailbox_users = "inline:{ ann@v.example=x }",
		.recipient_delimiter = "+",
		.propagate_unmatched_extensions = "canonical, virtual",
		.relayhost = "",
		.transport_maps = "",
		.default_transport = "smtp",
		.local_transport = "local:$myhostname",
		.virtual_transport = "virtual",
		.relay_transport = "relay",
		.sender_dependent_relayhost_maps = "",
		.sender_dependent_default_transport_maps = "",
		.empty_address_relayhost_maps_lookup_key = "<>",
		.empty_address_default_transport_maps_lookup_key = "<>",
		.append_at_myorigin = true,
		.swap_bangpath = true,
		.allow_percent_hack = true,
		.empty_address_recipient = "MAILER-DAEMON",
		.parent_domain_matches_subdomains = "relay_domains",
		.masquerade_domains = "",
		.masquerade_classes = "envelope_sender, header_sender, header_recipient",
		.masquerade_exceptions = "",
		.canonical_maps = "",
		.sender_canonical_maps = "",
		.recipient_canonical_maps = "",
		.canonical_classes =
			"envelope_sender, envelope_recipient, header_sender, header_recipient",
		.sender_canonical_classes = "envelope_sender, header_sender",
		.recipient_canonical_classes = "envelope_recipient, header_recipient",
		.relocated_maps = "",
		.always_bcc = "",
		.sender_bcc_maps = "",
		.recipient_bcc_maps = "",
		.virtual_alias_expansion_limit = 20,
		.virtual_alias_recursion_limit = 20,
		.virtual_alias_address_length_limit = 200,
		.show_user_unknown_table_name = true,
		.double_bounce_sender = "double-bounce",
		.address_verify_sender = "double-bounce",
	};
	param.local_transport = "local:mx.us.example"; /* as conf_load expands it */
}

static inline struct routes *site_open(void)
{
	struct error err = ERROR_NONE;
	struct routes *routes = routes_open(&err);

	if (routes == NULL)
		fail_msg("routes_open: %s", err.text);
	return routes;
}

#endif

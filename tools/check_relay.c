/*
 * posta check: would a stranger be relayed? The same code is asked as in smtpd, with strangers'
 * addresses.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "policy/policy.h"
#include "route/route.h"
#include "tools/check.h"

/* RFC 5737 and 3849: addresses that belong to nobody. One that mynetworks does not have is taken. */
static const char *const strangers[] = { "203.0.113.1", "198.51.100.1", "192.0.2.1",
					 "2001:db8::1" };

#define ELSEWHERE "elsewhere.invalid"

/* Ways to write a recipient elsewhere; "OURS" stands for a domain that we take mail for. */
static const char *const forms[] = {
	"<victim@" ELSEWHERE ">",
	"<victim@ELSEWHERE.INVALID>",
	"<victim@" ELSEWHERE ".>",
	"<victim@sub." ELSEWHERE ">",
	"<victim@OURS." ELSEWHERE ">",
	"<victim%" ELSEWHERE "@OURS>",
	"<victim%" ELSEWHERE ">",
	"<victim%" ELSEWHERE "@localhost>",
	"<victim%" ELSEWHERE "@[127.0.0.1]>",
	"<user%OURS%" ELSEWHERE "@OURS>",
	"<" ELSEWHERE "!victim>",
	"<" ELSEWHERE "!victim@OURS>",
	"<" ELSEWHERE "!victim@[127.0.0.1]>",
	"<" ELSEWHERE "!victim%OURS@OURS>",
	"<OURS!" ELSEWHERE "!victim>",
	"<@OURS:victim@" ELSEWHERE ">",
	"<@localhost,@OURS:victim@" ELSEWHERE ">",
	"<@[127.0.0.1]:victim@" ELSEWHERE ">",
	"<@OURS:victim%" ELSEWHERE "@OURS>",
	"<\"victim@" ELSEWHERE "\"@OURS>",
	"<\"victim@" ELSEWHERE "\">",
	"<\"victim%" ELSEWHERE "\"@OURS>",
	"<\"victim%" ELSEWHERE "\">",
	"<\"" ELSEWHERE "!victim\"@OURS>",
	"<victim@" ELSEWHERE "@OURS>",
	"<victim\\@" ELSEWHERE "@OURS>",
	"<victim@[203.0.113.9]>",
	"<victim@[IPv6:2001:db8::9]>",
	"<victim@203.0.113.9>",
	"<v\xc3\xad"
	"ctima@" ELSEWHERE ">",
	"<victim@xn--lsewhere-c1a.invalid>",
	"victim@" ELSEWHERE,
};

static const char *const senders[] = { "stranger@outside.invalid", "OURS", "" };

struct attempt {
	const char *service, *client, *ours;
	const struct routes *routes;
	struct policy *policy;
	size_t asked;
};

static void substitute(const char *form, const char *ours, struct str *out)
{
	struct view rest = view_of(form);
	size_t at;

	while ((at = view_find(rest, VIEW("OURS"))) != VIEW_NOT_FOUND) {
		str_append(out, view_first(rest, at));
		str_append_cstr(out, ours);
		rest = view_from(rest, at + 4);
	}
	str_append(out, rest);
}

/* Taken, and not for one of our own: that would be relaying. */
static void try_one(struct attempt *a, struct view sender, const char *form)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, internal = STR_EMPTY, address = STR_EMPTY;
	struct policy_answer answer = { 0 };
	const char *problem;
	struct view rest;

	substitute(form, a->ours, &path);
	rest = str_view(&path);
	a->asked++;
	/* What is no address is refused for that. */
	if (address_parse_path(&rest, false, true, &internal, &problem) < 0 || rest.len > 0 ||
	    route_canonical_form(a->routes, str_view(&internal), &address) < 0)
		return;

	const struct policy_question question = {
		.client_address = view_of(a->client),
		.client_name = VIEW("unknown"),
		.reverse_name = VIEW("unknown"),
		.helo = VIEW("stranger.invalid"),
		.sender = sender,
		.recipient = str_view(&address),
		.recipient_count = 1,
		.has_sender = true,
		.explain = true,
	};

	policy_ask_recipient(a->policy, true, &question, &answer);
	if (answer.action != POLICY_REJECT && answer.action != POLICY_DEFER &&
	    answer.action != POLICY_DISCARD &&
	    route_is_authorized_destination(a->routes, str_view(&address), NULL) != 1)
		check_error("service %s is an open relay: it takes mail of a stranger (%s) from "
			    "<%.*s> for %s",
			    a->service, a->client, VIEW_ARG(sender), path.data);
	policy_answer_free(&answer);
}

/* One of that family who is in none of our networks. */
static const char *find_stranger(struct policy *policy, bool ipv6)
{
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
		if ((strchr(strangers[i], ':') != NULL) == ipv6 &&
		    policy_is_my_network(policy, view_of(strangers[i])) == 0)
			return strangers[i];
	return NULL;
}

/* A domain that is ours in one way or another. */
static const char *find_ours(const struct routes *routes)
{
	const char *candidates[] = { param.mydomain, param.myhostname };

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++)
		if (route_class(routes, view_of(candidates[i]), NULL) != CLASS_DEFAULT)
			return candidates[i];
	return "localhost";
}

static void try_all(struct attempt *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		_cleanup_(str_free) struct str sender = STR_EMPTY;

		if (strcmp(senders[i], "OURS") == 0)
			str_printf(&sender, "postmaster@%s", a->ours);
		else
			str_append_cstr(&sender, senders[i]);
		for (size_t j = 0; j < ARRAY_SIZE(forms); j++)
			try_one(a, str_view(&sender), forms[j]);
	}
}

size_t check_relay(const char *service)
{
	struct error err = ERROR_NONE;
	struct routes *routes = routes_open(&err);
	struct policy *policy = routes != NULL ? policy_open(routes, &err) : NULL;
	struct attempt a = { .service = service, .routes = routes, .policy = policy };

	if (policy == NULL) {
		check_error("service %s: %s", service, err.text);
	} else {
		a.ours = find_ours(routes);
		for (int ipv6 = 0; ipv6 <= 1; ipv6++) {
			a.client = find_stranger(policy, ipv6);
			if (a.client == NULL)
				check_error("service %s: everybody with %s is in mynetworks: an "
					    "open relay",
					    service, ipv6 ? "IPv6" : "IPv4");
			else
				try_all(&a);
		}
	}
	policy_close(policy);
	routes_close(routes);
	return a.asked;
}

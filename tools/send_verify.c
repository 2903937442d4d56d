/*
 * sendmail -bv: where the mail of each recipient would go, by what our own tables say. No other
 * server is asked, and nothing is sent, not even a report: the answer is printed, as Sendmail does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "route/route.h"
#include "tools/verb_send.h"

struct verification {
	struct routes *routes;
	enum send_status status;
};

static void note(struct verification *v, enum send_status status)
{
	/* What is known for good says more than what is not known now. */
	if (v->status == SEND_DONE || (v->status == SEND_LATER && status == SEND_NO_USER))
		v->status = status;
}

static int verify_one(void *argument, struct view recipient)
{
	_cleanup_(unreachable_free) struct unreachable why_not = { 0 };
	struct verification *v = argument;
	struct route route = { 0 };
	int r = route_resolve(v->routes, VIEW_NONE, recipient, &route, NULL);

	if (r == 0)
		r = route_recipient_exists(v->routes, VIEW_NONE, recipient, &why_not, NULL);
	printf("%.*s... ", VIEW_ARG(recipient));
	if (r < 0) {
		note(v, SEND_LATER);
		printf("cannot be said now: %s\n", strerror(-r));
	} else if (r == 0) {
		note(v, why_not.later ? SEND_LATER : SEND_NO_USER);
		printf("undeliverable: %s %s\n",
		       why_not.status.len > 0 ? str_cstr(&why_not.status)
		       : why_not.later	      ? "4.1.1"
					      : "5.1.1",
		       str_cstr(&why_not.text));
	} else {
		printf("deliverable: transport %s, next hop %s\n", str_cstr(&route.transport),
		       str_cstr(&route.nexthop));
	}
	route_free(&route);
	return 0;
}

enum send_status send_verify(const struct sending *s)
{
	struct error err = ERROR_NONE;
	struct verification v = { .routes = routes_open(&err) };

	if (v.routes == NULL) {
		fprintf(stderr, "sendmail: %s\n", err.text);
		return SEND_LATER;
	}
	for (size_t i = 0; i < s->recipient_count; i++) {
		_cleanup_(str_free) struct str address = STR_EMPTY;
		int r = route_canonical_form(v.routes, str_view(&s->recipients[i]), &address);

		if (r >= 0)
			(void)route_map_canonical(v.routes, CANONICAL_ENVELOPE_RECIPIENT, &address);
		if (r >= 0)
			r = route_expand_virtual(v.routes, str_view(&address), verify_one, &v,
						 NULL);
		if (r < 0) {
			printf("%s... cannot be said now: %s\n", str_cstr(&s->recipients[i]),
			       r == -ELOOP ? "an alias leads to itself" : strerror(-r));
			note(&v, SEND_LATER);
		}
	}
	routes_close(v.routes);
	return v.status;
}

/*
 * Which messages are sent on: a stranger's, from a domain that is none of ours. To other strangers
 * they leave with a return path of ours (srs_domain), which smtp makes.
 */
#include <errno.h>

#include "conf/conf.h"
#include "mail/address.h"
#include "qmgr.h"
#include "table/table.h"

static struct matchlist *excluded;

int sent_on_open(struct error *err)
{
	if (param.srs_domain[0] == '\0')
		return 0;
	if (!domain_is_valid(view_of(param.srs_domain), false))
		return error_set(err, -EINVAL, "srs_domain: %s is not a domain", param.srs_domain);
	excluded = matchlist_open(param.srs_exclude_domains, MATCH_DOMAINS, false, err);
	if (excluded != NULL)
		return 0;
	error_prefix(err, "srs_exclude_domains");
	return -EINVAL;
}

/* 1, 0, or a negative errno: a table does not answer now. */
static int domain_is_strange(struct view domain)
{
	int r;

	if (domain.len == 0 || view_eq_nocase(domain, view_of(param.srs_domain)))
		return 0;
	r = matchlist_match(excluded, domain, NULL);
	if (r != 0)
		return r < 0 ? r : 0;
	r = route_class(qmgr.routes, domain, NULL);
	return r < 0 ? r : r == CLASS_DEFAULT;
}

int sent_on_ask(struct attempt *a)
{
	const struct queue_envelope *e = queue_file_envelope(a->file);
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	struct view local, domain;
	int r;

	if (excluded == NULL || a->sent_on_known)
		return 0;
	if (!(e->flags & MAIL_FLAG_REMOTE) || e->login.len > 0 || e->sender.len == 0) {
		a->sent_on_known = true;
		return 0;
	}
	str_append_lower(&sender, e->sender);
	address_split(str_view(&sender), &local, &domain);
	r = domain_is_strange(domain);
	a->sent_on_known = r >= 0;
	a->sent_on = r > 0;
	return MIN(r, 0);
}

bool sent_on_is(const struct attempt *a, const struct batch *batch)
{
	for (size_t i = 0; a->sent_on && i < batch->count; i++)
		if (batch->lot->recipients[batch->first + i].is_strange)
			return true;
	return false;
}

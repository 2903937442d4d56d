/*
 * Who may use which sender address: smtpd_sender_login_maps, and where that is empty what the virtual
 * aliases say. Logs in nobody.
 */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"

static int login_owner_find(struct evaluation *e, struct view key, struct str *owners)
{
	struct error err = ERROR_NONE;
	int r = tables_lookup(e->policy->login_maps, key, owners, &err);

	if (r < 0)
		log_warning("smtpd_sender_login_maps: %s", err.text);
	return r;
}

/* user+extension@domain, user@domain, user (of this system), @domain. 1, 0, negative errno. */
static int find_owners(struct evaluation *e, struct str *owners)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct view local, domain, user, extension;
	int r = login_owner_find(e, e->q->sender, owners);

	if (r != 0)
		return r;
	address_split(e->q->sender, &local, &domain);
	if (address_split_extension(local, param.recipient_delimiter, &user, &extension)) {
		str_printf(&key, "%.*s@%.*s", VIEW_ARG(user), VIEW_ARG(domain));
		r = login_owner_find(e, str_view(&key), owners);
		if (r != 0)
			return r;
	}
	r = route_class(e->policy->routes, domain, NULL);
	if (r < 0)
		return r;
	if (r == CLASS_LOCAL) {
		r = login_owner_find(e, user, owners);
		if (r != 0)
			return r;
	}
	str_clear(&key);
	str_append_byte(&key, '@');
	str_append(&key, domain);
	return login_owner_find(e, str_view(&key), owners);
}

static bool owns(struct view owners, struct view login)
{
	struct view owner;

	while (view_next_word(&owners, ", \t\r\n", &owner)) {
		if (view_eq_nocase(owner, login))
			return true;
	}
	return false;
}

static enum verdict login_refuse_sender(struct evaluation *e)
{
	return policy_refuse(e, 553, "5.7.1",
			     "<%.*s>: Sender address rejected: not owned by user %.*s",
			     VIEW_ARG(subject_sender(e).name), VIEW_ARG(e->q->login));
}

/* ---- without a table: oneself, and the aliases that lead to oneself ---- */

static int login_compare(void *argument, struct view recipient)
{
	return view_eq_nocase(recipient, str_view(argument));
}

/* The sender without its extension. */
static void login_plain_sender(const struct evaluation *e, struct str *plain)
{
	struct view local, domain, user, extension;

	address_split(e->q->sender, &local, &domain);
	if (!address_split_extension(local, param.recipient_delimiter, &user, &extension))
		user = local;
	str_append(plain, user);
	str_append_byte(plain, '@');
	str_append(plain, domain);
}

/* 1, 0, or a negative errno. */
static int login_is_sender(struct evaluation *e)
{
	_cleanup_(str_free) struct str self = STR_EMPTY, plain = STR_EMPTY;
	const struct routes *routes = e->policy->routes;
	int r = route_canonical_form(routes, e->q->login, &self);

	if (r < 0)
		return r;
	if (login_compare(&self, e->q->sender))
		return 1;
	r = route_expand_virtual(routes, e->q->sender, login_compare, &self, NULL);
	login_plain_sender(e, &plain);
	if (r == 0)
		r = login_compare(&self, str_view(&plain));
	if (r == 0)
		r = route_expand_virtual(routes, str_view(&plain), login_compare, &self, NULL);
	/* Aliases that are too many or a loop are nobody's. */
	return r == -ELOOP || r == -E2BIG ? 0 : r;
}

static enum verdict login_check_self(struct evaluation *e)
{
	int r = login_is_sender(e);

	if (r < 0)
		return policy_lookup_failed(e, subject_sender(e));
	return r > 0 ? DUNNO : login_refuse_sender(e);
}

/* `only_known`: an address that nobody owns may be used by anybody. */
static enum verdict check_owner(struct evaluation *e, bool only_known)
{
	_cleanup_(str_free) struct str owners = STR_EMPTY;

	if (e->q->sender.len == 0 || e->q->login.len == 0)
		return DUNNO;
	if (tables_are_empty(e->policy->login_maps))
		return only_known ? DUNNO : login_check_self(e);

	int r = find_owners(e, &owners);

	if (r < 0)
		return policy_lookup_failed(e, subject_sender(e));
	if ((r > 0 && owns(str_view(&owners), e->q->login)) || (r == 0 && only_known))
		return DUNNO;
	return login_refuse_sender(e);
}

enum verdict policy_login_mismatch_authenticated(struct evaluation *e, const struct rule *rule)
{
	(void)rule;
	return check_owner(e, false);
}

enum verdict policy_login_mismatch_unknown(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str owners = STR_EMPTY;

	(void)rule;
	if (tables_are_empty(e->policy->login_maps) || e->q->sender.len == 0 || e->q->login.len > 0)
		return DUNNO;

	int r = find_owners(e, &owners);

	if (r < 0)
		return policy_lookup_failed(e, subject_sender(e));
	if (r == 0)
		return DUNNO;
	return policy_refuse_subject(e, subject_sender(e), 553, "5.7.1", VIEW("not logged in"));
}

enum verdict policy_login_mismatch(struct evaluation *e, const struct rule *rule)
{
	enum verdict verdict = policy_login_mismatch_authenticated(e, rule);

	return verdict != DUNNO ? verdict : policy_login_mismatch_unknown(e, rule);
}

enum verdict policy_login_mismatch_known(struct evaluation *e, const struct rule *rule)
{
	enum verdict verdict = check_owner(e, true);

	return verdict != DUNNO ? verdict : policy_login_mismatch_unknown(e, rule);
}

/* Access maps: which keys are asked for, in which order, access(5). */
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"

#define ACCESS_DOMAIN_LABELS_MAX 128 /* of a name whose parents are looked up */

/* Asks for one key; true when the search is over. */
static bool access_try_key(struct access *a, struct view key)
{
	struct error err = ERROR_NONE;

	if (key.len == 0 || key.len > TABLE_KEY_MAX)
		return false;
	a->found = table_lookup(a->table->table, key, &a->value, &err);
	if (a->found < 0)
		log_warning("%s: %s", table_name(a->table->table), err.text);
	if (a->found > 0)
		trail_add(a->e->why, "%s: %.*s", table_name(a->table->table), VIEW_ARG(key));
	return a->found != 0;
}

/* The name, then its parents: "example.org" or ".example.org". */
bool access_try_domain(struct access *a, struct view domain)
{
	if (access_try_key(a, domain))
		return true;
	if (a->table->pattern || (domain.len > 0 && domain.data[0] == '['))
		return false;
	for (int i = 0; i < ACCESS_DOMAIN_LABELS_MAX; i++) {
		size_t dot = view_find_byte(domain, '.');

		if (dot == VIEW_NOT_FOUND || dot + 1 >= domain.len)
			return false;
		if (a->e->policy->access_parents ? access_try_key(a, view_from(domain, dot + 1))
						 : access_try_key(a, view_from(domain, dot)))
			return true;
		domain = view_from(domain, dot + 1);
	}
	return false;
}

/* The address, then what is left of it when octets or groups are cut off at the end. */
bool access_try_address(struct access *a, struct view address)
{
	char separator = view_find_byte(address, ':') == VIEW_NOT_FOUND ? '.' : ':';

	if (access_try_key(a, address))
		return true;
	while (!a->table->pattern) {
		size_t end = view_find_last_byte(address, separator);

		if (end == VIEW_NOT_FOUND)
			return false;
		address = view_first(address, end);
		if (access_try_key(a, address))
			return true;
	}
	return false;
}

/* user+extension@domain, user@domain, domain and its parents, user+extension@, user@. */
static bool try_mailbox(struct access *a, struct view address)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct view local, domain, user, extension;
	bool split;

	if (access_try_key(a, address))
		return true;
	if (a->table->pattern)
		return false;
	address_split(address, &local, &domain);
	split = address_split_extension(local, param.recipient_delimiter, &user, &extension);
	if (split) {
		str_printf(&key, "%.*s@%.*s", VIEW_ARG(user), VIEW_ARG(domain));
		if (access_try_key(a, str_view(&key)))
			return true;
	}
	if (domain.len > 0 && access_try_domain(a, domain))
		return true;
	str_clear(&key);
	str_printf(&key, "%.*s@", VIEW_ARG(local));
	if (access_try_key(a, str_view(&key)))
		return true;
	if (!split)
		return false;
	str_clear(&key);
	str_printf(&key, "%.*s@", VIEW_ARG(user));
	return access_try_key(a, str_view(&key));
}

enum verdict access_finish(struct access *a)
{
	enum verdict verdict = DUNNO;

	if (a->found < 0)
		verdict = policy_access_failed(a->e);
	else if (a->found > 0)
		verdict = policy_apply_action(a->e, a->subject, str_view(&a->value),
					      table_name(a->table->table));
	str_free(&a->value);
	return verdict;
}

/*
 * Of an address: what the map says counts where it can be told what the address is. While the tables
 * of our domains do not answer, the client is to come again, as with Postfix.
 */
static enum verdict access_finish_mailbox(struct access *a, struct view address)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	if (a->found != 0 && domain.len > 0 &&
	    route_class(a->e->policy->routes, domain, NULL) < 0) {
		str_free(&a->value);
		return policy_lookup_failed(a->e, a->subject);
	}
	return access_finish(a);
}

enum verdict policy_check_client_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_client(e) };
	bool named = e->q->client_name.len > 0 && !view_is(e->q->client_name, "unknown");

	if (!(named && access_try_domain(&a, e->q->client_name)))
		access_try_address(&a, e->q->client_address);
	return access_finish(&a);
}

enum verdict policy_forbid_permit(struct evaluation *e, const struct rule *rule,
				  enum verdict verdict)
{
	if (verdict != PERMIT)
		return verdict;
	log_warning("%s: a permission is not allowed here: strangers could give it to themselves",
		    rule->element->name);
	return policy_refuse(e, 451, "4.3.5", "Server configuration error");
}

enum verdict policy_check_reverse_client_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_reverse_client(e) };
	bool named = e->q->reverse_name.len > 0 && !view_is(e->q->reverse_name, "unknown");

	if (!(named && access_try_domain(&a, e->q->reverse_name)))
		access_try_address(&a, e->q->client_address);
	return policy_forbid_permit(e, rule, access_finish(&a));
}

enum verdict policy_check_helo_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_helo(e) };

	if (e->q->helo.len > 0)
		access_try_domain(&a, e->q->helo);
	return access_finish(&a);
}

enum verdict policy_check_sender_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_sender(e) };

	if (e->q->sender.len > 0)
		try_mailbox(&a, e->q->sender);
	else if (e->q->has_sender)
		access_try_key(&a, view_of(param.smtpd_null_access_lookup_key));
	return access_finish_mailbox(&a, e->q->sender);
}

enum verdict policy_check_recipient_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_recipient(e) };

	if (e->q->recipient.len > 0)
		try_mailbox(&a, e->q->recipient);
	return access_finish_mailbox(&a, e->q->recipient);
}

enum verdict policy_check_sasl_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e,
			    .table = &rule->table,
			    .subject = { e->q->login, "SASL login name" } };

	if (e->q->login.len > 0)
		access_try_key(&a, e->q->login);
	return access_finish(&a);
}

enum verdict policy_check_etrn_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e,
			    .table = &rule->table,
			    .subject = { e->q->etrn_domain, "Etrn command" } };

	if (e->q->etrn_domain.len > 0)
		access_try_domain(&a, e->q->etrn_domain);
	return access_finish(&a);
}

enum verdict policy_check_certificate_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e,
			    .table = &rule->table,
			    .subject = { e->q->certificate.fingerprint, "Client certificate" } };

	if (e->q->certificate.fingerprint.len > 0 &&
	    !access_try_key(&a, e->q->certificate.fingerprint))
		access_try_key(&a, e->q->certificate.key_fingerprint);
	return access_finish(&a);
}

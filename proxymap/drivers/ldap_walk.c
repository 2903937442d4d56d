/* Searching, and what the entries' attributes are for: ldap_table(5). Connects nowhere. */
#include <errno.h>

#include "base/mem.h"
#include "ldap.h"

/* One search. */
struct ldap_step {
	char *base, *filter;
	int scope;
	struct ldap_step *next;
};

struct timeval ldap_time_left(msec_t deadline)
{
	msec_t left = MAX(deadline - clock_now(), (msec_t)1);

	return (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
}

static void walk_push(struct ldap_walk *walk, const char *base, int scope, const char *filter)
{
	struct ldap_step *step = mem_new(struct ldap_step);

	step->base = mem_strdup(base);
	step->filter = mem_strdup(filter);
	step->scope = scope;
	if (walk->last != NULL)
		walk->last->next = step;
	else
		walk->first = step;
	walk->last = step;
}

static struct ldap_step *walk_pop(struct ldap_walk *walk)
{
	struct ldap_step *step = walk->first;

	walk->first = step->next;
	if (walk->first == NULL)
		walk->last = NULL;
	return step;
}

static void step_free(struct ldap_step *step)
{
	free(step->base);
	free(step->filter);
	free(step);
}

static int walk_fail(struct ldap_walk *walk, int code)
{
	int r = code == LDAP_TIMEOUT				? -ETIMEDOUT
		: code == LDAP_SERVER_DOWN || code < 0		? -EIO
		: code == LDAP_BUSY || code == LDAP_UNAVAILABLE ? -EIO
								: -EPROTO;

	return error_set(walk->err, r, "%s", ldap_err2string(code));
}

/* ---- entries ---- */

/* An URL or the name of an entry, which is to be searched as well. */
static int walk_follow(struct ldap_walk *walk, const char *where)
{
	LDAPURLDesc *url = NULL;

	if (++walk->searches > walk->connection->own->recursion_limit)
		return error_set(walk->err, -ELOOP,
				 "more entries lead to others than %d "
				 "(recursion_limit)",
				 walk->connection->own->recursion_limit);
	if (!ldap_is_ldap_url(where)) {
		walk_push(walk, where, LDAP_SCOPE_BASE, "(objectclass=*)");
		return 0;
	}
	if (ldap_url_parse(where, &url) != LDAP_URL_SUCCESS)
		return error_set(walk->err, -EPROTO, "an URL that makes no sense");
	/* Always on the server that was asked, whatever host the URL names. */
	walk_push(walk, url->lud_dn != NULL ? url->lud_dn : "",
		  url->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_BASE : url->lud_scope,
		  url->lud_filter != NULL ? url->lud_filter : "(objectclass=*)");
	ldap_free_urldesc(url);
	return 0;
}

static int walk_take_attribute(struct ldap_walk *walk, struct berval **values, size_t number)
{
	const struct ldap_settings *own = walk->connection->own;
	int r = 0;

	for (size_t i = 0; r == 0 && values != NULL && values[i] != NULL; i++) {
		struct driver_cell cell = { walk->entries, (unsigned)number,
					    own->attributes[number],
					    view_make(values[i]->bv_val, values[i]->bv_len) };

		if (own->roles[number] != LDAP_SPECIAL)
			r = walk->value(walk->argument, &cell);
		else if (!view_has_control(cell.value))
			r = walk_follow(walk, values[i]->bv_val);
	}
	return r;
}

static bool entry_has(struct ldap_walk *walk, LDAPMessage *entry, enum ldap_role role)
{
	const struct ldap_settings *own = walk->connection->own;
	bool has = false;

	for (size_t i = 0; i < own->attribute_count && !has; i++) {
		struct berval **values;

		if (own->roles[i] != role)
			continue;
		values = ldap_get_values_len(walk->connection->ld, entry, own->attributes[i]);
		has = values != NULL && values[0] != NULL;
		ldap_value_free_len(values);
	}
	return has;
}

/*
 * A terminal attribute is all that counts of an entry that has one; a leaf's does not count in an
 * entry that leads to others.
 */
static int walk_take_entry(struct ldap_walk *walk, LDAPMessage *entry)
{
	const struct ldap_settings *own = walk->connection->own;
	bool terminal = entry_has(walk, entry, LDAP_TERMINAL);
	bool leads_on = !terminal && entry_has(walk, entry, LDAP_SPECIAL);
	int r = 0;

	for (size_t i = 0; r == 0 && i < own->attribute_count; i++) {
		struct berval **values;

		if (terminal != (own->roles[i] == LDAP_TERMINAL) ||
		    (leads_on && own->roles[i] == LDAP_LEAF))
			continue;
		values = ldap_get_values_len(walk->connection->ld, entry, own->attributes[i]);
		r = walk_take_attribute(walk, values, i);
		ldap_value_free_len(values);
	}
	walk->entries++;
	return r;
}

/* ---- searches ---- */

static int walk_take_result(struct ldap_walk *walk, LDAPMessage *result)
{
	LDAP *ld = walk->connection->ld;
	int code = LDAP_SUCCESS,
	    r = ldap_parse_result(ld, result, &code, NULL, NULL, NULL, NULL, 0);

	if (r != LDAP_SUCCESS)
		return walk_fail(walk, r);
	/* Who leads to an entry that is not there leads nowhere. */
	if (code == LDAP_NO_SUCH_OBJECT)
		return 0;
	if (code != LDAP_SUCCESS && code != LDAP_REFERRAL)
		return walk_fail(walk, code);
	r = 0;
	for (LDAPMessage *entry = ldap_first_entry(ld, result); r == 0 && entry != NULL;
	     entry = ldap_next_entry(ld, entry))
		r = walk_take_entry(walk, entry);
	return r;
}

static int walk_search(struct ldap_walk *walk, const struct ldap_step *step)
{
	struct ldap_connection *c = walk->connection;
	struct timeval time = ldap_time_left(walk->deadline);
	/* As an array of what the library does not change. */
	char **attributes = (char **)(uintptr_t)c->own->attributes;
	LDAPMessage *result = NULL;
	int id, r;

	if (clock_now() >= walk->deadline)
		return walk_fail(walk, LDAP_TIMEOUT);
	r = ldap_search_ext(c->ld, step->base, step->scope, step->filter, attributes, 0, NULL, NULL,
			    &time, c->own->size_limit, &id);
	if (r != LDAP_SUCCESS)
		return walk_fail(walk, r);
	r = ldap_result(c->ld, id, LDAP_MSG_ALL, &time, &result);
	if (r <= 0)
		r = walk_fail(walk, r == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN);
	else
		r = walk_take_result(walk, result);
	ldap_msgfree(result);
	return r;
}

int ldap_walk_run(struct ldap_walk *walk, const char *base, const char *filter)
{
	int r = 0;

	walk_push(walk, base, walk->connection->own->scope, filter);
	while (walk->first != NULL) {
		struct ldap_step *step = walk_pop(walk);

		if (r == 0)
			r = walk_search(walk, step);
		step_free(step);
	}
	return r;
}

int ldap_walk_name(struct ldap_walk *walk, const char *base, const char *filter, char **name)
{
	struct ldap_connection *c = walk->connection;
	struct timeval time = ldap_time_left(walk->deadline);
	static char *no_attributes[] = { (char *)(uintptr_t)LDAP_NO_ATTRS, NULL };
	LDAPMessage *result = NULL;
	int id, r = ldap_search_ext(c->ld, base, c->own->scope, filter, no_attributes, 0, NULL,
				    NULL, &time, 2, &id);

	if (r != LDAP_SUCCESS)
		return walk_fail(walk, r);
	r = ldap_result(c->ld, id, LDAP_MSG_ALL, &time, &result);
	if (r <= 0)
		return walk_fail(walk, r == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN);
	ldap_parse_result(c->ld, result, &r, NULL, NULL, NULL, NULL, 0);
	if (r != LDAP_SUCCESS && r != LDAP_NO_SUCH_OBJECT && r != LDAP_SIZELIMIT_EXCEEDED &&
	    r != LDAP_REFERRAL)
		r = walk_fail(walk, r);
	else if (ldap_count_entries(c->ld, result) != 1)
		r = 0;
	else
		r = (*name = ldap_get_dn(c->ld, ldap_first_entry(c->ld, result))) != NULL;
	ldap_msgfree(result);
	return r;
}

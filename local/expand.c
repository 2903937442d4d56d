/*
 * From a name to what is to be done. All aliases that lead on to aliases are followed here, over a
 * list instead of by recursion; a name is looked at once, so that circles end, and both the number
 * of names and that of results are bounded.
 *
 * A name that comes up again inside its own expansion ("alice: alice, copy@example.org") means the
 * mailbox. A nested alias with an owner- alias of its own goes through the queue as a recipient,
 * so that its errors reach its own owner.
 */
#include "local.h"

#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "table/tokens.h"

#define NAMES_MAX 1000
#define DEPTH_MAX 50

static struct {
	struct tables *aliases;
	struct matchlist *destinations;
} opened;

/* One alias on its way. */
struct name {
	char *key;
	struct str value;
	char *extension; /* that the name had and the key has not; "" mostly */
	size_t parent, depth;
};
#define NO_PARENT SIZE_MAX

struct expansion {
	struct job *job;
	struct plan *plan;
	struct outcome *outcome;
	struct name *names;
	size_t count, at;
	struct map *seen;
	const char *via;     /* the :include: file whose text is being read, or NULL */
	const char *forward; /* the user whose .forward is being read, or NULL */
};

int expand_prepare(struct error *err)
{
	opened.aliases = tables_open(param.alias_maps, 0, err);
	if (opened.aliases == NULL)
		return -EINVAL;
	opened.destinations = matchlist_open(param.mydestination, MATCH_DOMAINS, false, err);
	return opened.destinations != NULL ? 0 : -EINVAL;
}

static struct expansion *expansion_new(struct job *job, struct plan *plan, struct outcome *outcome)
{
	struct expansion *x = mem_new(struct expansion);

	x->job = job;
	x->plan = plan;
	x->outcome = outcome;
	x->seen = map_new();
	return x;
}

static void expansion_free(struct expansion **x)
{
	for (size_t i = 0; i < (*x)->count; i++) {
		free((*x)->names[i].key);
		free((*x)->names[i].extension);
		str_free(&(*x)->names[i].value);
	}
	free((*x)->names);
	map_free((*x)->seen);
	free(*x);
}

/* 1, 0, or negative with the outcome. */
static int alias_look_up(struct expansion *x, struct view key, struct str *value)
{
	struct error err = ERROR_NONE;
	int r = tables_lookup(opened.aliases, key, value, &err);

	if (r < 0) {
		log_warning("alias_maps: %s", err.text);
		outcome_set(x->outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "alias database unavailable");
	}
	return r;
}

static int expansion_give_up(struct expansion *x, const char *what)
{
	outcome_set(x->outcome, OUTCOME_FAILED, "5.2.4", VIEW_NONE,
		    "mailing list expansion problem: %s", what);
	return -E2BIG;
}

static int expansion_add_action(struct expansion *x, enum action_kind kind, struct view text)
{
	const char *owner = x->forward != NULL ? x->forward : x->names[x->at].key;

	if (!plan_add(x->plan, kind, text, owner, x->via, x->forward != NULL))
		return expansion_give_up(x, "too many results");
	return 0;
}

/* The address once, however many ways lead to it. */
static int expansion_add_address(struct expansion *x, struct view address, bool leaf)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	struct view local, domain;

	address_split(address, &local, &domain);
	str_append(&full, address);
	if (domain.len == 0) {
		str_append_byte(&full, '@');
		str_append_cstr(&full, param.myorigin);
	}
	if (full.len > ADDRESS_MAX || view_has_control(str_view(&full))) {
		log_warning("%s: an address in the expansion of %.*s is too long, or has a control "
			    "character: skipped",
			    str_cstr(&x->job->d->queue_id), VIEW_ARG(x->job->address));
		return 0;
	}
	if (map_put(x->seen, str_view(&full), x) != NULL)
		return 0;
	if (!plan_add(x->plan, ACTION_ADDRESS, str_view(&full), NULL, NULL, x->forward != NULL))
		return expansion_give_up(x, "too many results");
	x->plan->actions[x->plan->count - 1].leaf = leaf;
	return 0;
}

/* 1 if the domain is this system's (or there is none). */
static int is_local_domain(struct expansion *x, struct view domain)
{
	int r = domain.len == 0 ? 1 : matchlist_match(opened.destinations, domain, NULL);

	if (r < 0)
		outcome_set(x->outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "mydestination unavailable");
	return r;
}

static bool is_in_progress(const struct expansion *x, struct view key)
{
	if (x->count == 0)
		return false;
	for (size_t i = x->at; i != NO_PARENT; i = x->names[i].parent)
		if (view_eq(view_of(x->names[i].key), key))
			return true;
	return false;
}

static int has_owner(struct expansion *x, struct view key, struct str *owner, struct str *value)
{
	if (!param.owner_request_special || view_starts(key, VIEW("owner-")) ||
	    view_ends(key, VIEW("-request")))
		return 0;
	str_set(owner, VIEW("owner-"));
	str_append(owner, key);
	return alias_look_up(x, str_view(owner), value);
}

static int push_name(struct expansion *x, struct view local, struct view key, struct str *value,
		     size_t parent)
{
	struct view extension = view_from(local, key.len + 1);

	struct name *name;

	if (x->count == NAMES_MAX)
		return expansion_give_up(x, "too many aliases");
	array_grow(x->names, x->count);
	name = &x->names[x->count];
	name->depth = parent == NO_PARENT ? 0 : x->names[parent].depth + 1;
	if (name->depth > DEPTH_MAX)
		return expansion_give_up(x, "aliases nested too deeply");
	name->key = mem_strndup(key.data, key.len);
	name->extension = mem_strndup(extension.len > 0 ? extension.data : "", extension.len);
	name->value = *value;
	*value = STR_EMPTY;
	name->parent = parent;
	x->count++;
	return 0;
}

/* The alias for a local part: with its extension first. 1 with *key and the value. */
static int find_alias(struct expansion *x, struct view local, struct view *key, struct str *value)
{
	struct view user, extension;
	int r = alias_look_up(x, local, value);

	*key = local;
	if (r != 0 || !address_split_extension(local, param.recipient_delimiter, &user, &extension))
		return r;
	*key = user;
	return alias_look_up(x, user, value);
}

/* "alice: alice, copy" means her mailbox; one that leads back over others may mean no mailbox. */
static int expansion_add_own_mailbox(struct expansion *x, struct view name)
{
	int r = expansion_add_action(x, ACTION_MAILBOX, name);

	if (r == 0 && !view_eq(view_of(x->names[x->at].key), name))
		x->plan->actions[x->plan->count - 1].circle = true;
	return r;
}

/* A name of this system inside an alias. */
static int expand_local_name(struct expansion *x, struct view local, struct view address)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, owner = STR_EMPTY, ignored = STR_EMPTY;
	struct view key;
	int r;

	if (is_in_progress(x, local))
		return expansion_add_own_mailbox(x, local);
	r = find_alias(x, local, &key, &value);
	if (r < 0)
		return r;
	if (r == 0)
		return expansion_add_address(x, address, true);
	if (is_in_progress(x, key))
		return expansion_add_own_mailbox(x, key);
	r = has_owner(x, key, &owner, &ignored);
	if (r != 0)
		return r < 0 ? r : expansion_add_address(x, address, false);
	if (map_put(x->seen, key, x) != NULL)
		return 0;
	return push_name(x, local, key, &value, x->at);
}

/* "list: bob", and mail for list+x: bob+x, where propagate_unmatched_extensions says so. */
static void add_extension(const struct expansion *x, struct view address, struct str *out)
{
	const char *source = x->via != NULL ? "include" : "alias";
	const char *extension = x->forward != NULL ? "" : x->names[x->at].extension;
	struct view local, domain;

	address_split(address, &local, &domain);
	if (extension[0] == '\0' || local.len == 0 ||
	    !token_list_has(param.propagate_unmatched_extensions, source)) {
		str_append(out, address);
		return;
	}
	str_append(out, local);
	str_append(out, view_first(view_of(param.recipient_delimiter), 1));
	str_append_cstr(out, extension);
	if (domain.len > 0)
		str_append_byte(out, '@');
	str_append(out, domain);
}

static int expand_address(struct expansion *x, struct view address)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY, extended = STR_EMPTY;
	struct view local, domain;
	int r;

	add_extension(x, address, &extended);
	address = str_view(&extended);
	str_append_lower(&folded, address);
	address_split(str_view(&folded), &local, &domain);
	r = is_local_domain(x, domain);
	if (r < 0)
		return r;
	if (r == 0 || local.len == 0)
		return expansion_add_address(x, address, false);
	if (x->forward == NULL)
		return expand_local_name(x, local, str_view(&folded));
	if (view_eq(local, view_of(x->forward)))
		return expansion_add_action(x, ACTION_MAILBOX, local);
	return expansion_add_address(x, address, false);
}

/* "\alice": her mailbox; "\alice@elsewhere" is an address like any other. */
static int expand_mailbox(struct expansion *x, struct view address)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;
	struct view local, domain;
	int r;

	str_append_lower(&folded, address);
	address_split(str_view(&folded), &local, &domain);
	r = is_local_domain(x, domain);
	if (r <= 0)
		return r < 0 ? r : expansion_add_address(x, address, false);
	/* Of others' mailboxes a .forward has none to give. */
	if (x->forward != NULL && !view_eq(local, view_of(x->forward)))
		return expansion_add_address(x, address, false);
	return expansion_add_action(x, ACTION_MAILBOX, local);
}

/* A part of a list: whom it was meant for is not known, and better late than never. */
static int expansion_not_understood(struct expansion *x, const char *problem)
{
	_cleanup_(str_free) struct str where = STR_EMPTY;

	if (x->forward != NULL)
		str_printf(&where, "the forwarding file of %s", x->forward);
	else if (x->via != NULL)
		str_printf(&where, "%s, which the alias %s includes", x->via, x->names[x->at].key);
	else
		str_printf(&where, "the alias %s", x->names[x->at].key);
	log_warning("%s: %s: %s", str_cstr(&x->job->d->queue_id), str_cstr(&where), problem);
	outcome_set(x->outcome, OUTCOME_DEFERRED, "4.3.5", VIEW_NONE, "%s cannot be understood: %s",
		    str_cstr(&where), problem);
	return -EINVAL;
}

static int expand_text(struct expansion *x, struct view text);

static int expand_include(struct expansion *x, struct view path)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_free_ char *via = mem_strndup(path.data, path.len);
	int r;

	if (x->via != NULL || x->forward != NULL)
		return expansion_not_understood(x, ":include: is followed in aliases only");
	r = agent_source(x->job, SOURCE_ALIAS, x->names[x->at].key, via, &text, x->outcome);
	if (r == 0) {
		outcome_set(x->outcome, OUTCOME_DEFERRED, "4.3.5", VIEW_NONE,
			    "alias %s: :include: file %s does not exist or cannot be trusted",
			    x->names[x->at].key, via);
		return -ENOENT;
	}
	if (r < 0)
		return r;
	x->via = via;
	r = expand_text(x, str_view(&text));
	x->via = NULL;
	return r;
}

/* The other members get theirs all the same; plan_execute reports this one. */
static int refuse_action(struct expansion *x, struct view text, const char *parameter)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;

	str_append_cstr(&reason, "mail to \"");
	str_append_printable(&reason, text);
	str_printf(&reason, "\" is not allowed by %s", parameter);
	if (x->via != NULL)
		str_printf(&reason, " (it stands in %s)", x->via);
	return expansion_add_action(x, ACTION_REFUSED, str_view(&reason));
}

static int expand_token(struct expansion *x, enum token_kind kind, struct view text)
{
	const char *source = x->via != NULL ? "include" : x->forward != NULL ? "forward" : "alias";

	switch (kind) {
	case TOKEN_COMMAND:
		if (!token_list_has(param.allow_mail_to_commands, source))
			return refuse_action(x, text, "allow_mail_to_commands");
		return expansion_add_action(x, ACTION_COMMAND, text);
	case TOKEN_FILE:
		if (!token_list_has(param.allow_mail_to_files, source))
			return refuse_action(x, text, "allow_mail_to_files");
		return expansion_add_action(x, ACTION_FILE, text);
	case TOKEN_INCLUDE:
		return expand_include(x, text);
	case TOKEN_MAILBOX:
		return expand_mailbox(x, text);
	default:
		return expand_address(x, text);
	}
}

/* Calls itself once at most: an included file cannot include. */
static int expand_text(struct expansion *x, struct view text)
{
	_cleanup_(str_free) struct str piece = STR_EMPTY;
	struct error err = ERROR_NONE;
	enum token_kind kind;
	int r = 0;

	while (r >= 0 && (r = token_next(&text, &piece, &kind, &err)) != 0) {
		if (r == -EINVAL)
			return expansion_not_understood(x, err.text);
		r = expand_token(x, kind, str_view(&piece));
	}
	return r;
}

/* owner-list takes the errors of what is sent to list. The null sender stays: no loops of errors. */
static int set_owner(struct expansion *x, struct view key)
{
	_cleanup_(str_free) struct str owner = STR_EMPTY, value = STR_EMPTY, piece = STR_EMPTY;
	int r = has_owner(x, key, &owner, &value);
	enum token_kind kind;

	if (r <= 0 || x->job->d->sender.len == 0)
		return r < 0 ? r : 0;
	if (param.expand_owner_alias) {
		struct view rest = str_view(&value);

		if (token_next(&rest, &piece, &kind, NULL) == 1 && kind == TOKEN_ADDRESS)
			str_set(&owner, str_view(&piece));
	}
	if (view_find_byte(str_view(&owner), '@') == VIEW_NOT_FOUND) {
		str_append_byte(&owner, '@');
		str_append(&owner,
			   x->job->domain.len > 0 ? x->job->domain : view_of(param.myorigin));
	}
	str_set(&x->job->sender, str_view(&owner));
	return 0;
}

int expand_alias(struct job *job, struct plan *plan, struct outcome *outcome)
{
	_cleanup_(expansion_free) struct expansion *x = expansion_new(job, plan, outcome);
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct view key;
	int r = find_alias(x, job->local, &key, &value);

	if (r <= 0)
		return r;
	r = set_owner(x, key);
	if (r < 0)
		return r;
	map_put(x->seen, key, x);
	r = push_name(x, job->local, key, &value, NO_PARENT);
	for (x->at = 0; r == 0 && x->at < x->count; x->at++)
		r = expand_text(x, str_view(&x->names[x->at].value));
	return r < 0 ? r : 1;
}

int expand_forward(struct job *job, struct view user, struct plan *plan, struct outcome *outcome)
{
	_cleanup_(expansion_free) struct expansion *x = expansion_new(job, plan, outcome);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_free_ char *name = mem_strndup(user.data, user.len);
	int r = agent_source(job, SOURCE_FORWARD, name, NULL, &text, outcome);

	if (r <= 0)
		return r;
	x->forward = name;
	r = expand_text(x, str_view(&text));
	if (r < 0)
		return r;
	/* An empty file, or one of comments only: as if it were not there. */
	return plan->count > 0 ? 1 : 0;
}

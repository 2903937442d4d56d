/*
 * What becomes of a recipient on this host: the aliases that local would follow, the user's .forward
 * where we may read it, and the mailbox at the end. Nothing is run, and the program local decides
 * by its own code; this walk follows the same documents, aliases(5) and forward_path.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "table/table.h"
#include "table/tokens.h"
#include "tools/explain.h"
#include "tools/place.h"

#define DEPTH_MAX 50 /* of aliases that name others; a loop is seen before */
#define NAMES_MAX 1000

struct walk {
	const struct routes *routes;
	struct map *seen; /* local parts */
	void (*each)(void *argument, struct view recipient);
	void *argument;
};

/* 1 with the value; 0: it has no alias; negative: a table cannot answer. */
static int alias_lookup(struct view name, struct str *value, bool tell)
{
	struct view rest = view_of(param.alias_maps), element;
	struct error err = ERROR_NONE;
	int r = 0;

	while (r == 0 && conf_next_element(&rest, &element)) {
		struct table *table = table_open(element, 0, &err);

		if (table == NULL) {
			explain_because("alias_maps: %s", err.text);
			return -EINVAL;
		}
		r = table_lookup(table, name, value, &err);
		if (r > 0 && tell)
			explain_because("alias_maps (%.*s): %.*s -> %s", VIEW_ARG(element),
					VIEW_ARG(name), str_cstr(value));
		table_close(table);
	}
	return r;
}

static void walk_name(struct walk *w, struct view local, unsigned depth);

/*
 * An address in an alias. As in local: a name without a domain, or with one of mydestination, may be
 * another alias; without one it is somebody at myorigin.
 */
static void walk_address(struct walk *w, struct view address, unsigned depth)
{
	_cleanup_(str_free) struct str full = STR_EMPTY, form = STR_EMPTY, ignored = STR_EMPTY;
	struct view local, domain;

	address_split(address, &local, &domain);
	str_append(&full, address);
	if (domain.len == 0) {
		_cleanup_(str_free) struct str key = STR_EMPTY;

		str_append_lower(&key, local);
		if (map_get(w->seen, str_view(&key)) != NULL ||
		    alias_lookup(str_view(&key), &ignored, false) != 0) {
			walk_name(w, local, depth + 1);
			return;
		}
		str_printf(&full, "@%s", param.myorigin);
	}
	if (route_canonical_form(w->routes, str_view(&full), &form) < 0) {
		explain_result("%s: cannot be rewritten now", str_cstr(&full));
		return;
	}
	address_split(str_view(&form), &local, &domain);
	if (route_class(w->routes, domain, NULL) == CLASS_LOCAL)
		walk_name(w, local, depth + 1);
	else
		w->each(w->argument, str_view(&form));
}

static void walk_file(struct walk *w, const char *path, unsigned depth);

static void walk_value(struct walk *w, struct view value, unsigned depth)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	enum token_kind kind;
	struct view rest = value;
	int r;

	/* All that it becomes, in one step, before any of that is followed. */
	while ((r = token_next(&rest, &text, &kind, &err)) != 0) {
		if (r < 0)
			explain_result("cannot be understood: %s", err.text);
		else if (kind == TOKEN_COMMAND)
			explain_result("is handed to the command: %s", str_cstr(&text));
		else if (kind == TOKEN_FILE)
			explain_result("is written to the file %s", str_cstr(&text));
		else if (kind == TOKEN_MAILBOX)
			explain_result("is delivered to the mailbox of %s", str_cstr(&text));
		else
			explain_result("goes on to %s%s", kind == TOKEN_INCLUDE ? "those in " : "",
				       str_cstr(&text));
	}
	rest = value;
	while ((r = token_next(&rest, &text, &kind, &err)) != 0) {
		if (r > 0 && kind == TOKEN_ADDRESS)
			walk_address(w, str_view(&text), depth);
		else if (r > 0 && kind == TOKEN_INCLUDE)
			walk_file(w, str_cstr(&text), depth);
	}
}

/* An :include: file. It may be nobody's business. */
static void walk_file(struct walk *w, const char *path, unsigned depth)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	_cleanup_fd_ int fd = place_open(path, O_RDONLY | O_NONBLOCK, 0);
	int r = fd >= 0 ? token_source_read(fd, &text, &err)
			: error_code(&err, fd, "open %s", path);

	place_leave();
	explain_step("Who is in %s?", path);
	if (r < 0)
		explain_result("%s", err.text);
	else
		walk_value(w, str_view(&text), depth);
}

/* ~/.forward, read as the user. 1, 0, or a negative errno. */
static int explain_forward_read(const struct passwd *user, struct str *path, struct str *text)
{
	struct error err = ERROR_NONE;
	int r;

	if (geteuid() != 0 && geteuid() != user->pw_uid)
		return -EACCES;
	str_printf(path, "%s/.forward", user->pw_dir);
	_cleanup_fd_ int fd = place_open(str_cstr(path), O_RDONLY | O_NONBLOCK, 0);

	r = fd == -ENOENT ? 0 : fd < 0 ? fd : token_source_read(fd, text, &err);
	place_leave();
	return r < 0 ? r : fd >= 0;
}

static void walk_user(struct walk *w, const char *name, unsigned depth)
{
	const struct passwd *user = getpwnam(name);
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	int r;

	if (user == NULL) {
		explain_because("there is no alias and no user %s on this system", name);
		explain_result("unknown user: returned to the sender");
		return;
	}
	r = explain_forward_read(user, &path, &text);
	if (r < 0)
		explain_because("the .forward of %s, if there is one, is not to be seen by you",
				name);
	if (r > 0) {
		explain_because("%s: %s", str_cstr(&path), str_cstr(&text));
		walk_value(w, str_view(&text), depth);
		return;
	}
	explain_result("is delivered to the mailbox of %s", name);
}

static void walk_name(struct walk *w, struct view local, unsigned depth)
{
	static char in_progress[] = "in progress", done[] = "done";
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY, met = STR_EMPTY;
	struct view user, extension;
	int r;

	str_append_lower(&key, local);
	explain_step("What becomes of %s on this host?", str_cstr(&key));
	if (map_get(w->seen, str_view(&key)) == in_progress) {
		explain_result("an alias that leads back to itself means the mailbox of %s",
			       str_cstr(&key));
		return;
	}
	if (map_get(w->seen, str_view(&key)) == done || depth > DEPTH_MAX ||
	    map_count(w->seen) >= NAMES_MAX) {
		explain_result("it was met before: nothing more comes of it here");
		return;
	}
	str_set(&met, str_view(&key));
	map_put(w->seen, str_view(&met), in_progress);
	r = alias_lookup(str_view(&key), &value, true);
	if (r == 0 &&
	    address_split_extension(str_view(&key), param.recipient_delimiter, &user, &extension)) {
		str_truncate(&key, user.len);
		r = alias_lookup(str_view(&key), &value, true);
	}
	if (r < 0)
		explain_result("cannot be said now: a table does not answer");
	else if (r > 0)
		walk_value(w, str_view(&value), depth);
	else
		walk_user(w, str_cstr(&key), depth);
	map_put(w->seen, str_view(&met), done);
}

void explain_local(const struct routes *routes, struct view recipient,
		   void (*each)(void *argument, struct view recipient), void *argument)
{
	struct walk w = { .routes = routes, .seen = map_new(), .each = each, .argument = argument };
	struct view local, domain;

	address_split(recipient, &local, &domain);
	walk_name(&w, local, 0);
	map_free(w.seen);
}

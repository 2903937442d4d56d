/*
 * Which folders a mailbox at another server has, and what they are called here. Their messages are
 * remote_messages.c's matter.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "store/adopt.h"
#include "tools/remote.h"

#define NAMESPACES_MAX 100

/* Prefixes of RFC 2342: the first of the user's own, and those of what is others'. */
struct remote_namespaces {
	struct str own;
	bool own_known;
	char *foreign[NAMESPACES_MAX];
	size_t foreign_count;
};

struct remote_listing {
	struct remote_folders *folders;
	const struct remote_namespaces *namespaces;
	struct map *wanted;
};

static void namespaces_free(struct remote_namespaces *all)
{
	for (size_t i = 0; i < all->foreign_count; i++)
		free(all->foreign[i]);
	str_free(&all->own);
}

void remote_folders_free(struct remote_folders *folders)
{
	for (size_t i = 0; i < folders->count; i++) {
		free(folders->items[i].name);
		free(folders->items[i].local);
	}
	free(folders->items);
	str_free(&folders->left_out);
	*folders = (struct remote_folders){ 0 };
}

/* ---- namespaces ---- */

static void namespaces_note(struct remote_namespaces *all, unsigned which, struct view prefix)
{
	if (which == 0 && !all->own_known)
		str_set(&all->own, prefix);
	all->own_known = all->own_known || which == 0;
	if (which > 0 && prefix.len > 0 && all->foreign_count < NAMESPACES_MAX)
		all->foreign[all->foreign_count++] = mem_strndup(prefix.data, prefix.len);
}

/* (("INBOX." ".")("#x" "/" "X-PARAM" ("y"))) or NIL */
static int namespaces_read_list(struct remote *remote, struct remote_namespaces *all,
				unsigned which)
{
	_cleanup_(str_free) struct str prefix = STR_EMPTY;
	int r = 0;

	if (!imap_response_take(remote->in, '('))
		return imap_response_skip(remote->in);
	while (r == 0 && imap_response_take(remote->in, '(')) {
		r = imap_response_string(remote->in, REMOTE_NAME_MAX, &prefix, NULL);
		if (r == 0)
			namespaces_note(all, which, str_view(&prefix));
		while (r == 0 && !imap_response_take(remote->in, ')'))
			r = imap_response_skip(remote->in);
	}
	if (r == 0 && !imap_response_take(remote->in, ')'))
		r = -EBADMSG;
	return r;
}

static int namespaces_read(struct remote *remote, const struct imap_answer *answer, void *argument)
{
	int r = 0;

	if (strcmp(answer->name, "NAMESPACE") != 0)
		return 0;
	for (unsigned which = 0; which < 3 && r == 0; which++)
		r = namespaces_read_list(remote, argument, which);
	return r;
}

static bool namespaces_is_foreign(const struct remote_namespaces *all, struct view name)
{
	for (size_t i = 0; i < all->foreign_count; i++)
		if (view_starts(name, view_of(all->foreign[i])))
			return true;
	return false;
}

/* ---- names ---- */

int remote_local_name(struct view name, struct view prefix, char separator, struct str *local)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_clear(local);
	if (view_is_nocase(name, "INBOX")) {
		str_append_cstr(local, "INBOX");
		return 0;
	}
	if (view_starts_nocase(name, prefix))
		name = view_from(name, prefix.len);
	if (name.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (c == separator && separator != '\0')
			str_append_byte(&text, '.');
		else
			str_append_byte(&text, strchr(".*%", c) != NULL && c != '\0' ? '_' : c);
	}
	return adopt_name(str_view(&text), local);
}

/* ---- lists ---- */

struct remote_line {
	bool no_messages, all; /* cannot be selected; shows what other folders have */
	unsigned special_use;
	char separator;
	struct str name;
};

static void remote_line_note(struct remote_line *line, struct view attribute)
{
	if (view_is_nocase(attribute, "\\Noselect") || view_is_nocase(attribute, "\\NonExistent"))
		line->no_messages = true;
	else if (view_is_nocase(attribute, "\\All") || view_is_nocase(attribute, "\\Flagged"))
		line->all = true;
	else if (view_starts(attribute, VIEW("\\")) && line->special_use == 0)
		line->special_use = store_use_find(view_from(attribute, 1));
}

/* (\HasNoChildren \Sent) "/" "Sent" */
static int remote_line_read(struct remote *remote, struct remote_line *line)
{
	_cleanup_(str_free) struct str separator = STR_EMPTY;
	struct view attribute;
	bool is_nil;
	int r = imap_response_take(remote->in, '(') ? 0 : -EBADMSG;

	while (r == 0 && !imap_response_take(remote->in, ')')) {
		r = imap_response_item(remote->in, &attribute);
		if (r == 0)
			remote_line_note(line, attribute);
	}
	if (r == 0)
		r = imap_response_string(remote->in, 1, &separator, &is_nil);
	if (r == 0)
		r = imap_response_string(remote->in, REMOTE_NAME_MAX, &line->name, NULL);
	if (r == 0 && separator.len > 0)
		line->separator = separator.data[0];
	return r;
}

static void remote_leave_out(struct remote_folders *folders, struct view name, const char *why)
{
	str_append_printable(&folders->left_out, name);
	str_printf(&folders->left_out, ": %s\n", why);
}

static void remote_add_folder(struct remote_listing *listing, const struct remote_line *line)
{
	struct remote_folders *folders = listing->folders;
	_cleanup_(str_free) struct str local = STR_EMPTY, quoted = STR_EMPTY;
	struct view name = str_view(&line->name);

	if (line->no_messages)
		return;
	if (namespaces_is_foreign(listing->namespaces, name)) {
		remote_leave_out(folders, name, "not the user's own");
	} else if (line->all) {
		remote_leave_out(folders, name, "shows messages of other folders");
	} else if (remote_quote(&quoted, name) < 0 ||
		   remote_local_name(name, str_view(&listing->namespaces->own), line->separator,
				     &local) < 0) {
		remote_leave_out(folders, name, "no folder can have this name");
	} else {
		array_grow(folders->items, folders->count);
		folders->items[folders->count++] =
			(struct remote_folder){ .name = mem_strndup(name.data, name.len),
						.local = str_take(&local),
						.special_use = line->special_use };
	}
}

static int remote_read_list(struct remote *remote, const struct imap_answer *answer, void *argument)
{
	struct remote_line line = { 0 };
	struct remote_listing *listing = argument;
	bool is_lsub = strcmp(answer->name, "LSUB") == 0;
	int r;

	if (!is_lsub && strcmp(answer->name, "LIST") != 0)
		return 0;
	r = remote_line_read(remote, &line);
	if (r == 0 && (listing->folders->count >= REMOTE_FOLDERS_MAX ||
		       map_count(listing->wanted) >= REMOTE_FOLDERS_MAX ||
		       listing->folders->left_out.len > (size_t)REMOTE_FOLDERS_MAX * 100))
		r = -EMSGSIZE;
	if (r == 0 && is_lsub)
		map_put(listing->wanted, str_view(&line.name), listing);
	else if (r == 0)
		remote_add_folder(listing, &line);
	str_free(&line.name);
	return r;
}

/* NO to one of these is an error as well. */
static int remote_ask(struct remote *remote, const char *command, remote_each *each, void *argument)
{
	int r = remote_send(remote, "%s", command);

	if (r == 0)
		r = remote_receive(remote, each, argument);
	return r > 0 ? -EACCES : r;
}

int remote_list(struct remote *remote, struct remote_folders *folders)
{
	_cleanup_(namespaces_free) struct remote_namespaces namespaces = { 0 };
	_cleanup_(map_freep) struct map *wanted = map_new();
	struct remote_listing listing = { folders, &namespaces, wanted };
	unsigned uses = REMOTE_SPECIAL_USE | REMOTE_LIST_EXTENDED;
	int r = 0;

	*folders = (struct remote_folders){ 0 };
	if (remote->capabilities & REMOTE_NAMESPACE)
		r = remote_ask(remote, "NAMESPACE", namespaces_read, &namespaces);
	if (r == 0)
		r = remote_ask(remote,
			       (remote->capabilities & uses) == uses
				       ? "LIST \"\" \"*\" RETURN (SPECIAL-USE)"
				       : "LIST \"\" \"*\"",
			       remote_read_list, &listing);
	if (r == 0)
		r = remote_ask(remote, "LSUB \"\" \"*\"", remote_read_list, &listing);
	for (size_t i = 0; i < folders->count; i++)
		folders->items[i].subscribed =
			map_get(wanted, view_of(folders->items[i].name)) != NULL;
	return r;
}

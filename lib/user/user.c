/* Finding a user: mailbox_users first, then the system's. */
#include "user/internal.h"
#include "user/quota.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "table/server.h"
#include "table/table.h"

static struct {
	struct tables *users;
	const char *list; /* mailbox_users, or mailbox_passwords */
	struct matchlist *destinations;
	msec_t missing_until; /* no look at the disk for absent tables before that */
	/* virtual_uid and virtual_gid, once they are known */
	bool knows_uid, knows_gid;
	bool only_passwords; /* nobody's mail is looked for */
	uid_t virtual_uid;
	gid_t virtual_gid;
} state;

#define MISSING_RECHECK 1000 /* ms */

/*
 * An instance without mailbox users has no file; it is then as if it were empty, until `posta
 * user add` makes one. Any other failure to open a table is an error.
 */
static int users_open_list(struct error *err)
{
	struct tables *users = NULL;

	if (tables_are_made(state.list)) {
		users = tables_open(state.list, 0, err);
		if (users == NULL)
			return -EINVAL;
	} else {
		state.missing_until = clock_after(MISSING_RECHECK);
	}
	if (state.destinations == NULL)
		state.destinations = matchlist_open(param.mydestination, MATCH_DOMAINS, false, err);
	if (state.destinations == NULL) {
		tables_close(users);
		return -EINVAL;
	}
	if (!state.only_passwords && user_quota_open(err) < 0) {
		tables_close(users);
		return -EINVAL;
	}
	tables_close(state.users);
	state.users = users;
	return 0;
}

int users_open(struct error *err)
{
	state.list = param.mailbox_users;
	state.only_passwords = false;
	return users_open_list(err);
}

int users_open_passwords(struct error *err)
{
	state.list = param.mailbox_passwords;
	state.only_passwords = true;
	return users_open_list(err);
}

void users_close(void)
{
	tables_close(state.users);
	user_quota_close();
	matchlist_close(state.destinations);
	state.users = NULL;
	state.destinations = NULL;
}

/* The old table stays in use when the new one cannot be opened: better stale than nobody. */
static void reopen_if_changed(void)
{
	struct error why = ERROR_NONE;
	bool wanted;

	if (state.users != NULL)
		wanted = table_any_changed();
	else
		wanted = state.list != NULL && state.list[0] != '\0' &&
			 clock_now() >= state.missing_until;
	if (wanted && users_open_list(&why) < 0)
		log_warning("%s; the old version stays in use", why.text);
}

void user_free(struct user *user)
{
	free(user->name);
	free(user->home);
	free(user->mail);
	if (user->password != NULL)
		mem_wipe(user->password, strlen(user->password));
	free(user->password);
	free(user->extra);
	free(user->quota);
	*user = (struct user){ .name = NULL };
}

static int fill_uid(struct user *user, struct view uid, struct error *err)
{
	_cleanup_free_ char *name =
		uid.len > 0 ? mem_strndup(uid.data, uid.len) : mem_strdup(param.virtual_uid);
	int r;

	if (uid.len == 0 && state.knows_uid) {
		user->uid = state.virtual_uid;
		return 0;
	}
	r = user_id_of(name, &user->uid, NULL);
	if (r < 0)
		return error_set(err, r, "user %s: no system user \"%s\" (%s)", user->name, name,
				 uid.len > 0 ? "uid" : "virtual_uid");
	if (uid.len == 0) {
		state.knows_uid = true;
		state.virtual_uid = user->uid;
	}
	return 0;
}

static int fill_gid(struct user *user, struct view gid, struct error *err)
{
	_cleanup_free_ char *name =
		gid.len > 0 ? mem_strndup(gid.data, gid.len) : mem_strdup(param.virtual_gid);
	int r;

	if (gid.len == 0 && state.knows_gid) {
		user->gid = state.virtual_gid;
		return 0;
	}
	r = user_group_id_of(name, &user->gid);
	if (r < 0)
		return error_set(err, r, "user %s: no group \"%s\" (%s)", user->name, name,
				 gid.len > 0 ? "gid" : "virtual_gid");
	if (gid.len == 0) {
		state.knows_gid = true;
		state.virtual_gid = user->gid;
	}
	return 0;
}

static int fill_home(struct user *user, struct view home, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	_cleanup_free_ char *pattern =
		home.len > 0 ? mem_strndup(home.data, home.len) : mem_strdup(param.virtual_home);
	int r = user_expand_path(pattern, view_of(user->name), NULL, &path, err);

	if (r < 0)
		return r;
	user->home = str_take(&path);
	return 0;
}

static int user_complete(struct user *user, struct view fields[USER_FIELDS], struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r = 0;

	str_append_lower(&name, fields[USER_FIELD_NAME]);
	user->system = false;
	user->name = str_take(&name);
	user->password =
		mem_strndup(fields[USER_FIELD_PASSWORD].data, fields[USER_FIELD_PASSWORD].len);
	user->extra = mem_strndup(fields[USER_FIELD_EXTRA].data, fields[USER_FIELD_EXTRA].len);
	if (geteuid() == 0) {
		r = fill_uid(user, fields[USER_FIELD_UID], err);
		if (r == 0)
			r = fill_gid(user, fields[USER_FIELD_GID], err);
	}
	if (r == 0 && !state.only_passwords)
		r = fill_home(user, fields[USER_FIELD_HOME], err);
	if (r == 0 && !state.only_passwords)
		r = user_locate_mail(user, err);
	user_use_own_ids(user);
	return r;
}

int user_parse(struct view line, struct user *user, struct error *err)
{
	struct view fields[USER_FIELDS];
	int r = user_split_line(line, fields, err);

	*user = (struct user){ .name = NULL };
	if (r == 0)
		r = user_complete(user, fields, err);
	if (r < 0)
		user_free(user);
	return r;
}

/* Of a database or directory, which may know the user by another name. */
static int user_parse_fields(struct view text, struct view key, struct user *user,
			     struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, extra = STR_EMPTY;
	struct view fields[USER_FIELDS];
	int r = user_split_fields(text, key, fields, &name, &extra, err);

	*user = (struct user){ .name = NULL };
	if (r == 0)
		r = user_complete(user, fields, err);
	if (r < 0)
		user_free(user);
	else
		user->renamed = !view_eq_nocase(view_of(user->name), key);
	return r;
}

static int user_look_up(struct view key, struct view asker, struct user *user, struct error *err)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	int r;

	if (state.users == NULL || key.len == 0)
		return 0;
	r = tables_lookup_as(state.users, key, asker, &line, err);
	if (r <= 0)
		return r;
	if (user_has_named_fields(str_view(&line)))
		r = user_parse_fields(str_view(&line), key, user, err);
	else
		r = user_parse(str_view(&line), user, err);
	mem_wipe(line.data, line.len);
	if (r < 0) {
		error_prefix(err, "mailbox_users, entry %.*s", VIEW_ARG(key));
		return r;
	}
	if (!user->renamed && !view_eq_nocase(view_of(user->name), key)) {
		user_free(user);
		return error_set(err, -EINVAL, "mailbox_users: the entry of %.*s is another user's",
				 VIEW_ARG(key));
	}
	return 1;
}

/* The address as it is, then without its extension. */
static int find_mailbox_user(struct view name, struct view asker, struct user *user,
			     struct error *err)
{
	_cleanup_(str_free) struct str shorter = STR_EMPTY;
	struct view local, domain, base, extension;
	int r = user_look_up(name, asker, user, err);

	if (r != 0)
		return r;
	address_split(name, &local, &domain);
	if (param.recipient_delimiter[0] == '\0' ||
	    !address_split_extension(local, param.recipient_delimiter, &base, &extension))
		return 0;
	str_append(&shorter, base);
	if (domain.len > 0) {
		str_append_byte(&shorter, '@');
		str_append(&shorter, domain);
	}
	return user_look_up(str_view(&shorter), asker, user, err);
}

static int find_system_user(struct view name, struct user *user, struct error *err)
{
	struct view local, domain, base, extension;
	int r;

	address_split(name, &local, &domain);
	if (domain.len > 0) {
		r = matchlist_match(state.destinations, domain, NULL);
		if (r < 0)
			return error_set(err, r, "mydestination cannot be looked up");
		if (r == 0)
			return 0;
	}
	r = user_find_system(local, user, err);
	if (r == 0 && param.recipient_delimiter[0] != '\0' &&
	    address_split_extension(local, param.recipient_delimiter, &base, &extension))
		r = user_find_system(base, user, err);
	if (r <= 0)
		return r;
	r = user_locate_mail(user, err);
	user_use_own_ids(user);
	return r < 0 ? r : 1;
}

/* Nobody's mail is handled as root, nor by a table's slip as a system account. */
static int check_allowed(const struct user *user, struct error *err)
{
	if (geteuid() != 0)
		return 0;
	if (user->uid == 0)
		return error_set(err, -EPERM, "user %s has uid 0: mail is never handled as root",
				 user->name);
	if (!user->system && (int64_t)user->uid < param.virtual_minimum_uid)
		return error_set(err, -EPERM, "user %s: uid %u is below virtual_minimum_uid",
				 user->name, (unsigned)user->uid);
	return 0;
}

/* 1, or a negative errno: nobody's mail grows without its limits because they cannot be looked up. */
static int user_take_quota(struct user *user, struct error *err)
{
	_cleanup_(str_free) struct str rules = STR_EMPTY;
	int r;

	if (state.only_passwords)
		return 1;
	r = user_quota_rules(view_of(user->name), view_of(user->extra != NULL ? user->extra : ""),
			     &rules, err);
	if (r < 0)
		return r;
	user->quota = str_take(&rules);
	return 1;
}

int user_find(struct view name, struct user *user, struct error *err)
{
	return user_find_as(name, VIEW_NONE, user, err);
}

int user_find_as(struct view name, struct view asker, struct user *user, struct error *err)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;
	int r;

	*user = (struct user){ .name = NULL };
	if (name.len == 0 || name.len > USER_NAME_MAX || view_has_control(name))
		return 0;
	reopen_if_changed();
	str_append_lower(&folded, name);
	r = find_mailbox_user(str_view(&folded), asker, user, err);
	if (r == 0)
		r = find_system_user(str_view(&folded), user, err);
	if (r == 1) {
		int allowed = check_allowed(user, err);

		r = allowed < 0 ? allowed : user_take_quota(user, err);
	}
	if (r <= 0)
		user_free(user);
	return r;
}

/*
 * From a name to who acts and where the mail goes: users of this system, mailbox users, and the
 * tables of virtual(8). Nothing but the name is believed.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "store/quota.h"
#include "user/quota.h"
#include "user/user.h"

/* virtual(8)'s tables, and one of local(8). */
static struct {
	struct tables *mailboxes, *uids, *gids, *commands;
} opened;

static int open_tables(struct error *err)
{
	struct tables *mailboxes = tables_open(param.virtual_mailbox_maps, 0, err);
	struct tables *uids = mailboxes ? tables_open(param.virtual_uid_maps, 0, err) : NULL;
	struct tables *gids = uids ? tables_open(param.virtual_gid_maps, 0, err) : NULL;
	struct tables *commands = gids ? tables_open(param.mailbox_command_maps, 0, err) : NULL;

	if (commands == NULL) {
		tables_close(mailboxes);
		tables_close(uids);
		tables_close(gids);
		return -EINVAL;
	}
	tables_close(opened.commands);
	opened.commands = commands;
	tables_close(opened.mailboxes);
	tables_close(opened.uids);
	tables_close(opened.gids);
	opened.mailboxes = mailboxes;
	opened.uids = uids;
	opened.gids = gids;
	return 0;
}

void target_free(struct target *target)
{
	free(target->name);
	free(target->home);
	free(target->command);
	free(target->quota);
	free(target->chroot);
	str_free(&target->path);
}

/* A rule that cannot be read would limit nobody. */
static int check_default_quota(struct error *err)
{
	_cleanup_(quota_freep) struct quota *quota = NULL;
	_cleanup_(str_free) struct str rules = STR_EMPTY;
	int r = user_quota_rules(VIEW("nobody@invalid"), VIEW_NONE, &rules, err);

	return r < 0 ? r : quota_parse(str_view(&rules), &quota, err);
}

int target_prepare(struct error *err)
{
	int r = users_open(err);

	if (r == 0)
		r = check_default_quota(err);

	return r < 0 ? r : open_tables(err);
}

void target_forget(void)
{
	users_close();
	tables_close(TAKE(opened.mailboxes));
	tables_close(TAKE(opened.uids));
	tables_close(TAKE(opened.gids));
	tables_close(TAKE(opened.commands));
}

void target_refresh(void)
{
	struct error err = ERROR_NONE;

	if (table_any_changed() && open_tables(&err) < 0)
		log_warning("%s; the old version stays in use", err.text);
}

/* ---- users ---- */

static int take_user(struct view name, struct user *user, struct answer *answer)
{
	struct error err = ERROR_NONE;
	int r = user_find(name, user, &err);

	if (r == 1 && user->gid == 0 && daemon_running_as_root()) {
		user_free(user);
		return answer_set(
			answer, OUTCOME_DEFERRED, "4.3.5",
			"user \"%.*s\" has the group of root, as which no mail is handled",
			VIEW_ARG(name));
	}
	if (r == 1)
		return 1;
	if (r == 0)
		return 0;
	answer_warn(answer, "%s", err.text);
	if (r == -EPERM)
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.5", "%s: make an alias for it",
				  err.text);
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.0", "user lookup failed: %s", err.text);
}

static void take_identity(struct user *user, struct target *target)
{
	target->uid = user->uid;
	target->gid = user->gid;
	target->name = TAKE(user->name);
	target->home = TAKE(user->home);
	target->quota = TAKE(user->quota);
}

int target_of_user(struct view name, struct target *target, struct answer *answer)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	int r = take_user(name, &user, answer);

	if (r < 0)
		return r;
	if (r == 0 || !user.system)
		return answer_no_user(answer, name);
	take_identity(&user, target);
	return 0;
}

static bool ends_in_slash(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

/*
 * A user may not make files in the spool folder, so a new mailbox is made for them; not through a
 * link, and only where there is nothing of that name.
 */
static void make_spool_file(const struct target *target)
{
	const char *path = str_cstr(&target->path);
	struct stat st;

	if (!daemon_running_as_root() || lstat(path, &st) == 0 || errno != ENOENT)
		return;

	_cleanup_fd_ int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || fchown(fd, target->uid, target->gid) < 0)
		log_warning("make mailbox %s: %m", path);
}

/* mailbox_command_maps, then mailbox_command: they come before all mailboxes. -1 with the answer. */
static int choose_command(const struct user *user, struct target *target, struct answer *answer)
{
	_cleanup_(str_free) struct str command = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(opened.commands, view_of(user->name), &command, &err);

	if (r < 0) {
		answer_warn(answer, "mailbox_command_maps: %s", err.text);
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.0",
				  "mailbox_command_maps lookup failed");
	}
	if (r == 0)
		str_append_cstr(&command, param.mailbox_command);
	if (command.len > 0)
		target->command = str_take(&command);
	return 0;
}

static int choose_mailbox(const struct user *user, struct target *target)
{
	const char *home_mailbox = param.home_mailbox, *spool = param.mail_spool_directory;

	target->format = STORE_MAILDIR;
	if (user->system && home_mailbox[0] != '\0' && !ends_in_slash(home_mailbox)) {
		target->format = STORE_MBOX;
		str_printf(&target->path, "%s/%s", user->home, home_mailbox);
	} else if (user->system && home_mailbox[0] == '\0' && spool[0] != '\0' &&
		   !ends_in_slash(spool)) {
		target->format = STORE_MBOX;
		str_printf(&target->path, "%s/%s", spool, user->name);
	} else {
		str_append_cstr(&target->path, user->mail);
	}
	target->limit = param.mailbox_size_limit;
	return target->format == STORE_MBOX && home_mailbox[0] == '\0';
}

/* ---- virtual_mailbox_maps ---- */

/* user+ext@domain, user@domain, @domain. 1 with the value and the key, 0, -1 with the answer. */
/* Asking waits, and *tables may be replaced meanwhile. */
static int target_look_up(struct tables *const *tables, struct view address, const char *parameter,
			  struct str *key, struct str *value, struct answer *answer)
{
	struct view local, domain, user, extension;
	struct error err = ERROR_NONE;
	int r;

	address_split(address, &local, &domain);
	str_clear(key);
	str_append_lower(key, address);
	r = tables_lookup(*tables, str_view(key), value, &err);
	if (r == 0 &&
	    address_split_extension(local, param.recipient_delimiter, &user, &extension)) {
		str_clear(key);
		str_append_lower(key, user);
		str_append_byte(key, '@');
		str_append_lower(key, domain);
		r = tables_lookup(*tables, str_view(key), value, &err);
	}
	if (r == 0) {
		_cleanup_(str_free) struct str whole = STR_EMPTY;

		str_append_byte(&whole, '@');
		str_append_lower(&whole, domain);
		r = tables_lookup(*tables, str_view(&whole), value, &err);
	}
	if (r >= 0)
		return r;
	answer_warn(answer, "%s: %s", parameter, err.text);
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error (%s)",
			  parameter);
}

static int look_up_id(struct tables *const *tables, struct view address, const char *parameter,
		      int64_t least, uint32_t *id, struct answer *answer)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	int r = target_look_up(tables, address, parameter, &key, &value, answer);

	if (r < 0)
		return r;
	if (r == 1 && view_parse_u32(view_trim(str_view(&value)), UINT32_MAX - 1, id) == 0 &&
	    *id > 0 && (int64_t)*id >= least)
		return 0;
	answer_warn(answer, "%s: no usable number for %.*s", parameter, VIEW_ARG(address));
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error (%s)",
			  parameter);
}

static bool has_parent_step(struct view path)
{
	struct view piece;

	while (view_next(&path, '/', &piece))
		if (view_is(piece, ".."))
			return true;
	return false;
}

static int target_take_quota(struct view address, struct target *target, struct answer *answer)
{
	_cleanup_(str_free) struct str rules = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (user_quota_rules(address, VIEW_NONE, &rules, &err) < 0) {
		answer_warn(answer, "%s", err.text);
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.0",
				  "mailbox_quota_maps lookup failed");
	}
	target->quota = str_take(&rules);
	return 0;
}

/* 1, 0: no such address, -1 with the answer. */
static int target_of_virtual(struct view address, struct target *target, struct answer *answer)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	int r = target_look_up(&opened.mailboxes, address, "virtual_mailbox_maps", &key, &value,
			       answer);
	uint32_t uid = geteuid(), gid = getegid();

	if (r <= 0)
		return r;
	if (daemon_running_as_root() &&
	    (look_up_id(&opened.uids, address, "virtual_uid_maps", param.virtual_minimum_uid, &uid,
			answer) < 0 ||
	     look_up_id(&opened.gids, address, "virtual_gid_maps", 1, &gid, answer) < 0))
		return -1;
	if (value.len == 0 || has_parent_step(str_view(&value)))
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.5",
				  "virtual_mailbox_maps has no usable path");
	str_printf(&target->path, "%s/%s", param.virtual_mailbox_base, str_cstr(&value));
	if (target->path.data[0] != '/')
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.5",
				  "virtual_mailbox_base is no absolute path");
	target->format = ends_in_slash(str_cstr(&target->path)) ? STORE_MAILDIR : STORE_MBOX;
	while (target->path.len > 1 && target->path.data[target->path.len - 1] == '/')
		str_truncate(&target->path, target->path.len - 1);
	target->limit = param.virtual_mailbox_limit;
	if (target_take_quota(str_view(&key), target, answer) < 0)
		return -1;
	target->uid = uid;
	target->gid = gid;
	target->name = mem_strdup(str_cstr(&key));
	target->home = mem_strdup("/");
	return 1;
}

int target_of_mailbox(const struct msg_mailbox_deliver *m, struct target *target,
		      struct answer *answer)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	int r = take_user(m->user, &user, answer);

	if (r < 0)
		return r;
	if (r == 1 && user.system && choose_command(&user, target, answer) < 0)
		return -1;
	if (r == 1) {
		bool in_spool = choose_mailbox(&user, target);

		take_identity(&user, target);
		if (in_spool && target->command == NULL && !m->probe)
			make_spool_file(target);
		return 0;
	}
	if (m->kind == MAILBOX_VIRTUAL_USER && !tables_are_empty(opened.mailboxes)) {
		r = target_of_virtual(m->user, target, answer);
		if (r != 0)
			return r < 0 ? r : 0;
	} else if (m->kind == MAILBOX_VIRTUAL_USER && param.mailbox_users[0] == '\0') {
		/* A mistake of the site's, and no reason to return its users' mail. */
		answer_warn(answer, "neither virtual_mailbox_maps nor mailbox_users is set");
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.5",
				  "mail system configuration error (virtual_mailbox_maps)");
	}
	return answer_no_user(answer, m->user);
}

/* System users: getpwnam(3), asked in a worker thread because it may ask LDAP. */
#include "user/internal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/mem.h"
#include "task/task.h"

#define ENTRY_SIZE_MAX ((size_t)1024 * 1024)

struct question {
	const char *name;
	bool group;
	uid_t uid;
	gid_t gid;
	char *home, *entry_name;
};

/* 1 found, 0 not, negative errno. Thread-safe: it touches nothing but the question. */
static int ask_once(struct question *q, char *buffer, size_t size)
{
	struct passwd pw, *found = NULL;
	struct group gr, *found_group = NULL;
	int e;

	if (q->group) {
		e = getgrnam_r(q->name, &gr, buffer, size, &found_group);
		if (found_group == NULL)
			goto none;
		q->gid = gr.gr_gid;
		return 1;
	}
	e = getpwnam_r(q->name, &pw, buffer, size, &found);
	if (found == NULL)
		goto none;
	q->uid = pw.pw_uid;
	q->gid = pw.pw_gid;
	q->home = mem_strdup(pw.pw_dir);
	q->entry_name = mem_strdup(pw.pw_name);
	return 1;
none:
	/* Some sources report "no such entry" by an error; see getpwnam(3). */
	if (e == ENOENT || e == ESRCH || e == EBADF || e == EPERM)
		return 0;
	return -e;
}

static int account_ask(void *argument)
{
	struct question *q = argument;
	_cleanup_free_ char *buffer = NULL;
	int r = -ERANGE;

	for (size_t size = 4096; r == -ERANGE && size <= ENTRY_SIZE_MAX; size *= 4) {
		buffer = mem_resize(buffer, size, 1);
		r = ask_once(q, buffer, size);
	}
	return r;
}

static int ask_waiting(struct question *q)
{
	return task_count() > 0 ? task_blocking(account_ask, q) : account_ask(q);
}

int user_find_system(struct view login, struct user *user, struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r;

	if (login.len == 0 || login.len > 64 || view_has_control(login) ||
	    view_find_byte(login, ':') != VIEW_NOT_FOUND ||
	    view_find_byte(login, '/') != VIEW_NOT_FOUND)
		return 0;
	str_append_lower(&name, login);

	struct question q = { .name = str_cstr(&name) };

	r = ask_waiting(&q);
	if (r < 0)
		return error_set(err, r, "look up user \"%s\": %s", q.name, strerror(-r));
	if (r == 0)
		return 0;
	user->system = true;
	user->name = q.entry_name;
	user->uid = q.uid;
	user->gid = q.gid;
	user->home = q.home;
	user->password = NULL;
	user->extra = mem_strdup("");
	if (user->home[0] != '/')
		return error_set(err, -EINVAL, "user %s has no absolute home folder", user->name);
	return 1;
}

static int parse_id(const char *name, uint32_t *id)
{
	struct view text = view_of(name);

	if (text.len == 0 || !ascii_is_digit(text.data[0]))
		return 0;
	return view_parse_u32(text, UINT32_MAX - 1, id) < 0 ? -EINVAL : 1;
}

int user_id_of(const char *name, uid_t *uid, gid_t *gid)
{
	uint32_t id;
	int r = parse_id(name, &id);

	if (r < 0)
		return r;
	if (r == 1) {
		*uid = id;
		if (gid != NULL)
			*gid = id;
		return 0;
	}

	struct question q = { .name = name };

	r = ask_waiting(&q);
	free(q.home);
	free(q.entry_name);
	if (r <= 0)
		return r == 0 ? -ENOENT : r;
	*uid = q.uid;
	if (gid != NULL)
		*gid = q.gid;
	return 0;
}

int user_group_id_of(const char *name, gid_t *gid)
{
	struct question q = { .name = name, .group = true };
	uint32_t id;
	int r = parse_id(name, &id);

	if (r < 0)
		return r;
	if (r == 1) {
		*gid = id;
		return 0;
	}
	r = ask_waiting(&q);
	if (r <= 0)
		return r == 0 ? -ENOENT : r;
	*gid = q.gid;
	return 0;
}

void user_use_own_ids(struct user *user)
{
	if (geteuid() == 0)
		return;
	user->uid = geteuid();
	user->gid = getegid();
}

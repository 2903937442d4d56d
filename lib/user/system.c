/* System users: who they are, and the numbers of those that parameters name. */
#include "user/internal.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/system.h"

struct account {
	struct str line; /* of passwd(5) or group(5) */
	struct view name, home;
	uint32_t uid, gid; /* a group has the latter only */
};

static void account_free(struct account *account)
{
	str_free(&account->line);
}

/* The fields of the line: name, password, uid, gid, gecos, home; or name, password, gid. */
static int account_split(struct account *account, bool group)
{
	struct view rest = str_view(&account->line), fields[6] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(fields) && view_next(&rest, ':', &fields[i]); i++)
		;
	account->name = fields[0];
	account->home = fields[5];
	if (view_parse_u32(fields[group ? 2 : 3], UINT32_MAX - 1, &account->gid) < 0)
		return -EINVAL;
	return group || view_parse_u32(fields[2], UINT32_MAX - 1, &account->uid) == 0 ? 1 : -EINVAL;
}

static int account_find(struct account *account, struct view name, bool group)
{
	int r = group ? system_find_group(name, &account->line)
		      : system_find_user(name, &account->line);

	return r > 0 ? account_split(account, group) : r;
}

int user_find_system(struct view login, struct user *user, struct error *err)
{
	_cleanup_(account_free) struct account account = { .line = STR_EMPTY };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r;

	str_append_lower(&name, login);
	r = account_find(&account, str_view(&name), false);
	if (r < 0)
		return error_set(err, r, "look up user \"%s\": %s", str_cstr(&name), strerror(-r));
	if (r == 0)
		return 0;
	user->system = true;
	user->name = mem_strndup(account.name.data, account.name.len);
	user->uid = account.uid;
	user->gid = account.gid;
	user->home = mem_strndup(account.home.data, account.home.len);
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
	_cleanup_(account_free) struct account account = { .line = STR_EMPTY };
	int r = parse_id(name, &account.uid);

	account.gid = account.uid;
	if (r == 0)
		r = account_find(&account, view_of(name), false);
	if (r <= 0)
		return r == 0 ? -ENOENT : r;
	*uid = account.uid;
	if (gid != NULL)
		*gid = account.gid;
	return 0;
}

int user_group_id_of(const char *name, gid_t *gid)
{
	_cleanup_(account_free) struct account account = { .line = STR_EMPTY };
	int r = parse_id(name, &account.gid);

	if (r == 0)
		r = account_find(&account, view_of(name), true);
	if (r <= 0)
		return r == 0 ? -ENOENT : r;
	*gid = account.gid;
	return 0;
}

void user_use_own_ids(struct user *user)
{
	if (geteuid() == 0)
		return;
	user->uid = geteuid();
	user->gid = getegid();
}

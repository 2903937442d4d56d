/*
 * Whose quota is reached, as those who deliver have found: for a while, so that a user who has made room is not
 * refused for long when nobody tells.
 */
#include "anvil.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

struct full_user {
	struct list link; /* the one heard of last at the end */
	char *name;
	msec_t until;
};

static struct {
	struct map *users;
	struct list order;
} full;

static void full_user_drop(struct full_user *user)
{
	map_remove(full.users, view_of(user->name));
	list_remove(&user->link);
	free(user->name);
	free(user);
}

void full_open(void)
{
	/* Opened anew: as if nobody had ever been full. */
	while (full.users != NULL && map_count(full.users) > 0)
		full_user_drop(LIST_FIRST(&full.order, struct full_user, link));
	map_free(full.users);
	full.users = map_new();
	list_init(&full.order);
}

/* Without what follows a NUL byte, which would end the copy of the name. */
static void full_fold(struct view name, struct str *folded)
{
	str_append_lower(folded, view_first(name, MIN(view_find_byte(name, '\0'), name.len)));
}

static struct full_user *full_find(struct view name)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;

	full_fold(name, &folded);
	return map_get(full.users, str_view(&folded));
}

void full_note(struct view name)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;
	struct full_user *user = full_find(name);

	if (user != NULL)
		full_user_drop(user);
	while (map_count(full.users) >= FULL_USERS_MAX)
		full_user_drop(LIST_FIRST(&full.order, struct full_user, link));
	full_fold(name, &folded);
	user = mem_new(struct full_user);
	user->name = mem_strndup(folded.data, folded.len);
	user->until = clock_after(param.mailbox_quota_notice_time);
	map_put(full.users, view_of(user->name), user);
	list_push_back(&full.order, &user->link);
}

void full_forget(struct view name)
{
	struct full_user *user = full_find(name);

	if (user != NULL)
		full_user_drop(user);
}

bool full_any(void)
{
	struct full_user *first;

	/* Nobody may ask for those again: each RCPT would ask for nothing until they had new mail. */
	while ((first = LIST_FIRST(&full.order, struct full_user, link)) != NULL &&
	       first->until <= clock_now())
		full_user_drop(first);
	return map_count(full.users) > 0;
}

bool full_is(struct view name)
{
	struct full_user *user = name.len > 0 ? full_find(name) : NULL;

	if (user != NULL && user->until <= clock_now()) {
		full_user_drop(user);
		return false;
	}
	return user != NULL;
}

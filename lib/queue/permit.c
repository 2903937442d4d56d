/*
 * Asking qmgr for a place among those who work at the same time. Without an answer there is no
 * place.
 */
#include "queue/permit.h"

#include <pwd.h>

#include "base/map.h"
#include "base/mem.h"
#include "table/table.h"

struct permit {
	struct matchlist *list; /* NULL: everybody */
};

/* By uid as text; read once for all permits, and only if there is a list at all. */
static struct map *user_names;

static void learn_user_names(void)
{
	const struct passwd *user;

	user_names = map_new();
	setpwent();
	while ((user = getpwent()) != NULL) {
		_cleanup_(str_free) struct str uid = STR_EMPTY;

		str_printf(&uid, "%u", (unsigned)user->pw_uid);
		if (map_get(user_names, str_view(&uid)) == NULL)
			map_put(user_names, str_view(&uid), mem_strdup(user->pw_name));
	}
	endpwent();
}

struct permit *permit_open(const char *parameter, const char *list, struct error *err)
{
	struct permit *permit = mem_new(struct permit);

	if (view_is(view_trim(view_of(list)), "static:anyone"))
		return permit;
	permit->list = matchlist_open(list, MATCH_STRINGS, false, err);
	if (permit->list == NULL) {
		error_prefix(err, "%s", parameter);
		free(permit);
		return NULL;
	}
	if (user_names == NULL)
		learn_user_names();
	return permit;
}

void permit_close(struct permit *permit)
{
	if (permit == NULL)
		return;
	matchlist_close(permit->list);
	free(permit);
}

int permit_ask(const struct permit *permit, uid_t uid, struct str *name)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "%u", (unsigned)uid);
	const char *known = user_names ? map_get(user_names, str_view(&text)) : NULL;
	struct view user = known ? view_of(known) : str_view(&text);

	if (name != NULL)
		str_set(name, user);
	return permit->list ? matchlist_match(permit->list, user, NULL) : 1;
}

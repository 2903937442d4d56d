/* Tables of auth's own. It looks up, and judges nothing. */
#include "lists.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "table/table.h"

/* NULL: it is not made yet. */
static struct tables *lists[AUTH_LISTS];

static const char *list_parameter(enum auth_list which)
{
	return which == LIST_DENIED	     ? param.auth_denied_users
	       : which == LIST_APP_PASSWORDS ? param.auth_app_passwords
					     : param.auth_master_users;
}

/* Who is denied must not come in because a file is gone: of the others, one that is not there has nobody. */
static int list_open(enum auth_list which, struct error *err)
{
	const char *names = list_parameter(which);
	struct tables *tables;

	if (which != LIST_DENIED && !tables_are_made(names)) {
		tables_close(TAKE(lists[which]));
		return 0;
	}
	tables = tables_open(names, 0, err);
	if (tables == NULL)
		return -EINVAL;
	tables_close(lists[which]);
	lists[which] = tables;
	return 0;
}

int lists_prepare(struct error *err)
{
	int r = 0;

	for (int i = 0; i < AUTH_LISTS && r == 0; i++)
		r = list_open((enum auth_list)i, err);
	return r;
}

/* All of them: what stayed as it was would go on looking changed. The old one stays where the new cannot be had. */
static void lists_refresh(void)
{
	bool changed = table_any_changed();

	for (int i = 0; i < AUTH_LISTS; i++) {
		struct error why = ERROR_NONE;
		/* The first password of its kind counts at once. */
		bool wanted = lists[i] == NULL || changed;

		if (wanted && list_open((enum auth_list)i, &why) < 0)
			log_warning("%s; the old version stays in use", why.text);
	}
}

int lists_find(enum auth_list which, struct view key, struct str *value, struct error *why)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;

	lists_refresh();
	if (tables_are_empty(lists[which]))
		return 0;
	str_append_lower(&folded, key);
	return tables_lookup(lists[which], str_view(&folded), value, why);
}

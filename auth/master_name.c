/* Names of master users who log in as others, "user*master". Knows none of either. */
#include <errno.h>

#include "auth.h"
#include "base/mem.h"
#include "conf/conf.h"

int master_name_prepare(struct error *err)
{
	const char *separator = param.auth_master_user_separator;

	if (separator[0] == '\0')
		return 0;
	if (separator[1] != '\0' || ascii_is_alnum(separator[0]) || separator[0] <= ' ' ||
	    separator[0] == 127 || strchr("@.-_", separator[0]) != NULL)
		return error_set(err, -EINVAL,
				 "auth_master_user_separator: expected one character that no "
				 "address needs, like *, found \"%s\"",
				 separator);
	return 0;
}

bool master_split(struct view name, struct view *user, struct view *master)
{
	char separator = param.auth_master_user_separator[0];
	size_t at = separator != '\0' ? view_find_byte(name, separator) : VIEW_NOT_FOUND;

	if (at == VIEW_NOT_FOUND)
		return false;
	*user = view_first(name, at);
	*master = view_from(name, at + 1);
	return true;
}

bool master_join(struct view user, struct view master, struct str *name)
{
	struct view a, b;

	if (param.auth_master_user_separator[0] == '\0' || master_split(user, &a, &b) ||
	    master_split(master, &a, &b))
		return false;
	str_append(name, user);
	str_append_byte(name, param.auth_master_user_separator[0]);
	str_append(name, master);
	return true;
}

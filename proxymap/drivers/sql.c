/* What SQL's tables have in common: how their question is set. */
#include <errno.h>

#include "../driver.h"
#include "base/mem.h"

/* Before "query" there were its pieces; made once for each table, and kept. */
static char *sql_compose(struct settings *settings)
{
	const char *function = settings_text(settings, "select_function", NULL);
	const char *table = settings_text(settings, "table", NULL);
	const char *field = settings_text(settings, "select_field", NULL);
	const char *where = settings_text(settings, "where_field", NULL);
	const char *more = settings_text(settings, "additional_conditions", "");
	struct str query = STR_EMPTY;

	if (function != NULL)
		str_printf(&query, "SELECT %s('%%s')", function);
	else if (table != NULL && field != NULL && where != NULL)
		str_printf(&query, "SELECT %s FROM %s WHERE %s='%%s' %s", field, table, where,
			   more);
	return query.len > 0 ? str_take(&query) : NULL;
}

int driver_sql_templates(struct settings *settings, const char *templates[DRIVER_TEMPLATES_MAX],
			 struct error *err)
{
	templates[0] = settings_text(settings, "query", NULL);
	if (templates[0] == NULL)
		templates[0] = sql_compose(settings);
	return templates[0] != NULL ? 0
				    : error_set(err, -EINVAL,
						"neither query is set nor table, select_field and "
						"where_field");
}

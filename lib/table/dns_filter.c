/* smtp_dns_reply_filter and its kin: which records of the DNS do not count. */
#include "table/dns_filter.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "services/clients.h"
#include "table/table.h"

/* The program's state. */
static struct {
	const char *parameter;
	struct tables *tables;
} reply_filter;

static int reply_filter_drops(struct view record)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(reply_filter.tables, record, &value, &err);

	if (r < 0)
		log_warning("%s: %s", reply_filter.parameter, err.text);
	if (r <= 0)
		return r;
	if (view_is_nocase(view_trim(str_view(&value)), "ignore"))
		return 1;
	log_warning("%s: unknown DNS filter action: \"%.*s\"", reply_filter.parameter,
		    VIEW_ARG(view_first(str_view(&value), 80)));
	return -EINVAL;
}

int dns_filter_open(const char *parameter, const char *list, struct error *err)
{
	if (*list == '\0')
		return 0;
	reply_filter.parameter = parameter;
	reply_filter.tables = tables_open(list, TABLE_CASE_SENSITIVE, err);
	if (reply_filter.tables == NULL) {
		error_prefix(err, "%s", parameter);
		return -EINVAL;
	}
	dns_filter_use(reply_filter_drops);
	return 0;
}

/*
 * A DNS that is a table in a test: rows of name, type and value. A name with a row of another type
 * has none of this; "FAIL" as a value is a server that does not answer. Questions are counted.
 */
#ifndef TEST_TABLE_DNS_H
#define TEST_TABLE_DNS_H

#include "mailauth/records.h"

struct table_row {
	const char *name;
	enum record_type type;
	const char *value;
};
struct table_dns {
	const struct table_row *rows; /* the last one has no name */
	unsigned asked;
};

static inline void table_ask(void *context, struct view name, enum record_type type,
			     struct records *records)
{
	struct table_dns *table = context;

	table->asked++;
	records->outcome = RECORDS_NO_NAME;
	for (const struct table_row *row = table->rows; row->name != NULL; row++) {
		if (!view_is_nocase(name, row->name))
			continue;
		if (records->outcome == RECORDS_NO_NAME)
			records->outcome = RECORDS_NONE;
		if (row->type != type)
			continue;
		records->outcome = strcmp(row->value, "FAIL") == 0 ? RECORDS_FAILED : RECORDS_FOUND;
		if (records->outcome == RECORDS_FOUND)
			records_add(records, view_of(row->value));
	}
}

static inline struct dns_source table_source(struct table_dns *table)
{
	return (struct dns_source){ table_ask, table };
}

#endif

/* Answers of the DNS as this room sees them. Who answers stands elsewhere. */
#include "mailauth/records.h"

#include <arpa/inet.h>

#include "base/mem.h"

#define RECORD_LABEL_MAX 63
#define RECORD_NAME_MAX	 253

bool record_name_is_possible(struct view name)
{
	struct view rest, label;

	if (view_ends(name, VIEW(".")))
		name.len--;
	if (name.len == 0 || name.len > RECORD_NAME_MAX)
		return false;
	rest = name;
	while (view_next(&rest, '.', &label))
		if (label.len == 0 || label.len > RECORD_LABEL_MAX)
			return false;
	return true;
}

void records_ask(const struct dns_source *dns, struct view name, enum record_type type,
		 struct records *records)
{
	*records = (struct records){ .outcome = RECORDS_FAILED };
	if (type != RECORD_PTR && !record_name_is_possible(name)) {
		records->outcome = RECORDS_NO_NAME;
		return;
	}
	dns->ask(dns->context, name, type, records);
	if (records->outcome == RECORDS_FOUND && records->count == 0)
		records->outcome = RECORDS_NONE;
}

void records_add(struct records *records, struct view value)
{
	if (records->count == RECORDS_MAX)
		return;
	array_grow(records->values, records->count);
	records->values[records->count] = STR_EMPTY;
	str_append(&records->values[records->count++], value);
}

void records_free(struct records *records)
{
	for (size_t i = 0; i < records->count; i++)
		str_free(&records->values[i]);
	free(records->values);
	*records = (struct records){ .outcome = RECORDS_FAILED };
}

void records_list_name(struct view address, struct str *name)
{
	unsigned char octets[16];
	_cleanup_free_ char *text = mem_strndup(address.data, address.len);

	if (inet_pton(AF_INET, text, octets) == 1)
		str_printf(name, "%u.%u.%u.%u", octets[3], octets[2], octets[1], octets[0]);
	else if (inet_pton(AF_INET6, text, octets) == 1)
		for (int i = 15; i >= 0; i--)
			str_printf(name, "%x.%x%s", octets[i] & 15U, octets[i] >> 4U,
				   i > 0 ? "." : "");
}

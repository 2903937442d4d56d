/* Header blocks: fields, address lists, MIME values, dates. */
#include "base/mem.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_address(void *argument, const struct header_address *a)
{
	struct view body = *(struct view *)argument;

	if (a->start > a->end || a->end > body.len)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = view_make(data, size);
	struct header_field field;
	size_t seen = 0;

	while (header_next(&rest, &field) > 0) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct mime_value value;
		int64_t when;
		int zone;

		seen += field.whole.len;
		header_unfold(&text, field.body);
		address_list_parse(field.body, check_address, &field.body);
		address_list_parse_all(field.body, check_address, &field.body);
		mime_value_parse(field.body, &value);
		mime_value_free(&value);
		date_parse_rfc5322(field.body, &when, &zone);
		date_parse_imap(str_view(&text), &when);
		date_parse_imap_day(str_view(&text), &when);
	}
	if (seen + rest.len > size)
		abort();
	return 0;
}

/* A message, and after a NUL the record of every key. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mailauth/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_keys {
	struct view record;
	unsigned asked;
};

static void fuzz_key_ask(void *context, struct view name, enum record_type type,
			 struct records *records)
{
	struct fuzz_keys *keys = context;

	if (type != RECORD_TXT || !record_name_is_possible(name) ||
	    view_find_byte(name, '\0') != VIEW_NOT_FOUND)
		abort();
	keys->asked++;
	records->outcome = RECORDS_FOUND;
	records_add(records, keys->record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct author author = {
		.domains = { { .data = (char *)"example.org", .len = 11 } },
		.count = 1,
	};
	struct view text = view_make(data, size), header;
	size_t nul = view_find_last_byte(text, '\0');
	struct view message = view_first(text, nul != VIEW_NOT_FOUND ? nul : size);
	struct fuzz_keys keys = { .record = view_from(text, message.len + 1) };
	struct dns_source dns = { fuzz_key_ask, &keys };
	size_t end = header_find_end(message, 0);
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct canon_bodies bodies = { 0 };
	struct field_set *fields;
	struct dkim_check *check;
	struct authres results;

	header = view_first(message, end != VIEW_NOT_FOUND ? end : message.len);
	fields = field_set_new(header);
	check = dkim_check_new(fields, &author, &bodies);
	canon_bodies_feed(&bodies, view_from(message, header.len));
	canon_bodies_end(&bodies);
	dkim_check_finish(check, &dns, 1528637909);
	if (keys.asked > DKIM_SIGNATURES_MAX)
		abort();
	authres_begin(&results, VIEW("mx.example.org"));
	report_dkim(check, &results);
	authres_end(&results);
	authres_append_line(&results, &line);
	if (view_has_control(str_view(&line)) ||
	    !authres_is_ours(str_view(&results.text), VIEW("mx.example.org")))
		abort();
	authres_free(&results);
	dkim_check_free(check);
	canon_bodies_free(&bodies);
	field_set_free(fields);
	return 0;
}

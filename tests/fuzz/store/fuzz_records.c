/* What the index holds: a damaged value is refused, and never read beyond its end. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/names.h"
#include "store/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct view part, struct view whole)
{
	if (part.len > 0 &&
	    (part.data < whole.data || part.data + part.len > whole.data + whole.len))
		abort();
}

/* What was decoded and is encoded again is the same. */
static void check_same(struct str *out, struct view value)
{
	if (!view_eq(str_view(out), value))
		abort();
	str_clear(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view value = view_make(data, size);
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct folder_record folder;
	struct state_record state;
	struct mail_record mail;
	struct gone_record gone;
	struct cache_record cache;
	uint32_t id, uid;
	uint64_t number;

	if (folder_record_decode(value, &folder) == 0) {
		check_inside(folder.name, value);
		folder_record_encode(&out, &folder);
		check_same(&out, value);
	}
	(void)state_record_decode(value, &state);
	if (mail_record_decode(value, &mail) == 0) {
		check_inside(mail.file, value);
		if (mail.file.len > FILE_NAME_MAX)
			abort();
		mail_record_encode(&out, &mail);
		check_same(&out, value);
	}
	if (gone_record_decode(value, &gone) == 0) {
		check_inside(gone.file, value);
		gone_record_encode(&out, &gone);
		check_same(&out, value);
	}
	if (cache_record_decode(value, &cache) == 0) {
		check_inside(cache.envelope, value);
		check_inside(cache.headers, value);
		cache_record_encode(&out, &cache);
		check_same(&out, value);
	}
	(void)key_uid_decode(value, &id, &uid);
	(void)key_change_decode(value, &id, &number, &uid);
	(void)key_serial_decode(value, &number);
	return 0;
}

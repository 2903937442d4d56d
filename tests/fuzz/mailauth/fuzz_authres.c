/* Authentication-Results as strangers write it. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mailauth/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view body = view_make(data, size);
	_cleanup_(str_free) struct str id = STR_EMPTY;
	struct view payload = authres_payload(body), found = authres_find(payload, "arc");
	struct authres results;

	if (found.len > 0 && (found.data < body.data || found.data + found.len > body.data + size))
		abort();
	if (authres_read_id(body, &id) && id.len > 0 && !authres_is_ours(body, str_view(&id)))
		abort();
	/* Whatever it says is one value of ours. */
	authres_begin(&results, VIEW("mx.test"));
	authres_method(&results, "x", "none", body);
	authres_reason(&results, body);
	authres_property(&results, "a.b", body);
	authres_method(&results, "arc", "fail", VIEW_NONE);
	authres_end(&results);
	payload = authres_payload(str_view(&results.text));
	found = authres_find(payload, "arc");
	if (!view_is(found, "fail"))
		abort();
	authres_free(&results);
	return 0;
}

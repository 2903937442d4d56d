/* Return paths: whatever a sender is like, what was made of it is read again, and leads to it. */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/srs.h"

#define TODAY INT64_C(20000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mac[SRS_MAC_SIZE] = "a mac of 20 bytes...";
	_cleanup_(str_free) struct str address = STR_EMPTY;
	_cleanup_(srs_free) struct srs given = SRS_NONE, made = SRS_NONE, again = SRS_NONE;
	struct view in = view_make(data, size), local, domain;
	int r;

	(void)srs_read(in, TODAY, 21, &given);
	if (given.original.len > ADDRESS_MAX + 1024 + size)
		abort();
	if (size > ADDRESS_MAX / 2 || memchr(data, '\0', size) != NULL ||
	    srs_make(in, '=', TODAY, &made) < 0)
		return 0;
	srs_write(&made, view_make(mac, sizeof(mac)), 4, VIEW("srs.test"), &address);
	r = srs_read(str_view(&address), TODAY, 21, &again);
	address_split(in, &local, &domain);
	/* A host with '=' in it, or that is none, leads nowhere. */
	if (r == 0 && !srs_hash_is(&again, view_make(mac, sizeof(mac)), 4))
		abort();
	if (r == 0 && view_starts(str_view(&address), VIEW("SRS0")) &&
	    !view_eq(str_view(&again.original), in))
		abort();
	if (r < 0 && view_starts(str_view(&address), VIEW("SRS0")) && domain_is_valid(domain, true))
		abort();
	return 0;
}

/* Paths, domains and their way out: what was taken must survive being quoted and read again. */
#include "base/mem.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	_cleanup_(str_free) struct str address = STR_EMPTY, wire = STR_EMPTY, again = STR_EMPTY;
	struct view rest = view_make(data + 1, size - 1);
	const char *problem = NULL;

	if (address_parse_path(&rest, data[0] & 1, data[0] & 2, &address, &problem) < 0) {
		if (problem == NULL || address.len != 0)
			abort();
		return 0;
	}
	if (address.len > ADDRESS_MAX || view_has_control(str_view(&address)))
		abort();
	str_append_byte(&wire, '<');
	address_quote(&wire, str_view(&address));
	str_append_byte(&wire, '>');
	rest = str_view(&wire);
	if (address_parse_path(&rest, false, true, &again, &problem) < 0 || rest.len != 0 ||
	    !view_eq(str_view(&again), str_view(&address)))
		abort();

	struct view local, domain, user, extension;

	address_split(str_view(&address), &local, &domain);
	address_split_extension(local, "+-", &user, &extension);
	str_clear(&again);
	domain_to_ascii(domain, &again);
	return 0;
}

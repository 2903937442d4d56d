/* Compares an address with what was asked for, without regard to case. Nothing is looked up. */
#include "tools/address_wish.h"

#include <string.h>

#include "mail/address.h"

bool address_is_wanted(struct view address, const char *wanted)
{
	struct view local, domain, name = view_of(wanted);

	if (view_eq_nocase(address, name))
		return true;
	if (address.len == 0)
		return name.len == 0 || strcmp(wanted, "<>") == 0;
	address_split(address, &local, &domain);
	/* "@example.org" is everybody there. */
	return name.len > 1 && name.data[0] == '@' && view_eq_nocase(domain, view_from(name, 1));
}

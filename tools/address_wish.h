/* Which addresses somebody asks for on the command line: one, all of a domain, or the null sender. */
#ifndef TOOLS_ADDRESS_WISH_H
#define TOOLS_ADDRESS_WISH_H

#include <stdbool.h>

#include "base/view.h"

/* `wanted`: "alice@example.org", "@example.org" (everybody there), or "<>" or "" (the null sender). */
bool address_is_wanted(struct view address, const char *wanted);

#endif

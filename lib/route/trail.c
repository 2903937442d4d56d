/* The words in which decisions are told, to the log and to `posta explain`. */
#include <stdarg.h>

#include "base/mem.h"
#include "route/route.h"

void trail_add(struct trail *trail, const char *format, ...)
{
	if (trail == NULL)
		return;

	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	str_append_printable(&trail->lines, str_view(&line));
	str_append_byte(&trail->lines, '\n');
}

const char *address_class_name(enum address_class address_class)
{
	switch (address_class) {
	case CLASS_LOCAL:
		return "local";
	case CLASS_VIRTUAL_ALIAS:
		return "virtual alias";
	case CLASS_VIRTUAL_MAILBOX:
		return "virtual mailbox";
	case CLASS_RELAY:
		return "relay";
	case CLASS_DEFAULT:
		return "default";
	}
	return "?";
}

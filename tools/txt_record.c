/* TXT records for zone files. */
#include "tools/txt_record.h"

#include <stdio.h>

void txt_record_print(const char *owner, struct view text)
{
	printf("%s. IN TXT (", owner);
	for (; text.len > 0; text = view_from(text, 255))
		printf(" \"%.*s\"", VIEW_ARG(view_first(text, 255)));
	printf(" )\n");
}

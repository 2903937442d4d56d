/* The text forms of indexes: the first byte chooses which. */
#include <stdlib.h>

#include "table/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check(void *argument, int line, struct view key, struct view value)
{
	(void)argument;
	if (line <= 0 || key.len == 0 || key.len > TABLE_KEY_MAX || value.len > TABLE_VALUE_MAX)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str report = STR_EMPTY;

	if (size == 0)
		return 0;
	source_parse(view_make(data + 1, size - 1), "text", (enum table_source)(data[0] % 3), true,
		     check, NULL, &report);
	str_free(&report);
	return 0;
}

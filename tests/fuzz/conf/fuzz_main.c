/* main.cf from memory: reading, expanding, and what is reported about it. */
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str report = STR_EMPTY;

	conf_load_text(view_make(data, size), "/nonexistent", NULL, 0, &report);
	conf_unused(&report);
	conf_not_in_force(&report, &report, &report);
	str_free(&report);
	return 0;
}

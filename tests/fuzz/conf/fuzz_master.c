/* master.cf from memory. */
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct services services;
	struct str report = STR_EMPTY;

	services_parse(view_make(data, size), "master.cf", &services, &report);
	services_free(&services);
	str_free(&report);
	return 0;
}

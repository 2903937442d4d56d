/*
 * The text of cidr and pcre tables, by the first byte, and look-ups in them. The patterns of
 * regexp go to the C library, whose costs are not ours to bound: who writes a table is trusted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "10.1.2.3", "2001:db8::1", "user+ext@example.test" };
	struct str value = STR_EMPTY;
	char spec[64];
	int fd = memfd_create("table", 0);

	if (size == 0 || fd < 0 || write(fd, data + 1, size - 1) < 0) {
		close(fd);
		return 0;
	}
	log_set_level(LOG_FATAL_LEVEL);
	snprintf(spec, sizeof(spec), "%s:/proc/self/fd/%d", data[0] % 2 ? "cidr" : "pcre", fd);

	struct table *table = table_open(view_of(spec), 0, NULL);

	if (table == NULL)
		abort();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		table_lookup(table, view_of(keys[i]), &value, NULL);
	table_close(table);
	close(fd);
	str_free(&value);
	return 0;
}

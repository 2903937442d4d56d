/* A dovecot.conf of anybody's: every setting has a name and stands in one of its lines. */
#include <stdlib.h>
#include <string.h>

#include "tools/migrate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dovecot_conf conf = { .count = 0 };

	dovecot_conf_take_text(&conf, "dovecot.conf", view_make(data, size));
	for (size_t i = 0; i < conf.count; i++)
		if (conf.settings[i].name[0] == '\0' || conf.settings[i].line < 1 ||
		    (size_t)conf.settings[i].line > size)
			if (memchr(data, '\0', size) == NULL)
				abort();
	dovecot_conf_free(&conf);
	return 0;
}

/* A line of the users file, and its password field. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "user/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view line = view_make(data, size);
	struct error err = ERROR_NONE;
	_cleanup_free_ char *text = mem_strndup(data, size);

	(void)user_check_line(line, &err);
	(void)password_check_scheme(text, &err);
	/* The slow hashes would only measure crypt(3). */
	if (strchr(text, '$') == NULL)
		(void)password_check(VIEW("secret"), text, &err);
	return 0;
}

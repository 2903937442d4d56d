#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (err != NULL) {
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return code;
}

int error_errno(struct error *err, const char *format, ...)
{
	int code = errno;
	va_list args;

	if (err != NULL) {
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);

		size_t len = strlen(err->text);

		snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(code));
	}
	return code ? -code : -EIO;
}

void error_prefix(struct error *err, const char *format, ...)
{
	struct error inner;
	va_list args;

	if (err == NULL)
		return;
	inner = *err;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, ": %.*s", (int)(sizeof(inner.text) - 1),
		 inner.text);
}

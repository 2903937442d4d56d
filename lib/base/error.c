/* An error's text and its errno, put together where it happens. Nothing is logged here. */
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

static int set_with_reason(struct error *err, int code, const char *format, va_list args)
{
	size_t len;

	if (code == 0)
		code = EIO;
	if (err == NULL)
		return -code;
	vsnprintf(err->text, sizeof(err->text), format, args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(code));
	return -code;
}

int error_errno(struct error *err, const char *format, ...)
{
	int code = errno;
	va_list args;

	va_start(args, format);
	code = set_with_reason(err, code, format, args);
	va_end(args);
	return code;
}

int error_code(struct error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	code = set_with_reason(err, code < 0 ? -code : code, format, args);
	va_end(args);
	return code;
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

/*
 * Why a call of OpenSSL failed, from its queue of errors. The ground floor of the room: everybody
 * reports to it.
 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "tls/internal.h"

const char *tls_take_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (code && reason == NULL)
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : "unknown reason";
	return reason;
}

int tls_failed(struct error *err, const char *action, const char *what)
{
	const char *reason = tls_take_reason();

	return error_set(err, -EINVAL, "%s %s: %s", action, what, reason ? reason : "failed");
}

#include "failure.h"

#include <stdio.h>

#include "base/mem.h"

void failure_free(struct failure *failure)
{
	str_free(&failure->text);
	str_free(&failure->relay);
	failure->is_set = false;
}

void failure_set(struct failure *failure, bool permanent, const char *status, struct view relay,
		 const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	failure->is_set = true;
	failure->permanent = permanent;
	snprintf(failure->status, sizeof(failure->status), "%s", status);
	str_set(&failure->relay, relay);
	str_clear(&failure->text);
	str_append_printable(&failure->text, view_first(str_view(&text), IPC_TEXT_MAX));
}

void failure_from_reply(struct failure *failure, const struct reply *reply, struct view relay,
			const char *context)
{
	if (reply->code >= 400) {
		failure_set(failure, reply->code >= 500, reply->status, relay, "%s (%s)",
			    str_cstr(&reply->text), context);
	} else {
		/* 2xx or 3xx where it means nothing. */
		failure_set(failure, false, "4.5.0", relay, "unexpected reply: %s (%s)",
			    str_cstr(&reply->text), context);
	}
}

void failure_copy(struct failure *to, const struct failure *from)
{
	failure_set(to, from->permanent, from->status, str_view(&from->relay), "%s",
		    str_cstr(&from->text));
}

void failure_soften(struct failure *failure)
{
	failure->permanent = false;
	if (failure->status[0] == '5')
		failure->status[0] = '4';
}

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

void failure_from_reply(struct failure *failure, const struct reply *reply, const char *who,
			struct view relay, const char *command)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (command != NULL)
		str_printf(&text, "host %s said: %s (in reply to %s command)", who,
			   str_cstr(&reply->text), command);
	else
		str_printf(&text, "host %s refused to talk to me: %s", who, str_cstr(&reply->text));
	/* 2xx or 3xx where it means nothing is the server's mistake. */
	failure_set(failure, reply->code >= 500, reply->code >= 400 ? reply->status : "4.5.0",
		    relay, "%s", str_cstr(&text));
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

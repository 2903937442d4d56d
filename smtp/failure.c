/* From a server's reply to an outcome. What broke without a reply is described in session.c. */
#include "failure.h"

#include "base/mem.h"

void outcome_from_reply(struct outcome *failure, const struct reply *reply, const char *who,
			struct view relay, const char *command)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (command != NULL)
		str_printf(&text, "host %s said: %s (in reply to %s command)", who,
			   str_cstr(&reply->text), command);
	else
		str_printf(&text, "host %s refused to talk to me: %s", who, str_cstr(&reply->text));
	/* 2xx or 3xx where it means nothing is the server's mistake. */
	outcome_set(failure, reply->code >= 500 ? OUTCOME_FAILED : OUTCOME_DEFERRED,
		    reply->code >= 400 ? reply->status : "4.5.0", relay, "%s", str_cstr(&text));
	failure->code = (uint16_t)reply->code;
}

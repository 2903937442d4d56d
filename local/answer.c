/*
 * What a request to local-deliver came to: said by whatever met the reason, sent by whoever got the
 * request, in the parent and in its children alike. Nothing is decided here.
 */
#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "deliver.h"

void deliver_answer_free(struct answer *answer)
{
	outcome_free(&answer->outcome);
	str_free(&answer->user);
}

int answer_set(struct answer *answer, uint8_t kind, const char *status, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	outcome_set(&answer->outcome, kind, status, VIEW_NONE, "%s", str_cstr(&text));
	return -1;
}

int answer_no_user(struct answer *answer, struct view name)
{
	answer_set(answer, OUTCOME_FAILED, "5.1.1", "unknown user: \"%.*s\"", VIEW_ARG(name));
	answer->outcome.cause = CAUSE_NO_USER;
	return -1;
}

void answer_warn(const struct answer *answer, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	log_warning("%.*s%s%s", VIEW_ARG(answer->queue_id), answer->queue_id.len > 0 ? ": " : "",
		    str_cstr(&text));
}

int answer_send(struct ipc *ipc, const struct answer *answer)
{
	const struct outcome *o = &answer->outcome;

	return ipc_send(ipc, result, .outcome = o->kind, .cause = o->cause,
			.status = view_of(o->status),
			.remote = view_first(str_view(&answer->user), IPC_HOST_MAX),
			.diagnostic = str_view(&o->text));
}

int answer_reply(struct ipc *ipc, uint8_t kind, const char *status, const char *format, ...)
{
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	answer_set(&answer, kind, status, "%s", str_cstr(&text));
	return answer_send(ipc, &answer);
}

int answer_failure(struct ipc *ipc, int code, const struct error *err)
{
	const char *status = code == -ENOSPC					    ? "4.3.1"
			     : code == -EDQUOT					    ? "4.2.2"
			     : code == -EAGAIN					    ? "4.2.0"
			     : code == -EACCES || code == -EPERM || code == -ENOENT ? "4.2.0"
										    : "4.3.0";

	return answer_reply(ipc, OUTCOME_DEFERRED, status, "cannot deliver: %s", err->text);
}

/* What the site wants to be said, and done: the mail waits, or goes back. */
int answer_over_quota(struct ipc *ipc, int code, const struct error *err)
{
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	bool waits = param.mailbox_quota_full_tempfail;

	answer_set(&answer, waits ? OUTCOME_DEFERRED : OUTCOME_FAILED, waits ? "4.2.2" : "5.2.2",
		   "%s", param.mailbox_quota_exceeded_message);
	if (code == -EFBIG)
		answer.outcome.cause = CAUSE_FULL;
	log_info("over quota: %s", err->text);
	return answer_send(ipc, &answer);
}

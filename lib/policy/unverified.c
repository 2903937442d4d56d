/*
 * reject_unverified_sender and reject_unverified_recipient: the program verify knows, or finds out by a
 * probe, whether mail for an address is taken.
 */
#include "base/clock.h"
#include "conf/conf.h"
#include "policy/internal.h"
#include "services/clients.h"

/* Of what a probe met, in a reply: Postfix's number. */
#define REASON_MAX 250

/* What differs between sender and recipient. */
struct unverified {
	struct view address;
	struct subject subject;
	const char *status;
	int64_t reject_code, defer_code;
	const char *reject_reason, *tempfail_action;
};

static void unverified_text(struct str *out, const char *what, struct view text)
{
	str_printf(out, "%s: ", what);
	str_append(out, view_first(text, REASON_MAX));
}

static enum verdict unverified_check(struct evaluation *e, const struct unverified *u)
{
	_cleanup_(str_free) struct str found = STR_EMPTY, text = STR_EMPTY;
	int r;

	/* What is for our own probes' sender is thrown away; and two who probe each other come to an end. */
	if (route_is_probe_sender(e->q->recipient, clock_wall()))
		return DUNNO;
	if (e->q->explain) {
		trail_add(e->why, "verify is not asked about %.*s now", VIEW_ARG(u->address));
		return DUNNO;
	}
	r = verify_ask_address(
		u->address, (param.address_verify_poll_count - 1) * param.address_verify_poll_delay,
		&found);
	switch (r) {
	case VERIFY_DELIVERABLE:
		return DUNNO;
	case VERIFY_UNDELIVERABLE:
		if (*u->reject_reason != '\0')
			str_append_cstr(&text, u->reject_reason);
		else
			unverified_text(&text, "undeliverable address", str_view(&found));
		return policy_refuse_subject(e, u->subject, u->reject_code, u->status,
					     str_view(&text));
	case VERIFY_UNKNOWN:
	case VERIFY_DEFERRED:
		unverified_text(&text, "unverified address", str_view(&found));
		break;
	default:
		str_append_cstr(&text, "unverified address: Address verification is unavailable");
	}
	return policy_tempfail_code(e, u->tempfail_action, u->subject, u->defer_code, u->status,
				    str_view(&text));
}

enum verdict policy_unverified_sender(struct evaluation *e, const struct rule *rule)
{
	const struct unverified check = {
		.address = e->q->sender,
		.subject = subject_sender(e),
		.status = "4.1.7",
		.reject_code = param.unverified_sender_reject_code,
		.defer_code = param.unverified_sender_defer_code,
		.reject_reason = param.unverified_sender_reject_reason,
		.tempfail_action = param.unverified_sender_tempfail_action,
	};

	(void)rule;
	/* The null sender is nobody who could be asked for. */
	return e->q->sender.len > 0 ? unverified_check(e, &check) : DUNNO;
}

enum verdict policy_unverified_recipient(struct evaluation *e, const struct rule *rule)
{
	const struct unverified check = {
		.address = e->q->recipient,
		.subject = subject_recipient(e),
		.status = "4.1.1",
		.reject_code = param.unverified_recipient_reject_code,
		.defer_code = param.unverified_recipient_defer_code,
		.reject_reason = param.unverified_recipient_reject_reason,
		.tempfail_action = param.unverified_recipient_tempfail_action,
	};

	(void)rule;
	return e->q->recipient.len > 0 ? unverified_check(e, &check) : DUNNO;
}

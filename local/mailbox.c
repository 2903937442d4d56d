/*
 * Where a user's mail goes when no alias and no .forward says otherwise, in local(8)'s order:
 * mailbox_transport_maps, mailbox_transport; then local-deliver, which knows mailbox_command and
 * the mailboxes; and for those who are no users fallback_transport and luser_relay.
 */
#include "local.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "mail/address.h"

static struct {
	struct tables *transports, *fallbacks;
} maps;

int mailbox_prepare(struct error *err)
{
	maps.transports = tables_open(param.mailbox_transport_maps, 0, err);
	if (maps.transports == NULL)
		return -EINVAL;
	maps.fallbacks = tables_open(param.fallback_transport_maps, 0, err);
	return maps.fallbacks != NULL ? 0 : -EINVAL;
}

/* True when it was passed on, or that could not be found out. */
static bool pass_by_map(struct job *job, struct view user, struct tables *table, const char *name,
			const char *otherwise, struct outcome *outcome)
{
	_cleanup_(str_free) struct str where = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(table, user, &where, &err);

	if (r < 0) {
		log_warning("%s: %s: %s", str_cstr(&job->d->queue_id), name, err.text);
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "%s lookup failed",
			    name);
		return true;
	}
	if (r == 0)
		str_append_cstr(&where, otherwise);
	if (where.len == 0)
		return false;
	pass_recipient(job, str_view(&where), outcome);
	return true;
}

/* ---- nobody of that name ---- */

struct relay_names {
	const struct job *job;
	struct view user;
	struct str value;
};

/* What an address gives is not expanded again: a "$" in it is given as "$$". */
static const char *relay_look_up(void *argument, struct view name)
{
	struct relay_names *names = argument;
	const struct job *job = names->job;
	const struct {
		const char *name;
		struct view value;
	} known[] = {
		{ "user", names->user },
		{ "local", job->local },
		{ "domain", job->domain },
		{ "extension", job->extension },
		{ "recipient", job->address },
		{ "recipient_delimiter",
		  view_first(view_of(param.recipient_delimiter), job->extension.len > 0 ? 1 : 0) },
	};

	str_clear(&names->value);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		for (size_t n = 0; view_is(name, known[i].name) && n < known[i].value.len; n++) {
			if (known[i].value.data[n] == '$')
				str_append_byte(&names->value, '$');
			str_append_byte(&names->value, known[i].value.data[n]);
		}
	return str_cstr(&names->value);
}

static void relay_to_luser(struct job *job, struct view user, struct outcome *outcome)
{
	_cleanup_(delivery_plan_free) struct plan plan = { .actions = NULL };
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct relay_names names = { .job = job, .user = user };
	struct error err = ERROR_NONE;
	struct view local, domain;
	int r = value_expand(view_of(param.luser_relay), relay_look_up, &names, &address, &err);

	str_free(&names.value);
	address_split(str_view(&address), &local, &domain);
	if (domain.len == 0)
		str_printf(&address, "@%s", param.myorigin);
	if (r < 0 || local.len == 0 || address.len > ADDRESS_MAX ||
	    view_has_control(str_view(&address))) {
		log_warning("%s: luser_relay gives no usable address%s%s",
			    str_cstr(&job->d->queue_id), r < 0 ? ": " : "", r < 0 ? err.text : "");
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.5", VIEW_NONE,
			    "mail system configuration error (luser_relay)");
		return;
	}
	plan_add(&plan, ACTION_ADDRESS, str_view(&address), NULL, NULL, false);
	forward_submit(&plan, job, outcome);
}

/* RFC 5321 4.5.1: these are always taken. The administrator has made no alias for them. */
static bool mailbox_is_required_name(struct view user)
{
	return view_is_nocase(user, "postmaster") || view_is_nocase(user, "mailer-daemon");
}

static void deliver_to_nobody(struct job *job, struct view user, struct outcome *outcome)
{
	if (pass_by_map(job, user, maps.fallbacks, "fallback_transport_maps",
			param.fallback_transport, outcome))
		return;
	if (param.luser_relay[0] != '\0' && job->d->probe) {
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE,
			    "delivers to luser_relay");
	} else if (param.luser_relay[0] != '\0') {
		relay_to_luser(job, user, outcome);
	} else if (mailbox_is_required_name(user)) {
		log_warning("%s: required alias not found: %.*s", str_cstr(&job->d->queue_id),
			    VIEW_ARG(user));
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, "discarded");
	}
}

void mailbox_store(struct job *job, struct view user, uint8_t kind, struct outcome *outcome)
{
	_cleanup_(mails_free) struct mails mails = { .items = NULL };

	agent_mailbox(job, user, kind, &mails, outcome);
	/* Not of a delivery that will be tried again, or that came to nothing. */
	if (mails.count > 0 && outcome->kind != OUTCOME_DEFERRED)
		mails_send(&mails, job, user, kind, outcome);
}

void mailbox_deliver_to(struct job *job, struct view user, struct outcome *outcome)
{
	if (pass_by_map(job, user, maps.transports, "mailbox_transport_maps",
			param.mailbox_transport, outcome))
		return;
	mailbox_store(job, user, MAILBOX_SYSTEM_USER, outcome);
	if (outcome->cause == CAUSE_NO_USER)
		deliver_to_nobody(job, user, outcome);
}

/*
 * The SMTP and LMTP client, a delivery agent. Which of the two it speaks the service's name says:
 * one that begins with "lmtp" (or a line of master.cf with the argument "lmtp") speaks LMTP.
 *
 * A delivery tries the hosts of each next hop in turn until the server has decided about every
 * recipient. What a server refuses for good is final; what it refuses for now, or what broke, is
 * tried at the next host, and put off when there is none left.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "cache.h"
#include "checks.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "generic.h"
#include "mail/address.h"
#include "names.h"
#include "settings.h"
#include "table/dns_filter.h"
#include "task/task.h"
#include "work.h"

/* The program's state. */
static struct own_addresses *own;
static uint16_t usual_port;

/* ---- one destination ---- */

static void build_key(const struct work *w, const struct destination *destination, struct str *key)
{
	str_append_lower(key, str_view(&destination->text));
	if (settings.sasl_auth_enable && settings.sender_dependent_authentication) {
		str_append_byte(key, '\n');
		str_append(key, str_view(&w->d->sender));
	}
}

/* Runs the transaction and keeps or ends the session. -ESTALE as transaction_run. */
static int use_session(struct session *session, struct work *w)
{
	int r = transaction_run(session, w);

	if (r == -ESTALE)
		session_free(session);
	else
		cache_keep(session);
	if (r == 0)
		w->talked = true;
	return r;
}

/*
 * A kept connection, if there is one that still works. True if the message went over it: to the
 * server of the address `asked`, which need not say the same once more.
 */
static bool try_kept(struct work *w, struct view key, struct str *asked)
{
	struct session *session;

	while ((session = cache_take(key)) != NULL) {
		str_set(asked, str_view(&session->address));
		if (use_session(session, w) == 0)
			return true;
	}
	return false;
}

/*
 * Opportunistic TLS that does not work is given up for a message that has been waiting for some
 * time, as Postfix does; at first the trouble may be a passing one.
 */
static bool may_give_up_tls(const struct work *w, const struct tls_policy *policy,
			    const struct outcome *failure)
{
	return policy->level == TLS_MAY && failure->cause == CAUSE_TLS &&
	       clock_wall_usec() - w->d->arrival > (int64_t)param.minimal_backoff_time * 1000;
}

static struct session *open_session(struct work *w, const struct destination *destination,
				    const struct host *host, const struct tls_policy *policy,
				    struct view key)
{
	struct session_wish wish = {
		.sender = str_view(&w->d->sender),
		.destination = destination,
		.policy = policy,
	};
	struct session *session;

	w->tried = true;
	session = session_open(host, &wish, &w->failure);
	if (session == NULL && may_give_up_tls(w, policy, &w->failure)) {
		wish.may_give_up_tls = true;
		log_info("%s: %s: trying without TLS", str_cstr(&w->d->queue_id),
			 str_cstr(&w->failure.text));
		session = session_open(host, &wish, &w->failure);
	}
	if (session != NULL)
		str_append(&session->key, key);
	else
		log_info("%s", str_cstr(&w->failure.text));
	return session;
}

/* The next hop is the recipients' own domain, and not one that the administrator chose. */
static bool is_recipients_domain(const struct work *w, const struct destination *destination)
{
	struct view local, domain;

	address_split(str_view(&w->d->recipients[0].address), &local, &domain);
	return view_eq_nocase(domain, str_view(&destination->host));
}

static void delivery_fail_lookup(struct work *w, const struct destination *destination)
{
	/* A mistake in the configuration is no reason to return mail; a loop is. */
	if (outcome_is_final_failure(&w->failure) && w->failure.cause != CAUSE_LOOP &&
	    !is_recipients_domain(w, destination))
		outcome_soften(&w->failure);
}

static void try_destination(struct work *w, const struct destination *destination)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, asked = STR_EMPTY;
	_cleanup_(hosts_free) struct hosts hosts = { 0 };
	_cleanup_(tls_policy_free) struct tls_policy policy = { 0 };
	int64_t sessions = 0;

	build_key(w, destination, &key);
	if (try_kept(w, str_view(&key), &asked)) {
		sessions++;
		if (work_pending(w) == 0)
			return;
	}
	if (tls_policy_find(destination, &policy, &w->failure) < 0)
		return;
	if (hosts_find(destination, own, (size_t)settings.mx_address_limit, &hosts, &w->failure) <
	    0) {
		delivery_fail_lookup(w, destination);
		return;
	}
	bool by_kept = sessions > 0;

	for (size_t i = 0; i < hosts.count && work_pending(w) > 0; i++) {
		struct session *session;

		if (by_kept && view_is(str_view(&asked), hosts.items[i].text))
			continue;
		if (settings.mx_session_limit > 0 && sessions >= settings.mx_session_limit)
			return;
		session = open_session(w, destination, &hosts.items[i], &policy, str_view(&key));
		if (session == NULL)
			continue;
		sessions++;
		use_session(session, w);
	}
}

/* ---- one delivery ---- */

/* Addresses that would break a command line; such have no place in a queue file. */
static bool check_addresses(struct work *w)
{
	struct delivery *d = w->d;

	if (view_has_control(str_view(&d->sender))) {
		outcome_set(&w->failure, OUTCOME_FAILED, "5.1.7", VIEW_NONE,
			    "bad sender address syntax");
		return false;
	}
	for (size_t i = 0; i < d->count; i++)
		if (d->recipients[i].address.len == 0 ||
		    view_has_control(str_view(&d->recipients[i].address)))
			delivery_result(d, i, OUTCOME_FAILED, "5.1.3", VIEW_NONE,
					VIEW("bad recipient address syntax"));
	return work_pending(w) > 0;
}

static void try_destinations(struct work *w)
{
	struct destinations *list = mem_new(struct destinations);
	struct error err = ERROR_NONE;

	if (destinations_parse(str_view(&w->d->nexthop), settings.lmtp, usual_port, list, &err) < 0)
		outcome_set(&w->failure, OUTCOME_DEFERRED, "4.3.5", VIEW_NONE, "%s", err.text);
	/* Were checked at start. */
	if (*settings.fallback_relay != '\0')
		destinations_parse(view_of(settings.fallback_relay), settings.lmtp, usual_port,
				   list, NULL);
	for (size_t i = 0; i < list->count && work_pending(w) > 0; i++) {
		try_destination(w, &list->items[i]);
		if (outcome_is_final_failure(&w->failure) &&
		    (w->failure.cause == CAUSE_LOOP || w->failure.cause == CAUSE_NULL_MX))
			break; /* no other host makes that good */
	}
	destinations_free(list);
	free(list);
}

/* What nobody has decided ends here: put off, or returned if the last reason is for good. */
static void delivery_conclude(struct work *w)
{
	for (size_t i = 0; i < w->d->count; i++) {
		const struct outcome *failure = &w->recipients[i].failure;

		if (!work_is_pending(w, i))
			continue;
		if (!outcome_is_set(failure))
			failure = &w->failure;
		if (outcome_is_set(failure))
			delivery_outcome(w->d, i, failure);
	}
	if (w->tried && !w->talked && !outcome_is_final_failure(&w->failure))
		delivery_unreachable(w->d, str_view(&w->failure.text));
}

static void smtp_deliver(struct delivery *d)
{
	struct work w = { .d = d };

	w.recipients = mem_new_array(struct recipient_work, d->count);
	if (check_addresses(&w))
		try_destinations(&w);
	delivery_conclude(&w);
	for (size_t i = 0; i < d->count; i++)
		outcome_free(&w.recipients[i].failure);
	free(w.recipients);
	outcome_free(&w.failure);
}

/* ---- the program ---- */

static void smtp_serve(struct ipc *ipc)
{
	delivery_serve(ipc, smtp_deliver);
}

static bool is_lmtp_service(void)
{
	const char *const *arguments = daemon_arguments();

	if (view_starts(view_of(daemon_service_name()), VIEW("lmtp")))
		return true;
	for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++)
		if (strcmp(arguments[i], "lmtp") == 0)
			return true;
	return false;
}

static int check_fallback(struct error *err)
{
	struct destinations *list = mem_new(struct destinations);
	int r = 0;

	if (*settings.fallback_relay != '\0')
		r = destinations_parse(view_of(settings.fallback_relay), settings.lmtp, usual_port,
				       list, err);
	if (r < 0)
		error_prefix(err, "smtp_fallback_relay");
	destinations_free(list);
	free(list);
	return r;
}

static int smtp_prepare(struct error *err)
{
	int r;

	settings_choose(is_lmtp_service());
	if (port_parse(view_of(settings.tcp_port), &usual_port) < 0)
		return error_set(err, -EINVAL, "smtp_tcp_port: expected a port number, not %s",
				 settings.tcp_port);
	own = own_addresses_load(err);
	if (own == NULL)
		return -EINVAL;
	r = check_fallback(err);
	if (r == 0)
		r = names_prepare(NAMES_FILE, err);
	if (r == 0)
		r = generic_prepare(err);
	if (r == 0)
		r = checks_prepare(err);
	if (r == 0)
		r = delivery_filter_open(settings.lmtp ? "lmtp_delivery_status_filter"
						       : "smtp_delivery_status_filter",
					 settings.delivery_status_filter, err);
	if (r == 0)
		r = reply_filter_prepare(settings.reply_filter, err);
	if (r == 0)
		r = dns_filter_open(settings.lmtp ? "lmtp_dns_reply_filter"
						  : "smtp_dns_reply_filter",
				    settings.dns_reply_filter, err);
	return r < 0 ? r : session_prepare(err);
}

static const struct daemon_program program = {
	.name = "smtp",
	.prepare = smtp_prepare,
	.serve_ipc = smtp_serve,
	.retire = cache_clear,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

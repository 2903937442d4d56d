/* From the accepted connection to the banner. */
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

/* Our own host needs no look-up: nobody else can come from there. */
static bool is_loopback(const char *address)
{
	return view_starts(view_of(address), VIEW("127.")) || view_is(view_of(address), "::1") ||
	       view_is(view_of(address), "localhost"); /* of a UNIX socket */
}

/* Only what a name is made of goes into replies, logs and headers; a PTR record may hold anything. */
static void keep_if_valid(struct str *name)
{
	if (!domain_is_valid(str_view(name), false))
		str_set(name, VIEW("unknown"));
}

void session_show_client(struct session *s, struct view name)
{
	str_clear(&s->who);
	str_printf(&s->who, "%.*s[%s]", VIEW_ARG(name), s->peer->text);
	if (param.smtpd_client_port_logging)
		str_printf(&s->who, ":%u", s->peer->port);
}

static void find_name(struct session *s)
{
	struct view address = view_of(s->peer->text);

	if (is_loopback(s->peer->text) && param.smtpd_peername_lookup) {
		str_set(&s->name, VIEW("localhost"));
		str_set(&s->reverse_name, VIEW("localhost"));
	} else if (param.smtpd_peername_lookup &&
		   dns_client_name(address, &s->name, &s->reverse_name, &s->name_temporary) < 0) {
		s->name_temporary = true;
	}
	keep_if_valid(&s->name);
	keep_if_valid(&s->reverse_name);
	session_show_client(s, str_view(&s->name));
}

static bool connect_name_matches(struct matchlist *list, const char *name, const char *subject)
{
	int r = matchlist_match(list, view_of(subject), NULL);

	if (r < 0)
		log_warning("%s: a table cannot answer now", name);
	return r > 0;
}

/* The client restrictions, where they are not to wait for RCPT. */
static int connect_ask_policy(struct session *s)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	if (param.smtpd_delay_reject || policy_is_empty(server.policy, POLICY_CLIENT))
		return 0;
	transaction_question(s, "CONNECT", &q);
	policy_ask(server.policy, POLICY_CLIENT, &q, &answer);
	if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
		s->access_denied = true;
		return reply_refusal(s, "CONNECT", str_view(&answer.reply), VIEW_NONE);
	}
	return SESSION_GOES_ON;
}

static bool hosts_match(struct matchlist *addresses, struct matchlist *names, const char *what,
			const struct session *s)
{
	if (connect_name_matches(addresses, what, s->peer->text))
		return true;
	return !view_is(str_view(&s->name), "unknown") &&
	       connect_name_matches(names, what, str_cstr(&s->name));
}

/* What depends on who the client is. False: there are too many of it, which has been answered. */
static bool client_admit(struct session *s, int *result)
{
	s->is_trusted = connect_name_matches(server.event_exceptions,
					     "smtpd_client_event_limit_exceptions", s->peer->text);
	s->offers_auth = param.smtpd_sasl_auth_enable && !(s->discarded & EHLO_AUTH) &&
			 !connect_name_matches(server.auth_exceptions,
					       "smtpd_sasl_exceptions_networks", s->peer->text);
	if (!limit_connection(s))
		return true;
	*result = SESSION_DONE;
	/* One that begins with TLS would not understand us. */
	if (!param.smtpd_tls_wrappermode || s->secured)
		*result = reply(s, "421 4.7.0 %s Error: too many connections from %s",
				param.myhostname, s->peer->text);
	return false;
}

/* The client restrictions, and the banner if they let it in. */
static int client_welcome(struct session *s)
{
	int r = connect_ask_policy(s);

	if (r == SESSION_GOES_ON && !s->access_denied)
		r = milter_connect(s);
	if (r == SESSION_GOES_ON && !s->access_denied)
		reply(s, "220 %s", param.smtpd_banner);
	return r;
}

int session_greet(struct session *s)
{
	int r;

	s->where = "CONNECT";
	find_name(s);
	log_info("connect from %s", str_cstr(&s->who));
	s->may_xforward = hosts_match(server.xforward_addresses, server.xforward_names,
				      "smtpd_authorized_xforward_hosts", s);
	s->may_xclient = hosts_match(server.xclient_addresses, server.xclient_names,
				     "smtpd_authorized_xclient_hosts", s);
	if (!client_admit(s, &r))
		return r;
	if (param.smtpd_tls_wrappermode && session_start_tls(s) < 0)
		return SESSION_DONE;
	return client_welcome(s);
}

int session_greet_as(struct session *s)
{
	int r;

	return client_admit(s, &r) ? client_welcome(s) : r;
}

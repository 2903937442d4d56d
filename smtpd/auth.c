/* AUTH, RFC 4954. Passwords pass through here on their way to auth, which alone can judge them. */
#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

#define MECHANISM_MAX 20 /* octets, RFC 4422 3.1 */

/* May be AUTH'ed now? Else it has been answered. */
static bool auth_is_allowed(struct session *s, int *result)
{
	*result = SESSION_GOES_ON;
	if (!s->offers_auth)
		*result = reply(s, "503 5.5.1 Error: authentication not enabled");
	else if (s->state == STATE_NEW || !s->esmtp)
		*result = reply(s, "503 5.5.1 Error: send EHLO first");
	else if (s->login.len > 0)
		*result = reply(s, "503 5.5.1 Error: already authenticated");
	else if (server_wants_tls_for_auth() && !s->secured)
		*result = reply(s, "538 5.7.11 Encryption required for requested authentication "
				   "mechanism");
	else if (limit_exceeded(s, ANVIL_AUTH, param.smtpd_client_auth_rate_limit, "AUTH command"))
		*result =
			reply(s, "450 4.7.1 Error: too many AUTH commands from %s", s->peer->text);
	else
		return true;
	return false;
}

static bool is_mechanism(struct view name)
{
	if (name.len == 0 || name.len > MECHANISM_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_alnum(name.data[i]) && name.data[i] != '-' && name.data[i] != '_')
			return false;
	}
	return true;
}

/*
 * Sends the challenge and reads the response into *response. 0; -EINVAL when the exchange is over
 * and has been answered; another negative errno when the connection is.
 */
static int challenge(struct session *s, struct view bytes, struct str *response)
{
	_cleanup_(str_free) struct str encoded = STR_EMPTY;
	struct view line;

	base64_encode(&encoded, bytes);
	reply(s, "334 %s", str_cstr(&encoded));
	stream_set_deadline(s->io, clock_after(param.smtpd_timeout));

	int r = stream_read_line(s->io, &line, (size_t)param.smtpd_sasl_response_limit);

	stream_set_deadline(s->io, MSEC_FOREVER);
	if (r == -EMSGSIZE) {
		reply(s, "500 5.5.6 Error: authentication exchange line is too long");
		return -EINVAL;
	}
	if (r < 0)
		return r;
	if (view_is(line, "*")) {
		reply(s, "501 5.7.0 Authentication aborted");
		return -EINVAL;
	}
	if (base64_decode(response, line) < 0) {
		reply(s, "501 5.5.2 Error: invalid base64 data");
		return -EINVAL;
	}
	return 0;
}

static int auth_refuse(struct session *s, struct view mechanism, const struct auth_answer *answer)
{
	log_warning("%s: SASL %.*s authentication failed: %s%s%s", str_cstr(&s->who),
		    VIEW_ARG(mechanism), str_cstr(&answer->text),
		    answer->user.len > 0 ? ", sasl_username=" : "", str_cstr(&answer->user));
	metric_add(METRIC_login_failures, 1);
	s->failed_logins += answer->why != AUTH_FAIL_MECHANISM;
	if (s->failed_logins >= (unsigned)param.auth_failures_max)
		return reply(s, "421 4.7.0 %s Error: too many failed logins", param.myhostname);
	switch (answer->why) {
	case AUTH_FAIL_TEMPORARY:
		return reply(s, "454 4.7.0 Temporary authentication failure");
	case AUTH_FAIL_MECHANISM:
		return reply(s, "504 5.5.4 Error: authentication mechanism not supported");
	case AUTH_FAIL_PROTOCOL:
		return reply(s, "501 5.5.2 Error: malformed authentication data");
	case AUTH_FAIL_DISABLED:
		return reply(s, "535 5.7.8 Error: authentication failed: account disabled");
	case AUTH_FAIL_CREDENTIALS:
		break;
	}
	return reply(s, "535 5.7.8 Error: authentication failed");
}

static int accept_login(struct session *s, struct view mechanism, const struct auth_answer *answer)
{
	if (answer->user.len == 0 || view_has_control(str_view(&answer->user)))
		return reply(s, "454 4.7.0 Temporary authentication failure");
	if (sender_is_stopped(str_view(&answer->user))) {
		log_warning("%s: login refused: sending is stopped for sasl_username=%s",
			    str_cstr(&s->who), str_cstr(&answer->user));
		return reply(s, "454 4.7.0 " SENDER_STOPPED_TEXT);
	}
	str_set(&s->login, str_view(&answer->user));
	str_clear(&s->sasl_method);
	for (size_t i = 0; i < mechanism.len; i++)
		str_append_byte(&s->sasl_method, ascii_upper(mechanism.data[i]));
	metric_add(METRIC_logins, 1);
	spare_remove(&s->spare);
	return reply(s, "235 2.7.0 Authentication successful");
}

/* Asks auth and the client in turn until one of them ends it. */
static int run_exchange(struct session *s, struct auth_exchange *exchange, struct view mechanism,
			struct auth_answer *answer)
{
	/* RFC 4422 mechanisms end long before. */
	for (int round = 0; round < 16; round++) {
		struct str response = STR_EMPTY;
		int r;

		if (answer->state == AUTH_FAILED)
			return auth_refuse(s, mechanism, answer);
		if (answer->state == AUTH_OK && answer->bytes.len == 0)
			return accept_login(s, mechanism, answer);
		r = challenge(s, str_view(&answer->bytes), &response);
		if (r == 0 && answer->state == AUTH_OK) {
			/* Its last word, which the client acknowledges. */
			str_wipe(&response);
			return accept_login(s, mechanism, answer);
		}
		if (r == 0)
			auth_respond(exchange, str_view(&response), answer);
		str_wipe(&response);
		if (r == -EINVAL)
			return SESSION_GOES_ON;
		if (r < 0) {
			session_leave(s, r);
			return SESSION_DONE;
		}
	}
	return reply(s, "535 5.7.8 Error: authentication failed");
}

/* "=" is an empty initial response, RFC 4954 4. */
static bool take_initial(struct session *s, struct view text, struct str *initial, int *result)
{
	*result = SESSION_GOES_ON;
	if (view_is(text, "="))
		return true;
	if (base64_decode(initial, text) == 0)
		return true;
	*result = reply(s, "501 5.5.2 Error: invalid base64 data");
	return false;
}

int verb_auth(struct session *s, struct view argument)
{
	struct auth_answer answer = { 0 };
	struct str initial = STR_EMPTY;
	struct str mechanism = STR_EMPTY;
	struct view name = VIEW_NONE;
	int r;

	/* A password may be in it already. */
	stream_wipe_input(s->io);
	if (!auth_is_allowed(s, &r))
		return r;
	view_next_word(&argument, " \t", &name);
	argument = view_trim(argument);
	if (is_mechanism(name) && !server_lets_mechanism(name))
		return reply(s, "504 5.5.4 Error: authentication mechanism not supported");
	if (!is_mechanism(name) || view_find_byte(argument, ' ') != VIEW_NOT_FOUND)
		return reply(s, "501 5.5.4 Syntax: AUTH mechanism [initial-response]");
	/* A copy: the next line takes the place of this one. */
	str_append(&mechanism, name);
	if (take_initial(s, argument, &initial, &r)) {
		_cleanup_(auth_tls_free) struct auth_tls known = { .user = STR_EMPTY };
		struct auth_client client = server_auth_client(s->secured);
		struct auth_exchange *exchange;

		auth_tls_fill(s->io, &known, &client);

		client.address = view_of(s->peer->text);
		client.server_address = view_of(s->peer->server_text);
		exchange = auth_begin(&client, str_view(&mechanism), argument.len > 0,
				      str_view(&initial), &answer);
		r = run_exchange(s, exchange, str_view(&mechanism), &answer);
		auth_exchange_free(exchange);
	}
	str_wipe(&initial);
	str_free(&mechanism);
	auth_answer_free(&answer);
	return r;
}

/* LOGIN and AUTHENTICATE, and what follows when they succeed. */
#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "login.h"
#include "services/clients.h"
#include "session/handover.h"

#define SESSION_SERVICE "private/imapd-session"

static int imap_answer_failure(struct login *l, const struct auth_answer *answer)
{
	metric_add(METRIC_login_failures, 1);
	l->failures += answer->why != AUTH_FAIL_MECHANISM;
	switch (answer->why) {
	case AUTH_FAIL_TEMPORARY:
		return login_reply(l, "NO [UNAVAILABLE] Temporary authentication failure.");
	case AUTH_FAIL_MECHANISM:
		return login_reply(l, "NO [CANNOT] Unsupported authentication mechanism.");
	case AUTH_FAIL_PROTOCOL:
		return login_reply(l, "BAD Invalid authentication exchange.");
	case AUTH_FAIL_DISABLED:
		return login_reply(l, "NO [AUTHORIZATIONFAILED] This account may not log in.");
	default:
		return login_reply(l, "NO [AUTHENTICATIONFAILED] Authentication failed.");
	}
}

/* Gives the connection to the user's session. LOGIN_END: it is theirs (or it is over). */
static int imap_hand_over(struct login *l, const struct auth_answer *answer)
{
	struct str text = STR_EMPTY;
	struct handover what = {
		.service = SESSION_SERVICE,
		.cookie = str_view(&answer->cookie),
		.tag = imap_command_tag(l->parser),
		.client_address = view_of(l->peer->text),
		.server_name = view_of(param.myhostname),
		.timeout = param.imap_idle_timeout + 60 * 1000,
	};
	int r;

	metric_add(METRIC_logins, 1);
	log_info("login: user=<%s>, rip=%s, secured=%s", str_cstr(&answer->user), l->peer->text,
		 l->secured ? "yes" : "no");
	stream_set_deadline(l->io, MSEC_FOREVER);
	r = session_handover(l->io, &what, &text);
	if (r == 0) {
		str_free(&text);
		return LOGIN_END;
	}
	stream_set_deadline(l->io, clock_after(param.imap_login_timeout));
	if (r == -EACCES || r == -EAGAIN)
		r = login_reply(l, "NO [UNAVAILABLE] %s", str_cstr(&text));
	str_free(&text);
	return r;
}

static int imap_exchange_finish(struct login *l, struct auth_answer *answer)
{
	int r;

	str_set(&l->log_user, str_view(&answer->user));
	if (answer->state == AUTH_OK)
		r = imap_hand_over(l, answer);
	else
		r = imap_answer_failure(l, answer);
	return r;
}

int login_command_login(struct login *l)
{
	struct auth_answer answer = { 0 };
	struct view user, password;
	int r = imap_space(l->parser);

	if (r == 0)
		r = imap_astring(l->parser, &user);
	if (r == 0)
		r = imap_space(l->parser);
	if (r == 0)
		r = imap_astring(l->parser, &password);
	if (r == 0)
		r = imap_end(l->parser);
	if (r < 0)
		return login_syntax(l, r);
	if (!l->secured && param.disable_plaintext_auth)
		return login_reply(l, "NO [PRIVACYREQUIRED] Start TLS before you log in.");
	r = auth_password(VIEW("imap"), user, password, l->secured, view_of(l->peer->text),
			  &answer);
	if (r < 0)
		r = login_reply(l, "NO [UNAVAILABLE] Temporary authentication failure.");
	else
		r = imap_exchange_finish(l, &answer);
	auth_answer_free(&answer);
	return r;
}

/* One line of the client's side: base64, or "*" to cancel (-ECANCELED). */
static int imap_read_response(struct login *l, struct str *response)
{
	struct view line;
	int r = imap_parser_line(l->parser, &line);

	if (r < 0)
		return r;
	if (view_is(line, "*"))
		return -ECANCELED;
	return base64_decode(response, line) < 0 ? -EBADMSG : 0;
}

static int imap_send_challenge(struct login *l, struct view challenge)
{
	struct str encoded = STR_EMPTY;
	int r;

	base64_encode(&encoded, challenge);
	r = stream_printf(l->io, "+ %s\r\n", str_cstr(&encoded));
	str_free(&encoded);
	return r < 0 ? r : stream_flush(l->io);
}

/* Challenges and responses until the mechanism has an answer. */
static int imap_auth_exchange(struct login *l, struct auth_exchange *auth,
			      struct auth_answer *answer)
{
	struct str response = STR_EMPTY;
	int r = 0;

	while (r == 0 && answer->state == AUTH_CONTINUE) {
		r = imap_send_challenge(l, str_view(&answer->bytes));
		str_clear(&response);
		if (r == 0)
			r = imap_read_response(l, &response);
		if (r == 0) {
			auth_answer_free(answer);
			r = auth_respond(auth, str_view(&response), answer);
			if (r < 0)
				r = -EAGAIN;
		}
	}
	if (response.data != NULL)
		mem_wipe(response.data, response.size);
	str_free(&response);
	return r;
}

/* The initial response of SASL-IR (RFC 4959): "=" is an empty one. */
static int initial_response(struct login *l, struct str *initial, bool *given)
{
	struct view text;
	int r;

	*given = false;
	if (imap_at_end(l->parser))
		return imap_end(l->parser);
	r = imap_space(l->parser);
	if (r == 0 && imap_take(l->parser, '=')) {
		*given = true;
		return imap_end(l->parser);
	}
	if (r == 0)
		r = imap_astring(l->parser, &text);
	if (r == 0)
		r = imap_end(l->parser);
	if (r < 0)
		return r;
	*given = true;
	return base64_decode(initial, text) < 0 ? -EINVAL : 0;
}

int login_command_authenticate(struct login *l)
{
	struct auth_answer answer = { 0 };
	struct auth_exchange *auth = NULL;
	struct str initial = STR_EMPTY;
	struct view mechanism;
	bool given = false;
	int r = imap_space(l->parser);

	if (r == 0)
		r = imap_atom(l->parser, &mechanism);
	if (r == 0)
		r = initial_response(l, &initial, &given);
	if (r == -EINVAL)
		r = login_reply(l, "BAD Invalid base64 in the initial response.");
	else if (r < 0)
		r = login_syntax(l, r);
	else if (!l->secured && param.disable_plaintext_auth)
		r = login_reply(l, "NO [PRIVACYREQUIRED] Start TLS before you log in.");
	else
		goto begin;
	str_free(&initial);
	return r;
begin:
	auth = auth_begin(VIEW("imap"), mechanism, given, str_view(&initial), l->secured,
			  view_of(l->peer->text), view_of(l->peer->server_text), &answer);
	r = auth == NULL && answer.state == AUTH_CONTINUE ? -EAGAIN
							  : imap_auth_exchange(l, auth, &answer);
	if (r == 0)
		r = imap_exchange_finish(l, &answer);
	else if (r == -ECANCELED)
		r = login_reply(l, "BAD Authentication cancelled.");
	else if (r == -EBADMSG || r == -EMSGSIZE)
		r = login_reply(l, "BAD Invalid base64 or line too long.");
	else if (r == -EAGAIN)
		r = login_reply(l, "NO [UNAVAILABLE] Temporary authentication failure.");
	auth_exchange_free(auth);
	auth_answer_free(&answer);
	if (initial.data != NULL)
		mem_wipe(initial.data, initial.size);
	str_free(&initial);
	return r;
}

/* USER, PASS and AUTH, and what follows when they succeed. */
#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "login.h"
#include "services/clients.h"
#include "session/handover.h"

#define SESSION_SERVICE "private/pop3d-session"
/* How much longer than a session's own patience a relayed client is kept. */
#define RELAY_GRACE ((msec_t)60 * 1000)

static int pop3_answer_failure(struct login *l, const struct auth_answer *answer)
{
	metric_add(METRIC_login_failures, 1);
	l->failures += answer->why != AUTH_FAIL_MECHANISM;
	switch (answer->why) {
	case AUTH_FAIL_TEMPORARY:
		return login_refuse(l, "[SYS/TEMP] Temporary authentication failure.");
	case AUTH_FAIL_MECHANISM:
		return login_refuse(l, "Unsupported authentication mechanism.");
	case AUTH_FAIL_PROTOCOL:
		return login_refuse(l, "Invalid authentication exchange.");
	case AUTH_FAIL_DISABLED:
		return login_refuse(l, "[SYS/PERM] This account may not log in.");
	default:
		return login_refuse(l, "[AUTH] Authentication failed.");
	}
}

/* Gives the connection to the user's session. LOGIN_END: it is theirs (or it is over). */
static int pop3_hand_over(struct login *l, const struct auth_answer *answer)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct handover what = {
		.service = SESSION_SERVICE,
		.cookie = str_view(&answer->cookie),
		.client_address = view_of(l->peer->text),
		.server_name = view_of(param.myhostname),
		.timeout = param.pop3_timeout + RELAY_GRACE,
	};
	int r;

	metric_add(METRIC_logins, 1);
	log_info("login: user=<%s>, rip=%s, secured=%s", str_cstr(&answer->user), l->peer->text,
		 l->secured ? "yes" : "no");
	stream_set_deadline(l->io, MSEC_FOREVER);
	r = session_handover(l->io, &what, &text);
	if (r == 0)
		return LOGIN_END;
	stream_set_deadline(l->io, clock_after(param.pop3_login_timeout));
	if (r == -EACCES || r == -EAGAIN)
		return login_refuse(l, "[SYS/TEMP] %s", str_cstr(&text));
	return r;
}

static int pop3_exchange_finish(struct login *l, struct auth_answer *answer)
{
	str_set(&l->last_user, str_view(&answer->user));
	return answer->state == AUTH_OK ? pop3_hand_over(l, answer)
					: pop3_answer_failure(l, answer);
}

static int refuse_plaintext(struct login *l)
{
	return login_refuse(l, "[AUTH] Start TLS (STLS) before you log in.");
}

int login_command_user(struct login *l, struct view argument)
{
	if (!login_may_send_password(l))
		return refuse_plaintext(l);
	if (argument.len == 0)
		return login_refuse(l, "USER needs a name.");
	str_set(&l->user, argument);
	l->has_user = true;
	return login_reply(l, "+OK");
}

int login_command_pass(struct login *l, struct view argument)
{
	_cleanup_(auth_answer_free) struct auth_answer answer = { 0 };
	_cleanup_(str_free) struct str password = STR_EMPTY;
	int r;

	if (!login_may_send_password(l))
		return refuse_plaintext(l);
	if (!l->has_user)
		return login_refuse(l, "USER comes first.");
	/* It is all that follows, spaces too; the input buffer does not live through the wait. */
	str_append(&password, argument);
	l->has_user = false;
	r = auth_password(VIEW("pop3"), str_view(&l->user), str_view(&password), l->secured,
			  view_of(l->peer->text), &answer);
	mem_wipe(password.data, password.size);
	if (r < 0)
		return login_refuse(l, "[SYS/TEMP] Temporary authentication failure.");
	return pop3_exchange_finish(l, &answer);
}

/* The mechanisms, one a line: what old clients ask for by AUTH alone. */
static int pop3_list_mechanisms(struct login *l)
{
	_cleanup_(str_free) struct str names = STR_EMPTY, text = STR_EMPTY;
	struct view rest, name;
	int r = auth_mechanisms(VIEW("pop3"), l->secured, &names);

	if (r < 0)
		return login_refuse(l, "[SYS/TEMP] Temporary authentication failure.");
	str_append(&text, VIEW("+OK\r\n"));
	rest = str_view(&names);
	while (view_next_word(&rest, " ", &name))
		str_printf(&text, "%.*s\r\n", VIEW_ARG(name));
	str_append(&text, VIEW(".\r\n"));
	r = stream_write(l->io, str_view(&text));
	return r < 0 ? r : LOGIN_GO_ON;
}

static int pop3_send_challenge(struct login *l, struct view challenge)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append(&line, VIEW("+ "));
	base64_encode(&line, challenge);
	str_append(&line, VIEW("\r\n"));

	int r = stream_write(l->io, str_view(&line));

	return r < 0 ? r : stream_flush(l->io);
}

/* base64, or "*" to cancel (-ECANCELED). -EBADMSG, -EMSGSIZE: the exchange is over. */
static int pop3_read_response(struct login *l, struct str *response)
{
	struct view line;
	int r = stream_read_line(l->io, &line, POP3_SASL_LINE_MAX);

	if (r < 0)
		return r;
	if (view_is(line, "*"))
		return -ECANCELED;
	return base64_decode(response, line) < 0 ? -EBADMSG : 0;
}

/* Challenges and responses until the mechanism has an answer. */
static int pop3_auth_exchange(struct login *l, struct auth_exchange *auth,
			      struct auth_answer *answer)
{
	_cleanup_(str_free) struct str response = STR_EMPTY;
	int r = 0;

	while (r == 0 && answer->state == AUTH_CONTINUE) {
		r = pop3_send_challenge(l, str_view(&answer->bytes));
		str_clear(&response);
		if (r == 0)
			r = pop3_read_response(l, &response);
		if (r == 0 && auth_respond(auth, str_view(&response), answer) < 0)
			r = -EAGAIN;
	}
	if (response.data != NULL)
		mem_wipe(response.data, response.size);
	return r;
}

static int authenticate(struct login *l, struct view mechanism, bool given, struct view initial)
{
	_cleanup_(auth_answer_free) struct auth_answer answer = { 0 };
	struct auth_exchange *auth =
		auth_begin(VIEW("pop3"), mechanism, given, initial, l->secured,
			   view_of(l->peer->text), view_of(l->peer->server_text), &answer);
	int r = pop3_auth_exchange(l, auth, &answer);

	auth_exchange_free(auth);
	if (r == -ECANCELED)
		return login_refuse(l, "Authentication cancelled.");
	if (r == -EBADMSG || r == -EMSGSIZE)
		return login_refuse(l, "Invalid base64, or line too long.");
	if (r == -EAGAIN)
		return login_refuse(l, "[SYS/TEMP] Temporary authentication failure.");
	return r < 0 ? r : pop3_exchange_finish(l, &answer);
}

int login_command_auth(struct login *l, struct view argument)
{
	_cleanup_(str_free) struct str initial = STR_EMPTY, name = STR_EMPTY;
	struct view rest = argument, mechanism, text;
	bool given = false;
	int r;

	if (!view_next_word(&rest, " ", &mechanism))
		return pop3_list_mechanisms(l);
	if (!login_may_send_password(l))
		return refuse_plaintext(l);
	str_append(&name, mechanism);
	if (view_next_word(&rest, " ", &text)) {
		given = true;
		/* "=" is an empty one. */
		if (!view_is(text, "=") && base64_decode(&initial, text) < 0)
			return login_refuse(l, "Invalid base64 in the initial response.");
	}
	r = authenticate(l, str_view(&name), given, str_view(&initial));
	if (initial.data != NULL)
		mem_wipe(initial.data, initial.size);
	return r;
}

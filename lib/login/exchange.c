/*
 * From what a client says to the answer of auth, and to the session program that gets the
 * connection then. Passwords pass through here on their way to auth, which alone can judge them;
 * what held them is wiped.
 */
#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "login/internal.h"
#include "services/clients.h"
#include "session/handover.h"

/* Every greeting names them; auth's answer depends on nothing but whether there is TLS. */
#define MECHANISMS_KEPT ((msec_t)60 * 1000)

int login_refuse(struct login *l, enum login_refusal why, const char *detail)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append_cstr(&text, l->protocol->refusals[why]);
	str_append_cstr(&text, detail);
	return l->protocol->refuse(l, str_cstr(&text));
}

static int exchange_login_failed(struct login *l, const struct auth_answer *answer)
{
	static const enum login_refusal refusals[] = {
		[AUTH_FAIL_CREDENTIALS] = REFUSE_WRONG,	  [AUTH_FAIL_TEMPORARY] = REFUSE_TEMPORARY,
		[AUTH_FAIL_MECHANISM] = REFUSE_MECHANISM, [AUTH_FAIL_DISABLED] = REFUSE_DISABLED,
		[AUTH_FAIL_PROTOCOL] = REFUSE_PROTOCOL,
	};

	metric_add(METRIC_login_failures, 1);
	l->failures += answer->why != AUTH_FAIL_MECHANISM;
	return login_refuse(
		l, answer->why < ARRAY_SIZE(refusals) ? refusals[answer->why] : REFUSE_WRONG, "");
}

/* Gives the connection to the user's session. LOGIN_END: it is theirs (or it is over). */
static int login_hand_over(struct login *l, const struct auth_answer *answer)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const struct login_protocol *protocol = l->protocol;
	struct handover what = {
		.service = protocol->session_service,
		.cookie = str_view(&answer->cookie),
		.tag = protocol->tag != NULL ? protocol->tag(l) : VIEW_NONE,
		.client_address = view_of(l->peer->text),
		.server_name = view_of(param.myhostname),
		.timeout = protocol->relay_timeout(),
	};
	int r;

	crowd_leave(l);
	stream_set_deadline(l->io, MSEC_FOREVER);
	r = session_handover(l->io, &what, &text);
	if (r == 0)
		return LOGIN_END;
	stream_set_deadline(l->io, clock_after(protocol->timeout()));
	if (r == -EACCES || r == -EAGAIN)
		return login_refuse(l, REFUSE_UNAVAILABLE, str_cstr(&text));
	return r;
}

static int login_conclude(struct login *l, const struct auth_answer *answer)
{
	str_set(&l->user, str_view(&answer->user));
	return answer->state == AUTH_OK ? login_hand_over(l, answer)
					: exchange_login_failed(l, answer);
}

/* As auth is to see the client. */
static struct auth_client login_client(const struct login *l)
{
	return (struct auth_client){
		.service = view_of(l->protocol->service),
		.secured = login_is_private(l),
		.has_session = true,
		.address = view_of(l->peer->text),
		.server_address = view_of(l->peer->server_text),
	};
}

int login_mechanisms(const struct login *l, struct str *names)
{
	static struct {
		struct str names;
		msec_t until;
	} kept[2];
	struct auth_client client = login_client(l);
	bool private = login_is_private(l);

	if (clock_now() >= kept[private].until) {
		_cleanup_(str_free) struct str fresh = STR_EMPTY;
		int r = auth_mechanisms(&client, &fresh);

		if (r < 0)
			return r;
		str_set(&kept[private].names, str_view(&fresh));
		kept[private].until = clock_after(MECHANISMS_KEPT);
	}
	auth_tls_announced(l->io, str_view(&kept[private].names), names);
	return 0;
}

int login_password(struct login *l, struct view user, struct view password)
{
	struct auth_client client = login_client(l);
	_cleanup_(auth_answer_free) struct auth_answer answer = { 0 };
	int r;

	if (!login_may_send_password(l))
		return login_refuse(l, REFUSE_PRIVACY, "");
	spare_set_busy(&l->spare, true);
	r = auth_password(&client, user, password, &answer);
	spare_set_busy(&l->spare, false);
	return r < 0 ? login_refuse(l, REFUSE_TEMPORARY, "") : login_conclude(l, &answer);
}

/* ---- SASL ---- */

static int login_send_challenge(struct login *l, struct view challenge)
{
	_cleanup_(str_free) struct str base64 = STR_EMPTY, line = STR_EMPTY;

	base64_encode(&base64, challenge);
	if (l->protocol->challenge != NULL)
		return l->protocol->challenge(l, str_view(&base64));
	str_printf(&line, "+ %s\r\n", str_cstr(&base64));
	return stream_write(l->io, str_view(&line));
}

/* One challenge and its response: 0, -ECANCELED, -EBADMSG or -EMSGSIZE for what is none, others. */
static int login_challenge(struct login *l, struct view challenge, struct str *response)
{
	struct view said;
	int r = login_send_challenge(l, challenge);

	if (r >= 0)
		r = stream_flush(l->io);
	if (r >= 0)
		r = l->protocol->read_response(l, &said);
	if (r < 0)
		return r;
	if (view_is(said, "*"))
		return -ECANCELED;
	str_wipe(response);
	return base64_decode(response, said) < 0 ? -EBADMSG : 0;
}

/* The mechanism's last word: a challenge that the client acknowledges, unless the protocol has a place for it. */
static int login_say_last(struct login *l, struct view word, struct str *response)
{
	_cleanup_(str_free) struct str base64 = STR_EMPTY;

	base64_encode(&base64, word);
	if (l->protocol->last_word != NULL && l->protocol->last_word(l, str_view(&base64)))
		return 0;
	return login_challenge(l, word, response);
}

/* Challenges and responses until the mechanism has an answer. -EAGAIN: auth is gone. */
static int login_converse(struct login *l, struct auth_exchange *auth, struct auth_answer *answer)
{
	_cleanup_(str_wipe) struct str response = STR_EMPTY;
	int r = 0;

	while (r == 0 && answer->state == AUTH_CONTINUE) {
		r = login_challenge(l, str_view(&answer->bytes), &response);
		if (r < 0)
			break;
		spare_set_busy(&l->spare, true);
		r = auth_respond(auth, str_view(&response), answer) < 0 ? -EAGAIN : 0;
		spare_set_busy(&l->spare, false);
	}
	if (r == 0 && answer->state == AUTH_OK && answer->bytes.len > 0)
		r = login_say_last(l, str_view(&answer->bytes), &response);
	return r;
}

static int login_run_exchange(struct login *l, struct view mechanism, bool given,
			      struct view initial)
{
	_cleanup_(auth_answer_free) struct auth_answer answer = { 0 };
	_cleanup_(auth_tls_free) struct auth_tls known = { .user = STR_EMPTY };
	struct auth_client client = login_client(l);
	struct auth_exchange *auth;
	int r;

	auth_tls_fill(l->io, &known, &client);
	spare_set_busy(&l->spare, true);
	auth = auth_begin(&client, mechanism, given, initial, &answer);
	spare_set_busy(&l->spare, false);
	r = login_converse(l, auth, &answer);
	auth_exchange_free(auth);
	switch (r) {
	case 0:
		return login_conclude(l, &answer);
	case -ECANCELED:
		return login_refuse(l, REFUSE_CANCELLED, "");
	case -EBADMSG:
	case -EMSGSIZE:
		return login_refuse(l, REFUSE_BASE64, "");
	case -EAGAIN:
		return login_refuse(l, REFUSE_TEMPORARY, "");
	default:
		return r;
	}
}

int login_authenticate(struct login *l, struct view mechanism, bool given, struct view initial)
{
	_cleanup_(str_wipe) struct str response = STR_EMPTY;
	_cleanup_(str_free) struct str name = STR_EMPTY;

	/* What does not show the password, auth may allow in the clear. */
	if (!login_may_send_password(l) && !view_starts(mechanism, VIEW("SCRAM-")))
		return login_refuse(l, REFUSE_PRIVACY, "");
	/* Copies: the next line takes the place of this one. */
	str_append(&name, mechanism);
	if (given && !view_is(initial, "=") && base64_decode(&response, initial) < 0)
		return login_refuse(l, REFUSE_BASE64, "");
	return login_run_exchange(l, str_view(&name), given, str_view(&response));
}

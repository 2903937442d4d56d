/*
 * SASL mechanisms (RFC 4422) as a table. PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login)
 * are a line of text each way, so they are read here, with just the checks that we want.
 */
#include "auth.h"

#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "conf/conf.h"

/* A client may take this long to answer a challenge. */
#define RESPONSE_TIMEOUT ((msec_t)600 * 1000)
/* How finely a waiting failure notices that the program is to stop. */
#define DELAY_SLICE 500
/* Of a session's number. */
#define SESSION_BYTES 6

/* Also what was received is not to lie about in memory. */
static void exchange_wipe(struct view received)
{
	if (received.len > 0)
		mem_wipe((void *)(uintptr_t)received.data, received.len);
}

static void exchange_forget_said(struct exchange *x)
{
	if (x->said.data != NULL)
		mem_wipe(x->said.data, x->said.size);
	str_clear(&x->said);
}

int exchange_ask(struct exchange *x, struct view challenge)
{
	struct message m;
	int r = ipc_send(x->ipc, auth_challenge, .bytes = challenge);

	exchange_forget_said(x);
	if (r == 0)
		r = ipc_receive(x->ipc, &m);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (m.type == MSG_auth_cancel)
		return EXCHANGE_CANCELLED;
	if (m.type != MSG_auth_response) {
		message_close_fd(&m);
		return -EBADMSG;
	}
	str_append(&x->said, m.auth_response.bytes);
	exchange_wipe(m.auth_response.bytes);
	return 0;
}

/* ---- mechanisms that send the password ---- */

/* Checks it for x->name when its turn has come. */
static int exchange_check(struct exchange *x, struct view password)
{
	struct view name = str_view(&x->name);
	struct turn *turn;

	turn = turn_take(str_view(&x->attempt->client_address), name, &x->why);
	x->verdict = turn != NULL ? verify_password(x->attempt, name, password, &x->user, &x->why)
				  : LOGIN_TEMPORARY;
	turn_end(turn, x->verdict);
	return 0;
}

/* What is no response of the mechanism. */
static int exchange_malformed(struct exchange *x, const char *problem)
{
	error_set(&x->why, 0, "%s", problem);
	x->verdict = LOGIN_WRONG;
	return 0;
}

/* authzid NUL authcid NUL password */
static int plain_run(struct exchange *x)
{
	struct view rest, authzid, name, password;
	int r = x->has_initial ? 0 : exchange_ask(x, VIEW_NONE);

	if (r != 0)
		return r;
	rest = str_view(&x->said);

	size_t first = view_find_byte(rest, '\0');

	if (first == VIEW_NOT_FOUND)
		return exchange_malformed(x, "PLAIN response without NUL");
	authzid = view_first(rest, first);
	rest = view_from(rest, first + 1);

	size_t second = view_find_byte(rest, '\0');

	if (second == VIEW_NOT_FOUND)
		return exchange_malformed(x, "PLAIN response with only one NUL");
	name = view_first(rest, second);
	password = view_from(rest, second + 1);
	if (view_find_byte(password, '\0') != VIEW_NOT_FOUND)
		return exchange_malformed(x, "PLAIN response with more than two NULs");
	str_set(&x->name, name);
	if (authzid.len > 0 && !view_eq_nocase(authzid, name))
		return exchange_malformed(x, "acting for another user is not supported");
	return exchange_check(x, password);
}

/* Clients look for these words, with the colon. An initial response is the user name. */
static int login_run(struct exchange *x)
{
	int r = x->has_initial ? 0 : exchange_ask(x, VIEW("Username:"));

	if (r != 0)
		return r;
	str_set(&x->name, str_view(&x->said));
	r = exchange_ask(x, VIEW("Password:"));
	return r != 0 ? r : exchange_check(x, str_view(&x->said));
}

/* ---- the table ---- */

static const struct mechanism {
	const char *name;
	bool sends_password; /* in clear */
	/* 0 with the verdict in x, EXCHANGE_CANCELLED, or negative: the connection is over. */
	int (*run)(struct exchange *x);
} mechanisms[] = {
	{ "PLAIN", true, plain_run },
	{ "LOGIN", true, login_run },
	{ "SCRAM-SHA-256", false, scram_run },
};

static const struct mechanism *mechanism_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (view_is_nocase(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

static bool mechanism_is_enabled(const struct mechanism *mechanism)
{
	struct view rest = view_of(param.auth_mechanisms), word;

	while (conf_next_element(&rest, &word))
		if (view_is_nocase(word, mechanism->name))
			return true;
	return false;
}

int exchange_prepare(struct error *err)
{
	struct view rest = view_of(param.auth_mechanisms), word;

	while (conf_next_element(&rest, &word))
		if (mechanism_find(word) == NULL)
			return error_set(err, -EINVAL, "auth_mechanisms: \"%.*s\" is not known",
					 VIEW_ARG(word));
	return scram_prepare(err);
}

static bool mechanism_is_offered(const struct mechanism *mechanism, bool secured)
{
	return mechanism_is_enabled(mechanism) &&
	       (secured || !mechanism->sends_password || !param.disable_plaintext_auth);
}

void exchange_mechanisms(bool secured, struct str *names)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (mechanism_is_offered(&mechanisms[i], secured))
			str_printf(names, "%s%s", names->len > 0 ? " " : "", mechanisms[i].name);
}

/* ---- answers ---- */

static void exchange_describe(struct str *line, const struct attempt *attempt, struct view name)
{
	str_append_cstr(line, "user=<");
	str_append_printable(line, view_first(name, USER_NAME_MAX));
	str_printf(line, ">, method=%s, rip=", attempt->mechanism);
	str_append_printable(line, str_view(&attempt->client_address));
	if (attempt->server_address.len > 0) {
		str_append_cstr(line, ", lip=");
		str_append_printable(line, str_view(&attempt->server_address));
	}
	str_append_cstr(line, ", service=");
	str_append_printable(line, str_view(&attempt->service));
	if (attempt->secured)
		str_append_cstr(line, ", secured");
}

static int exchange_refuse(struct ipc *ipc, uint8_t why, const char *text)
{
	return ipc_send(ipc, auth_failed, .why = why, .text = view_of(text));
}

/* Whatever was wrong, the answer comes at a time that has nothing to do with what was checked. */
static void wait_until(msec_t deadline)
{
	for (;;) {
		msec_t left = deadline - clock_now();

		if (left <= 0 || task_is_shutting_down())
			return;
		task_sleep(MIN(left, DELAY_SLICE));
	}
}

static int exchange_fail(struct ipc *ipc, const struct attempt *attempt, struct view name,
			 enum verdict verdict, const struct error *why)
{
	_cleanup_(str_free) struct str who = STR_EMPTY;

	exchange_describe(&who, attempt, name);
	if (verdict == LOGIN_TEMPORARY) {
		log_warning("login put off (%s): %s", why->text, str_cstr(&who));
		return exchange_refuse(ipc, AUTH_FAIL_TEMPORARY,
				       "Temporary authentication failure");
	}
	metric_add(METRIC_login_failures, 1);
	log_info("login failed (%s): %s", why->text, str_cstr(&who));
	wait_until(attempt->started + param.auth_failure_delay);
	if (verdict == LOGIN_DISABLED)
		return exchange_refuse(ipc, AUTH_FAIL_DISABLED, "This account is disabled");
	return exchange_refuse(ipc, AUTH_FAIL_CREDENTIALS, "Wrong user name or password");
}

static int succeed(struct exchange *x)
{
	const struct attempt *attempt = x->attempt;
	_cleanup_(str_free) struct str who = STR_EMPTY;
	_cleanup_(str_free) struct str cookie = STR_EMPTY, session = STR_EMPTY;
	unsigned char number[SESSION_BYTES];
	int r;

	random_bytes(number, sizeof(number));
	hex_encode(&session, view_make(number, sizeof(number)));
	exchange_describe(&who, attempt, str_view(&x->user));
	/* The one line of a login; what the session writes later has its number. */
	log_info("login: %s, session=%s", str_cstr(&who), str_cstr(&session));
	metric_add(METRIC_logins, 1);
	/* smtp has no session program that would ask. */
	if (!view_is(str_view(&attempt->service), "smtp"))
		cookie_make(str_view(&attempt->service), str_view(&x->user), str_view(&session),
			    &cookie);
	r = ipc_send(x->ipc, auth_ok, .user = str_view(&x->user), .cookie = str_view(&cookie),
		     .final = str_view(&x->final));
	if (cookie.data != NULL)
		mem_wipe(cookie.data, cookie.size);
	return r;
}

static void exchange_free(struct exchange *x)
{
	exchange_forget_said(x);
	str_free(&x->said);
	str_free(&x->name);
	str_free(&x->user);
	str_free(&x->final);
}

static int exchange_conclude(struct ipc *ipc, const struct mechanism *mechanism,
			     const struct attempt *attempt, const struct msg_auth_begin *begin)
{
	_cleanup_(exchange_free) struct exchange x = {
		.ipc = ipc,
		.attempt = attempt,
		.has_initial = begin->has_initial != 0,
		.verdict = LOGIN_WRONG,
	};
	int r;

	str_append(&x.said, begin->initial);
	exchange_wipe(begin->initial);
	r = mechanism->run(&x);
	if (r == EXCHANGE_CANCELLED)
		return exchange_refuse(ipc, AUTH_FAIL_PROTOCOL, "Authentication cancelled");
	if (r < 0)
		return r;
	if (x.verdict == LOGIN_RIGHT)
		return succeed(&x);
	return exchange_fail(ipc, attempt, str_view(&x.name), x.verdict, &x.why);
}

static void exchange_attempt_free(struct attempt *attempt)
{
	str_free(&attempt->service);
	str_free(&attempt->client_address);
	str_free(&attempt->server_address);
}

int exchange_run(struct ipc *ipc, const struct msg_auth_begin *begin)
{
	_cleanup_(exchange_attempt_free) struct attempt attempt = { .secured = begin->secured != 0,
								    .started = clock_now() };
	const struct mechanism *mechanism = mechanism_find(begin->mechanism);

	if (mechanism == NULL || !mechanism_is_enabled(mechanism))
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM, "Mechanism not supported");
	if (!mechanism_is_offered(mechanism, attempt.secured))
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM,
				       "This mechanism needs an encrypted connection");
	attempt.mechanism = mechanism->name;
	str_append(&attempt.service, begin->service);
	str_append(&attempt.client_address, begin->client_address);
	str_append(&attempt.server_address, begin->server_address);
	ipc_set_timeout(ipc, RESPONSE_TIMEOUT);

	int r = exchange_conclude(ipc, mechanism, &attempt, begin);

	ipc_set_timeout(ipc, param.ipc_timeout);
	return r;
}

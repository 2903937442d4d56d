/*
 * SASL mechanisms (RFC 4422): PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login). Both are a
 * line of text each way, so they are read here, with just the checks that we want.
 */
#include "auth.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"

/* A client may take this long to answer a challenge. */
#define RESPONSE_TIMEOUT ((msec_t)600 * 1000)
/* How finely a waiting failure notices that the program is to stop. */
#define DELAY_SLICE 500

#define CANCELLED 1

/* What the client said; the views lie in `bytes`, wiped at the end. */
struct said {
	struct str bytes;
	struct view name, password;
};

static void said_free(struct said *said)
{
	if (said->bytes.data != NULL)
		mem_wipe(said->bytes.data, said->bytes.size);
	str_free(&said->bytes);
}

/* Also what was received is not to lie about in memory. */
static void exchange_wipe(struct view received)
{
	if (received.len > 0)
		mem_wipe((void *)(uintptr_t)received.data, received.len);
}

/* ---- mechanisms: 0 with name and password, CANCELLED, -EINVAL with a reason, or I/O errors ---- */

/* Sends a challenge and appends the response. 0, CANCELLED, negative: close the connection. */
static int mechanism_ask(struct ipc *ipc, struct view challenge, struct str *response)
{
	struct message m;
	int r = ipc_send(ipc, auth_challenge, .bytes = challenge);

	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (m.type == MSG_auth_cancel)
		return CANCELLED;
	if (m.type != MSG_auth_response) {
		message_close_fd(&m);
		return -EBADMSG;
	}
	str_append(response, m.auth_response.bytes);
	exchange_wipe(m.auth_response.bytes);
	return 0;
}

/* authzid NUL authcid NUL password */
static int read_plain(struct ipc *ipc, struct said *said, bool has_initial, struct error *why)
{
	struct view rest, authzid;
	int r = has_initial ? 0 : mechanism_ask(ipc, VIEW_NONE, &said->bytes);

	if (r != 0)
		return r;
	rest = str_view(&said->bytes);

	size_t first = view_find_byte(rest, '\0');

	if (first == VIEW_NOT_FOUND)
		return error_set(why, -EINVAL, "PLAIN response without NUL");
	authzid = view_first(rest, first);
	rest = view_from(rest, first + 1);

	size_t second = view_find_byte(rest, '\0');

	if (second == VIEW_NOT_FOUND)
		return error_set(why, -EINVAL, "PLAIN response with only one NUL");
	said->name = view_first(rest, second);
	said->password = view_from(rest, second + 1);
	if (view_find_byte(said->password, '\0') != VIEW_NOT_FOUND)
		return error_set(why, -EINVAL, "PLAIN response with more than two NULs");
	if (authzid.len > 0 && !view_eq_nocase(authzid, said->name))
		return error_set(why, -EINVAL, "acting for another user is not supported");
	return 0;
}

/* Clients look for these words, with the colon. An initial response is the user name. */
static int read_login(struct ipc *ipc, struct said *said, bool has_initial, struct error *why)
{
	int r = has_initial ? 0 : mechanism_ask(ipc, VIEW("Username:"), &said->bytes);
	size_t name_len = said->bytes.len;

	(void)why;
	if (r == 0)
		r = mechanism_ask(ipc, VIEW("Password:"), &said->bytes);
	if (r != 0)
		return r;
	said->name = view_first(str_view(&said->bytes), name_len);
	said->password = view_from(str_view(&said->bytes), name_len);
	return 0;
}

static const struct mechanism {
	const char *name;
	bool sends_password; /* in clear */
	int (*read)(struct ipc *ipc, struct said *said, bool has_initial, struct error *why);
} mechanisms[] = {
	{ "PLAIN", true, read_plain },
	{ "LOGIN", true, read_login },
};

static bool mechanism_is_offered(const struct mechanism *mechanism, bool secured)
{
	return secured || !mechanism->sends_password || !param.disable_plaintext_auth;
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

static int succeed(struct ipc *ipc, const struct attempt *attempt, struct view user)
{
	_cleanup_(str_free) struct str who = STR_EMPTY;
	_cleanup_(str_free) struct str cookie = STR_EMPTY;
	int r;

	exchange_describe(&who, attempt, user);
	log_info("login: %s", str_cstr(&who));
	metric_add(METRIC_logins, 1);
	/* smtp has no session program that would ask. */
	if (!view_is(str_view(&attempt->service), "smtp"))
		cookie_make(str_view(&attempt->service), user, &cookie);
	r = ipc_send(ipc, auth_ok, .user = user, .cookie = str_view(&cookie));
	if (cookie.data != NULL)
		mem_wipe(cookie.data, cookie.size);
	return r;
}

static int exchange_step(struct ipc *ipc, const struct mechanism *mechanism,
			 const struct attempt *attempt, const struct msg_auth_begin *begin)
{
	_cleanup_(said_free) struct said said = { .bytes = STR_EMPTY };
	_cleanup_(str_free) struct str user = STR_EMPTY;
	struct error why = ERROR_NONE;
	enum verdict verdict;
	int r;

	str_append(&said.bytes, begin->initial);
	exchange_wipe(begin->initial);
	r = mechanism->read(ipc, &said, begin->has_initial != 0, &why);
	if (r == CANCELLED)
		return exchange_refuse(ipc, AUTH_FAIL_PROTOCOL, "Authentication cancelled");
	if (r == -EINVAL)
		return exchange_fail(ipc, attempt, said.name, LOGIN_WRONG, &why);
	if (r < 0)
		return r;
	struct turn *turn = turn_take(str_view(&attempt->client_address), said.name, &why);

	verdict = turn != NULL ? verify_password(attempt, said.name, said.password, &user, &why)
			       : LOGIN_TEMPORARY;
	turn_end(turn, verdict);
	if (verdict == LOGIN_RIGHT)
		return succeed(ipc, attempt, str_view(&user));
	return exchange_fail(ipc, attempt, said.name, verdict, &why);
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
	const struct mechanism *mechanism = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (view_is_nocase(begin->mechanism, mechanisms[i].name))
			mechanism = &mechanisms[i];
	if (mechanism == NULL)
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM, "Mechanism not supported");
	if (!mechanism_is_offered(mechanism, attempt.secured))
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM,
				       "This mechanism needs an encrypted connection");
	attempt.mechanism = mechanism->name;
	str_append(&attempt.service, begin->service);
	str_append(&attempt.client_address, begin->client_address);
	str_append(&attempt.server_address, begin->server_address);
	ipc_set_timeout(ipc, RESPONSE_TIMEOUT);

	int r = exchange_step(ipc, mechanism, &attempt, begin);

	ipc_set_timeout(ipc, param.ipc_timeout);
	return r;
}

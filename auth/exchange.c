/*
 * SASL mechanisms (RFC 4422) as a table. PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login)
 * are a line of text each way, so they are read here, with just the checks that we want.
 */
#include "auth.h"
#include "elsewhere.h"
#include "uses.h"

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

/* ---- mechanisms that send the password ---- */

/* Checks it for x->name when its turn has come. */
static int exchange_check(struct exchange *x, struct view password)
{
	struct view name = str_view(&x->name);
	struct turn *turn;

	turn = turn_take(str_view(&x->attempt->client_address), name, &x->why);
	if (turn == NULL)
		x->verdict = LOGIN_TEMPORARY;
	else if (x->saslauthd != NULL)
		x->verdict =
			saslauthd_check(x->saslauthd, str_view(&x->attempt->service), name,
					str_view(&x->attempt->realm), password, &x->user, &x->why);
	else
		x->verdict =
			verify_password(x->attempt, name, password, &x->user, &x->proof, &x->why);
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

/* A master user may say so in either way. */
static bool exchange_act_for(struct exchange *x, struct view user, struct view master)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	if (!master_join(user, master, &name))
		return false;
	str_set(&x->name, str_view(&name));
	return true;
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
	if (authzid.len > 0 && !view_eq_nocase(authzid, name) &&
	    !exchange_act_for(x, authzid, name))
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

/* The certificate has said who it is; the client may say the same name once more. */
static int external_run(struct exchange *x)
{
	struct view name = str_view(&x->attempt->certificate_user);
	int r = x->has_initial ? 0 : exchange_ask(x, VIEW_NONE);

	if (r != 0)
		return r;
	str_set(&x->name, name);
	if (name.len == 0)
		return exchange_malformed(x, "no certificate that names a user");
	if (x->said.len > 0 && !view_eq_nocase(str_view(&x->said), name))
		return exchange_malformed(x, "acting for another user is not supported");
	x->verdict = verify_proven(x->attempt, name, &x->user, &x->why);
	return 0;
}

/* ---- the table ---- */

#define PROVES_PASSWORD (MECHANISM_DICTIONARY | MECHANISM_MUTUAL)
#define SENDS_PASSWORD	(MECHANISM_PLAINTEXT | MECHANISM_ACTIVE | MECHANISM_DICTIONARY)

static const struct mechanism {
	const char *name;
	unsigned kinds;
	/* 0 with the verdict in x, EXCHANGE_CANCELLED, or negative: the connection is over. */
	int (*run)(struct exchange *x);
} mechanisms[] = {
	{ "PLAIN", SENDS_PASSWORD, plain_run },
	{ "LOGIN", SENDS_PASSWORD, login_run },
	{ "SCRAM-SHA-256-PLUS", PROVES_PASSWORD | MECHANISM_BINDS, scram_run },
	{ "SCRAM-SHA-256", PROVES_PASSWORD, scram_run },
	{ "SCRAM-SHA-1-PLUS", PROVES_PASSWORD | MECHANISM_BINDS, scram_run },
	{ "SCRAM-SHA-1", PROVES_PASSWORD, scram_run },
	{ "EXTERNAL", MECHANISM_BINDS, external_run },
	{ "OAUTHBEARER", SENDS_PASSWORD, oauth_run },
	{ "XOAUTH2", SENDS_PASSWORD, oauth_run },
};

static const struct mechanism *mechanism_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (view_is_nocase(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

int exchange_prepare(struct error *err)
{
	struct view rest = view_of(param.auth_mechanisms), word;

	while (conf_next_element(&rest, &word))
		if (mechanism_find(word) == NULL)
			return error_set(err, -EINVAL, "auth_mechanisms: \"%.*s\" is not known",
					 VIEW_ARG(word));
	if ((mechanism_is_enabled("OAUTHBEARER") || mechanism_is_enabled("XOAUTH2")) &&
	    param.oauth_keys[0] == '\0' && param.oauth_introspection_url[0] == '\0')
		return error_set(err, -EINVAL,
				 "auth_mechanisms: oauthbearer and xoauth2 need oauth_keys or "
				 "oauth_introspection_url");
	return scram_prepare(err);
}

static bool mechanism_is_offered(const struct mechanism *mechanism, bool secured)
{
	return mechanism_is_enabled(mechanism->name) &&
	       (secured || !(mechanism->kinds & MECHANISM_BINDS)) &&
	       (secured || !(mechanism->kinds & MECHANISM_PLAINTEXT) ||
		!param.disable_plaintext_auth);
}

/* Of a server that only judges passwords. */
static bool mechanism_is_for(const struct mechanism *mechanism, const struct saslauthd *server)
{
	return (mechanism->kinds & MECHANISM_PLAINTEXT) && mechanism->run != oauth_run &&
	       saslauthd_has_mechanism(server, mechanism->name);
}

static int list_of_saslauthd(const struct saslauthd *server, struct view refused, struct str *names,
			     struct error *err)
{
	if (saslauthd_problem(server) != NULL)
		return error_set(err, -ENOTSUP, "smtpd_sasl_type = cyrus: %s",
				 saslauthd_problem(server));
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (mechanism_is_for(&mechanisms[i], server) &&
		    mechanism_suits(mechanisms[i].kinds, refused))
			str_printf(names, "%s%s", names->len > 0 ? " " : "", mechanisms[i].name);
	return 0;
}

static int list_of_server(struct view name, struct view refused, struct str *names,
			  struct error *err)
{
	struct elsewhere *server = elsewhere_find(name);

	if (server == NULL)
		return error_set(err, -EACCES, "the server %.*s is not configured", VIEW_ARG(name));
	return server->dovecot != NULL ? dovecot_mechanisms(server->dovecot, refused, names, err)
				       : list_of_saslauthd(server->saslauthd, refused, names, err);
}

int exchange_mechanisms(const struct msg_auth_mechanisms *question, struct str *names,
			struct error *err)
{
	if (question->server.len > 0) {
		/* Asking waits, and the message is not valid after that. */
		_cleanup_(str_free) struct str refused = STR_EMPTY;

		str_append(&refused, question->refused);
		return list_of_server(question->server, str_view(&refused), names, err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (mechanism_is_offered(&mechanisms[i], question->secured != 0) &&
		    mechanism_suits(mechanisms[i].kinds, question->refused))
			str_printf(names, "%s%s", names->len > 0 ? " " : "", mechanisms[i].name);
	return 0;
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

static void exchange_describe_proof(struct str *line, const struct proof *proof)
{
	if (proof->app_password.len > 0) {
		str_append_cstr(line, ", app_password=");
		str_append_printable(line, str_view(&proof->app_password));
	}
	if (proof->master.len > 0) {
		str_append_cstr(line, ", master=");
		str_append_printable(line, str_view(&proof->master));
	}
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
	exchange_describe_proof(&who, &x->proof);
	/* The one line of a login; what the session writes later has its number. */
	log_info("login: %s, session=%s", str_cstr(&who), str_cstr(&session));
	metric_add(METRIC_logins, 1);
	if (x->proof.master.len == 0)
		uses_note(attempt, str_view(&x->user), str_view(&x->proof.app_password));
	if (attempt->has_session)
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
	proof_free(&x->proof);
}

/* Who judges, and by what mechanism: ours, or with a server of other software. */
struct judge {
	const struct mechanism *mechanism; /* NULL: all is the server's part */
	struct elsewhere *server;	   /* NULL: our own users */
	struct view refused;
};

static int judge_run(const struct judge *judge, struct exchange *x)
{
	if (judge->mechanism == NULL)
		return dovecot_run(x, judge->server->dovecot, judge->refused);
	if (judge->server != NULL)
		x->saslauthd = judge->server->saslauthd;
	return judge->mechanism->run(x);
}

static int exchange_conclude(struct ipc *ipc, const struct judge *judge,
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
	r = judge_run(judge, &x);
	if (r == EXCHANGE_CANCELLED)
		return exchange_refuse(ipc, AUTH_FAIL_PROTOCOL, "Authentication cancelled");
	if (r == EXCHANGE_UNKNOWN)
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM, "Mechanism not supported");
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
	str_free(&attempt->realm);
	str_wipe(&attempt->tls_exporter);
	str_wipe(&attempt->tls_unique);
	str_free(&attempt->certificate_user);
}

/* NULL, or why there is no judge for it. */
static const char *judge_find(const struct msg_auth_begin *begin, struct judge *judge)
{
	judge->mechanism = mechanism_find(begin->mechanism);
	if (begin->server.len > 0) {
		judge->server = elsewhere_find(begin->server);
		if (judge->server == NULL)
			return "The server is not configured";
		if (judge->server->dovecot != NULL) {
			judge->mechanism = NULL;
			return mechanism_is_name(begin->mechanism) ? NULL
								   : "Mechanism not supported";
		}
		return judge->mechanism != NULL &&
				       saslauthd_problem(judge->server->saslauthd) == NULL &&
				       mechanism_is_for(judge->mechanism,
							judge->server->saslauthd) &&
				       mechanism_suits(judge->mechanism->kinds, begin->refused)
			       ? NULL
			       : "Mechanism not supported";
	}
	if (judge->mechanism == NULL || !mechanism_is_enabled(judge->mechanism->name) ||
	    !mechanism_suits(judge->mechanism->kinds, begin->refused))
		return "Mechanism not supported";
	/* A certificate needs no channel binding, which TLS 1.2 of old clients does not have. */
	if (judge->mechanism->run == scram_run && (judge->mechanism->kinds & MECHANISM_BINDS) &&
	    begin->tls_exporter.len == 0 && begin->tls_unique.len == 0)
		return "This mechanism needs TLS";
	return mechanism_is_offered(judge->mechanism, begin->secured != 0)
		       ? NULL
		       : "This mechanism needs an encrypted connection";
}

static void exchange_attempt_fill(struct attempt *attempt, const struct msg_auth_begin *begin)
{
	for (size_t i = 0; i < begin->mechanism.len && i < MECHANISM_NAME_MAX; i++)
		attempt->mechanism[i] = ascii_upper(begin->mechanism.data[i]);
	str_append(&attempt->service, begin->service);
	str_append(&attempt->client_address, begin->client_address);
	str_append(&attempt->server_address, begin->server_address);
	str_append(&attempt->realm, begin->realm);
	base64_encode(&attempt->tls_exporter, begin->tls_exporter);
	base64_encode(&attempt->tls_unique, begin->tls_unique);
	str_append(&attempt->certificate_user, begin->certificate_user);
}

int exchange_run(struct ipc *ipc, const struct msg_auth_begin *begin)
{
	_cleanup_(exchange_attempt_free) struct attempt attempt = { .secured = begin->secured != 0,
								    .has_session =
									    begin->has_session != 0,
								    .started = clock_now() };
	_cleanup_(str_free) struct str refused = STR_EMPTY;
	struct judge judge = { .mechanism = NULL };
	const char *problem = judge_find(begin, &judge);

	if (problem != NULL)
		return exchange_refuse(ipc, AUTH_FAIL_MECHANISM, problem);
	exchange_attempt_fill(&attempt, begin);
	str_append(&refused, begin->refused);
	judge.refused = str_view(&refused);
	ipc_set_timeout(ipc, RESPONSE_TIMEOUT);

	int r = exchange_conclude(ipc, &judge, &attempt, begin);

	ipc_set_timeout(ipc, param.ipc_timeout);
	return r;
}

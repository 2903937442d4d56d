/* The caller's side of auth. */
#include <errno.h>

#include "base/mem.h"
#include "services/clients.h"

#define SERVICE	     "private/auth"
#define IDLE_MAX     32
#define CONNECT_TIME ((msec_t)10 * 1000)
/* Beyond it lie the failure delay, and the wait behind this client's other attempts. */
#define ANSWER_TIME ((msec_t)120 * 1000)

struct auth_exchange {
	struct ipc *ipc; /* NULL: over */
};

static struct ipc_pool *auth_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, SERVICE, IDLE_MAX, ANSWER_TIME);
}

void auth_answer_free(struct auth_answer *answer)
{
	str_free(&answer->bytes);
	str_free(&answer->user);
	if (answer->cookie.data != NULL)
		mem_wipe(answer->cookie.data, answer->cookie.size);
	str_free(&answer->cookie);
	str_free(&answer->text);
}

static int auth_exchange_fail(struct auth_answer *answer, uint8_t why, const char *text, int code)
{
	answer->state = AUTH_FAILED;
	answer->why = why;
	str_set(&answer->text, view_of(text));
	return code;
}

static int fail_temporarily(struct auth_answer *answer, int code)
{
	return auth_exchange_fail(answer, AUTH_FAIL_TEMPORARY, "Temporary authentication failure",
				  code);
}

/* What auth said. 0, or -EBADMSG for what is no answer. */
static int take_answer(struct auth_answer *answer, struct message *m)
{
	switch (m->type) {
	case MSG_auth_challenge:
		answer->state = AUTH_CONTINUE;
		str_set(&answer->bytes, m->auth_challenge.bytes);
		return 0;
	case MSG_auth_ok:
		answer->state = AUTH_OK;
		str_set(&answer->user, m->auth_ok.user);
		str_set(&answer->cookie, m->auth_ok.cookie);
		str_set(&answer->bytes, m->auth_ok.final);
		return 0;
	case MSG_auth_failed:
		answer->state = AUTH_FAILED;
		answer->why = m->auth_failed.why;
		str_set(&answer->text, m->auth_failed.text);
		return 0;
	default:
		message_close_fd(m);
		return fail_temporarily(answer, -EBADMSG);
	}
}

/* Ends the exchange's connection, or keeps it for the next. */
static void auth_exchange_leave(struct auth_exchange *exchange, bool healthy)
{
	ipc_pool_put(auth_pool(), TAKE(exchange->ipc), healthy);
}

static void clear(struct auth_answer *answer)
{
	auth_answer_free(answer);
	answer->why = AUTH_FAIL_CREDENTIALS;
}

struct auth_exchange *auth_begin(const struct auth_client *client, struct view mechanism,
				 bool has_initial, struct view initial, struct auth_answer *answer)
{
	struct auth_exchange *exchange = mem_new(struct auth_exchange);
	struct message m;
	int r;

	*answer = (struct auth_answer){ .state = AUTH_FAILED };
	if (mechanism.len > IPC_NAME_MAX) {
		auth_exchange_fail(answer, AUTH_FAIL_MECHANISM, "Mechanism not supported", 0);
		return exchange;
	}
	if (initial.len > IPC_SASL_MAX) {
		auth_exchange_fail(answer, AUTH_FAIL_PROTOCOL, "Initial response too long", 0);
		return exchange;
	}
	r = ipc_exchange(auth_pool(), clock_after(CONNECT_TIME), &exchange->ipc, &m, auth_begin,
			 .service = client->service, .mechanism = mechanism, .initial = initial,
			 .has_initial = has_initial, .secured = client->secured,
			 .has_session = client->has_session, .client_address = client->address,
			 .server_address = client->server_address, .server = client->server,
			 .refused = client->refused, .realm = client->realm,
			 .tls_exporter = client->tls_exporter, .tls_unique = client->tls_unique,
			 .certificate_user = client->certificate_user);
	if (r == 0)
		r = take_answer(answer, &m);
	else
		fail_temporarily(answer, r);
	if (exchange->ipc != NULL && (r < 0 || answer->state != AUTH_CONTINUE))
		auth_exchange_leave(exchange, r == 0);
	return exchange;
}

int auth_respond(struct auth_exchange *exchange, struct view response, struct auth_answer *answer)
{
	struct message m;
	int r;

	clear(answer);
	if (exchange->ipc == NULL)
		return fail_temporarily(answer, -ENOTCONN);
	if (response.len > IPC_SASL_MAX) {
		auth_exchange_leave(exchange, false);
		return auth_exchange_fail(answer, AUTH_FAIL_PROTOCOL, "Response too long", 0);
	}
	r = ipc_send(exchange->ipc, auth_response, .bytes = response);
	if (r == 0)
		r = ipc_receive(exchange->ipc, &m);
	if (r == 0)
		r = take_answer(answer, &m);
	else
		fail_temporarily(answer, r);
	if (r < 0 || answer->state != AUTH_CONTINUE)
		auth_exchange_leave(exchange, r == 0);
	return r;
}

void auth_exchange_free(struct auth_exchange *exchange)
{
	if (exchange == NULL)
		return;
	/* In the middle: auth sees the end of the connection and forgets what it knew. */
	if (exchange->ipc != NULL)
		auth_exchange_leave(exchange, false);
	free(exchange);
}

int auth_password(const struct auth_client *client, struct view user, struct view password,
		  struct auth_answer *answer)
{
	_cleanup_(str_free) struct str plain = STR_EMPTY;

	*answer = (struct auth_answer){ .state = AUTH_FAILED };
	if (view_find_byte(user, '\0') != VIEW_NOT_FOUND ||
	    view_find_byte(password, '\0') != VIEW_NOT_FOUND ||
	    user.len + password.len + 2 > IPC_SASL_MAX)
		return auth_exchange_fail(answer, AUTH_FAIL_CREDENTIALS,
					  "Wrong user name or password", 0);
	str_append_byte(&plain, '\0');
	str_append(&plain, user);
	str_append_byte(&plain, '\0');
	str_append(&plain, password);

	struct auth_exchange *exchange =
		auth_begin(client, VIEW("PLAIN"), true, str_view(&plain), answer);

	auth_exchange_free(exchange);
	mem_wipe(plain.data, plain.size);
	return 0;
}

int auth_mechanisms(const struct auth_client *client, struct str *names)
{
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(auth_pool(), clock_after(CONNECT_TIME), &ipc, &m, auth_mechanisms,
			     .service = client->service, .secured = client->secured,
			     .server = client->server, .refused = client->refused);

	if (r < 0)
		return r;
	if (m.type == MSG_auth_mechanism_list) {
		str_set(names, m.auth_mechanism_list.names);
	} else if (m.type == MSG_auth_failed) {
		r = -EAGAIN; /* auth has logged why */
	} else {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	ipc_pool_put(auth_pool(), ipc, r != -EBADMSG);
	return r;
}

int auth_redeem(struct view cookie, struct view service, struct str *user, struct str *session)
{
	struct message m;
	struct ipc *ipc;
	int r;

	if (cookie.len == 0 || cookie.len > IPC_COOKIE_MAX)
		return -EACCES;
	r = ipc_exchange(auth_pool(), clock_after(CONNECT_TIME), &ipc, &m, auth_redeem,
			 .cookie = cookie, .service = service);
	if (r < 0)
		return r;
	if (m.type == MSG_auth_ok) {
		str_set(user, m.auth_ok.user);
		str_set(session, m.auth_ok.session);
	} else if (m.type == MSG_auth_failed) {
		r = -EACCES;
	} else {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	ipc_pool_put(auth_pool(), ipc, r != -EBADMSG);
	return r;
}

/*
 * The server of Dovecot's authentication protocol: connections and exchanges. It judges nobody, reads no line
 * itself, and keeps no password longer than auth needs to hear it.
 */
#include "client.h"

#include <errno.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "request.h"
#include "services/clients.h"
#include "table/table.h"
#include "task/task.h"

/* Version 1.2 of the protocol: what 1.3 adds, bindings to TLS channels, is not carried. */
#define SASL_MAJOR 1
#define SASL_MINOR 2
/* Until the client has said which version it speaks. */
#define GREETING_TIME ((msec_t)60 * 1000)
/* For the client's next response, as Dovecot has it. */
#define RESPONSE_TIME ((msec_t)150 * 1000)
/* Requests of one connection that are under way; more are put off. */
#define REQUESTS_MAX 64
#define COOKIE_BYTES 16

struct client {
	struct stream *io;
	struct task_lock writing;
	struct list requests;
	size_t count;
	struct waitlist ended; /* a request has */
	bool is_over;	       /* nobody hears what becomes of requests */
	uint32_t minor;	       /* of the version that it speaks */
};

/* A request that is under way. */
struct request {
	struct list link;
	struct client *client;
	struct sasl_request said; /* AUTH, with the data of what came last */
	bool waits, is_told, is_cancelled;
	struct waitlist told; /* the client has said something, or has gone */
};

/* ---- what the client is told ---- */

/* Whole lines; another task may be at it. */
static int client_write(struct client *client, struct str *lines)
{
	int r = -EPIPE;

	task_lock(&client->writing);
	if (!client->is_over)
		r = stream_write(client->io, str_view(lines));
	if (r >= 0)
		r = stream_flush(client->io);
	task_unlock(&client->writing);
	str_wipe(lines);
	return r < 0 ? r : 0;
}

/* Mechanisms as Dovecot describes them. Those about the client's certificate or channel are not for others. */
static const struct {
	const char *name, *kinds;
} offered[] = {
	{ "PLAIN", "plaintext" },	    { "LOGIN", "plaintext" },
	{ "SCRAM-SHA-256", "mutual-auth" }, { "SCRAM-SHA-1", "mutual-auth" },
	{ "OAUTHBEARER", "plaintext" },	    { "XOAUTH2", "plaintext" },
};

static bool client_is_offered(struct view mechanism)
{
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
		if (view_is_nocase(mechanism, offered[i].name))
			return true;
	return false;
}

static int client_greet(struct client *client)
{
	static unsigned number;
	_cleanup_(str_free) struct str names = STR_EMPTY;
	struct str lines = STR_EMPTY;
	struct auth_client who = { .service = VIEW("smtp"), .secured = true };
	unsigned char cookie[COOKIE_BYTES];
	struct view rest, name;
	int r = auth_mechanisms(&who, &names);

	if (r < 0)
		return r;
	str_printf(&lines, "VERSION\t%d\t%d\n", SASL_MAJOR, SASL_MINOR);
	rest = str_view(&names);
	while (view_next_word(&rest, " ", &name))
		for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
			if (view_is(name, offered[i].name))
				str_printf(&lines, "MECH\t%s\t%s\n", offered[i].name,
					   offered[i].kinds);
	random_bytes(cookie, sizeof(cookie));
	str_printf(&lines, "SPID\t%u\nCUID\t%u\nCOOKIE\t", (unsigned)getpid(), ++number);
	hex_encode(&lines, view_make(cookie, sizeof(cookie)));
	str_append_cstr(&lines, "\nDONE\n");
	return client_write(client, &lines);
}

static int request_fail(struct client *client, uint32_t id, const char *parameters)
{
	struct str line = STR_EMPTY;

	str_printf(&line, "FAIL\t%u%s\n", id, parameters);
	return client_write(client, &line);
}

/* ---- a request ---- */

/* The challenge, and what the client says to it. 0, -ECANCELED, or another negative errno. */
static int request_ask(struct request *q, struct view challenge)
{
	msec_t deadline = clock_after(RESPONSE_TIME);
	struct str line = STR_EMPTY;
	int r;

	q->is_told = false;
	q->waits = true;
	str_printf(&line, "CONT\t%u\t", q->said.id);
	base64_encode(&line, challenge);
	str_append_byte(&line, '\n');
	r = client_write(q->client, &line);
	while (r == 0 && !q->is_told && !q->is_cancelled && !q->client->is_over)
		r = wait_on(&q->told, deadline);
	q->waits = false;
	return r < 0 ? r : q->is_told ? 0 : -ECANCELED;
}

/* Nobody listens: so says the client, or both ends are one host or are trusted (as for IMAP). */
static bool request_is_private(const struct sasl_request *said)
{
	struct view rip = str_view(&said->rip);

	return said->secured || (rip.len > 0 && view_eq(rip, str_view(&said->lip))) ||
	       networks_have(view_of(param.login_trusted_networks), rip);
}

/* The exchange with auth. 0 with its last answer, or a negative errno: there is none. */
static int request_converse(struct request *q, struct auth_answer *answer)
{
	struct sasl_request *said = &q->said;
	struct auth_client who = {
		.service = str_view(&said->service),
		.secured = request_is_private(said),
		.address = str_view(&said->rip),
		.server_address = str_view(&said->lip),
	};
	struct auth_exchange *exchange = auth_begin(&who, str_view(&said->mechanism),
						    said->has_data, str_view(&said->data), answer);
	int r = 0;

	while (r == 0 && answer->state == AUTH_CONTINUE) {
		str_wipe(&said->data);
		r = request_ask(q, str_view(&answer->bytes));
		if (r == 0 && !said->data_is_readable)
			r = -EBADMSG;
		if (r == 0)
			r = auth_respond(exchange, str_view(&said->data), answer);
	}
	str_wipe(&said->data);
	auth_exchange_free(exchange);
	return r;
}

/* What Dovecot's clients understand: "temp" is that of version 1.1, "code" that of 1.2. */
static const char *const failures[] = {
	[AUTH_FAIL_CREDENTIALS] = "",
	[AUTH_FAIL_TEMPORARY] = "\ttemp\tcode=temp_fail",
	[AUTH_FAIL_MECHANISM] =
		"\treason=The mechanism is not supported, or not without encryption",
	[AUTH_FAIL_DISABLED] = "\tuser_disabled\tcode=user_disabled",
	[AUTH_FAIL_PROTOCOL] = "\treason=The mechanism does not expect that",
};

static void request_conclude(struct request *q, const struct auth_answer *answer)
{
	struct str line = STR_EMPTY;

	if (answer->state != AUTH_OK) {
		(void)request_fail(q->client, q->said.id,
				   answer->why < ARRAY_SIZE(failures) ? failures[answer->why] : "");
		return;
	}
	str_printf(&line, "OK\t%u\tuser=", q->said.id);
	tab_escape(&line, str_view(&answer->user));
	if (answer->bytes.len > 0) {
		str_append_cstr(&line, "\tresp=");
		base64_encode(&line, str_view(&answer->bytes));
	}
	str_append_byte(&line, '\n');
	(void)client_write(q->client, &line);
}

static void request_run(void *argument)
{
	struct request *q = argument;
	struct client *client = q->client;
	_cleanup_(auth_answer_free) struct auth_answer answer = { 0 };
	int r = request_converse(q, &answer);

	if (r == 0)
		request_conclude(q, &answer);
	else if (r == -EBADMSG)
		(void)request_fail(client, q->said.id, "\treason=No base64\tcode=invalid_base64");
	else if (r == -ETIMEDOUT)
		(void)request_fail(client, q->said.id, "\treason=The response took too long");
	else if (r != -ECANCELED)
		(void)request_fail(client, q->said.id, failures[AUTH_FAIL_TEMPORARY]);
	list_remove(&q->link);
	client->count--;
	sasl_request_free(&q->said);
	free(q);
	wake_all(&client->ended);
}

/* ---- what the client says ---- */

static struct request *request_find(struct client *client, uint32_t id)
{
	list_for_each (&client->requests, struct request, link, q)
		if (q->said.id == id)
			return q;
	return NULL;
}

/* Before 1.2 an empty response was as good as none, and Exim sends one for none. */
static void client_correct(const struct client *client, struct sasl_request *said)
{
	if (client->minor < SASL_MINOR && said->data.len == 0)
		said->has_data = false;
}

/* Takes what was said. */
static int client_begin(struct client *client, struct sasl_request *said)
{
	struct request *q;

	if (request_find(client, said->id) != NULL)
		return -EBADMSG;
	if (client->count == REQUESTS_MAX)
		return request_fail(client, said->id, failures[AUTH_FAIL_TEMPORARY]);
	if (said->mechanism.len == 0 || said->service.len == 0)
		return request_fail(client, said->id,
				    "\treason=AUTH needs a mechanism and service=");
	if (!client_is_offered(str_view(&said->mechanism)))
		return request_fail(client, said->id, failures[AUTH_FAIL_MECHANISM]);
	if (!said->data_is_readable)
		return request_fail(client, said->id, "\treason=No base64\tcode=invalid_base64");
	client_correct(client, said);
	q = mem_new(struct request);
	q->client = client;
	q->said = *said;
	*said = (struct sasl_request){ .word = SASL_OTHER };
	WAITLIST_INIT(&q->told);
	list_push_back(&client->requests, &q->link);
	client->count++;
	task_spawn("request", request_run, q);
	return 0;
}

/* A response that nobody waits for, or to a request that has ended meanwhile, is passed over. */
static void client_continue(struct client *client, struct sasl_request *said)
{
	struct request *q = request_find(client, said->id);

	if (q == NULL || !q->waits || q->is_told)
		return;
	str_wipe(&q->said.data);
	q->said.data = said->data;
	said->data = STR_EMPTY;
	q->said.data_is_readable = said->data_is_readable;
	q->is_told = true;
	wake_all(&q->told);
}

static void client_cancel(struct client *client, uint32_t id)
{
	struct request *q = request_find(client, id);

	if (q == NULL)
		return;
	q->is_cancelled = true;
	wake_all(&q->told);
}

static int client_hear(struct client *client, struct sasl_request *said)
{
	switch (said->word) {
	case SASL_AUTH:
		return client_begin(client, said);
	case SASL_CONT:
		client_continue(client, said);
		return 0;
	case SASL_CANCEL:
		client_cancel(client, said->id);
		return 0;
	default:
		return 0;
	}
}

/* VERSION first, then requests until the client leaves. Why it ends. */
static int client_listen(struct client *client)
{
	bool is_known = false;
	int r = 0;

	while (r == 0) {
		struct sasl_request said = { .word = SASL_OTHER };
		struct view line;

		r = stream_read_line(client->io, &line, SASL_LINE_MAX);
		if (r == 0)
			r = sasl_request_parse(line, &said);
		if (r == 0 && !is_known) {
			is_known = said.word == SASL_VERSION && said.major == SASL_MAJOR;
			client->minor = said.minor;
			r = is_known ? 0 : -EBADMSG;
			stream_set_deadline(client->io, MSEC_FOREVER);
		} else if (r == 0) {
			r = client_hear(client, &said);
		}
		sasl_request_free(&said);
	}
	return r;
}

/* The requests hear that nobody waits for them; each ends when auth has answered. */
static void client_abandon(struct client *client)
{
	client->is_over = true;
	list_for_each (&client->requests, struct request, link, q)
		wake_all(&q->told);
	while (client->count > 0)
		wait_on(&client->ended, MSEC_FOREVER);
}

void sasl_serve(struct stream *io, const char *peer)
{
	struct client client = { .io = io };
	int r;

	WAITLIST_INIT(&client.writing.waiting);
	WAITLIST_INIT(&client.ended);
	list_init(&client.requests);
	stream_wipe_input(io);
	stream_wipe_output(io);
	stream_set_timeout(io, MSEC_FOREVER);
	stream_set_deadline(io, clock_after(GREETING_TIME));
	r = client_greet(&client);
	if (r == 0)
		r = client_listen(&client);
	client_abandon(&client);
	if (r == -EBADMSG || r == -EMSGSIZE || r == -EPROTO)
		log_warning("%s: what the client says makes no sense", peer);
	else if (r < 0 && r != -ENODATA && r != -ESHUTDOWN && r != -ECONNRESET && r != -EPIPE)
		log_warning("%s: %s", peer, strerror(-r));
}

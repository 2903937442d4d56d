#include "fakes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../smtpd/server.h"
#include "../../../smtpd/session.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "queue/queue.h"
#include "services/clients.h"

struct fakes fakes;

/* ---- cleanup ---- */

struct submission {
	char id[16];
	int failed;
};

struct submission *submission_begin(const char *service, const struct msg_mail *mail)
{
	struct submission *s = mem_new(struct submission);

	(void)service;
	if (!queue_id_is_valid(mail->queue_id))
		abort();
	fakes.begun++;
	snprintf(s->id, sizeof(s->id), "ID%zu", fakes.begun);
	str_set(&fakes.last.sender, mail->sender);
	str_set(&fakes.last.login, mail->login);
	str_set(&fakes.last.protocol, mail->protocol);
	str_clear(&fakes.last.recipients);
	str_clear(&fakes.last.content);
	fakes.last.for_stranger = false;
	fakes.last.flags = mail->flags;
	str_set(&fakes.last.filter, mail->filter);
	str_clear(&fakes.last.client);
	str_printf(&fakes.last.client, "%.*s[%.*s]", VIEW_ARG(mail->client_name),
		   VIEW_ARG(mail->client_address));
	str_clear(&fakes.last.origin);
	str_printf(&fakes.last.origin, "%.*s[%.*s] %.*s %.*s%s", VIEW_ARG(mail->origin_name),
		   VIEW_ARG(mail->origin_address), VIEW_ARG(mail->origin_helo),
		   VIEW_ARG(mail->origin_protocol), mail->was_queued ? " queued" : "");
	return s;
}

void submission_filtered(struct submission *s, int channel)
{
	(void)s;
	(void)channel;
}

uint8_t submission_override_flags(void)
{
	return 0;
}

int submission_rcpt(struct submission *s, struct view address, struct view orcpt, uint8_t notify)
{
	(void)notify;
	if (view_starts(address, VIEW("lost@")))
		s->failed = -EPIPE;
	fakes.last.for_stranger |= view_find(address, VIEW("other.test")) != VIEW_NOT_FOUND;
	str_printf(&fakes.last.recipients, "%.*s%s%.*s ", VIEW_ARG(address), orcpt.len ? "/" : "",
		   VIEW_ARG(orcpt));
	return s->failed;
}

int submission_data(struct submission *s, struct view bytes)
{
	if (fakes.dies_at_data && bytes.len > 0)
		s->failed = -EPIPE;
	str_append(&fakes.last.content, bytes);
	return s->failed;
}

int submission_late(struct submission *s, const struct msg_late *late)
{
	str_set(&fakes.last.filter, late->filter);
	str_printf(&fakes.last.recipients, "late: %.*s %.*s %.*s", VIEW_ARG(late->redirect),
		   VIEW_ARG(late->bcc), VIEW_ARG(late->hold ? late->held : VIEW_NONE));
	return s->failed;
}

int submission_commit(struct submission *s, struct submission_verdict *verdict)
{
	int r = fakes.no_cleanup ? -ECONNREFUSED : fakes.dies_at_end ? -EPIPE : s->failed;

	if (r == 0) {
		verdict->code = fakes.refuses_end ? 550 : 250;
		str_set(&verdict->status, fakes.refuses_end ? VIEW("5.4.6") : VIEW("2.0.0"));
		str_printf(&verdict->text,
			   fakes.refuses_end ? "Error: too many hops" : "Ok: queued as %s", s->id);
		fakes.committed += !fakes.refuses_end;
	}
	free(s);
	return r;
}

void submission_verdict_free(struct submission_verdict *verdict)
{
	str_free(&verdict->status);
	str_free(&verdict->text);
	str_free(&verdict->queue_id);
}

void submission_abort(struct submission *s)
{
	fakes.aborted += s != NULL;
	free(s);
}

/* ---- auth: alice with the password "secret" ---- */

struct auth_exchange {
	bool login, has_user;
	struct str user;
};

void auth_answer_free(struct auth_answer *answer)
{
	str_free(&answer->bytes);
	str_free(&answer->user);
	str_free(&answer->cookie);
	str_free(&answer->text);
}

static void decide(struct auth_answer *answer, struct view user, struct view password)
{
	answer->state = AUTH_FAILED;
	answer->why = AUTH_FAIL_CREDENTIALS;
	if (view_is(user, "alice") && view_is(password, "secret")) {
		answer->state = AUTH_OK;
		str_set(&answer->user, user);
	}
}

static void decide_plain(struct auth_answer *answer, struct view response)
{
	struct view authorize = VIEW_NONE, user = VIEW_NONE, password = VIEW_NONE;

	view_next(&response, '\0', &authorize);
	view_next(&response, '\0', &user);
	view_next(&response, '\0', &password);
	decide(answer, user, password);
}

struct auth_exchange *auth_begin(const struct auth_client *client, struct view mechanism,
				 bool has_initial, struct view initial, struct auth_answer *answer)
{
	struct auth_exchange *exchange = mem_new(struct auth_exchange);

	(void)client;
	*answer = (struct auth_answer){ .state = AUTH_CONTINUE };
	exchange->login = view_is_nocase(mechanism, "LOGIN");
	if (exchange->login) {
		str_set(&answer->bytes, VIEW("Username:"));
	} else if (!view_is_nocase(mechanism, "PLAIN")) {
		answer->state = AUTH_FAILED;
		answer->why = AUTH_FAIL_MECHANISM;
	} else if (has_initial) {
		decide_plain(answer, initial);
	}
	return exchange;
}

int auth_respond(struct auth_exchange *exchange, struct view response, struct auth_answer *answer)
{
	auth_answer_free(answer);
	*answer = (struct auth_answer){ .state = AUTH_CONTINUE };
	if (!exchange->login) {
		decide_plain(answer, response);
	} else if (!exchange->has_user) {
		exchange->has_user = true;
		str_set(&exchange->user, response);
		str_set(&answer->bytes, VIEW("Password:"));
	} else {
		decide(answer, str_view(&exchange->user), response);
	}
	return 0;
}

void auth_exchange_free(struct auth_exchange *exchange)
{
	str_free(&exchange->user);
	free(exchange);
}

int auth_mechanisms(const struct auth_client *client, struct str *names)
{
	(void)client;
	str_set(names, VIEW("PLAIN LOGIN"));
	return 0;
}

/* ---- resolver and anvil ---- */

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	(void)name;
	(void)type;
	*answer = (struct dns_answer){ .outcome = RESOLVE_NXDOMAIN };
	return 0;
}

void dns_answer_free(struct dns_answer *answer)
{
	(void)answer;
}

int dns_client_name(struct view address, struct str *name, struct str *unverified, bool *temporary)
{
	(void)address;
	str_set(name, VIEW("client.test"));
	str_set(unverified, VIEW("client.test"));
	*temporary = false;
	return 0;
}

int anvil_event(uint8_t kind, struct view service, struct view client, uint32_t *connections,
		uint32_t *rate)
{
	(void)kind;
	(void)service;
	(void)client;
	*connections = fakes.connections;
	*rate = fakes.rate;
	return 0;
}

void sender_digest(struct view address, unsigned char digest[static SENDER_DIGEST_SIZE])
{
	memset(digest, (int)address.len, SENDER_DIGEST_SIZE);
}

int anvil_sent(struct view account, uint32_t messages, struct view digests, struct str *reason)
{
	(void)account;
	str_set(reason, VIEW("more than 1 messages in an hour"));
	fakes.sent_messages += messages;
	fakes.sent_recipients += (uint32_t)(digests.len / SENDER_DIGEST_SIZE);
	return fakes.sender_state;
}

int sender_notice(struct view account, struct view reason)
{
	(void)account;
	(void)reason;
	fakes.notices++;
	return 0;
}

/* What became of the recipients, for LMTP: as the tests say, one after the other. */
struct ipc *queue_await(struct view queue_id, const struct view *recipients, size_t count)
{
	(void)queue_id;
	(void)recipients;
	(void)count;
	fakes.awaited_next = 0;
	return fakes.awaited_count > 0 ? ipc_new(dup(STDERR_FILENO)) : NULL;
}

int queue_await_next(struct ipc *ipc, msec_t deadline, struct msg_awaited *awaited)
{
	(void)ipc;
	(void)deadline;
	if (fakes.awaited_next < fakes.awaited_count) {
		*awaited = fakes.awaited[fakes.awaited_next++];
		return 1;
	}
	if (fakes.await_breaks)
		return -ECONNRESET;
	if (!fakes.await_ended)
		return -ETIMEDOUT;
	fakes.await_ended = false;
	return 0;
}

int queue_await_end(struct ipc *ipc)
{
	(void)ipc;
	fakes.await_ended = true;
	return 0;
}

int anvil_is_full(struct view address, struct view login)
{
	(void)login;
	return fakes.full != NULL && view_is(address, fakes.full);
}

/* ---- the world ---- */

#define MAIN_CF                                                                                    \
	"myhostname = mx.test\nmydomain = test\nmydestination = local.test\nalias_maps =\n"        \
	"local_recipient_maps = inline:{ bob=x, carol=x, full=x, lost=x, postmaster=x }\n"         \
	"mynetworks = 192.0.2.128/25\ninet_interfaces = 127.0.0.1\nmailbox_users =\n"              \
	"smtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 100000\n"                            \
	"smtpd_soft_error_limit = 100000\nsmtpd_junk_command_limit = 100000\n"

void fakes_open(const char *settings)
{
	struct str text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;

	log_set_level(LOG_FATAL_LEVEL);
	/* Every submission is one of a test. */
	str_printf(&text, MAIN_CF "notify_classes =\n%s\n", settings);
	server.service = "smtp";
	if (conf_load_text(str_view(&text), "/etc/posta", NULL, 0, &report) < 0 ||
	    session_open(&err) < 0) {
		fprintf(stderr, "%s%s\n", str_cstr(&report), err.text);
		abort();
	}
	str_free(&text);
	str_free(&report);
}

void fakes_forget(void)
{
	str_free(&fakes.last.sender);
	str_free(&fakes.last.recipients);
	str_free(&fakes.last.content);
	str_free(&fakes.last.login);
	str_free(&fakes.last.protocol);
	str_free(&fakes.last.filter);
	str_free(&fakes.last.client);
	str_free(&fakes.last.origin);
	fakes = (struct fakes){ 0 };
}

void fakes_close(void)
{
	fakes_forget();
	session_close();
	conf_unload();
}

struct conversation {
	int fds[2];
	void (*client)(struct stream *io, void *argument);
	void *argument;
	size_t running;
};

static void run_server(void *argument)
{
	struct conversation *c = argument;
	struct stream *io = stream_new(c->fds[0]);
	static const struct peer peer = { .text = "192.0.2.1", .server_text = "192.0.2.9" };

	session_serve(io, &peer);
	stream_close(io);
	if (--c->running == 0)
		task_quit(0);
}

static void run_client(void *argument)
{
	struct conversation *c = argument;
	struct stream *io = stream_new(c->fds[1]);

	stream_set_timeout(io, 10000);
	c->client(io, c->argument);
	stream_close(io);
	if (--c->running == 0)
		task_quit(0);
}

static void start(void *argument)
{
	task_spawn("server", run_server, argument);
	task_spawn("client", run_client, argument);
}

void fakes_converse(void (*client)(struct stream *io, void *argument), void *argument)
{
	struct conversation c = { .client = client, .argument = argument, .running = 2 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c.fds) < 0)
		abort();
	task_run(start, &c);
}

int fakes_read_reply(struct stream *io, struct str *text)
{
	struct view line;
	uint32_t code;

	for (;;) {
		if (stream_read_line(io, &line, 4096) < 0)
			return -1;
		str_append(text, line);
		str_append_byte(text, '\n');
		/* Every line is "250 text" or "250-text" and ends in CR LF. */
		if (line.len < 4 || view_parse_u32(view_first(line, 3), 599, &code) < 0 ||
		    code < 200 || !stream_line_had_cr(io) || view_has_control(line))
			abort();
		if (line.data[3] == ' ')
			return (int)code;
		if (line.data[3] != '-')
			abort();
	}
}

struct script {
	const char *const *pieces;
	struct str *transcript;
};

static void play(struct stream *io, void *argument)
{
	struct script *script = argument;

	fakes_read_reply(io, script->transcript);
	for (const char *const *piece = script->pieces; *piece != NULL; piece++) {
		const char *text = *piece;
		int replies = 1;

		if (text[0] == '+') {
			replies = 0;
			text++;
		} else if (ascii_is_digit(text[0]) && text[1] == ':') {
			replies = text[0] - '0';
			text += 2;
		}
		stream_write(io, view_of(text));
		if (stream_flush(io) < 0)
			break;
		while (replies > 0 && fakes_read_reply(io, script->transcript) >= 0)
			replies--;
		if (replies > 0)
			break;
	}
	shutdown(stream_fd(io), SHUT_WR);
	while (fakes_read_reply(io, script->transcript) >= 0)
		;
}

void fakes_script(const char *const *pieces, struct str *transcript)
{
	struct script script = { pieces, transcript };

	fakes_converse(play, &script);
}

#include "conversation.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "settings.h"
#include "task/task.h"
#include "work.h"

/* ---- in place of qmgr and of the resolver ---- */

static struct conversation *current;

void delivery_result(struct delivery *d, size_t which, uint8_t outcome, const char *status,
		     struct view relay, struct view diagnostic)
{
	static const char *const words[] = { "pending", "sent",	   "deferred",
					     "failed",	"relayed", "expanded" };

	(void)relay;
	if (d->recipients[which].has_result)
		abort(); /* each is told once */
	if (view_has_control(diagnostic))
		abort();
	d->recipients[which].has_result = true;
	str_printf(&current->results, "%s %s %s %.*s|", str_cstr(&d->recipients[which].address),
		   words[outcome], status, VIEW_ARG(diagnostic));
}

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	(void)name;
	(void)type;
	*answer = (struct dns_answer){ 0 };
	return -ECONNREFUSED;
}

void dns_answer_free(struct dns_answer *answer)
{
	(void)answer;
}

/* ---- the server ---- */

static void hear(struct conversation *c, struct view line)
{
	str_append(&c->heard, line);
	str_append_byte(&c->heard, '|');
}

static bool follow(struct conversation *c, struct stream *io, struct view line)
{
	struct view got;

	if (view_starts(line, VIEW("<<."))) {
		do {
			if (stream_read_line(io, &got, 100000) < 0)
				return false;
			hear(c, got);
		} while (!view_is(got, "."));
		return true;
	}
	if (view_starts(line, VIEW("<"))) {
		if (stream_read_line(io, &got, 100000) < 0)
			return false;
		hear(c, got);
		return view_starts(got, view_from(line, 1));
	}
	stream_write(io, line);
	stream_write(io, VIEW("\r\n"));
	return stream_flush(io) == 0;
}

static void serve(void *argument)
{
	struct stream *io = stream_new((int)(intptr_t)argument);
	struct conversation *c = current;
	struct view rest = view_of(c->script), line;

	stream_set_timeout(io, 5000);
	if (c->script == NULL) {
		stream_write(io, c->raw);
		stream_flush(io);
		/* What the client says is read, so that its end is an end and no reset. */
		shutdown(stream_fd(io), SHUT_WR);
		while (stream_peek(io, &line) == 0)
			stream_consume(io, line.len);
	} else {
		while (view_next(&rest, '|', &line) && follow(c, io, line))
			;
	}
	stream_close(io);
}

/* ---- the client ---- */

static void take_delivery(struct conversation *c, struct delivery *d)
{
	const char *content = c->content != NULL ? c->content : "Subject: x\r\n\r\nhello\r\n";

	*d = (struct delivery){ .flags = c->flags, .body = c->body };
	str_append_cstr(&d->queue_id, "4cYzB12345zQbcd");
	str_append_cstr(&d->sender, "s@us.test");
	str_append_cstr(&d->client_name, "a+b");
	str_append_cstr(&d->client_address, "2001:db8::1");
	str_append_cstr(&d->client_protocol, "ESMTP");
	d->content.file = memfd_create("content", MFD_CLOEXEC);
	d->content.size = strlen(content);
	io_write_all(d->content.file, content, d->content.size);
	while (c->recipients[d->count] != NULL)
		d->count++;
	d->recipients = mem_new_array(struct delivery_recipient, d->count);
	for (size_t i = 0; i < d->count; i++) {
		str_append_cstr(&d->recipients[i].address, c->recipients[i]);
		d->recipients[i].notify = c->notify;
	}
}

static void tell_rest(struct conversation *c, const struct work *w, const struct outcome *failure)
{
	for (size_t i = 0; i < w->d->count; i++) {
		const struct outcome *f = &w->recipients[i].failure;

		if (!work_is_pending(w, i))
			continue;
		if (!outcome_is_set(f))
			f = failure;
		str_printf(&c->results, "%s %s %s %s|", str_cstr(&w->d->recipients[i].address),
			   outcome_is_final_failure(f) ? "permanent" : "pending",
			   outcome_is_set(f) ? f->status : "-", str_cstr(&f->text));
		if (view_has_control(str_view(&f->text)))
			abort();
	}
}

static void forget(struct work *w)
{
	struct delivery *d = w->d;

	for (size_t i = 0; i < d->count; i++) {
		str_free(&d->recipients[i].address);
		outcome_free(&w->recipients[i].failure);
	}
	free(d->recipients);
	free(w->recipients);
	str_free(&d->queue_id);
	str_free(&d->sender);
	str_free(&d->client_name);
	str_free(&d->client_address);
	str_free(&d->client_protocol);
	close(d->content.file);
}

static void talk(void *argument)
{
	struct conversation *c = argument;
	struct destinations list = { .count = 0 };
	struct delivery d;
	struct work w = { .d = &d };
	struct outcome failure = { 0 };
	struct tls_policy policy = { .level = c->level };
	struct host host = { .text = "192.0.2.1", .address.ss_family = AF_INET };
	int sockets[2];

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets);
	task_spawn("server", serve, (void *)(intptr_t)sockets[1]);
	take_delivery(c, &d);
	w.recipients = mem_new_array(struct recipient_work, d.count);
	destinations_parse(VIEW("one.test"), false, 25, &list, NULL);
	str_append_cstr(&host.name, "mx.one.test");

	struct session_wish wish = { .sender = VIEW("s@us.test"),
				     .destination = &list.items[0],
				     .policy = &policy };

	struct session *s = session_start(stream_new(sockets[0]), &host, &wish, &failure);

	if (s != NULL) {
		s->uses = c->uses;
		c->stale = transaction_run(s, &w) == -ESTALE;
		session_quit(s);
	}
	tell_rest(c, &w, &failure);
	outcome_free(&failure);
	str_free(&host.name);
	destinations_free(&list);
	forget(&w);
}

void converse(struct conversation *c)
{
	settings_choose(c->lmtp);
	current = c;
	task_run(talk, c);
}

void conversation_free(struct conversation *c)
{
	str_free(&c->heard);
	str_free(&c->results);
}

void conversation_defaults(void)
{
	param = (struct params){
		.myhostname = "mx.us.test",
		.inet_protocols = "all",
		.queue_directory = "/queue",
		.smtp_tls_policy_maps = "",
		.smtp_generic_maps = "",
		.lmtp_generic_maps = "",
		.lmtp_tls_policy_maps = "",
	};
#define TIMES(p)                                                                                   \
	param.p##_mail_timeout = param.p##_rcpt_timeout = param.p##_data_init_timeout =            \
		param.p##_data_xfer_timeout = param.p##_data_done_timeout =                        \
			param.p##_rset_timeout = param.p##_connect_timeout =                       \
				param.p##_starttls_timeout = 8000;                                 \
	param.p##_line_length_limit = 998;                                                         \
	param.p##_min_data_rate = 1000000000
	TIMES(smtp);
	TIMES(lmtp);
#undef TIMES
	param.smtp_helo_timeout = param.lmtp_lhlo_timeout = 8000;
	param.smtp_helo_name = param.lmtp_lhlo_name = "mx.us.test";
	param.smtp_discard_ehlo_keywords = param.lmtp_discard_lhlo_keywords = "";
	param.smtp_always_send_ehlo = true;
	param.smtp_tls_security_level = param.lmtp_tls_security_level = "none";
	param.smtp_skip_5xx_greeting = param.lmtp_skip_5xx_greeting = true;
}

void conversation_prepare_tls(void)
{
	struct error err = ERROR_NONE;

	settings_choose(false);
	if (session_tls_prepare(&err) < 0)
		abort();
}

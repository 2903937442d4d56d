/* The mail transaction: its recipients, and the submission to cleanup. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "queue/queue.h"
#include "server.h"
#include "services/milter.h"
#include "session.h"
#include "tls/tls.h"

void forwarded_clear(struct session *s)
{
	struct forwarded *f = &s->forwarded;

	str_free(&f->name);
	str_free(&f->address);
	str_free(&f->helo);
	str_free(&f->protocol);
	str_free(&f->ident);
	f->given = false;
	f->source = SOURCE_UNKNOWN;
	f->port = 0;
}

void transaction_reset(struct session *s)
{
	struct transaction *t = &s->transaction;

	submission_abort(TAKE(t->submission));
	stream_free(TAKE(t->proxy));
	spool_free(TAKE(t->spool));
	if (s->milters != NULL && t->reserved_id.len > 0)
		milters_reset(s->milters);
	for (size_t i = 0; i < t->count; i++) {
		str_free(&t->recipients[i].address);
		str_free(&t->recipients[i].orcpt);
	}
	t->count = t->overshoot = 0;
	str_clear(&t->sender);
	str_clear(&t->sender_given);
	str_clear(&t->queue_id);
	str_clear(&t->reserved_id);
	str_clear(&t->prepend);
	str_clear(&t->redirect);
	str_clear(&t->filter);
	str_clear(&t->bcc);
	str_clear(&t->held);
	str_clear(&t->instance);
	str_clear(&t->options.envid);
	t->options = (struct mail_options){ .envid = t->options.envid };
	t->hold = t->discard = false;
	/* XFORWARD comes before MAIL, and is for that one transaction. */
	if (s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS))
		forwarded_clear(s);
	if (s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS))
		s->state = s->helo.len > 0 ? STATE_READY : STATE_NEW;
}

static void describe_tls(const struct session *s, struct str *out)
{
	struct tls_info info;

	if (param.smtpd_tls_received_header && stream_tls_info(s->io, &info))
		str_printf(out, "%s with cipher %s (%d/%d bits)", info.protocol, info.cipher,
			   info.cipher_bits, info.cipher_bits);
}

static void note_client(const struct session *s)
{
	const struct forwarded *f = &s->forwarded;
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s: client=%s", session_id(s), str_cstr(&s->who));
	if (s->login.len > 0)
		str_printf(&line, ", sasl_method=%s, sasl_username=%s", str_cstr(&s->sasl_method),
			   str_cstr(&s->login));
	if (f->ident.len > 0)
		str_printf(&line, ", orig_queue_id=%s", str_cstr(&f->ident));
	if (f->given)
		str_printf(&line, ", orig_client=%s[%s]",
			   f->name.len > 0 ? str_cstr(&f->name) : "unknown",
			   f->address.len > 0 ? str_cstr(&f->address) : "unknown");
	log_info("%s", str_cstr(&line));
}

/* The content filter: of an access map, else of the service; none for what is redirected. */
static struct view transaction_filter(const struct transaction *t)
{
	if (t->redirect.len > 0)
		return VIEW_NONE;
	return t->filter.len > 0 ? str_view(&t->filter) : view_of(param.content_filter);
}

struct view transaction_reserve_id(struct session *s)
{
	struct str *id = &s->transaction.reserved_id;
	char fresh[QUEUE_ID_LENGTH_MAX];

	if (id->len == 0) {
		queue_id_new(fresh);
		str_set(id, view_of(fresh));
	}
	return str_view(id);
}

/* XFORWARD that does not say who it was has said that it was somebody else. */
static struct view transaction_origin_name(const struct forwarded *f)
{
	return f->given && f->name.len + f->address.len == 0 ? VIEW("unknown") : str_view(&f->name);
}

int transaction_open(struct session *s, int channel)
{
	struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str tls = STR_EMPTY, protocol = STR_EMPTY;
	char service[IPC_NAME_MAX + sizeof("private/")];
	int r = 0;

	str_set(&t->queue_id, transaction_reserve_id(s));
	note_client(s);
	describe_tls(s, &tls);
	snprintf(service, sizeof(service), "private/%s", param.cleanup_service_name);
	t->submission = submission_begin(
		service,
		&(struct msg_mail){
			.queue_id = str_view(&t->queue_id),
			.sender = str_view(&t->sender),
			.flags = (uint8_t)((session_rewrites_headers(s) ? 0 : MAIL_FLAG_REMOTE) |
					   (t->options.utf8 ? MAIL_FLAG_SMTPUTF8 : 0) |
					   (t->hold ? MAIL_FLAG_HOLD : 0) |
					   (param.smtpd_sasl_authenticated_header
						    ? MAIL_FLAG_SHOW_LOGIN
						    : 0) |
					   submission_override_flags()),
			.body = t->options.body,
			.ret = t->options.ret,
			.envid = str_view(&t->options.envid),
			.client_address = view_of(s->peer->text),
			.client_name = str_view(&s->name),
			.helo = str_view(&s->helo),
			.protocol = view_of(session_protocol(s, &protocol)),
			.tls = str_view(&tls),
			.login = str_view(&s->login),
			.origin_address = str_view(&s->forwarded.address),
			.origin_name = transaction_origin_name(&s->forwarded),
			.origin_helo = str_view(&s->forwarded.helo),
			.origin_protocol = str_view(&s->forwarded.protocol),
			.was_queued = s->forwarded.ident.len > 0,
			.filter = transaction_filter(t),
			.held = view_first(str_view(&t->held), IPC_HOST_MAX),
			.size = t->options.size,
		});
	if (channel >= 0)
		submission_filtered(t->submission, channel);
	for (size_t i = 0; r == 0 && i < t->count; i++) {
		const struct recipient *to = &t->recipients[i];
		bool redirected = t->redirect.len > 0;

		/* REDIRECT sends the message to one address, once. */
		if (i > 0 && redirected)
			break;
		r = submission_rcpt(t->submission,
				    str_view(redirected ? &t->redirect : &to->address),
				    str_view(&to->orcpt), to->notify);
	}
	for (struct view rest = str_view(&t->bcc), address;
	     r == 0 && view_next(&rest, '\n', &address);)
		if (address.len > 0)
			r = submission_rcpt(t->submission, address, VIEW_NONE, NOTIFY_NEVER);
	return r;
}

static struct recipient *append_recipient(struct transaction *t)
{
	array_grow(t->recipients, t->count);
	t->recipients[t->count] = (struct recipient){ 0 };
	return &t->recipients[t->count++];
}

void transaction_add(struct session *s, struct view address, struct view orcpt, uint8_t notify)
{
	struct recipient *recipient = append_recipient(&s->transaction);

	str_append(&recipient->address, address);
	str_append(&recipient->orcpt, orcpt);
	recipient->notify = notify;
}

/* What is for the queue finds none where a filter takes the message first: as in Postfix it is left out. */
static void warn_of_proxy(const struct session *s, const struct policy_answer *answer)
{
	const char *action = answer->filter.len > 0	     ? "FILTER"
			     : answer->action == POLICY_HOLD ? "HOLD"
			     : answer->bcc.len > 0	     ? "BCC"
							     : NULL;

	if (*param.smtpd_proxy_filter != '\0' && action != NULL)
		log_warning("%s: with smtpd_proxy_filter specified, action %s is always skipped",
			    session_id(s), action);
}

void transaction_note_answer(struct session *s, const struct policy_answer *answer)
{
	struct transaction *t = &s->transaction;

	warn_of_proxy(s, answer);

	/* The same rule speaks at every recipient; its field is put in front once. */
	if (answer->prepend.len > 0 &&
	    view_find(str_view(&t->prepend), str_view(&answer->prepend)) == VIEW_NOT_FOUND &&
	    t->prepend.len + answer->prepend.len <= IPC_TEXT_MAX)
		str_append(&t->prepend, str_view(&answer->prepend));
	if (answer->action == POLICY_DISCARD)
		t->discard = true;
	if (answer->action == POLICY_HOLD && !t->hold) {
		t->hold = true;
		str_set(&t->held, VIEW("access: "));
		str_append(&t->held, str_view(&answer->held));
	}
	if (answer->bcc.len > 0 &&
	    view_find(str_view(&t->bcc), str_view(&answer->bcc)) == VIEW_NOT_FOUND &&
	    t->bcc.len + answer->bcc.len <= IPC_TEXT_MAX)
		str_append(&t->bcc, str_view(&answer->bcc));
	if (answer->redirect.len > 0)
		str_set(&t->redirect, str_view(&answer->redirect));
	if (answer->filter.len > 0)
		str_set(&t->filter, str_view(&answer->filter));
}

void transaction_note_late(struct session *s, const struct policy_answer *answer)
{
	struct transaction *t = &s->transaction;
	bool hold = answer->action == POLICY_HOLD;

	warn_of_proxy(s, answer);
	if (answer->action == POLICY_DISCARD)
		t->discard = true;
	if (answer->prepend.len > 0)
		log_warning("%s: smtpd_end_of_data_restrictions: PREPEND comes too late here",
			    session_id(s));
	if (answer->redirect.len > 0 && t->proxy != NULL)
		log_warning("%s: smtpd_end_of_data_restrictions: REDIRECT comes too late for the "
			    "filter",
			    session_id(s));
	if (answer->redirect.len > 0)
		str_set(&t->redirect, str_view(&answer->redirect));
	if (t->submission == NULL ||
	    (answer->filter.len + answer->redirect.len + answer->bcc.len == 0 && !hold))
		return;
	t->reception.failed = submission_late(
		t->submission,
		&(struct msg_late){ .filter = str_view(&answer->filter),
				    .redirect = str_view(&answer->redirect),
				    .bcc = view_first(str_view(&answer->bcc), IPC_TEXT_MAX),
				    .hold = hold,
				    .held = view_first(str_view(&answer->held), IPC_HOST_MAX) });
}

static void transaction_note(void *argument, const char *what, struct view text)
{
	struct session *s = argument;

	note_refusal(s, what, s->where, text, s->recipient);
}

/* Unique among all transactions of all smtpd: policy servers know a message again by it. */
static struct view transaction_instance(struct session *s)
{
	static unsigned counter;
	struct str *instance = &s->transaction.instance;

	if (instance->len == 0)
		str_printf(instance, "%x.%llx.%x.0", (unsigned)getpid(),
			   (unsigned long long)clock_wall_usec(), counter++);
	return str_view(instance);
}

static void question_about_tls(struct session *s, struct policy_question *q)
{
	if (!s->secured || !stream_tls_info(s->io, &s->tls))
		return;
	q->tls_protocol = view_of(s->tls.protocol);
	q->tls_cipher = view_of(s->tls.cipher);
	q->tls_bits = (uint32_t)MAX(s->tls.cipher_bits, 0);
}

void transaction_question(struct session *s, const char *command, struct policy_question *q)
{
	const struct transaction *t = &s->transaction;

	s->where = command;
	*q = (struct policy_question){
		.client_address = view_of(s->peer->text),
		.client_name = str_view(&s->name),
		.reverse_name = str_view(&s->reverse_name),
		.helo = str_view(&s->helo),
		.sender = str_view(&t->sender),
		.login = str_view(&s->login),
		.secured = s->secured,
		.client_name_temporary = s->name_temporary,
		.recipient_count = (uint32_t)t->count,
		.size = t->options.size,
		.has_sender = (s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS)) != 0,
		.early_input = s->early_input,
		.sender_given = str_view(&t->sender_given),
		.note = transaction_note,
		.note_argument = s,
		.state = view_of(command),
		.protocol = view_of(server.is_lmtp ? "LMTP"
				    : s->esmtp	   ? "ESMTP"
						   : "SMTP"),
		.queue_id = str_view(&t->queue_id),
		.instance = transaction_instance(s),
		.only_recipient = t->count == 1 ? str_view(&t->recipients[0].address) : VIEW_NONE,
		.login_method = str_view(&s->sasl_method),
		.server_address = view_of(s->peer->server_text),
		.client_port = s->peer->port,
		.server_port = s->peer->server_port,
	};
	question_about_tls(s, q);
	q->certificate.fingerprint = str_view(&s->certificate.fingerprint);
	q->certificate.key_fingerprint = str_view(&s->certificate.key_fingerprint);
	q->certificate.subject = str_view(&s->certificate.subject);
	q->certificate.issuer = str_view(&s->certificate.issuer);
	q->certificate.trusted = s->certificate.trusted;
}

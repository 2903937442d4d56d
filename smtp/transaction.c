/*
 * MAIL, RCPT, DATA for one message, sent ahead where the server allows. It says a result for each
 * recipient.
 */
#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/mem.h"
#include "checks.h"
#include "content.h"
#include "generic.h"
#include "mail/address.h"
#include "services/clients.h"
#include "settings.h"
#include "work.h"
#include "xforward.h"

/*
 * Commands sent before their replies are read: their replies, of a hundred bytes or so, fit into
 * the socket's buffers, so that never both sides wait for the other to read.
 */
#define PIPELINE_MAX 100

enum step_kind { STEP_RSET, STEP_XFORWARD, STEP_XFORWARD_MORE, STEP_MAIL, STEP_RCPT, STEP_DATA };

struct step {
	enum step_kind kind;
	size_t recipient;
};

struct transaction {
	struct session *s;
	struct work *w;
	struct step *steps;
	size_t count;
	size_t accepted;
	bool mail_refused, data_allowed;
	bool smtputf8;
	struct str sender, *addresses; /* as this server hears them: smtp_generic_maps */
};

size_t work_pending(const struct work *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->d->count; i++)
		count += work_is_pending(w, i);
	return count;
}

/* ---- what becomes of recipients ---- */

/* A failure of one recipient: told at once if it is for good. */
static void fail_recipient(struct work *w, size_t which, const struct outcome *failure)
{
	if (outcome_is_final_failure(failure))
		delivery_outcome(w->d, which, failure);
	else
		outcome_copy(&w->recipients[which].failure, failure);
}

static void fail_pending(struct work *w, const struct outcome *failure, bool only_accepted)
{
	for (size_t i = 0; i < w->d->count; i++)
		if (work_is_pending(w, i) && (!only_accepted || w->recipients[i].accepted))
			fail_recipient(w, i, failure);
}

/* The conversation broke: nothing is decided for those who are pending. */
static int fail_broken(struct transaction *t, int error)
{
	_cleanup_(outcome_free) struct outcome failure = { 0 };

	session_describe(t->s, error, &failure);
	fail_pending(t->w, &failure, false);
	return 0;
}

/* ---- commands ---- */

static bool needs_smtputf8(const struct work *w)
{
	const struct delivery *d = w->d;

	if (!view_is_ascii(str_view(&d->sender)))
		return true;
	for (size_t i = 0; i < d->count; i++)
		if (work_is_pending(w, i) && !view_is_ascii(str_view(&d->recipients[i].address)))
			return true;
	return (d->flags & MAIL_FLAG_SMTPUTF8) && content_header_is_8bit(&d->content) != 0;
}

static int transaction_send_mail(struct transaction *t)
{
	const struct delivery *d = t->w->d;
	const struct session *s = t->s;
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append(&line, VIEW("MAIL FROM:<"));
	address_quote(&line, str_view(&t->sender));
	str_append_byte(&line, '>');
	if (s->can & CAN_SIZE)
		str_printf(&line, " SIZE=%llu", (unsigned long long)d->content.size);
	if (d->body == BODY_8BITMIME && (s->can & CAN_8BITMIME))
		str_append(&line, VIEW(" BODY=8BITMIME"));
	if (t->smtputf8)
		str_append(&line, VIEW(" SMTPUTF8"));
	if (settings.send_dummy_mail_auth && (s->can & CAN_AUTH))
		str_append(&line, VIEW(" AUTH=<>"));
	if (s->can & CAN_DSN) {
		if (d->envid.len > 0) {
			str_append(&line, VIEW(" ENVID="));
			xtext_encode(&line, str_view(&d->envid));
		}
		if (d->ret == RET_FULL || d->ret == RET_HDRS)
			str_append_cstr(&line, d->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
	}
	return session_send(t->s, "sending MAIL FROM", "%s", str_cstr(&line));
}

static void append_notify(struct str *line, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {
		{ NOTIFY_NEVER, "NEVER" },
		{ NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" },
		{ NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!(notify & words[i].bit))
			continue;
		str_append_cstr(line, before);
		str_append_cstr(line, words[i].word);
		before = ",";
	}
}

/* "rfc822;address", the part after the semicolon as xtext. */
static void append_orcpt(struct str *line, const struct delivery_recipient *r)
{
	struct view orcpt = str_view(&r->orcpt);
	size_t semicolon = view_find_byte(orcpt, ';');

	if (orcpt.len == 0 && r->original.len > 0 && view_is_ascii(str_view(&r->original))) {
		_cleanup_(str_free) struct str quoted = STR_EMPTY;

		address_quote(&quoted, str_view(&r->original));
		str_append(line, VIEW(" ORCPT=rfc822;"));
		xtext_encode(line, str_view(&quoted));
	} else if (semicolon != VIEW_NOT_FOUND && view_is_ascii(orcpt) &&
		   !view_has_control(orcpt) &&
		   view_find_byte(view_first(orcpt, semicolon), ' ') == VIEW_NOT_FOUND) {
		str_append(line, VIEW(" ORCPT="));
		str_append(line, view_first(orcpt, semicolon + 1));
		xtext_encode(line, view_from(orcpt, semicolon + 1));
	}
}

static int send_rcpt(struct transaction *t, size_t which)
{
	const struct delivery_recipient *r = &t->w->d->recipients[which];
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append(&line, VIEW("RCPT TO:<"));
	address_quote(&line, str_view(&t->addresses[which]));
	str_append_byte(&line, '>');
	if (t->s->can & CAN_DSN) {
		append_notify(&line, r->notify);
		append_orcpt(&line, r);
	}
	return session_send(t->s, "sending RCPT TO", "%s", str_cstr(&line));
}

static int send_xforward(struct transaction *t, bool of_message)
{
	_cleanup_(str_free) struct str attributes = STR_EMPTY;

	(void)xforward_attributes(t->s, t->w->d, of_message, &attributes);
	return session_send(t->s, "sending XFORWARD", "XFORWARD%s", str_cstr(&attributes));
}

static int send_step(struct transaction *t, const struct step *step)
{
	switch (step->kind) {
	case STEP_RSET:
		return session_send(t->s, "sending RSET", "RSET");
	case STEP_XFORWARD:
	case STEP_XFORWARD_MORE:
		return send_xforward(t, step->kind == STEP_XFORWARD_MORE);
	case STEP_MAIL:
		return transaction_send_mail(t);
	case STEP_RCPT:
		return send_rcpt(t, step->recipient);
	case STEP_DATA:
		return session_send(t->s, "sending DATA command", "DATA");
	}
	return 0;
}

static const struct {
	const char *doing, *command;
} step_texts[] = {
	[STEP_RSET] = { "sending RSET", "RSET" },
	[STEP_XFORWARD] = { "sending XFORWARD", "XFORWARD" },
	[STEP_XFORWARD_MORE] = { "sending XFORWARD", "XFORWARD" },
	[STEP_MAIL] = { "sending MAIL FROM", "MAIL FROM" },
	[STEP_RCPT] = { "sending RCPT TO", "RCPT TO" },
	[STEP_DATA] = { "sending DATA command", "DATA" },
};

static msec_t step_timeout(enum step_kind kind)
{
	switch (kind) {
	case STEP_RSET:
		return settings.rset_timeout;
	case STEP_XFORWARD:
	case STEP_XFORWARD_MORE:
		return settings.xforward_timeout;
	case STEP_MAIL:
		return settings.mail_timeout;
	case STEP_RCPT:
		return settings.rcpt_timeout;
	case STEP_DATA:
		return settings.data_init_timeout;
	}
	return 0;
}

/* ---- probes of verify ---- */

static bool probes_data(void)
{
	return strcmp(settings.address_verify_target, "data") == 0;
}

static void tell_deliverable(struct transaction *t, size_t which)
{
	const struct session *s = t->s;

	delivery_result(t->w->d, which, OUTCOME_DELIVERED, s->reply.status, str_view(&s->relay),
			str_view(&s->reply.text));
}

/* The server waits for a message now. There is none: only the end of the connection says so. */
static void end_probe(struct transaction *t)
{
	for (size_t i = 0; i < t->w->d->count; i++)
		if (work_is_pending(t->w, i) && t->w->recipients[i].accepted)
			tell_deliverable(t, i);
	t->s->unusable = true;
}

/* Takes the reply to a step. Refusals are put where they belong. */
static void judge_step(struct transaction *t, const struct step *step)
{
	const struct reply *reply = &t->s->reply;
	_cleanup_(outcome_free) struct outcome failure = { 0 };
	bool is_good = step->kind == STEP_DATA ? reply->code == 354 : reply->code / 100 == 2;

	if (!is_good)
		outcome_from_reply(&failure, reply, str_cstr(&t->s->who), str_view(&t->s->relay),
				   step_texts[step->kind].command);
	switch (step->kind) {
	case STEP_RSET:
		break;
	case STEP_XFORWARD:
	case STEP_XFORWARD_MORE:
	case STEP_MAIL:
		/* A filter that does not believe us would judge the wrong client. */
		if (t->mail_refused)
			break;
		t->mail_refused = !is_good;
		if (!is_good)
			fail_pending(t->w, &failure, false);
		break;
	case STEP_RCPT:
		if (t->mail_refused)
			break; /* the reason was given with MAIL */
		t->w->recipients[step->recipient].accepted = is_good;
		t->accepted += is_good;
		if (is_good && t->w->d->probe && !probes_data())
			tell_deliverable(t, step->recipient);
		if (!is_good)
			fail_recipient(t->w, step->recipient, &failure);
		break;
	case STEP_DATA:
		if (is_good && t->w->d->probe) {
			end_probe(t);
			break;
		}
		t->data_allowed = is_good;
		if (!is_good && !t->mail_refused)
			fail_pending(t->w, &failure, true);
		break;
	}
}

/* The server said 421: it closes the connection, and that is the reason for all that is left. */
static int fail_closing(struct transaction *t, const struct step *step)
{
	_cleanup_(outcome_free) struct outcome failure = { 0 };

	outcome_from_reply(&failure, &t->s->reply, str_cstr(&t->s->who), str_view(&t->s->relay),
			   step_texts[step->kind].command);
	fail_pending(t->w, &failure, false);
	return 0;
}

static void plan_steps(struct transaction *t)
{
	_cleanup_(str_free) struct str attributes = STR_EMPTY;

	t->steps = mem_new_array(struct step, t->w->d->count + 5);
	if (t->s->uses > 0)
		t->steps[t->count++] = (struct step){ .kind = STEP_RSET };
	if (xforward_attributes(t->s, t->w->d, false, &attributes))
		t->steps[t->count++] = (struct step){ .kind = STEP_XFORWARD };
	if (xforward_attributes(t->s, t->w->d, true, &attributes))
		t->steps[t->count++] = (struct step){ .kind = STEP_XFORWARD_MORE };
	t->steps[t->count++] = (struct step){ .kind = STEP_MAIL };
	for (size_t i = 0; i < t->w->d->count; i++) {
		t->w->recipients[i].accepted = false;
		if (work_is_pending(t->w, i))
			t->steps[t->count++] = (struct step){ .kind = STEP_RCPT, .recipient = i };
	}
	if (!t->w->d->probe || probes_data())
		t->steps[t->count++] = (struct step){ .kind = STEP_DATA };
}

/* Nothing more needs to be sent: the sender or all recipients were refused. */
static bool is_pointless(const struct transaction *t, const struct step *next)
{
	return t->mail_refused || (next->kind == STEP_DATA && t->accepted == 0);
}

/* 1: the envelope stands as far as it goes, 0: the conversation broke, -ESTALE. */
static int run_steps(struct transaction *t)
{
	size_t window = t->s->can & CAN_PIPELINE ? PIPELINE_MAX : 1;

	for (size_t at = 0; at < t->count;) {
		size_t end = MIN(at + window, t->count);
		int r = 0;

		if (is_pointless(t, &t->steps[at]))
			return 1;
		stream_set_deadline(t->s->io, clock_after(step_timeout(t->steps[at].kind)));
		for (size_t i = at; r == 0 && i < end; i++)
			r = send_step(t, &t->steps[i]);
		/* A write that fails is told by the read: the server may have left a reply. */
		for (; at < end; at++) {
			const struct step *step = &t->steps[at];

			t->s->doing = step_texts[step->kind].doing;
			r = session_receive(t->s, step_timeout(step->kind));
			if (step->kind == STEP_RSET && (r < 0 || t->s->reply.code != 250)) {
				t->s->unusable = true;
				return -ESTALE;
			}
			if (r < 0)
				return fail_broken(t, r);
			judge_step(t, step);
			if (t->s->unusable)
				return fail_closing(t, step);
		}
	}
	return 1;
}

/* ---- content ---- */

/* The server takes 7 bits, and the message has more. */
static bool needs_conversion(const struct transaction *t)
{
	return t->w->d->body == BODY_8BITMIME && !(t->s->can & CAN_8BITMIME) &&
	       !settings.disable_mime_output_conversion;
}

/* First what tables say, then the addresses of what they leave. */
static int edit_field(void *argument, enum converter_place place, struct view whole,
		      struct str *out)
{
	struct transaction *t = argument;
	_cleanup_(str_free) struct str mapped = STR_EMPTY;
	int checked = checks_field(str_cstr(&t->w->d->queue_id), place, whole, out), r;

	if (checked < 0 || place != FIELD_PRIMARY || (checked > 0 && out->len == 0))
		return checked;
	r = generic_field(checked > 0 ? str_view(out) : whole, &mapped);
	if (r > 0)
		str_set(out, str_view(&mapped));
	return r != 0 ? r : checked;
}

static int edit_line(void *argument, struct view line, struct str *out)
{
	struct transaction *t = argument;

	return checks_line(str_cstr(&t->w->d->queue_id), line, out);
}

static int transaction_send_content(struct transaction *t)
{
	const struct delivery *d = t->w->d;
	struct stream *io = t->s->io;
	msec_t allowance = (msec_t)(d->content.size * 1000 / (uint64_t)settings.min_data_rate);
	int r;

	t->s->doing = "sending message body";
	stream_set_timeout(io, settings.data_xfer_timeout);
	stream_set_deadline(io, clock_after(settings.data_xfer_timeout + allowance));
	r = content_send(
		io, &d->content,
		&(struct content_options){
			.line_limit = (size_t)settings.line_length_limit,
			.to_7bit = needs_conversion(t),
			.edit = generic_is_in_force() || checks_have_fields() ? edit_field : NULL,
			.edit_line = checks_have_lines() ? edit_line : NULL,
			.edit_argument = t,
		});
	if (r == 0)
		r = stream_flush(io);
	stream_set_timeout(io, MSEC_FOREVER);
	return r;
}

static void tell_delivered(struct transaction *t, size_t which)
{
	const struct delivery *d = t->w->d;
	const struct session *s = t->s;
	/* Who asked for a report of success gets it from us where the next server makes none. */
	bool relayed = (d->recipients[which].notify & NOTIFY_SUCCESS) && !(s->can & CAN_DSN) &&
		       !(settings.lmtp && settings.assume_final);

	delivery_result(t->w->d, which, relayed ? OUTCOME_RELAYED : OUTCOME_DELIVERED,
			s->reply.status, str_view(&s->relay), str_view(&s->reply.text));
}

/* The server's last word about one recipient, or about all (`which` SIZE_MAX). */
static void judge_end(struct transaction *t, size_t which)
{
	_cleanup_(outcome_free) struct outcome failure = { 0 };
	bool is_good = t->s->reply.code / 100 == 2;

	if (!is_good)
		outcome_from_reply(&failure, &t->s->reply, str_cstr(&t->s->who),
				   str_view(&t->s->relay), "end of DATA");
	for (size_t i = 0; i < t->w->d->count; i++) {
		if ((which != SIZE_MAX && which != i) || !t->w->recipients[i].accepted)
			continue;
		if (is_good)
			tell_delivered(t, i);
		else
			fail_recipient(t->w, i, &failure);
	}
}

/*
 * No word came after the final dot: the server may have taken the message. Put off, and not tried
 * at the next host at once, so that there is at most one copy too many.
 */
static void end_in_doubt(struct transaction *t, int error)
{
	_cleanup_(outcome_free) struct outcome failure = { 0 };

	session_describe(t->s, error, &failure);
	for (size_t i = 0; i < t->w->d->count; i++)
		if (work_is_pending(t->w, i) && t->w->recipients[i].accepted)
			delivery_outcome(t->w->d, i, &failure);
}

static void read_ends(struct transaction *t)
{
	size_t replies = settings.lmtp ? t->w->d->count : 1;

	for (size_t i = 0; i < replies; i++) {
		int r;

		if (settings.lmtp && !t->w->recipients[i].accepted)
			continue;
		t->s->doing = "sending end of data -- message may be sent more than once";
		r = session_receive(t->s, settings.data_done_timeout);
		if (r < 0) {
			end_in_doubt(t, r);
			return;
		}
		judge_end(t, settings.lmtp ? i : SIZE_MAX);
	}
}

/* The content could not be sent. The server may have said why before it stopped reading. */
static void end_broken(struct transaction *t, int error)
{
	if (error == -EIO) {
		_cleanup_(outcome_free) struct outcome failure = { 0 };

		t->s->unusable = true;
		outcome_set(&failure, OUTCOME_DEFERRED, "4.3.0", str_view(&t->s->relay),
			    "cannot read the queue file, or smtp_generic_maps");
		fail_pending(t->w, &failure, true);
		return;
	}
	if (error != -ETIMEDOUT && session_receive(t->s, 1000) == 0 && t->s->reply.code >= 400) {
		judge_end(t, SIZE_MAX);
		t->s->unusable = true;
		return;
	}
	fail_broken(t, error);
}

static void transaction_finish(struct transaction *t)
{
	int r;

	if (!t->data_allowed)
		return;
	if (t->accepted == 0) {
		/* Pipelined: the server waits for a message that nobody is to get. */
		t->s->doing = "ending a message without recipients";
		r = stream_write(t->s->io, VIEW(".\r\n"));
		if (r == 0)
			r = session_receive(t->s, settings.data_done_timeout);
		if (r < 0)
			t->s->unusable = true;
		return;
	}
	r = transaction_send_content(t);
	if (r < 0)
		end_broken(t, r);
	else
		read_ends(t);
}

/* What the server cannot take at all. */
static bool check_wishes(struct transaction *t)
{
	const struct session *s = t->s;
	uint64_t size = t->w->d->content.size;
	_cleanup_(outcome_free) struct outcome failure = { 0 };

	if ((s->can & CAN_SIZE) && s->size_limit > 0 && size > s->size_limit)
		outcome_set(&failure, OUTCOME_FAILED, "5.3.4", str_view(&s->relay),
			    "message size %llu exceeds size limit %llu of server %s",
			    (unsigned long long)size, (unsigned long long)s->size_limit,
			    str_cstr(&s->who));
	else if (s->can & CAN_SMTPUTF8)
		t->smtputf8 = (t->w->d->flags & MAIL_FLAG_SMTPUTF8) || needs_smtputf8(t->w);
	else if (needs_smtputf8(t->w))
		outcome_set(&failure, OUTCOME_FAILED, "5.6.7", str_view(&s->relay),
			    "SMTPUTF8 is required, but was not offered by host %s",
			    str_cstr(&s->who));
	if (outcome_is_set(&failure))
		fail_pending(t->w, &failure, false);
	return !outcome_is_set(&failure);
}

/* The addresses of the envelope for the world. False: put off, a table cannot answer now. */
static bool map_envelope(struct transaction *t)
{
	const struct delivery *d = t->w->d;
	_cleanup_(outcome_free) struct outcome failure = { 0 };
	int r = generic_sender(d, &t->sender);

	t->addresses = mem_new_array(struct str, d->count);
	for (size_t i = 0; r >= 0 && i < d->count; i++)
		r = generic_address(str_view(&d->recipients[i].address), &t->addresses[i]);
	if (r >= 0)
		return true;
	outcome_set(&failure, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
		    "smtp_generic_maps or srs_domain: nobody can answer now");
	fail_pending(t->w, &failure, false);
	return false;
}

static void envelope_forget(struct transaction *t)
{
	for (size_t i = 0; t->addresses != NULL && i < t->w->d->count; i++)
		str_free(&t->addresses[i]);
	free(t->addresses);
	str_free(&t->sender);
}

int transaction_run(struct session *s, struct work *w)
{
	struct transaction t = { .s = s, .w = w };
	int r;

	w->d->connected = clock_wall_usec();
	if (!map_envelope(&t) || !check_wishes(&t)) {
		envelope_forget(&t);
		return 0;
	}
	plan_steps(&t);
	r = run_steps(&t);
	s->uses++;
	if (r > 0)
		transaction_finish(&t);
	free(t.steps);
	envelope_forget(&t);
	return r == -ESTALE ? r : 0;
}

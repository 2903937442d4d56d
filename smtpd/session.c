/*
 * A client's session from the greeting on: reads commands and calls who serves them. The verbs are
 * in verbs.c.
 */
#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "server.h"
#include "services/milter.h"

static struct session *session_new(struct stream *io, const struct peer *peer)
{
	struct session *s = mem_new(struct session);

	s->io = io;
	s->peer = peer;
	s->state = STATE_NEW;
	s->where = "CONNECT";
	str_append_cstr(&s->name, "unknown");
	str_append_cstr(&s->reverse_name, "unknown");
	session_show_client(s, VIEW("unknown"));
	stream_set_timeout(io, param.smtpd_timeout);
	return s;
}

static void session_freep(struct session **session)
{
	struct session *s = *session;

	spare_remove(&s->spare);
	limit_disconnect(s);
	transaction_reset(s);
	free(s->transaction.recipients);
	str_free(&s->transaction.sender);
	str_free(&s->transaction.sender_given);
	str_free(&s->transaction.options.envid);
	str_free(&s->transaction.queue_id);
	str_free(&s->transaction.reserved_id);
	str_free(&s->transaction.prepend);
	str_free(&s->transaction.redirect);
	str_free(&s->transaction.filter);
	str_free(&s->transaction.bcc);
	str_free(&s->transaction.held);
	str_free(&s->transaction.instance);
	str_free(&s->name);
	str_free(&s->reverse_name);
	str_free(&s->who);
	str_free(&s->network);
	str_free(&s->helo);
	str_free(&s->login);
	str_free(&s->sasl_method);
	str_free(&s->transcript);
	str_free(&s->reply);
	tls_certificate_free(&s->certificate);
	str_free(&s->milter_refusal);
	milters_end(s->milters);
	forwarded_clear(s);
	free(s);
}

/* The longest line that may come: that of an AUTH command with its initial response. */
static size_t longest_line(const struct session *s)
{
	size_t command = (size_t)param.line_length_limit;

	return s->offers_auth ? MAX(command, (size_t)param.smtpd_sasl_response_limit) : command;
}

/* Bytes that no command is made of. Tabs count as spaces. */
static bool is_garbage(struct view line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];

		if ((c < 32 && c != '\t') || c == 127)
			return true;
	}
	return !view_is_utf8(line);
}

/*
 * A browser that was made to talk to us (ALPACA), or a client of another protocol: what it says
 * further may be commands that somebody else chose.
 */
static bool is_other_protocol(struct view line, struct view name)
{
	if (view_ends_nocase(line, VIEW(" HTTP/1.1")) || view_ends_nocase(line, VIEW(" HTTP/1.0")))
		return true;

	int r = matchlist_match(server.forbidden_commands, name, NULL);

	if (r < 0)
		log_warning("smtpd_forbidden_commands: a table cannot answer now");
	return r > 0;
}

static int session_refuse_unknown(struct session *s, struct view line, struct view name)
{
	if (is_other_protocol(line, name)) {
		_cleanup_(str_free) struct str printable = STR_EMPTY;

		str_append_printable(&printable, view_first(line, 100));
		log_warning("non-SMTP command from %s: %s", str_cstr(&s->who),
			    str_cstr(&printable));
		s->failed = true;
		return reply(s, "221 2.7.0 Error: I can break rules, too. Goodbye.");
	}
	return milter_unknown(s, line, "502 5.5.2 Error: command not recognized");
}

/*
 * RFC 2920 3.1: after EHLO, DATA and such the client has to wait for the answer, and before EHLO
 * after everything. What does not is made by programs that care for no answer.
 */
static bool is_improper_pipelining(struct session *s, const struct verb *verb)
{
	struct view more = stream_buffered(s->io);

	if (more.len == 0 || (verb->flags & VERB_PIPELINED) ||
	    (s->esmtp && !(verb->flags & VERB_LAST)))
		return false;
	s->early_input = true;
	if (!param.smtpd_forbid_unauth_pipelining)
		return false;

	_cleanup_(str_free) struct str printable = STR_EMPTY;

	str_append_printable(&printable, view_first(more, 100));
	log_info("improper command pipelining after %s from %s: %s", verb->name, str_cstr(&s->who),
		 str_cstr(&printable));
	return true;
}

/* Refused before its handler saw it: content that follows it would be taken for commands. */
static int verb_refused(const struct verb *verb, int r)
{
	return verb->flags & VERB_CONTENT ? SESSION_DONE : r;
}

static int session_run_verb(struct session *s, const struct verb *verb, struct view argument)
{
	if (is_improper_pipelining(s, verb)) {
		reply(s, "554 5.5.0 Error: SMTP protocol synchronization");
		return SESSION_DONE;
	}
	if (s->access_denied && !(verb->flags & VERB_DENIED))
		return verb_refused(
			verb, reply(s, "503 5.7.0 Error: access denied for %s", str_cstr(&s->who)));
	if (server.tls_level == TLS_ENCRYPT && !s->secured && !(verb->flags & VERB_BEFORE_TLS))
		return verb_refused(verb,
				    reply(s, "530 5.7.0 Must issue a STARTTLS command first"));
	if (!(verb->states & s->state))
		return reply(s, "%s", verb->misplaced);
	if (s->milter_refusal.len > 0 && (verb->flags & VERB_FILTERED))
		return reply_text(s, str_view(&s->milter_refusal));
	if ((verb->flags & VERB_JUNK) && s->junk++ > (size_t)param.smtpd_junk_command_limit)
		s->errors++;
	return verb->handle(s, argument);
}

/* smtpd_command_filter: another line in the place of this one, in *other. */
static struct view filter_command(struct view line, struct str *other)
{
	struct error err = ERROR_NONE;
	int r = tables_are_empty(server.command_filter)
			? 0
			: tables_lookup(server.command_filter, line, other, &err);

	if (r < 0)
		log_warning("smtpd_command_filter: %s", err.text);
	return r > 0 ? str_view(other) : line;
}

static int run_line(struct session *s, struct view line)
{
	struct view name = VIEW_NONE, rest = line;
	const struct verb *verb = NULL;
	int r;

	s->failed = false;
	view_next_word(&rest, " \t", &name);
	if (!is_garbage(line))
		verb = verb_find(name);
	transcript_in(s, line, verb != NULL);
	s->where = verb != NULL ? verb->name : "UNKNOWN";
	if (line.len > (size_t)param.line_length_limit &&
	    !(verb != NULL && (verb->flags & VERB_LONG)))
		r = reply(s, "500 5.5.2 Error: line too long");
	else if (server.bare_newline == BARE_NEWLINE_REJECT && !stream_line_had_cr(s->io))
		r = reply(s, "521 5.5.2 %s Error: bare <LF> received", param.myhostname);
	else if (verb != NULL)
		r = session_run_verb(s, verb, view_trim(rest));
	else if (is_garbage(line))
		r = reply(s, "500 5.5.2 Error: bad UTF-8 or control characters");
	else if (name.len == 0)
		r = reply(s, "500 5.5.2 Error: bad syntax");
	else
		r = session_refuse_unknown(s, line, name);

	struct verb_count *count = &s->counts[verb != NULL ? verb_index(verb) : VERB_UNKNOWN];

	count->total++;
	count->good += !s->failed;
	return r;
}

static void smtp_session_converse(struct session *s)
{
	for (;;) {
		_cleanup_(str_free) struct str other = STR_EMPTY;
		struct view line;

		/* A line has to come in one piece of time: dripping bytes does not keep us waiting. */
		stream_set_deadline(s->io, clock_after(param.smtpd_timeout));

		int r = stream_read_line(s->io, &line, longest_line(s));

		stream_set_deadline(s->io, MSEC_FOREVER);
		if (r == -EMSGSIZE)
			r = reply(s, "500 5.5.2 Error: line too long");
		else if (r < 0)
			return session_leave(s, r);
		else
			r = run_line(s, filter_command(line, &other));
		if (r != SESSION_GOES_ON)
			return;
		if (s->errors >= (size_t)param.smtpd_hard_error_limit) {
			log_info("too many errors after %s from %s", s->where, str_cstr(&s->who));
			reply(s, "421 4.7.0 %s Error: too many errors", param.myhostname);
			return;
		}
	}
}

static void append_count(struct str *line, const char *name, struct verb_count count)
{
	if (count.total == 0)
		return;
	str_append_byte(line, ' ');
	for (const char *c = name; *c != '\0'; c++)
		str_append_byte(line, ascii_lower(*c));
	if (count.good == count.total)
		str_printf(line, "=%u", count.total);
	else
		str_printf(line, "=%u/%u", count.good, count.total);
}

static void note_disconnect(struct session *s)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct verb_count sum = { 0, 0 };

	str_printf(&line, "disconnect from %s", str_cstr(&s->who));
	for (size_t i = 0; verbs[i].name != NULL; i++) {
		append_count(&line, verbs[i].name, s->counts[i]);
		sum.good += s->counts[i].good;
		sum.total += s->counts[i].total;
	}
	append_count(&line, "unknown", s->counts[VERB_UNKNOWN]);
	sum.total += s->counts[VERB_UNKNOWN].total;
	if (sum.total == 0)
		str_append_cstr(&line, " commands=0/0");
	append_count(&line, "commands", sum);
	log_info("%s", str_cstr(&line));
}

int session_open(struct error *err)
{
	int r = server_open(err);

	if (r == 0)
		r = extensions_open(err);
	transcript_open();
	if (r == 0)
		r = rewrite_open(err);
	if (r == 0)
		r = spool_open(err);
	if (r == 0)
		r = smtpd_milters_open(err);
	return r < 0 ? r : verbs_open(err);
}

void session_close(void)
{
	smtpd_milters_close();
	spool_close();
	extensions_close();
	rewrite_close();
	server_close();
}

void session_serve(struct stream *io, const struct peer *peer)
{
	_cleanup_(session_freep) struct session *s = session_new(io, peer);

	spare_add(&s->spare, stream_fd(io), limit_network(s));
	s->discarded = extensions_discarded(DISCARD_FOR_SESSION, peer->text);
	if (session_greet(s) == SESSION_GOES_ON)
		smtp_session_converse(s);
	transaction_reset(s);
	stream_flush(io);
	note_disconnect(s);
	transcript_close(s);
}

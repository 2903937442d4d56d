/*
 * A server that takes no mail: for clients that are to be refused, whose recipients the log shall name,
 * and for those that have to show how they speak SMTP before they get a session the next time.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "screen.h"
#include "server.h"
#include "session.h"
#include "table/table.h"

#define IN_THE_ROOM "tests after SMTP handshake"
#define HELO_MAX    255
#define SHOWN_MAX   100
#define COME_AGAIN  "450 4.3.2 Service currently unavailable"

static struct matchlist *forbidden;
static struct tables *filter;
static enum tls_level tls_level;

struct decoy {
	struct screen *screen;
	struct stream *io;
	const char *where; /* the last command, for the log */
	struct str helo, sender, recipient;
	bool esmtp, secured, has_sender;
	bool has_tried;	    /* to send: it has shown all that a client shows */
	unsigned failed;    /* tests, SCREEN_BIT */
	unsigned discarded; /* EHLO_... */
	int64_t commands;
};

static bool screen_offers_tls(void)
{
	return server.tls != NULL && tls_level != TLS_NONE;
}

/* There is one certificate, and one context, for this server and the other. */
static int decoy_read_tls_level(struct error *err)
{
	const char *word = param.postscreen_tls_security_level;

	tls_level = strcmp(word, "encrypt") == 0 || (*word == '\0' && param.postscreen_enforce_tls)
			    ? TLS_ENCRYPT
		    : strcmp(word, "may") == 0 || (*word == '\0' && param.postscreen_use_tls)
			    ? TLS_MAY
			    : TLS_NONE;
	if (tls_level == TLS_ENCRYPT && server.tls == NULL)
		return error_set(err, -EINVAL,
				 "postscreen_tls_security_level = encrypt needs "
				 "smtpd_tls_security_level = may or encrypt, and a certificate");
	return 0;
}

int decoy_open(struct error *err)
{
	if (decoy_read_tls_level(err) < 0)
		return -EINVAL;
	forbidden = matchlist_open(param.postscreen_forbidden_commands, MATCH_STRINGS, false, err);
	if (forbidden == NULL) {
		error_prefix(err, "postscreen_forbidden_commands");
		return -EINVAL;
	}
	filter = tables_open(param.postscreen_command_filter, 0, err);
	if (filter != NULL)
		return 0;
	error_prefix(err, "postscreen_command_filter");
	return -EINVAL;
}

void decoy_close(void)
{
	matchlist_close(TAKE(forbidden));
	tables_close(TAKE(filter));
}

static void decoy_append_footer(const struct decoy *d, struct str *out)
{
	const struct policy_question q = { .client_address = view_of(d->screen->peer->text),
					   .client_name = VIEW("unknown"),
					   .helo = str_view(&d->helo),
					   .sender = str_view(&d->sender),
					   .recipient = str_view(&d->recipient),
					   .client_port = d->screen->peer->port };
	_cleanup_(str_free) struct str footer = STR_EMPTY;

	if (policy_screen_footer(server.policy, &q, str_view(out), &footer) > 0)
		reply_add_footer(out, str_view(&footer));
}

static enum screen_step decoy_say(struct decoy *d, const char *text)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	str_append_cstr(&out, text);
	if ((text[0] == '4' || text[0] == '5') && policy_has_screen_footer())
		decoy_append_footer(d, &out);
	stream_printf(d->io, "%s\r\n", str_cstr(&out));
	return SCREEN_GOES_ON;
}

static enum screen_step decoy_end(struct decoy *d, const char *text)
{
	decoy_say(d, text);
	return SCREEN_OVER;
}

/* ---- commands ---- */

typedef enum screen_step decoy_command(struct decoy *d, struct view argument);

static enum screen_step decoy_helo(struct decoy *d, struct view argument)
{
	_cleanup_(str_free) struct str reply = STR_EMPTY;

	if (argument.len == 0)
		return decoy_say(d, "501 Syntax: HELO hostname");
	d->esmtp = d->has_sender = false;
	str_set(&d->helo, view_first(argument, HELO_MAX));
	str_printf(&reply, "250 %s", param.myhostname);
	return decoy_say(d, str_cstr(&reply));
}

/* No PIPELINING, since it is seen who does it unasked, and nothing that needs a session. */
static enum screen_step decoy_ehlo(struct decoy *d, struct view argument)
{
	if (argument.len == 0)
		return decoy_say(d, "501 Syntax: EHLO hostname");
	d->esmtp = true;
	d->has_sender = false;
	str_set(&d->helo, view_first(argument, HELO_MAX));
	stream_printf(d->io, "250-%s\r\n", param.myhostname);
	if (!(d->discarded & EHLO_SIZE))
		stream_printf(d->io, "250-SIZE %lld\r\n", (long long)param.message_size_limit);
	if (screen_offers_tls() && !d->secured && !(d->discarded & EHLO_STARTTLS))
		decoy_say(d, "250-STARTTLS");
	if (!(d->discarded & EHLO_SMTPUTF8))
		decoy_say(d, "250-SMTPUTF8");
	if (!(d->discarded & EHLO_DSN))
		decoy_say(d, "250-DSN");
	if (!(d->discarded & EHLO_STATUS_CODES))
		decoy_say(d, "250-ENHANCEDSTATUSCODES");
	return decoy_say(d, "250 8BITMIME");
}

static enum screen_step decoy_starttls(struct decoy *d, struct view argument)
{
	int r;

	(void)argument;
	if (!screen_offers_tls() || (d->discarded & EHLO_STARTTLS))
		return decoy_say(d, "502 5.5.1 Error: command not implemented");
	if (d->secured)
		return decoy_say(d, "554 5.5.1 Error: TLS already active");
	/* What came in the clear after the command was not written by whom TLS will prove. */
	stream_discard_input(d->io);
	decoy_say(d, "220 2.0.0 Ready to start TLS");
	stream_set_deadline(d->io, clock_after(param.smtpd_starttls_timeout));
	r = stream_flush(d->io);
	if (r == 0)
		r = stream_start_tls_server(d->io, server.tls);
	if (r < 0) {
		screen_hung_up(d->screen, IN_THE_ROOM);
		return SCREEN_OVER;
	}
	d->secured = true;
	d->has_sender = false;
	str_clear(&d->helo);
	return SCREEN_GOES_ON;
}

/* "FROM:<a@b>": the address. False: it is none. */
static bool decoy_path(struct view argument, const char *keyword, struct str *address)
{
	const char *problem;
	struct view rest;

	if (!view_starts_nocase(argument, view_of(keyword)))
		return false;
	rest = view_trim(view_from(argument, strlen(keyword)));
	str_clear(address);
	return address_parse_path(&rest, false, true, address, &problem) == 0;
}

static enum screen_step decoy_mail(struct decoy *d, struct view argument)
{
	if (tls_level == TLS_ENCRYPT && !d->secured)
		return decoy_say(d, "530 5.7.0 Must issue a STARTTLS command first");
	if (param.postscreen_helo_required && d->helo.len == 0)
		return decoy_say(d, "503 5.5.1 Error: send HELO/EHLO first");
	if (d->has_sender)
		return decoy_say(d, "503 5.5.1 Error: nested MAIL command");
	if (!decoy_path(argument, "FROM:", &d->sender))
		return decoy_say(d, "501 5.1.7 Bad sender address syntax");
	d->has_sender = true;
	return decoy_say(d, "250 2.1.0 Ok");
}

/* Here it is seen what a client wanted; the line is postscreen's own form. */
static enum screen_step decoy_rcpt(struct decoy *d, struct view argument)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	enum screen_step step;
	const char *reply;

	if (!d->has_sender)
		return decoy_say(d, "503 5.5.1 Error: need MAIL command");
	if (!decoy_path(argument, "TO:", &d->recipient))
		return decoy_say(d, "501 5.1.3 Bad recipient address syntax");
	d->has_tried = true;
	reply = d->screen->refusal.len > 0 ? str_cstr(&d->screen->refusal) : COME_AGAIN;
	str_printf(&line, "NOQUEUE: reject: RCPT from %s: %s; from=<", d->screen->who, reply);
	address_show(&line, str_view(&d->sender));
	str_append_cstr(&line, ">, to=<");
	address_show(&line, str_view(&d->recipient));
	str_printf(&line, ">, proto=%s, helo=<", d->esmtp ? "ESMTP" : "SMTP");
	str_append_printable(&line, str_view(&d->helo));
	str_append_cstr(&line, ">");
	screen_log("%s", str_cstr(&line));
	step = decoy_say(d, reply);
	str_clear(&d->recipient);
	return step;
}

static enum screen_step decoy_data(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_say(d, d->has_sender ? "554 5.5.1 Error: no valid recipients"
					  : "503 5.5.1 Error: need RCPT command");
}

/* Chunks would be taken for commands. */
static enum screen_step decoy_bdat(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_end(d, "521 5.5.1 Protocol error");
}

static enum screen_step decoy_rset(struct decoy *d, struct view argument)
{
	(void)argument;
	d->has_sender = false;
	return decoy_say(d, "250 2.0.0 Ok");
}

static enum screen_step decoy_noop(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_say(d, "250 2.0.0 Ok");
}

static enum screen_step decoy_vrfy(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_say(d, param.postscreen_disable_vrfy_command
				    ? "502 5.5.1 VRFY command is disabled"
				    : "252 2.0.0 Cannot VRFY user, but will accept mail");
}

static enum screen_step decoy_unavailable(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_say(d, "502 5.5.1 Error: command not implemented");
}

static enum screen_step decoy_quit(struct decoy *d, struct view argument)
{
	(void)argument;
	return decoy_end(d, "221 2.0.0 Bye");
}

static const struct decoy_verb {
	const char *name;
	decoy_command *run;
} verbs_known[] = {
	{ "HELO", decoy_helo },		  { "EHLO", decoy_ehlo },
	{ "STARTTLS", decoy_starttls },	  { "MAIL", decoy_mail },
	{ "RCPT", decoy_rcpt },		  { "DATA", decoy_data },
	{ "BDAT", decoy_bdat },		  { "RSET", decoy_rset },
	{ "NOOP", decoy_noop },		  { "VRFY", decoy_vrfy },
	{ "AUTH", decoy_unavailable },	  { "ETRN", decoy_unavailable },
	{ "XCLIENT", decoy_unavailable }, { "XFORWARD", decoy_unavailable },
	{ "HELP", decoy_unavailable },	  { "QUIT", decoy_quit },
};

static const struct decoy_verb *decoy_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs_known); i++)
		if (view_is_nocase(name, verbs_known[i].name))
			return &verbs_known[i];
	return NULL;
}

/* ---- tests ---- */

static bool decoy_tests(const struct decoy *d, enum screen_test test)
{
	return d->screen->todo & ~d->failed & SCREEN_BIT(test);
}

static enum screen_step decoy_failed(struct decoy *d, enum screen_test test, const char *action,
				     const char *reply)
{
	d->failed |= SCREEN_BIT(test);
	return screen_fail(d->screen, action, reply);
}

static enum screen_step decoy_see_line(struct decoy *d)
{
	if (stream_line_had_cr(d->io) || !decoy_tests(d, SCREEN_BARE_NEWLINE))
		return SCREEN_GOES_ON;
	screen_log("BARE NEWLINE from %s after %s", d->screen->who, d->where);
	return decoy_failed(d, SCREEN_BARE_NEWLINE, param.postscreen_bare_newline_action,
			    "5.5.1 Protocol error");
}

/* "Subject: x": somebody sends a message where commands are expected. */
static bool is_header_line(struct view line)
{
	size_t colon = view_find_byte(line, ':');
	struct view name = view_first(line, colon);

	return colon != VIEW_NOT_FOUND && name.len > 0 && !view_has_control(name) &&
	       view_find_byte(name, ' ') == VIEW_NOT_FOUND;
}

static enum screen_step decoy_see_unknown(struct decoy *d, struct view line, struct view name)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	bool is_forbidden = is_header_line(line) || matchlist_match(forbidden, name, NULL) > 0;

	if (is_forbidden && decoy_tests(d, SCREEN_NON_SMTP)) {
		str_append_printable(&shown, view_first(line, SHOWN_MAX));
		screen_log("NON-SMTP COMMAND from %s after %s: %s", d->screen->who, d->where,
			   str_cstr(&shown));
		if (decoy_failed(d, SCREEN_NON_SMTP, param.postscreen_non_smtp_command_action,
				 "5.5.1 Protocol error") == SCREEN_OVER)
			return SCREEN_OVER;
	}
	if (is_forbidden)
		return decoy_end(d, "221 2.7.0 Error: I can break rules, too. Goodbye.");
	return decoy_say(d, "502 5.5.2 Error: command not recognized");
}

static enum screen_step decoy_see_more(struct decoy *d)
{
	struct view more = stream_buffered(d->io);
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	if (more.len == 0 || !decoy_tests(d, SCREEN_PIPELINING))
		return SCREEN_GOES_ON;
	str_append_printable(&shown, view_first(more, SHOWN_MAX));
	screen_log("COMMAND PIPELINING from %s after %s: %s", d->screen->who, d->where,
		   str_cstr(&shown));
	return decoy_failed(d, SCREEN_PIPELINING, param.postscreen_pipelining_action,
			    "5.5.1 Protocol error");
}

/* ---- the conversation ---- */

static enum screen_step decoy_run(struct decoy *d, struct view line)
{
	struct view rest = line, name = VIEW_NONE;
	const struct decoy_verb *verb;
	enum screen_step step = decoy_see_line(d);

	view_next_word(&rest, " \t", &name);
	verb = decoy_find(name);
	if (step == SCREEN_GOES_ON && ++d->commands > param.postscreen_command_count_limit) {
		screen_log("COMMAND COUNT LIMIT from %s after %s", d->screen->who, d->where);
		return decoy_end(d, "421 4.7.0 Error: too many commands");
	}
	if (step == SCREEN_GOES_ON && verb == NULL)
		return decoy_see_unknown(d, line, name);
	if (verb != NULL)
		d->where = verb->name;
	if (step == SCREEN_GOES_ON)
		step = decoy_see_more(d);
	return step == SCREEN_GOES_ON ? verb->run(d, view_trim(rest)) : step;
}

static struct view decoy_filter(struct view line, struct str *other)
{
	struct error err = ERROR_NONE;
	int r = tables_are_empty(filter) ? 0 : tables_lookup(filter, line, other, &err);

	if (r < 0)
		log_warning("postscreen_command_filter: %s", err.text);
	return r > 0 ? str_view(other) : line;
}

static enum screen_step decoy_leave(struct decoy *d, int r)
{
	if (r == -EMSGSIZE) {
		screen_log("COMMAND LENGTH LIMIT from %s after %s", d->screen->who, d->where);
		return decoy_end(d, "421 4.7.0 Error: command too long");
	}
	if (r == -ETIMEDOUT) {
		screen_log("COMMAND TIME LIMIT from %s after %s", d->screen->who, d->where);
		return decoy_end(d, "421 4.4.2 Error: timeout exceeded");
	}
	if (r == -ESHUTDOWN)
		return decoy_end(d, "421 4.3.2 Service shutting down");
	screen_hung_up(d->screen, IN_THE_ROOM);
	return SCREEN_OVER;
}

static void decoy_converse(struct decoy *d)
{
	enum screen_step step = SCREEN_GOES_ON;

	stream_printf(d->io, "220 %s\r\n", param.smtpd_banner);
	while (step == SCREEN_GOES_ON) {
		_cleanup_(str_free) struct str other = STR_EMPTY;
		struct view line;
		int r;

		stream_set_deadline(d->io, clock_after(param.postscreen_command_time_limit));
		r = stream_read_line(d->io, &line, (size_t)param.line_length_limit);
		step = r < 0 ? decoy_leave(d, r) : decoy_run(d, decoy_filter(line, &other));
	}
	(void)stream_flush(d->io);
}

/* It has done all that a client does, and none of it wrong. */
static void decoy_judge(struct decoy *d)
{
	static const enum screen_test deep[] = { SCREEN_PIPELINING, SCREEN_NON_SMTP,
						 SCREEN_BARE_NEWLINE };
	const msec_t times[] = { param.postscreen_pipelining_ttl,
				 param.postscreen_non_smtp_command_ttl,
				 param.postscreen_bare_newline_ttl };
	struct screen *s = d->screen;

	for (size_t i = 0; i < ARRAY_SIZE(deep); i++)
		if (d->has_tried && decoy_tests(d, deep[i]))
			screen_pass(s, deep[i], clock_wall() + times[i] / 1000);
	if (s->todo == 0 && s->refusal.len == 0 && !s->is_vetoed && s->has_new)
		screen_log("PASS %s %s", s->is_new ? "NEW" : "OLD", s->who);
}

void decoy_serve(struct screen *s)
{
	struct decoy d = { .screen = s, .io = s->io, .where = "CONNECT" };

	d.discarded = extensions_discarded(DISCARD_FOR_DECOY, s->peer->text);

	decoy_converse(&d);
	decoy_judge(&d);
	str_free(&d.helo);
	str_free(&d.sender);
	str_free(&d.recipient);
}

/*
 * smtpd_proxy_filter: a filter in front of the queue. The message goes to it by SMTP while it comes
 * (or, by speed_adjust, when all of it is here), and what the filter says of it is what the client
 * hears; nothing of it is in our queue.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"
#include "server.h"
#include "services/clients.h"
#include "session.h"

#define PROXY_LINE_MAX	2048 /* of a reply */
#define PROXY_LINES_MAX 100
#define PROXY_VALUE_MAX 60 /* octets of an XFORWARD attribute */
#define REPLAY_BLOCK	((size_t)65536)

/* What the filter's EHLO has said: keywords, and the attributes after XFORWARD. */
enum {
	PROXY_8BITMIME = 1,
	PROXY_SMTPUTF8 = 2,
	PROXY_SIZE = 4,
	PROXY_XFORWARD = 8,
	PROXY_NAME = 16,
	PROXY_ADDR = 32,
	PROXY_PORT = 64,
	PROXY_PROTO = 128,
	PROXY_HELO = 256,
	PROXY_IDENT = 512,
	PROXY_SOURCE = 1024,
};

struct proxy_word {
	const char *name;
	unsigned bit;
};

static const struct proxy_word keywords[] = {
	{ "8BITMIME", PROXY_8BITMIME },
	{ "SMTPUTF8", PROXY_SMTPUTF8 },
	{ "XFORWARD", PROXY_XFORWARD },
	{ "SIZE", PROXY_SIZE },
	{ NULL, 0 },
};

static const struct proxy_word attributes[] = {
	{ "NAME", PROXY_NAME },	    { "ADDR", PROXY_ADDR },
	{ "PORT", PROXY_PORT },	    { "PROTO", PROXY_PROTO },
	{ "HELO", PROXY_HELO },	    { "IDENT", PROXY_IDENT },
	{ "SOURCE", PROXY_SOURCE }, { NULL, 0 },
};

/* ---- replies ---- */

static unsigned proxy_bit(const struct proxy_word *list, struct view word)
{
	for (; list->name != NULL; list++)
		if (view_is_nocase(word, list->name))
			return list->bit;
	return 0;
}

static unsigned keyword_of(struct view line)
{
	struct view word;
	unsigned bits = 0;

	if (view_next_word(&line, " \t", &word))
		bits = proxy_bit(keywords, word);
	while ((bits & PROXY_XFORWARD) && view_next_word(&line, " \t", &word))
		bits |= proxy_bit(attributes, word);
	return bits;
}

/* The next reply: its code, with its last line in *text and the keywords of EHLO; or -EPROTO. */
static int proxy_read(struct session *s, struct str *text, unsigned *takes)
{
	for (size_t i = 0; i < PROXY_LINES_MAX; i++) {
		struct view line;
		uint32_t code;

		if (stream_read_line(s->transaction.proxy, &line, PROXY_LINE_MAX) < 0 ||
		    line.len < 3 || view_parse_u32(view_first(line, 3), 599, &code) < 0 ||
		    code < 200)
			return -EPROTO;
		if (takes != NULL)
			*takes |= keyword_of(view_from(line, 4));
		if (line.len > 3 && line.data[3] == '-')
			continue;
		str_clear(text);
		str_append_printable(text, line);
		return (int)code;
	}
	return -EPROTO;
}

/* Sends a command; true where the reply is of that class ("2", "3"). */
static bool proxy_say(struct session *s, const struct str *line, char class, struct str *text,
		      unsigned *takes)
{
	struct stream *io = s->transaction.proxy;

	str_clear(text);
	if (line != NULL &&
	    (view_has_control(str_view(line)) || stream_write(io, str_view(line)) < 0 ||
	     stream_write(io, VIEW("\r\n")) < 0))
		return false;
	return proxy_read(s, text, takes) > 0 && text->data[0] == class;
}

/* ---- the envelope ---- */

/* One line of attributes, of those that the filter takes. */
struct xforward_line {
	struct str text;
	unsigned takes;
};

static void xforward_append(struct xforward_line *line, unsigned bit, struct view value)
{
	const struct proxy_word *attribute = attributes;

	if (!(line->takes & bit))
		return;
	while (attribute->bit != bit)
		attribute++;
	str_printf(&line->text, " %s=", attribute->name);
	if (value.len == 0 || view_is(value, "unknown"))
		str_append(&line->text, VIEW("[UNAVAILABLE]"));
	else
		xtext_encode(&line->text, view_first(value, PROXY_VALUE_MAX));
}

static void xforward_client(const struct session *s, struct xforward_line *line)
{
	const struct forwarded *f = &s->forwarded;
	struct view ip = f->given ? str_view(&f->address) : view_of(s->peer->text);
	uint16_t port = f->given ? f->port : s->peer->port;
	_cleanup_(str_free) struct str address = STR_EMPTY, number = STR_EMPTY;

	if (view_find_byte(ip, ':') != VIEW_NOT_FOUND)
		str_append(&address, VIEW("IPV6:"));
	str_append(&address, ip);
	if (port != 0)
		str_printf(&number, "%u", port);
	xforward_append(line, PROXY_NAME, f->given ? str_view(&f->name) : str_view(&s->name));
	xforward_append(line, PROXY_ADDR, str_view(&address));
	xforward_append(line, PROXY_PORT, str_view(&number));
}

static void xforward_message(const struct session *s, struct xforward_line *line)
{
	const struct forwarded *f = &s->forwarded;
	/* Whoever has logged in is a user of ours: what comes back is signed. */
	bool local =
		session_rewrites_headers(s) || (f->source == SOURCE_UNKNOWN && s->login.len > 0);

	xforward_append(line, PROXY_PROTO,
			f->given   ? str_view(&f->protocol)
			: s->esmtp ? VIEW("ESMTP")
				   : VIEW("SMTP"));
	xforward_append(line, PROXY_HELO, f->given ? str_view(&f->helo) : str_view(&s->helo));
	/* The message has no queue ID of ours yet. */
	xforward_append(line, PROXY_IDENT, str_view(&f->ident));
	xforward_append(line, PROXY_SOURCE, local ? VIEW("LOCAL") : VIEW("REMOTE"));
}

/* Of the client, and then of the message: each line is within 512 octets. */
static bool proxy_xforward(struct session *s, unsigned takes, struct str *text)
{
	static void (*const lines[])(const struct session *s, struct xforward_line *line) = {
		xforward_client,
		xforward_message,
	};
	bool ok = true;

	for (size_t i = 0; ok && i < ARRAY_SIZE(lines); i++) {
		struct xforward_line line = { .takes = takes };

		str_append(&line.text, VIEW("XFORWARD"));
		lines[i](s, &line);
		if (line.text.len > strlen("XFORWARD"))
			ok = proxy_say(s, &line.text, '2', text, NULL);
		str_free(&line.text);
	}
	return ok;
}

static bool proxy_mail(struct session *s, unsigned takes, struct str *text)
{
	const struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append(&line, VIEW("MAIL FROM:<"));
	address_quote(&line, str_view(&t->sender));
	str_append_byte(&line, '>');
	if (t->options.size > 0 && (takes & PROXY_SIZE))
		str_printf(&line, " SIZE=%llu", (unsigned long long)t->options.size);
	if (t->options.body == BODY_8BITMIME && (takes & PROXY_8BITMIME))
		str_append(&line, VIEW(" BODY=8BITMIME"));
	if (t->options.utf8 && (takes & PROXY_SMTPUTF8))
		str_append(&line, VIEW(" SMTPUTF8"));
	return proxy_say(s, &line, '2', text, NULL);
}

static bool proxy_recipients(struct session *s, struct str *text)
{
	const struct transaction *t = &s->transaction;
	size_t count = t->redirect.len > 0 ? 1 : t->count;

	for (size_t i = 0; i < count; i++) {
		_cleanup_(str_free) struct str line = STR_EMPTY;

		str_append(&line, VIEW("RCPT TO:<"));
		address_quote(&line, str_view(t->redirect.len > 0 ? &t->redirect
								  : &t->recipients[i].address));
		str_append_byte(&line, '>');
		if (!proxy_say(s, &line, '2', text, NULL))
			return false;
	}
	return true;
}

/* As far as "354". */
static bool proxy_introduce(struct session *s, struct str *text)
{
	_cleanup_(str_free) struct str ehlo = STR_EMPTY, data = STR_EMPTY;
	unsigned takes = 0;

	str_printf(&ehlo, "EHLO %s", param.smtpd_proxy_ehlo);
	str_append(&data, VIEW("DATA"));
	return proxy_say(s, NULL, '2', text, NULL) && proxy_say(s, &ehlo, '2', text, &takes) &&
	       proxy_xforward(s, takes, text) && proxy_mail(s, takes, text) &&
	       proxy_recipients(s, text) && proxy_say(s, &data, '3', text, NULL);
}

/* ---- the content ---- */

/* What a client said, within a line of ours. */
static void append_guarded(struct str *out, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		str_append_byte(out, c > ' ' && c < 127 && strchr("()<>\\\"", c) == NULL ? c : '?');
	}
}

/* RFC 5321 4.4; not where somebody in front of us has had the client. */
static void proxy_received(struct session *s)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, protocol = STR_EMPTY;

	if (s->forwarded.given)
		return;
	str_append(&line, VIEW("Received: from "));
	append_guarded(&line, s->helo.len > 0 ? str_view(&s->helo) : str_view(&s->name));
	str_printf(&line, " (%s [%s%s])\r\n\tby %s (%s) with %s;\r\n\t", str_cstr(&s->name),
		   ip_family(view_of(s->peer->text)) == 6 ? "IPv6:" : "", s->peer->text,
		   param.myhostname, param.mail_name, session_protocol(s, &protocol));
	date_append_rfc5322(&line, clock_wall());
	str_append(&line, VIEW("\r\n"));
	proxy_add(s, str_view(&line));
}

void proxy_add(struct session *s, struct view bytes)
{
	struct transaction *t = &s->transaction;
	int r = 0;

	while (r == 0 && bytes.len > 0) {
		size_t end = view_find_byte(bytes, '\n');
		struct view line = view_first(bytes, end == VIEW_NOT_FOUND ? bytes.len : end + 1);

		if (t->proxy_at_line && line.data[0] == '.')
			r = stream_write(t->proxy, VIEW("."));
		if (r == 0)
			r = stream_write(t->proxy, line);
		t->proxy_at_line = end != VIEW_NOT_FOUND;
		bytes = view_from(bytes, line.len);
	}
	if (r < 0 && t->reception.failed == 0)
		t->reception.failed = r;
}

/* ---- the whole ---- */

static int refuse_by_proxy(struct session *s, const struct str *text)
{
	bool refused = text->len > 0 && (text->data[0] == '4' || text->data[0] == '5');

	if (!refused)
		log_warning("%s: smtpd_proxy_filter: the filter %s does not answer as it should",
			    session_id(s), param.smtpd_proxy_filter);
	note_refusal(s, "proxy-reject", s->where,
		     refused ? str_view(text) : VIEW("451 4.3.0 Error: queue file write error"),
		     VIEW_NONE);
	return refused ? reply_text(s, str_view(text))
		       : reply(s, "451 4.3.0 Error: queue file write error");
}

bool proxy_begin(struct session *s, int *result)
{
	struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int fd = filter_connect(view_of(param.smtpd_proxy_filter), param.smtpd_proxy_timeout);

	if (fd >= 0) {
		t->proxy = stream_new(fd);
		stream_set_timeout(t->proxy, param.smtpd_proxy_timeout);
		stream_finish_first(t->proxy, true);
	} else {
		log_warning("connect to proxy filter %s: %s", param.smtpd_proxy_filter,
			    strerror(-fd));
	}
	if (fd >= 0 && proxy_introduce(s, &text)) {
		t->proxy_at_line = true;
		proxy_received(s);
		proxy_add(s, str_view(&t->prepend));
		return true;
	}
	*result = refuse_by_proxy(s, &text);
	return false;
}

int proxy_end(struct session *s)
{
	struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int code = -EPROTO;

	if (!t->proxy_at_line)
		proxy_add(s, VIEW("\r\n"));
	if (stream_write(t->proxy, VIEW(".\r\n")) == 0)
		code = proxy_read(s, &text, NULL);
	if (code < 200 || code > 299)
		return refuse_by_proxy(s, &text);
	note_refusal(s, "proxy-accept", s->where, str_view(&text),
		     t->count == 1 ? str_view(&t->recipients[0].address) : VIEW_NONE);
	stream_write(t->proxy, VIEW("QUIT\r\n"));
	s->errors = s->junk = 0;
	return reply_text(s, str_view(&text));
}

int proxy_replay(struct session *s)
{
	const struct transaction *t = &s->transaction;
	_cleanup_free_ char *block = mem_new_bytes(REPLAY_BLOCK);
	uint64_t at = 0;
	ssize_t n = 0;
	int r;

	if (!proxy_begin(s, &r))
		return r;
	while (t->reception.failed == 0 &&
	       (n = spool_read(t->spool, at, block, REPLAY_BLOCK)) > 0) {
		proxy_add(s, view_make(block, (size_t)n));
		at += (uint64_t)n;
	}
	if (n == 0 && t->reception.failed == 0)
		return proxy_end(s);
	log_warning("%s: lost on the way to the filter: %s", session_id(s),
		    strerror(n < 0 ? (int)-n : -t->reception.failed));
	return reply(s, "451 4.3.0 Error: queue file write error");
}

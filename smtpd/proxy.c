/*
 * smtpd_proxy_filter: a filter in front of the queue. The message goes to it by SMTP while it comes,
 * and what the filter says of it is what the client hears; nothing of it is in our queue.
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

enum { PROXY_8BITMIME = 1, PROXY_SMTPUTF8 = 2, PROXY_XFORWARD = 4, PROXY_SIZE = 8 };

/* ---- replies ---- */

static unsigned keyword_of(struct view line)
{
	static const struct {
		const char *name;
		unsigned bit;
	} keywords[] = { { "8BITMIME", PROXY_8BITMIME },
			 { "SMTPUTF8", PROXY_SMTPUTF8 },
			 { "XFORWARD", PROXY_XFORWARD },
			 { "SIZE", PROXY_SIZE } };
	struct view word;

	if (view_next_word(&line, " \t", &word))
		for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
			if (view_is_nocase(word, keywords[i].name))
				return keywords[i].bit;
	return 0;
}

/* The next reply: its code, with its last line in *text and the keywords of EHLO; or -EPROTO. */
static int proxy_read(struct session *s, struct str *text, unsigned *keywords)
{
	for (size_t i = 0; i < PROXY_LINES_MAX; i++) {
		struct view line;
		uint32_t code;

		if (stream_read_line(s->transaction.proxy, &line, PROXY_LINE_MAX) < 0 ||
		    line.len < 3 || view_parse_u32(view_first(line, 3), 599, &code) < 0 ||
		    code < 200)
			return -EPROTO;
		if (keywords != NULL)
			*keywords |= keyword_of(view_from(line, 4));
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
		      unsigned *keywords)
{
	struct stream *io = s->transaction.proxy;

	str_clear(text);
	if (line != NULL &&
	    (view_has_control(str_view(line)) || stream_write(io, str_view(line)) < 0 ||
	     stream_write(io, VIEW("\r\n")) < 0))
		return false;
	return proxy_read(s, text, keywords) > 0 && text->data[0] == class;
}

/* ---- the envelope ---- */

static void proxy_append_value(struct str *line, const char *name, struct view value)
{
	str_printf(line, " %s=", name);
	if (value.len == 0 || view_is(value, "unknown"))
		str_append(line, VIEW("[UNAVAILABLE]"));
	else
		xtext_encode(line, view_first(value, PROXY_VALUE_MAX));
}

static bool proxy_xforward(struct session *s, struct str *text)
{
	const struct forwarded *f = &s->forwarded;
	_cleanup_(str_free) struct str line = STR_EMPTY, address = STR_EMPTY;

	str_append(&address, f->given ? str_view(&f->address) : view_of(s->peer->text));
	if (view_find_byte(str_view(&address), ':') != VIEW_NOT_FOUND) {
		_cleanup_(str_free) struct str tagged = STR_EMPTY;

		str_printf(&tagged, "IPV6:%s", str_cstr(&address));
		str_set(&address, str_view(&tagged));
	}
	str_append(&line, VIEW("XFORWARD"));
	proxy_append_value(&line, "NAME", f->given ? str_view(&f->name) : str_view(&s->name));
	proxy_append_value(&line, "ADDR", str_view(&address));
	proxy_append_value(&line, "PROTO",
			   f->given   ? str_view(&f->protocol)
			   : s->esmtp ? VIEW("ESMTP")
				      : VIEW("SMTP"));
	proxy_append_value(&line, "HELO", f->given ? str_view(&f->helo) : str_view(&s->helo));
	return proxy_say(s, &line, '2', text, NULL);
}

static bool proxy_mail(struct session *s, unsigned keywords, struct str *text)
{
	const struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append(&line, VIEW("MAIL FROM:<"));
	address_quote(&line, str_view(&t->sender));
	str_append_byte(&line, '>');
	if (t->options.size > 0 && (keywords & PROXY_SIZE))
		str_printf(&line, " SIZE=%llu", (unsigned long long)t->options.size);
	if (t->options.body == BODY_8BITMIME && (keywords & PROXY_8BITMIME))
		str_append(&line, VIEW(" BODY=8BITMIME"));
	if (t->options.utf8 && (keywords & PROXY_SMTPUTF8))
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
	unsigned keywords = 0;

	str_printf(&ehlo, "EHLO %s", param.smtpd_proxy_ehlo);
	str_append(&data, VIEW("DATA"));
	return proxy_say(s, NULL, '2', text, NULL) && proxy_say(s, &ehlo, '2', text, &keywords) &&
	       (!(keywords & PROXY_XFORWARD) || proxy_xforward(s, text)) &&
	       proxy_mail(s, keywords, text) && proxy_recipients(s, text) &&
	       proxy_say(s, &data, '3', text, NULL);
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

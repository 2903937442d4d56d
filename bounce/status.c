/*
 * The machine-readable part of a report: fields for the message and for each recipient. It writes
 * and never reads.
 */
#include "compose.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"

/* RFC 5322 2.1.1: a line has at most 998 bytes; folded long before. */
#define FOLD_AT 500

bool report_is_utf8(const struct report *report)
{
	const struct queue_envelope *e = queue_file_envelope(report->file);

	/* Its own header names the sender. */
	return (e->flags & MAIL_FLAG_SMTPUTF8) != 0 || !view_is_ascii(e->sender);
}

/* May a line end before this character? At blanks; a long word between characters. */
static bool status_may_fold(size_t column, char next)
{
	if (column < FOLD_AT)
		return false;
	return next == ' ' || (column >= 2 * FOLD_AT - 100 && ((unsigned char)next & 0xc0) != 0x80);
}

/*
 * Text of a stranger in a field: no control bytes, folded. message/delivery-status is ASCII (RFC
 * 3464 2.1.1): there each other character is a question mark; it stands in the text for people.
 */
static void append_field_text(const struct report *report, struct str *out, struct view text)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;
	bool ascii = !report_is_utf8(report);
	size_t column = 0;

	str_append_printable(&clean, text);
	for (size_t i = 0; i < clean.len; i++) {
		unsigned char c = (unsigned char)clean.data[i];

		if (ascii && c >= 0x80 && (c & 0xc0) == 0x80)
			continue;
		if (status_may_fold(column, clean.data[i])) {
			str_append(out, VIEW("\r\n "));
			column = 0;
			if (c == ' ')
				continue;
		}
		str_append_byte(out, ascii && c >= 0x80 ? '?' : clean.data[i]);
		column++;
	}
}

void status_message(const struct report *report, struct str *out)
{
	const struct queue_envelope *e = queue_file_envelope(report->file);

	str_printf(out, "Reporting-MTA: dns; %s\r\n", param.myhostname);
	if (e->envid.len > 0) {
		str_append(out, VIEW("Original-Envelope-Id: "));
		append_field_text(report, out, e->envid);
		str_append(out, VIEW("\r\n"));
	}
	str_append(out, VIEW("Arrival-Date: "));
	date_append_rfc5322(out, e->arrival / 1000000);
	str_append(out, VIEW("\r\n"));
}

static const char *action(const struct report *report, const struct queue_recipient *r)
{
	if (report->kind == REPORT_FAILURE)
		return "failed";
	if (report->kind == REPORT_DELAY)
		return "delayed";
	return r->outcome == OUTCOME_RELAYED	? "relayed"
	       : r->outcome == OUTCOME_EXPANDED ? "expanded"
						: "delivered";
}

/* utf-8-addr-xtext (RFC 6533 3): what is not plain ASCII as "\x{E9}". Of well-formed UTF-8. */
static void append_utf8_xtext(struct str *out, struct view address)
{
	for (size_t i = 0; i < address.len;) {
		unsigned c = (unsigned char)address.data[i++];

		if (c > ' ' && c < 127 && c != '+' && c != '=' && c != '\\') {
			str_append_byte(out, (char)c);
			continue;
		}
		if (c >= 0x80) {
			c &= c >= 0xf0 ? 0x07 : c >= 0xe0 ? 0x0f : 0x1f;
			while (i < address.len && ((unsigned char)address.data[i] & 0xc0) == 0x80)
				c = c << 6 | ((unsigned char)address.data[i++] & 0x3f);
		}
		str_printf(out, "\\x{%02X}", c);
	}
}

/* "rfc822; a@b", or "utf-8; ..." in the form that this report can hold. `address` as on the wire. */
static void append_typed(const struct report *report, struct str *out, const char *field,
			 struct view address)
{
	bool ascii = view_is_ascii(address);
	_cleanup_(str_free) struct str xtext = STR_EMPTY;

	str_printf(out, "%s: %s; ", field, ascii ? "rfc822" : "utf-8");
	if (!ascii && !report_is_utf8(report) && view_is_utf8(address)) {
		append_utf8_xtext(&xtext, address);
		address = str_view(&xtext);
	}
	append_field_text(report, out, address);
	str_append(out, VIEW("\r\n"));
}

static void append_address(const struct report *report, struct str *out, const char *field,
			   struct view address)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;

	address_quote(&quoted, address);
	append_typed(report, out, field, str_view(&quoted));
}

/* As the sender gave it, else the address that was given to us. */
static void append_original(const struct report *report, struct str *out,
			    const struct queue_recipient *r)
{
	size_t semicolon = view_find_byte(r->orcpt, ';');
	struct view type = view_first(r->orcpt, semicolon);

	if (r->orcpt.len == 0 || semicolon == VIEW_NOT_FOUND) {
		if (r->original.len > 0)
			append_address(report, out, "Original-Recipient", r->original);
	} else if (!view_is_ascii(r->orcpt) &&
		   (view_is_nocase(type, "rfc822") || view_is_nocase(type, "utf-8"))) {
		append_typed(report, out, "Original-Recipient", view_from(r->orcpt, semicolon + 1));
	} else {
		str_append(out, VIEW("Original-Recipient: "));
		append_field_text(report, out, r->orcpt);
		str_append(out, VIEW("\r\n"));
	}
}

/* "mx.example.org[192.0.2.1]:25": the name; empty if nobody far away was talked to. */
static struct view remote_name(struct view remote)
{
	size_t bracket = view_find_byte(remote, '[');

	return bracket == VIEW_NOT_FOUND ? VIEW_NONE : view_first(remote, bracket);
}

static bool begins_with_code(struct view text)
{
	return text.len >= 4 && ascii_is_digit(text.data[0]) && ascii_is_digit(text.data[1]) &&
	       ascii_is_digit(text.data[2]) && (text.data[3] == ' ' || text.data[3] == '-');
}

/* The server's own words: what follows "host x said: ", without what we were doing then. */
static struct view reply_within(struct view text)
{
	size_t said = view_find(text, VIEW("said: "));

	if (said != VIEW_NOT_FOUND) {
		text = view_from(text, said + 6);
		size_t end = view_find(text, VIEW(" (in reply to "));

		text = end == VIEW_NOT_FOUND ? text : view_first(text, end);
	}
	return text;
}

static void append_diagnostic(const struct report *report, struct str *out,
			      const struct queue_reason *reason)
{
	struct view reply = reply_within(reason->diagnostic);

	if (reason->diagnostic.len == 0)
		return;
	if (begins_with_code(reply)) {
		str_append(out, VIEW("Diagnostic-Code: smtp; "));
		append_field_text(report, out, reply);
	} else {
		str_append(out, VIEW("Diagnostic-Code: X-Posta; "));
		append_field_text(report, out, reason->diagnostic);
	}
	str_append(out, VIEW("\r\n"));
}

void status_recipient(const struct report *report, const struct queue_recipient *r,
		      const struct queue_reason *reason, struct str *out)
{
	struct view remote = remote_name(reason->remote);

	str_append(out, VIEW("\r\n"));
	append_original(report, out, r);
	append_address(report, out, "Final-Recipient", r->address);
	str_printf(out, "Action: %s\r\n", action(report, r));
	str_append(out, VIEW("Status: "));
	str_append_printable(out, reason->status.len > 0	   ? reason->status
				  : report->kind == REPORT_FAILURE ? VIEW("5.0.0")
				  : report->kind == REPORT_DELAY   ? VIEW("4.0.0")
								   : VIEW("2.0.0"));
	str_append(out, VIEW("\r\n"));
	if (remote.len > 0) {
		str_append(out, VIEW("Remote-MTA: dns; "));
		append_field_text(report, out, remote);
		str_append(out, VIEW("\r\n"));
	}
	append_diagnostic(report, out, reason);
	if (r->when > 0) {
		str_append(out, VIEW("Last-Attempt-Date: "));
		date_append_rfc5322(out, r->when);
		str_append(out, VIEW("\r\n"));
	}
	if (report->kind == REPORT_DELAY) {
		str_append(out, VIEW("Will-Retry-Until: "));
		date_append_rfc5322(out, queue_file_envelope(report->file)->arrival / 1000000 +
						 param.maximal_queue_lifetime / 1000);
		str_append(out, VIEW("\r\n"));
	}
}

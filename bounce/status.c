#include "compose.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"

/* RFC 5322 2.1.1: a line has at most 998 bytes; folded long before. */
#define FOLD_AT 500

bool report_is_utf8(const struct report *report)
{
	return (queue_file_envelope(report->file)->flags & MAIL_FLAG_SMTPUTF8) != 0;
}

/* Text of a stranger in a field: no control bytes, folded at spaces. */
static void append_field_text(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;
	size_t column = 0;

	str_append_printable(&clean, text);
	for (size_t i = 0; i < clean.len; i++) {
		if (column >= FOLD_AT && clean.data[i] == ' ') {
			str_append(out, VIEW("\r\n "));
			column = 0;
			continue;
		}
		if (column >= 2 * FOLD_AT - 100) {
			str_append(out, VIEW("\r\n "));
			column = 0;
		}
		str_append_byte(out, clean.data[i]);
		column++;
	}
}

void status_message(const struct report *report, struct str *out)
{
	const struct queue_envelope *e = queue_file_envelope(report->file);

	str_printf(out, "Reporting-MTA: dns; %s\r\n", param.myhostname);
	if (e->envid.len > 0) {
		str_append(out, VIEW("Original-Envelope-Id: "));
		append_field_text(out, e->envid);
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

static void append_address(struct str *out, const char *field, struct view address)
{
	str_printf(out, "%s: %s; ", field, view_is_ascii(address) ? "rfc822" : "utf-8");
	_cleanup_(str_free) struct str quoted = STR_EMPTY;

	address_quote(&quoted, address);
	append_field_text(out, str_view(&quoted));
	str_append(out, VIEW("\r\n"));
}

static void append_original(struct str *out, const struct queue_recipient *r)
{
	if (r->orcpt.len > 0 && view_find_byte(r->orcpt, ';') != VIEW_NOT_FOUND) {
		str_append(out, VIEW("Original-Recipient: "));
		append_field_text(out, r->orcpt);
		str_append(out, VIEW("\r\n"));
	} else if (r->original.len > 0) {
		append_address(out, "Original-Recipient", r->original);
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

static void append_diagnostic(struct str *out, const struct queue_reason *reason)
{
	struct view reply = reply_within(reason->diagnostic);

	if (reason->diagnostic.len == 0)
		return;
	if (begins_with_code(reply)) {
		str_append(out, VIEW("Diagnostic-Code: smtp; "));
		append_field_text(out, reply);
	} else {
		str_append(out, VIEW("Diagnostic-Code: X-Posta; "));
		append_field_text(out, reason->diagnostic);
	}
	str_append(out, VIEW("\r\n"));
}

void status_recipient(const struct report *report, const struct queue_recipient *r,
		      const struct queue_reason *reason, struct str *out)
{
	struct view remote = remote_name(reason->remote);

	str_append(out, VIEW("\r\n"));
	append_original(out, r);
	append_address(out, "Final-Recipient", r->address);
	str_printf(out, "Action: %s\r\n", action(report, r));
	str_append(out, VIEW("Status: "));
	str_append_printable(out, reason->status.len > 0	   ? reason->status
				  : report->kind == REPORT_FAILURE ? VIEW("5.0.0")
				  : report->kind == REPORT_DELAY   ? VIEW("4.0.0")
								   : VIEW("2.0.0"));
	str_append(out, VIEW("\r\n"));
	if (remote.len > 0) {
		str_append(out, VIEW("Remote-MTA: dns; "));
		append_field_text(out, remote);
		str_append(out, VIEW("\r\n"));
	}
	append_diagnostic(out, reason);
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

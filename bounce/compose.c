/*
 * The text of a delivery report (RFC 3464). Whether one is wanted is asked here as well; sending
 * it is not done here.
 */
#include "compose.h"

#include <errno.h>
#include <stdio.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "template.h"

#define PIECE	     ((size_t)32 * 1024)
#define WRAP_AT	     72
#define BOUNDARY_MAX 64

/* ---- walking ---- */

/*
 * Calls `each` for the recipients of this report, with texts that stay valid meanwhile. Sets where
 * the next report begins.
 */
static int recipients_walk(struct report *report,
			   int (*each)(struct report *report, const struct queue_recipient *r,
				       const struct queue_reason *reason))
{
	struct queue_cursor cursor = report->from;
	size_t count = 0;
	int r = 0;

	report->more = false;
	while (r == 0) {
		_cleanup_(str_free) struct str texts = STR_EMPTY;
		struct queue_recipient recipient;
		struct queue_reason reason = { VIEW_NONE, VIEW_NONE, VIEW_NONE };
		struct queue_cursor here = cursor;

		r = queue_file_next_recipient(report->file, &cursor, &recipient);
		if (r <= 0)
			break;
		r = 0;
		if (!queue_recipient_wants_report(&recipient, report->kind))
			continue;
		if (count++ == REPORT_RECIPIENTS_MAX) {
			report->next = here;
			report->more = true;
			break;
		}
		/* Looking up the reason ends the recipient's views. */
		str_append(&texts, recipient.address);
		str_append(&texts, recipient.original);
		str_append(&texts, recipient.orcpt);
		recipient.address.data = str_cstr(&texts);
		recipient.original.data = recipient.address.data + recipient.address.len;
		recipient.orcpt.data = recipient.original.data + recipient.original.len;
		if (recipient.reason != 0)
			queue_file_reason(report->file, recipient.reason, &reason);
		if (each != NULL)
			r = each(report, &recipient, &reason);
	}
	return r;
}

static int found(struct report *report, const struct queue_recipient *r,
		 const struct queue_reason *reason)
{
	(void)report;
	(void)r;
	(void)reason;
	return -EEXIST;
}

bool report_is_needed(struct report *report)
{
	return recipients_walk(report, found) == -EEXIST;
}

static int write_str(struct report *report, struct str *text)
{
	int r = report->write(report->argument, str_view(text));

	str_clear(text);
	return r;
}

/* ---- the text ---- */

/* Words in lines of a comfortable length; a word that is longer stands alone. */
static void append_wrapped(struct str *out, struct view text, const char *indent)
{
	struct view word;
	size_t column = SIZE_MAX;

	while (view_next_word(&text, " \t", &word)) {
		if (column == SIZE_MAX || column + 1 + word.len > WRAP_AT) {
			str_append_cstr(out, column == SIZE_MAX ? "" : "\r\n");
			str_append_cstr(out, indent);
			column = strlen(indent);
		} else {
			str_append_byte(out, ' ');
			column++;
		}
		/* RFC 5322 2.1.1 */
		while (word.len > 900) {
			size_t piece = 900;

			/* A character stays whole. */
			while (piece > 897 && ((unsigned char)word.data[piece] & 0xc0) == 0x80)
				piece--;
			str_append(out, view_first(word, piece));
			word = view_from(word, piece);
			str_append(out, VIEW("\r\n"));
		}
		str_append(out, word);
		column += word.len;
	}
	str_append(out, VIEW("\r\n"));
}

static int text_recipient(struct report *report, const struct queue_recipient *r,
			  const struct queue_reason *reason)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, out = STR_EMPTY;

	report->named++;
	str_append_byte(&line, '<');
	address_show(&line, r->address);
	str_append_byte(&line, '>');
	if (r->original.len > 0 && !view_eq_nocase(r->original, r->address)) {
		str_append(&line, VIEW(" (given as <"));
		address_show(&line, r->original);
		str_append(&line, VIEW(">)"));
	}
	str_append(&line, VIEW(": "));
	if (reason->diagnostic.len > 0)
		str_append_printable(&line, reason->diagnostic);
	else
		str_append(&line, VIEW("no reason was given"));
	append_wrapped(&out, str_view(&line), "    ");
	str_append(&out, VIEW("\r\n"));
	return write_str(report, &out);
}

static const char *introduction(uint8_t kind)
{
	switch (kind) {
	case REPORT_DELAY:
		return "Your message could not be delivered to the recipients below yet. It is\r\n"
		       "still being tried; you need not send it again. If it cannot be "
		       "delivered\r\n"
		       "in the end, you will be told.\r\n";
	case REPORT_SUCCESS:
		return "Your message was delivered to the recipients below, or passed on to a\r\n"
		       "mail system that does not report on deliveries. You asked for this "
		       "report.\r\n";
	default:
		return "Your message could not be delivered to the recipients below, and will "
		       "not\r\n"
		       "be tried again. The reason stands after each address. If an address is\r\n"
		       "wrong, send the message again to the right one; otherwise ask the\r\n"
		       "recipient in some other way, and show this report to your postmaster.\r\n";
	}
}

static int write_text(struct report *report)
{
	const struct bounce_template *t = template_of(report->kind);
	_cleanup_(str_free) struct str out = STR_EMPTY;

	if (t != NULL)
		str_printf(&out, "%s\r\n", str_cstr(&t->body));
	else
		str_printf(&out, "This is the mail system at host %s.\r\n\r\n%s\r\n",
			   param.myhostname,
			   report->postmaster == NULL
				   ? introduction(report->kind)
				   : "This is a copy for the postmaster of what became of a "
				     "message.\r\n");
	int r = write_str(report, &out);

	if (r == 0)
		r = recipients_walk(report, text_recipient);
	return r;
}

/* ---- the original ---- */

/* How much of the original goes along: all of it, or its header. */
static bool returns_all(const struct report *report)
{
	return report->kind == REPORT_FAILURE && report->postmaster == NULL &&
	       queue_file_envelope(report->file)->ret != RET_HDRS &&
	       queue_file_content_size(report->file) <= (uint64_t)param.bounce_size_limit;
}

/* Calls `each` for the first `size` bytes of the content, piece by piece. */
static int read_content(const struct report *report, uint64_t size,
			int (*each)(void *argument, struct view bytes), void *argument)
{
	_cleanup_free_ char *buffer = mem_resize(NULL, PIECE, 1);
	uint64_t offset = queue_file_content_offset(report->file), end = offset + size;
	int r = 0;

	while (r == 0 && offset < end) {
		size_t piece = (size_t)MIN(end - offset, (uint64_t)PIECE);

		r = io_pread_all(queue_file_fd(report->file), buffer, piece, (off_t)offset);
		if (r == 0)
			r = each(argument, view_make(buffer, piece));
		offset += piece;
	}
	return r;
}

struct header_search {
	uint64_t seen, end;
	char last[3]; /* of the piece before */
};

static int search_header_end(void *argument, struct view bytes)
{
	struct header_search *s = argument;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append(&text, view_make(s->last, sizeof(s->last)));
	str_append(&text, bytes);
	size_t at = view_find(str_view(&text), VIEW("\r\n\r\n"));

	if (at != VIEW_NOT_FOUND) {
		s->end = s->seen + at + 2 - sizeof(s->last);
		return -EEXIST;
	}
	s->seen += bytes.len;
	memcpy(s->last, text.data + text.len - sizeof(s->last), sizeof(s->last));
	return 0;
}

/* Bytes of the original that are returned. */
static int returned_size(const struct report *report, uint64_t *size)
{
	struct header_search s = { .last = "\n\r\n" };

	*size = queue_file_content_size(report->file);
	if (returns_all(report))
		return 0;
	int r = read_content(report, MIN(*size, (uint64_t)param.message_header_limit),
			     search_header_end, &s);

	if (r == -EEXIST) {
		*size = s.end;
		return 0;
	}
	*size = MIN(*size, (uint64_t)param.message_header_limit);
	return r;
}

/* What the content's bytes are, as far as they were looked at. */
struct content_kind {
	bool keep; /* is it UTF-8, too? */
	bool has_8bit;
	struct str text;
};

static int content_look(void *argument, struct view bytes)
{
	struct content_kind *kind = argument;

	kind->has_8bit = kind->has_8bit || !view_is_ascii(bytes);
	if (kind->keep)
		str_append(&kind->text, bytes);
	return kind->has_8bit && !kind->keep ? -EEXIST : 0;
}

/* *charset (NULL allowed): of the header, if that alone is returned. 1: there are 8-bit bytes. */
static int original_needs_8bit(const struct report *report, const char **charset)
{
	/* A header is small enough to be kept (message_header_limit). */
	struct content_kind kind = { .keep = charset != NULL && !returns_all(report) };
	uint64_t size;
	int r = returned_size(report, &size);

	if (r == 0)
		r = read_content(report, size, content_look, &kind);
	if (charset != NULL)
		*charset = !kind.has_8bit			? "us-ascii"
			   : view_is_utf8(str_view(&kind.text)) ? "utf-8"
								: "unknown-8bit";
	str_free(&kind.text);
	return r < 0 && r != -EEXIST ? r : kind.has_8bit;
}

static int recipient_text_search(struct report *report, const struct queue_recipient *r,
				 const struct queue_reason *reason)
{
	(void)report;
	return view_is_ascii(r->address) && view_is_ascii(r->original) &&
			       view_is_ascii(reason->diagnostic)
		       ? 0
		       : -EEXIST;
}

/* The part for people names recipients and reasons as they are, in UTF-8. */
static int text_needs_8bit(struct report *report)
{
	const struct bounce_template *t = template_of(report->kind);
	int r;

	if (t != NULL && !view_is_ascii(str_view(&t->body)))
		return 1;
	r = recipients_walk(report, recipient_text_search);

	return r == -EEXIST ? 1 : r;
}

int report_needs_8bit(struct report *report)
{
	if (report_is_utf8(report))
		return 1;
	int r = text_needs_8bit(report);

	return r == 0 ? original_needs_8bit(report, NULL) : r;
}

static int write_original(struct report *report)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	bool utf8 = report_is_utf8(report), all = returns_all(report);
	const char *charset;
	uint64_t size;
	int r = returned_size(report, &size), has_8bit = original_needs_8bit(report, &charset);

	if (r < 0 || has_8bit < 0)
		return r < 0 ? r : has_8bit;
	str_printf(&out, "Content-Description: %s\r\nContent-Type: ",
		   report->kind == REPORT_FAILURE ? "Undelivered message" : "Message");
	if (all)
		str_append_cstr(&out, utf8 ? "message/global" : "message/rfc822");
	else if (utf8)
		str_append_cstr(&out, "message/global-headers");
	else
		str_printf(&out, "text/rfc822-headers; charset=%s", charset);
	str_printf(&out, "\r\nContent-Transfer-Encoding: %s\r\n\r\n", has_8bit ? "8bit" : "7bit");
	r = write_str(report, &out);
	return r == 0 ? read_content(report, size, report->write, report->argument) : r;
}

/* ---- the message ---- */

static const char *subject(uint8_t kind)
{
	switch (kind) {
	case REPORT_DELAY:
		return "Delayed mail (still being tried)";
	case REPORT_SUCCESS:
		return "Successful mail delivery report";
	default:
		return "Undelivered mail returned to sender";
	}
}

static int write_head(struct report *report, const char *boundary, bool has_8bit)
{
	const struct bounce_template *t = template_of(report->kind);
	_cleanup_(str_free) struct str out = STR_EMPTY;
	bool copy = report->postmaster != NULL;

	if (t != NULL)
		str_printf(&out, "From: %s\r\nSubject: %s\r\nTo: <", str_cstr(&t->from),
			   str_cstr(copy ? &t->postmaster_subject : &t->subject));
	else
		str_printf(&out,
			   "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
			   "Subject: %s%s\r\nTo: <",
			   param.myorigin, copy ? "Postmaster copy: " : "", subject(report->kind));
	if (report->postmaster != NULL)
		str_append_cstr(&out, report->postmaster);
	else
		address_quote(&out, queue_file_envelope(report->file)->sender);
	str_printf(&out,
		   ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
		   "\tboundary=\"%s\"\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n"
		   "This is a report in MIME format.\r\n",
		   boundary, has_8bit ? "8bit" : "7bit");
	return write_str(report, &out);
}

static int status_one(struct report *report, const struct queue_recipient *r,
		      const struct queue_reason *reason)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	status_recipient(report, r, reason, &out);
	return write_str(report, &out);
}

static int write_part_start(struct report *report, const char *boundary, const char *fields)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	str_printf(&out, "\r\n--%s\r\n%s", boundary, fields);
	return write_str(report, &out);
}

static int report_write_status(struct report *report)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	status_message(report, &out);
	int r = write_str(report, &out);

	return r == 0 ? recipients_walk(report, status_one) : r;
}

/* What people read, in UTF-8, and what programs read. */
static int write_explanation(struct report *report, const char *boundary)
{
	int has_8bit = text_needs_8bit(report);

	if (has_8bit < 0)
		return has_8bit;
	int r = write_part_start(report, boundary,
				 has_8bit ? "Content-Description: Notification\r\n"
					    "Content-Type: text/plain; charset=utf-8\r\n"
					    "Content-Transfer-Encoding: 8bit\r\n\r\n"
					  : "Content-Description: Notification\r\n"
					    "Content-Type: text/plain; charset=us-ascii\r\n"
					    "Content-Transfer-Encoding: 7bit\r\n\r\n");

	if (r == 0)
		r = write_text(report);
	if (r == 0)
		r = write_part_start(report, boundary,
				     report_is_utf8(report)
					     ? "Content-Description: Delivery report\r\n"
					       "Content-Type: message/global-delivery-status\r\n"
					       "Content-Transfer-Encoding: 8bit\r\n\r\n"
					     : "Content-Description: Delivery report\r\n"
					       "Content-Type: message/delivery-status\r\n"
					       "Content-Transfer-Encoding: 7bit\r\n\r\n");
	return r == 0 ? report_write_status(report) : r;
}

int report_compose(struct report *report)
{
	_cleanup_(str_free) struct str end = STR_EMPTY;
	char boundary[BOUNDARY_MAX];
	int has_8bit = report_needs_8bit(report);

	if (has_8bit < 0)
		return has_8bit;
	snprintf(boundary, sizeof(boundary), "%s.%016llx", queue_file_id(report->file),
		 (unsigned long long)random_u64());
	int r = write_head(report, boundary, has_8bit != 0);

	if (r == 0)
		r = write_explanation(report, boundary);
	if (r == 0)
		r = write_part_start(report, boundary, "");
	if (r == 0)
		r = write_original(report);
	str_printf(&end, "\r\n--%s--\r\n", boundary);
	return r == 0 ? write_str(report, &end) : r;
}

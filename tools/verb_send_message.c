/* Reading a message from standard input and handing it to cleanup. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/header.h"
#include "services/clients.h"
#include "tools/verb_send.h"

#define SERVICE	       "public/submit"
#define PIECE	       ((size_t)32 * 1024)
#define RECIPIENTS_MAX 100000

static enum send_status submission_complain(enum send_status status, const char *what)
{
	fprintf(stderr, "sendmail: %s\n", what);
	return status;
}

/* ---- recipients ---- */

static int add_recipient(void *argument, const struct header_address *found)
{
	struct sending *s = argument;
	struct str *to;

	if (found->group_start || found->group_end || found->local.len == 0)
		return 0;
	if (s->recipient_count >= RECIPIENTS_MAX)
		return 1;
	array_grow(s->recipients, s->recipient_count);
	to = &s->recipients[s->recipient_count++];
	*to = STR_EMPTY;
	str_append(to, found->local);
	if (found->domain.len > 0) {
		str_append_byte(to, '@');
		str_append(to, found->domain);
	}
	return 0;
}

void send_add_recipients(struct sending *s, struct view text)
{
	address_list_parse_all(text, add_recipient, s);
}

static void add_from_fields(struct sending *s, struct view header, const char *const *names)
{
	struct header_field field;

	while (header_next(&header, &field) > 0)
		for (size_t i = 0; names[i] != NULL; i++)
			if (view_is_nocase(field.name, names[i]))
				send_add_recipients(s, field.body);
}

/* -t. In a message that is sent on, the Resent- fields say who gets it. */
static void add_from_header(struct sending *s, struct view header)
{
	static const char *const fields[] = { "To", "Cc", "Bcc", NULL };
	static const char *const resent[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	size_t before = s->recipient_count;

	add_from_fields(s, header, resent);
	if (s->recipient_count == before)
		add_from_fields(s, header, fields);
}

/* ---- lines ---- */

struct input {
	FILE *file;
	char *line;
	size_t size;
	bool dots_end, failed;
	bool in_line; /* the last piece did not end its line */
};

/*
 * The next line, or a piece of a long one, with CRLF. False at the end: end of file, or a dot
 * alone where that ends the message.
 */
static bool input_next_line(struct input *in, struct str *out)
{
	if (in->line == NULL)
		in->line = mem_new_bytes(PIECE);
	size_t len = 0;
	int byte = EOF;

	while (len < PIECE && (byte = getc(in->file)) != EOF && byte != '\n')
		in->line[len++] = (char)byte;
	in->failed = ferror(in->file) != 0;
	if ((byte == EOF && len == 0) || in->failed)
		return false;
	bool whole = byte == '\n' || byte == EOF;

	if (whole && len > 0 && in->line[len - 1] == '\r')
		len--;
	if (!in->in_line && whole && in->dots_end && len == 1 && in->line[0] == '.')
		return false;
	in->in_line = !whole;
	str_clear(out);
	str_append(out, view_make(in->line, len));
	if (whole)
		str_append(out, VIEW("\r\n"));
	return true;
}

/* A line that mbox writers put in front is no header field. */
static bool is_mbox_line(struct view line)
{
	return view_starts(line, VIEW("From ")) || view_starts(line, VIEW(">From "));
}

/* ---- the message ---- */

/* The header up to the line that ends it, which is left in *line. */
static enum send_status submission_read_header(struct input *in, struct str *header,
					       struct str *line, bool *ended)
{
	struct header_field field;

	*ended = true;
	while (input_next_line(in, line)) {
		struct view rest = str_view(line);

		if (header->len == 0 && is_mbox_line(rest))
			continue;
		if (header->len > (size_t)param.message_header_limit)
			return submission_complain(SEND_BAD_DATA, "the header is too long");
		bool folded = header->len > 0 && (line->data[0] == ' ' || line->data[0] == '\t');

		if (!folded && header_next(&rest, &field) == 0) {
			*ended = false;
			break;
		}
		str_append(header, str_view(line));
	}
	if (in->failed)
		return submission_complain(SEND_IO_ERROR, "cannot read the message");
	return SEND_DONE;
}

/* "Full Name" <sender>, if the message says nothing and we know more than the address. */
static void add_from_field(const struct sending *s, struct str *header)
{
	struct header_field field;

	if (s->full_name.len == 0 || s->sender.len == 0 ||
	    header_find(str_view(header), "From", &field) ||
	    view_has_control(str_view(&s->full_name)))
		return;
	str_append(header, VIEW("From: \""));
	for (size_t i = 0; i < s->full_name.len; i++) {
		if (strchr("\"\\", s->full_name.data[i]) != NULL)
			str_append_byte(header, '\\');
		str_append_byte(header, s->full_name.data[i]);
	}
	str_append(header, VIEW("\" <"));
	address_quote(header, str_view(&s->sender));
	str_append(header, VIEW(">\r\n"));
}

static enum send_status message_begin(const struct sending *s, struct submission **submission)
{
	int r = 0;

	*submission = submission_begin(
		SERVICE, &(struct msg_mail){ .sender = str_view(&s->sender),
					     .body = s->seven_bit ? BODY_7BIT : BODY_8BITMIME,
					     .ret = s->ret,
					     .envid = str_view(&s->envid),
					     .flags = s->utf8 ? MAIL_FLAG_SMTPUTF8 : 0 });
	for (size_t i = 0; r == 0 && i < s->recipient_count; i++)
		r = submission_rcpt(*submission, str_view(&s->recipients[i]), VIEW_NONE, s->notify);
	return r < 0 ? submission_complain(SEND_LATER, "the mail system does not answer")
		     : SEND_DONE;
}

static enum send_status message_commit(struct submission *submission)
{
	struct submission_verdict verdict = { 0 };
	enum send_status status = SEND_DONE;
	int r = submission_commit(submission, &verdict);

	if (r < 0) {
		status = submission_complain(SEND_LATER, "the mail system does not answer");
	} else if (verdict.code != 250) {
		fprintf(stderr, "sendmail: %u %s %s\n", verdict.code, str_cstr(&verdict.status),
			str_cstr(&verdict.text));
		status = verdict.code >= 500 ? SEND_BAD_DATA : SEND_LATER;
	}
	submission_verdict_free(&verdict);
	return status;
}

/* Header first (it is in memory), then line by line. */
static enum send_status message_copy(struct input *in, struct submission *submission,
				     struct str *pending, struct str *line, bool ended)
{
	int r = 0;

	if (!ended) {
		if (!view_is(str_view(line), "\r\n"))
			str_append(pending, VIEW("\r\n"));
		str_append(pending, str_view(line));
		while (r == 0 && input_next_line(in, line)) {
			str_append(pending, str_view(line));
			if (pending->len >= PIECE) {
				r = submission_data(submission, str_view(pending));
				str_clear(pending);
			}
		}
	}
	if (in->failed)
		return submission_complain(SEND_IO_ERROR, "cannot read the message");
	if (r == 0)
		r = submission_data(submission, str_view(pending));
	return r < 0 ? submission_complain(SEND_LATER, "the mail system does not answer")
		     : SEND_DONE;
}

enum send_status submission_send_message(struct sending *s)
{
	_cleanup_(str_free) struct str header = STR_EMPTY, line = STR_EMPTY;
	struct input in = { .file = stdin, .dots_end = s->dots_end };
	struct submission *submission = NULL;
	bool ended;
	enum send_status status = submission_read_header(&in, &header, &line, &ended);

	if (status == SEND_DONE && s->from_header) {
		add_from_header(s, str_view(&header));
		if (s->recipient_count == 0)
			status = submission_complain(
				SEND_USAGE, "no recipients, neither given nor in the header");
	}
	if (status == SEND_DONE) {
		add_from_field(s, &header);
		s->utf8 = !view_is_ascii(str_view(&s->sender));
		for (size_t i = 0; i < s->recipient_count; i++)
			s->utf8 |= !view_is_ascii(str_view(&s->recipients[i]));
		status = message_begin(s, &submission);
	}
	if (status == SEND_DONE)
		status = message_copy(&in, submission, &header, &line, ended);
	if (status == SEND_DONE)
		status = message_commit(TAKE(submission));
	submission_abort(submission);
	free(in.line);
	return status;
}

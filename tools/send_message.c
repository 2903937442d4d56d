/* Reading a message from standard input and handing it to cleanup, or into the maildrop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/header.h"
#include "tools/send_outlet.h"
#include "tools/verb_send.h"

#define PIECE	       ((size_t)32 * 1024)
#define RECIPIENTS_MAX 100000

/* In the words of SMTP where that is spoken. */
static enum send_status submission_complain(struct sending *s, enum send_status status,
					    const char *what)
{
	if (s->in_conversation)
		str_printf(&s->reply, "%s %s", status == SEND_BAD_DATA ? "554 5.6.0" : "451 4.3.0",
			   what);
	else
		fprintf(stderr, "sendmail: %s\n", what);
	return status;
}

void sending_free(struct sending *s)
{
	for (size_t i = 0; i < s->recipient_count; i++)
		str_free(&s->recipients[i]);
	free(s->recipients);
	str_free(&s->sender);
	str_free(&s->full_name);
	str_free(&s->envid);
	str_free(&s->reply);
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
	bool dots_end, dots_doubled, failed, ended;
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
	in->ended |= byte == EOF;
	if ((byte == EOF && len == 0) || in->failed)
		return false;
	bool whole = byte == '\n' || byte == EOF;
	bool dot = !in->in_line && len > 0 && in->line[0] == '.';

	if (whole && len > 0 && in->line[len - 1] == '\r')
		len--;
	if (dot && whole && in->dots_end && len == 1) {
		in->ended = true;
		return false;
	}
	in->in_line = !whole;
	str_clear(out);
	str_append(out, view_from(view_make(in->line, len), dot && in->dots_doubled ? 1 : 0));
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
static enum send_status sending_read_header(struct sending *s, struct input *in, struct str *header,
					    struct str *line, bool *ended)
{
	struct header_field field;

	*ended = true;
	while (input_next_line(in, line)) {
		struct view rest = str_view(line);

		if (header->len == 0 && is_mbox_line(rest))
			continue;
		if (header->len > (size_t)param.message_header_limit)
			return submission_complain(s, SEND_BAD_DATA, "the header is too long");
		bool folded = header->len > 0 && line->len > 0 &&
			      (line->data[0] == ' ' || line->data[0] == '\t');

		if (!folded && header_next(&rest, &field) == 0) {
			*ended = false;
			break;
		}
		str_append(header, str_view(line));
	}
	if (in->failed)
		return submission_complain(s, SEND_IO_ERROR, "cannot read the message");
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

static enum send_status sending_begin(struct sending *s, struct outlet **outlet)
{
	int r;

	*outlet = outlet_open();
	if (*outlet == NULL)
		return submission_complain(s, SEND_LATER,
					   "the mail system does not run, and keeps no mail");
	s->kept = outlet_is_maildrop(*outlet);
	r = outlet_mail(*outlet,
			&(struct msg_mail){ .sender = str_view(&s->sender),
					    .body = s->seven_bit ? BODY_7BIT : BODY_8BITMIME,
					    .ret = s->ret,
					    .envid = str_view(&s->envid),
					    .flags = s->utf8 ? MAIL_FLAG_SMTPUTF8 : 0 });
	for (size_t i = 0; r == 0 && i < s->recipient_count; i++)
		r = outlet_rcpt(*outlet, str_view(&s->recipients[i]), s->notify);
	if (r == -EINVAL)
		return submission_complain(s, SEND_BAD_DATA, "an address with control characters");
	return r < 0 ? submission_complain(s, SEND_LATER, "the mail system does not answer")
		     : SEND_DONE;
}

/* What the mail system says of it all. */
static enum send_status message_take_verdict(struct sending *s,
					     const struct submission_verdict *verdict)
{
	if (s->in_conversation)
		str_printf(&s->reply, "%u %s %s", verdict->code, str_cstr(&verdict->status),
			   str_cstr(&verdict->text));
	if (verdict->code == 250)
		return SEND_DONE;
	if (!s->in_conversation)
		fprintf(stderr, "sendmail: %u %s %s\n", verdict->code, str_cstr(&verdict->status),
			str_cstr(&verdict->text));
	return verdict->code >= 500 ? SEND_BAD_DATA : SEND_LATER;
}

static enum send_status sending_commit(struct sending *s, struct outlet *outlet)
{
	struct submission_verdict verdict = { 0 };
	enum send_status status;
	int r = outlet_commit(outlet, &verdict);

	if (r == -ENOSPC || r == -EDQUOT)
		status = submission_complain(s, SEND_LATER, "there is no room to keep it");
	else if (r < 0)
		status = submission_complain(s, SEND_LATER, "the mail system does not answer");
	else
		status = message_take_verdict(s, &verdict);
	submission_verdict_free(&verdict);
	return status;
}

/*
 * While the mail system is down nobody else says so, and what is too big would be returned; what it
 * would hold of the rest it says when it has it.
 */
static bool message_is_too_big(const struct sending *s, uint64_t size)
{
	return s->kept && param.message_size_limit > 0 && size > (uint64_t)param.message_size_limit;
}

/* Header first (it is in memory), then line by line. */
static enum send_status message_copy(struct sending *s, struct input *in, struct outlet *outlet,
				     struct str *pending, struct str *line, bool ended)
{
	uint64_t size = 0;
	int r = 0;

	if (!ended) {
		if (!view_is(str_view(line), "\r\n"))
			str_append(pending, VIEW("\r\n"));
		str_append(pending, str_view(line));
		while (r == 0 && !message_is_too_big(s, size) && input_next_line(in, line)) {
			str_append(pending, str_view(line));
			size += line->len;
			if (pending->len >= PIECE) {
				r = outlet_data(outlet, str_view(pending));
				str_clear(pending);
			}
		}
	}
	if (in->failed)
		return submission_complain(s, SEND_IO_ERROR, "cannot read the message");
	if (message_is_too_big(s, size))
		return submission_complain(s, SEND_BAD_DATA, "message file too big");
	/* Half a conversation is no message. */
	if (s->in_conversation && (!in->ended || feof(in->file)))
		return submission_complain(s, SEND_IO_ERROR, "the end of the message is missing");
	if (r == 0)
		r = outlet_data(outlet, str_view(pending));
	return r < 0 ? submission_complain(s, SEND_LATER, "the mail system does not answer")
		     : SEND_DONE;
}

static enum send_status message_take(struct sending *s, struct input *in)
{
	_cleanup_(str_free) struct str header = STR_EMPTY, line = STR_EMPTY;
	struct outlet *outlet = NULL;
	bool ended;
	enum send_status status = sending_read_header(s, in, &header, &line, &ended);

	if (status == SEND_DONE && s->from_header) {
		add_from_header(s, str_view(&header));
		if (s->recipient_count == 0)
			status = submission_complain(
				s, SEND_USAGE, "no recipients, neither given nor in the header");
	}
	if (status == SEND_DONE) {
		add_from_field(s, &header);
		s->utf8 = !view_is_ascii(str_view(&s->sender));
		for (size_t i = 0; i < s->recipient_count; i++)
			s->utf8 |= !view_is_ascii(str_view(&s->recipients[i]));
		status = sending_begin(s, &outlet);
	}
	if (status == SEND_DONE)
		status = message_copy(s, in, outlet, &header, &line, ended);
	if (status == SEND_DONE)
		status = sending_commit(s, TAKE(outlet));
	outlet_abort(outlet);
	return status;
}

enum send_status send_message(struct sending *s)
{
	_cleanup_(str_free) struct str rest = STR_EMPTY;
	struct input in = { .file = stdin,
			    .dots_end = s->dots_end || s->in_conversation,
			    .dots_doubled = s->in_conversation };
	enum send_status status = message_take(s, &in);

	/* What was refused on the way has still to be read: commands follow it. */
	while (s->in_conversation && !in.ended && input_next_line(&in, &rest))
		;
	free(in.line);
	return status;
}

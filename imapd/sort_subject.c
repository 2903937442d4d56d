/* The base subject: what is left of a subject without "Re:", "[list]" and "(fwd)". */
#include "base/mem.h"
#include "mail/date.h"
#include "sort.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Runs of white space are one blank; none at the ends. */
static void squeeze(struct str *text)
{
	size_t kept = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = ascii_is_space(text->data[i]) ? ' ' : text->data[i];

		if (c != ' ' || (kept > 0 && text->data[kept - 1] != ' '))
			text->data[kept++] = c;
	}
	if (kept > 0 && text->data[kept - 1] == ' ')
		kept--;
	str_truncate(text, kept);
}

static struct view skip_blanks(struct view text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = view_from(text, 1);
	return text;
}

/* "[...]" and blanks: what comes after them, or the text as it is. */
static struct view skip_blob(struct view text)
{
	if (!view_starts(text, VIEW("[")))
		return text;
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == '[')
			return text;
		if (text.data[i] == ']')
			return skip_blanks(view_from(text, i + 1));
	}
	return text;
}

/* ("re" / "fw" / "fwd") *WSP [blob] ":" -- what comes after it, or the text as it is. */
static struct view skip_reply(struct view text)
{
	static const char *const words[] = { "re", "fwd", "fw" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct view rest;

		if (!view_starts_nocase(text, view_of(words[i])))
			continue;
		rest = skip_blob(skip_blanks(view_from(text, strlen(words[i]))));
		if (view_starts(rest, VIEW(":")))
			return view_from(rest, 1);
	}
	return text;
}

/* *blob refwd, or a blank. */
static struct view skip_leader(struct view text, bool *is_reply)
{
	struct view rest = text, after;

	if (text.len > 0 && is_blank(text.data[0]))
		return skip_blanks(text);
	for (;;) {
		after = skip_reply(rest);
		if (after.len != rest.len) {
			*is_reply = true;
			return after;
		}
		after = skip_blob(rest);
		if (after.len == rest.len)
			return text;
		rest = after;
	}
}

static struct view skip_trailers(struct view text, bool *is_reply)
{
	for (;;) {
		while (text.len > 0 && is_blank(text.data[text.len - 1]))
			text.len--;
		if (!view_ends_nocase(text, VIEW("(fwd)")))
			return text;
		*is_reply = true;
		text.len -= strlen("(fwd)");
	}
}

/*
 * Steps 2 to 5 of RFC 5256 2.1. Leaders first: where none is, none comes to light by taking off a blob, as
 * blobs were looked past already. So each is looked at twice, however many there are.
 */
static struct view base_of(struct view text, bool *is_reply)
{
	struct view rest;
	size_t before;

	text = skip_trailers(text, is_reply);
	do {
		before = text.len;
		text = skip_leader(text, is_reply);
	} while (text.len != before);
	while (rest = skip_blob(text), rest.len > 0 && rest.len != text.len)
		text = rest;
	return text;
}

bool sort_base_subject(struct view field_body, struct str *out)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	bool is_reply = false;
	struct view base;

	text_decode_header(&text, field_body);
	squeeze(&text);
	base = base_of(str_view(&text), &is_reply);
	while (view_starts_nocase(base, VIEW("[fwd:")) && view_ends(base, VIEW("]"))) {
		is_reply = true;
		base = view_from(view_first(base, base.len - 1), strlen("[fwd:"));
		base = base_of(base, &is_reply);
	}
	str_clear(out);
	text_casemap(out, base);
	str_truncate(out, MIN(out->len, (size_t)SORT_TEXT_MAX));
	return is_reply;
}

int64_t sort_sent_date(struct imap_session *s, uint32_t seq, struct view header)
{
	struct header_field field;
	struct message_info info;
	int64_t time;
	int zone;

	if (header_find(header, "Date", &field) &&
	    date_parse_rfc5322(field.body, &time, &zone) == 0)
		return time;
	return mailbox_info(s->mailbox, seq, &info) == 0 ? info.internal_date : 0;
}

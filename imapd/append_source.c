/*
 * A message on its way from the client into the store: as a literal, or put together from texts and pieces of
 * messages that are there already, which URLs name (RFC 4469, RFC 5092). Who asks for it, and what is answered: cmd_append.c.
 */
#include "append_source.h"

#include <errno.h>

#include "base/mem.h"
#include "message_url.h"

/* ---- literals ---- */

/* Bare LFs of sloppy clients become CRLF: what is stored is what goes on the wire. A bare CR is kept. */
static int write_crlf(struct append_source *source, struct view piece)
{
	size_t start = 0;
	int r = 0;

	for (size_t i = 0; i < piece.len && r == 0; i++) {
		char c = piece.data[i];

		if (c == '\n' && source->last != '\r') {
			r = append_write(source->append, view_make(piece.data + start, i - start));
			if (r == 0)
				r = append_write(source->append, VIEW("\r"));
			start = i;
		}
		source->last = c;
	}
	if (r == 0)
		r = append_write(source->append, view_from(piece, start));
	return r;
}

static int read_literal(struct imap_session *s, struct append_source *source)
{
	struct view piece;
	uint64_t size;
	int r = imap_literal_begin(s->parser, source->max - source->size, &size);

	if (r < 0)
		return r;
	source->size += size;
	while ((r = imap_literal_read(s->parser, &piece)) > 0)
		if (source->failed == 0 && source->append != NULL)
			source->failed = write_crlf(source, piece);
	return r;
}

/* ---- URLs ---- */

/* From the mailbox that s has selected for this. 0, -ENOENT, or another errno. */
static int copy_piece(struct imap_session *s, const struct message_url *url,
		      struct append_source *source)
{
	uint32_t seq = mailbox_find(s->mailbox, (uint32_t)url->uid);
	uint64_t offset, length, skipped;
	struct opened_message *message;
	struct view content;
	int r;

	if (seq == 0 ||
	    (url->uidvalidity != 0 && url->uidvalidity != mailbox_uidvalidity(s->mailbox)))
		return -ENOENT;
	r = opened_message_get(s, seq, &message);
	if (r == 0)
		r = opened_message_section(message, &url->section, &offset, &length);
	if (r < 0)
		return r;
	if (url->section.partial) {
		skipped = MIN(url->section.offset, length);
		offset += skipped;
		length = MIN(length - skipped, url->section.length);
	}
	if (length > source->max - source->size) {
		source->too_big = true;
		return 0;
	}
	source->size += length;
	r = opened_message_map(message, &content);
	if (r < 0)
		return r;
	if (source->append != NULL && length > 0) {
		struct view piece = view_make(content.data + offset, (size_t)length);

		source->failed = append_write(source->append, piece);
		source->last = piece.data[piece.len - 1];
	}
	opened_message_unmap(content);
	return 0;
}

static int follow_url(struct imap_session *s, const struct message_url *url,
		      struct append_source *source)
{
	struct opened_message piece = { 0 }, *opened = s->message;
	struct mailbox *selected = s->mailbox, *other = NULL;
	int r = 0;

	if (url->mailbox.len > 0)
		r = mailbox_open(s->store, str_view(&url->mailbox), MAILBOX_READ_ONLY, &other);
	else if (selected == NULL)
		r = -ENOENT;
	if (r < 0)
		return r;
	if (other != NULL)
		s->mailbox = other;
	s->message = &piece;
	r = copy_piece(s, url, source);
	opened_message_close(&piece);
	s->message = opened;
	s->mailbox = selected;
	mailbox_close(other);
	return r;
}

static void source_take_url(struct imap_session *s, struct view text, struct append_source *source)
{
	_cleanup_(message_url_free) struct message_url url = { 0 };
	int r = message_url_parse(text, &url) ? follow_url(s, &url, source) : -ENOENT;

	source->has_bad_url = r == -ENOENT;
	if (source->has_bad_url)
		str_set(&source->bad_url, text);
	else if (r < 0)
		source->failed = r;
}

/* "TEXT {n}" or "URL astring" */
static int catenate_part(struct imap_session *s, struct append_source *source)
{
	struct view word, url;
	int r = imap_atom(s->parser, &word);

	if (r == 0)
		r = imap_space(s->parser);
	if (r < 0)
		return r;
	if (view_is_nocase(word, "TEXT"))
		return read_literal(s, source);
	if (!view_is_nocase(word, "URL"))
		return imap_syntax_error(s->parser, "Expected TEXT or URL");
	r = imap_astring(s->parser, &url);
	if (r == 0 && source->failed == 0 && !append_source_is_bad(source))
		source_take_url(s, url, source);
	return r;
}

int append_source_read(struct imap_session *s, struct append_source *source)
{
	size_t count = 0;
	int r;

	if (!imap_take_text(s->parser, "CATENATE ("))
		return read_literal(s, source);
	do {
		if (count++ == CATENATE_PARTS_MAX)
			return imap_syntax_error(s->parser, "Too many parts");
		r = catenate_part(s, source);
	} while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}

bool append_source_is_bad(const struct append_source *source)
{
	return source->too_big || source->has_bad_url;
}

int append_source_refuse(struct imap_session *s, const struct append_source *source)
{
	_cleanup_(str_free) struct str url = STR_EMPTY;

	if (source->too_big)
		return imap_no(s, "[TOOBIG] The message is too large.");
	/* A response code ends with the first of these. */
	str_append(&url, view_make(str_cstr(&source->bad_url), source->bad_url.len));
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] == ']' || url.data[i] == '"' || url.data[i] == '\\')
			url.data[i] = '?';
	return imap_no(s, "[BADURL \"%s\"] There is no such message or part.", str_cstr(&url));
}

/*
 * A message on its way from the client into the store: as a literal, or put together from texts and pieces of
 * messages that are there already, which URLs name (RFC 4469, RFC 5092). Who asks for it, and what is answered: cmd_append.c.
 */
#include "append_source.h"

#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "fetch.h"

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

/* "/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2.MIME/;PARTIAL=0.1024" */
struct message_url {
	struct str mailbox; /* as the store has it; empty: the one that is selected */
	uint64_t uidvalidity, uid;
	struct section section;
};

static int hex_digit(char c)
{
	return ascii_is_digit(c)      ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool percent_decode(struct view text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			str_append_byte(out, text.data[i]);
			continue;
		}
		high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
		low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		str_append_byte(out, (char)(high << 4 | low));
		i += 2;
	}
	return true;
}

/* RFC 5092 4: UTF-8. */
static bool url_mailbox(struct view text, struct str *mailbox)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY, encoded = STR_EMPTY, inside = STR_EMPTY;
	const char *why;

	if (text.len == 0)
		return true;
	return percent_decode(text, &decoded) &&
	       store_name_from_utf8(str_view(&decoded), &encoded) == 0 &&
	       imap_name_from_client(str_view(&encoded), &inside, &why) == 0 &&
	       store_name_normalize(str_view(&inside), mailbox, NULL) == 0;
}

static bool url_section(struct view text, struct section *section)
{
	static const struct {
		const char *name;
		enum section_text text;
	} texts[] = { { "HEADER", SECTION_HEADER },
		      { "TEXT", SECTION_TEXT },
		      { "MIME", SECTION_MIME } };

	while (text.len > 0 && ascii_is_digit(text.data[0])) {
		size_t dot = view_find_byte(text, '.');
		uint32_t number;

		if (view_parse_u32(view_first(text, dot), UINT32_MAX, &number) < 0 || number == 0)
			return false;
		array_grow(section->path, section->depth);
		section->path[section->depth++] = number;
		if (dot == VIEW_NOT_FOUND)
			return true;
		text = view_from(text, dot + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (view_is_nocase(text, texts[i].name)) {
			section->text = texts[i].text;
			return section->text != SECTION_MIME || section->depth > 0;
		}
	return false;
}

/* "offset" or "offset.length" */
static bool url_partial(struct view text, struct section *section)
{
	size_t dot = view_find_byte(text, '.');

	section->partial = true;
	section->length = UINT64_MAX;
	return view_parse_u64(view_first(text, dot), INT64_MAX, &section->offset) == 0 &&
	       (dot == VIEW_NOT_FOUND ||
		(view_parse_u64(view_from(text, dot + 1), INT64_MAX, &section->length) == 0 &&
		 section->length > 0));
}

/* "UID=20", without what is in front of it. */
static bool url_field(struct view text, struct message_url *url)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	size_t equals = view_find_byte(text, '=');
	struct view name = view_first(text, equals);

	if (equals == VIEW_NOT_FOUND || !percent_decode(view_from(text, equals + 1), &value))
		return false;
	if (view_is_nocase(name, "UIDVALIDITY"))
		return view_parse_u64(str_view(&value), UINT32_MAX, &url->uidvalidity) == 0 &&
		       url->uidvalidity > 0;
	if (view_is_nocase(name, "UID"))
		return view_parse_u64(str_view(&value), UINT32_MAX, &url->uid) == 0;
	if (view_is_nocase(name, "SECTION"))
		return url->section.depth == 0 && url_section(str_view(&value), &url->section);
	if (view_is_nocase(name, "PARTIAL"))
		return url_partial(str_view(&value), &url->section);
	return false;
}

/* Of this server and user, so without either. */
static bool url_parse(struct view text, struct message_url *url)
{
	size_t fields = view_find_byte(text, ';');
	struct view mailbox = view_first(text, fields), rest, field;

	if (fields == VIEW_NOT_FOUND || view_starts(text, VIEW("//")))
		return false;
	if (view_starts(mailbox, VIEW("/")))
		mailbox = view_from(mailbox, 1);
	if (view_ends(mailbox, VIEW("/")))
		mailbox.len--;
	if (!url_mailbox(mailbox, &url->mailbox))
		return false;
	rest = view_from(text, fields + 1);
	while (view_next(&rest, ';', &field)) {
		if (view_ends(field, VIEW("/")))
			field.len--;
		if (!url_field(field, url))
			return false;
	}
	return url->uid > 0;
}

/* ---- what they lead to ---- */

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

static void message_url_free(struct message_url *url)
{
	str_free(&url->mailbox);
	free(url->section.path);
}

static void source_take_url(struct imap_session *s, struct view text, struct append_source *source)
{
	_cleanup_(message_url_free) struct message_url url = { 0 };
	int r = url_parse(text, &url) ? follow_url(s, &url, source) : -ENOENT;

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

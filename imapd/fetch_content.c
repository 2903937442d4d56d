/*
 * FETCH items for which a part is decoded: BINARY (RFC 3516) and PREVIEW (RFC 8970). Where parts lie:
 * fetch_message.c.
 */
#include "fetch_content.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "mail/mime.h"
#include "search_text.h"
#include "store/render.h"

#define BINARY_MAX    ((uint64_t)128 << 20) /* bytes of a part that are decoded in memory */
#define PREVIEW_READ  32768		    /* bytes of a part that are looked at */
#define PREVIEW_CHARS 200		    /* RFC 8970 3.1 */

/* ---- BINARY ---- */

/* The part's Content-Transfer-Encoding; none for the whole message. */
static int part_encoding(struct opened_message *message, const struct section *section,
			 struct view content, struct view *encoding)
{
	struct section header = *section;
	struct header_field field;
	uint64_t offset, length;
	int r;

	*encoding = VIEW_NONE;
	if (section->depth == 0)
		return 0;
	header.text = SECTION_MIME;
	r = opened_message_section(message, &header, &offset, &length);
	if (r == 0 && header_find(view_make(content.data + offset, (size_t)length),
				  "Content-Transfer-Encoding", &field))
		*encoding = field.body;
	return r;
}

static int part_decode(struct opened_message *message, const struct section *section,
		       struct view content, struct str *out)
{
	uint64_t offset, length;
	struct view encoding;
	int r = opened_message_section(message, section, &offset, &length);

	if (r == 0)
		r = part_encoding(message, section, content, &encoding);
	if (r < 0)
		return r;
	if (length > BINARY_MAX)
		return -EFBIG;
	return text_decode_transfer(out, encoding, view_make(content.data + offset, (size_t)length))
		       ? 0
		       : -EOPNOTSUPP;
}

static void append_piece(struct str *line, const struct section *section, struct view bytes)
{
	if (section->partial) {
		size_t skipped = (size_t)MIN(section->offset, (uint64_t)bytes.len);

		bytes = view_from(bytes, skipped);
		bytes = view_first(bytes, (size_t)MIN(section->length, (uint64_t)bytes.len));
	}
	if (view_find_byte(bytes, '\0') != VIEW_NOT_FOUND)
		str_append_byte(line, '~');
	str_printf(line, "{%zu}\r\n", bytes.len);
	str_append(line, bytes);
}

int fetch_append_binary(struct imap_session *s, uint32_t seq, const struct fetch_item *item,
			struct str *line)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY;
	struct opened_message *message;
	struct view content;
	int r = opened_message_get(s, seq, &message);

	if (r == 0)
		r = opened_message_map(message, &content);
	if (r < 0)
		return r;
	r = part_decode(message, &item->section, content, &decoded);
	opened_message_unmap(content);
	if (r < 0)
		return r;
	if (item->kind == FETCH_BINARY_SIZE)
		str_printf(line, "%zu", decoded.len);
	else
		append_piece(line, &item->section, str_view(&decoded));
	return 0;
}

/* ---- PREVIEW ---- */

struct preview_part {
	struct view encoding, charset, body;
	bool is_html;
};

/* Is this text that can be shown? */
static bool part_is_text(struct view header, struct preview_part *part, struct str *charset)
{
	struct mime_value *type = mem_new(struct mime_value);
	struct header_field field;
	bool is_text = true;

	part->is_html = false;
	part->encoding = VIEW_NONE;
	str_clear(charset);
	if (header_find(header, "Content-Type", &field) &&
	    mime_value_parse(field.body, type) == 0) {
		const struct str *value = mime_parameter_get(type, "charset");

		part->is_html = view_is(str_view(&type->subtype), "html");
		is_text = view_is(str_view(&type->type), "text") &&
			  (part->is_html || view_is(str_view(&type->subtype), "plain"));
		if (value != NULL)
			str_append(charset, str_view(value));
	}
	mime_value_free(type);
	free(type);
	if (header_find(header, "Content-Transfer-Encoding", &field))
		part->encoding = field.body;
	return is_text;
}

/* The first plain text, or else the first HTML. */
static bool find_preview(const struct mime_tree *tree, struct view content,
			 struct preview_part *found, struct str *charset)
{
	_cleanup_(str_free) struct str its = STR_EMPTY;
	bool any = false;

	for (size_t i = 0; i < tree->count; i++) {
		const struct mime_part *part = &tree->parts[i];
		struct preview_part candidate = {
			.body = view_make(content.data + part->body_start,
					  part->body_end - part->body_start),
		};

		if (part->is_multipart || part->is_message ||
		    !part_is_text(view_make(content.data + part->header_start,
					    part->body_start - part->header_start),
				  &candidate, &its) ||
		    (any && candidate.is_html))
			continue;
		*found = candidate;
		str_set(charset, str_view(&its));
		any = true;
		if (!candidate.is_html)
			break;
	}
	return any;
}

/* The first characters, runs of white space as one blank, control characters left out. */
static void squeeze_preview(struct str *out, struct view text)
{
	size_t characters = 0;

	while (text.len > 0 && characters < PREVIEW_CHARS) {
		uint32_t c;
		size_t len = text_take_character(text, &c);

		text = view_from(text, len);
		if (c == 0xa0 || c <= ' ')
			c = ' ';
		if ((c == ' ' && (out->len == 0 || out->data[out->len - 1] == ' ')) || c == 127)
			continue;
		text_append_character(out, c);
		characters++;
	}
	if (out->len > 0 && out->data[out->len - 1] == ' ')
		str_truncate(out, out->len - 1);
}

static void preview_of(const struct preview_part *part, struct view charset, struct str *preview)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY, text = STR_EMPTY, plain = STR_EMPTY;
	struct view body = view_first(part->body, PREVIEW_READ);

	if (!text_decode_transfer(&decoded, part->encoding, body))
		return;
	text_to_utf8(&text, charset, str_view(&decoded));
	if (part->is_html) {
		struct html_text html = { .body_only = true };

		html_text_feed(&html, str_view(&text), &plain);
		html_text_finish(&html, &plain);
	}
	squeeze_preview(preview, str_view(part->is_html ? &plain : &text));
}

int fetch_append_preview(struct imap_session *s, uint32_t seq, struct str *line)
{
	_cleanup_(str_free) struct str charset = STR_EMPTY, preview = STR_EMPTY;
	struct opened_message *message;
	struct preview_part part;
	struct view content;
	int r = opened_message_get(s, seq, &message);

	if (r == 0)
		r = opened_message_map(message, &content);
	if (r < 0)
		return r;
	if (find_preview(opened_message_tree(message, content), content, &part, &charset))
		preview_of(&part, str_view(&charset), &preview);
	opened_message_unmap(content);
	render_string(line, view_make(str_cstr(&preview), preview.len));
	return 0;
}

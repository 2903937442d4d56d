/* BODY and BODYSTRUCTURE as IMAP shows them. From a tree to bytes, without the index. */
#include <stdio.h>

#include "base/mem.h"
#include "store/render.h"

/* The longest Content-Transfer-Encoding that is passed on. */
#define ENCODING_MAX 64

struct body {
	struct str *out;
	struct view content;
	const struct mime_tree *tree;
	bool extended;
	struct mime_value *value; /* large: one for all parts */
};

static struct view header_of(const struct body *body, const struct mime_part *part)
{
	return view_make(body->content.data + part->header_start,
			 part->body_start - part->header_start);
}

static void space(const struct body *body)
{
	str_append_byte(body->out, ' ');
}

/* ("charset" "utf-8" ...) or NIL. */
static void render_parameters(const struct body *body, const struct mime_value *value,
			      bool default_charset)
{
	const char *open = "(";

	for (size_t i = 0; i < value->count; i++) {
		str_append_cstr(body->out, open);
		render_string(body->out, str_view(&value->parameters[i].name));
		space(body);
		render_string(body->out, str_view(&value->parameters[i].value));
		open = " ";
	}
	if (default_charset && mime_parameter_get(value, "charset") == NULL) {
		str_append_cstr(body->out, open);
		str_append(body->out, VIEW("\"charset\" \"us-ascii\""));
		open = " ";
	}
	str_append(body->out, *open == '(' ? VIEW("NIL") : VIEW(")"));
}

static void render_text_field(const struct body *body, struct view header, const char *name)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field field;

	if (header_find(header, name, &field))
		header_unfold(&text, field.body);
	space(body);
	render_nstring(body->out, text.len > 0 ? str_view(&text) : VIEW_NONE);
}

static void render_encoding(const struct body *body, struct view header)
{
	struct view rest = VIEW_NONE, word = VIEW("7bit");
	struct header_field field;

	if (header_find(header, "Content-Transfer-Encoding", &field))
		rest = field.body;
	if (!view_next_word(&rest, " \t\r\n;(", &word) || word.len > ENCODING_MAX ||
	    !view_is_ascii(word))
		word = VIEW("7bit");
	space(body);
	render_string(body->out, word);
}

/* ---- what only BODYSTRUCTURE has ---- */

static void render_disposition(const struct body *body, struct view header)
{
	struct header_field field;
	bool found = header_find(header, "Content-Disposition", &field);

	space(body);
	if (!found || mime_value_parse(field.body, body->value) < 0) {
		if (found)
			mime_value_free(body->value);
		str_append(body->out, VIEW("NIL"));
		return;
	}
	str_append_byte(body->out, '(');
	render_string(body->out, str_view(&body->value->type));
	space(body);
	render_parameters(body, body->value, false);
	str_append_byte(body->out, ')');
	mime_value_free(body->value);
}

/* Content-Language: en, de */
static void render_language(const struct body *body, struct view header)
{
	struct view rest = VIEW_NONE, word;
	struct header_field field;
	const char *open = "(";

	space(body);
	if (header_find(header, "Content-Language", &field))
		rest = field.body;
	while (view_next_word(&rest, ", \t\r\n", &word)) {
		str_append_cstr(body->out, open);
		render_string(body->out, word);
		open = " ";
	}
	str_append(body->out, *open == '(' ? VIEW("NIL") : VIEW(")"));
}

static void render_extension(const struct body *body, struct view header, bool multipart)
{
	if (!body->extended)
		return;
	if (!multipart)
		render_text_field(body, header, "Content-MD5");
	render_disposition(body, header);
	render_language(body, header);
	render_text_field(body, header, "Content-Location");
}

/* ---- parts ---- */

/* An empty body of text: what stands where a multipart has no part. */
static const char empty_text[] =
	"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0";

static void render_empty_text(const struct body *body)
{
	str_append_cstr(body->out, empty_text);
	str_append_cstr(body->out, body->extended ? " NIL NIL NIL NIL)" : ")");
}

/* Type and subtype, and their parameters. Returns whether it is text. */
static bool render_type(const struct body *body, const struct mime_part *part, struct view header)
{
	struct view type = VIEW("text"), subtype = VIEW("plain");
	struct mime_value *value = body->value;
	struct header_field field;

	value->count = 0;
	value->type = value->subtype = STR_EMPTY;
	if (header_find(header, "Content-Type", &field)) {
		if (mime_value_parse(field.body, value) == 0 && value->subtype.len > 0) {
			type = str_view(&value->type);
			subtype = str_view(&value->subtype);
		}
	}
	if (part->is_message) {
		type = VIEW("message");
		if (!view_is(subtype, "global"))
			subtype = VIEW("rfc822");
	} else if (view_is(type, "message") &&
		   (view_is(subtype, "rfc822") || view_is(subtype, "global"))) {
		/* Encoded, or nested too deep: its structure is not known. */
		type = VIEW("application");
		subtype = VIEW("octet-stream");
	} else if (view_is(type, "multipart")) {
		/* Without a boundary, or nested too deep. */
		type = VIEW("text");
		subtype = VIEW("plain");
	}

	bool is_text = view_is(type, "text");

	str_append_byte(body->out, '(');
	render_string(body->out, type);
	space(body);
	render_string(body->out, subtype);
	space(body);
	render_parameters(body, value, is_text && view_is(subtype, "plain"));
	mime_value_free(value);
	return is_text;
}

static void render_common(const struct body *body, const struct mime_part *part, struct view header)
{
	render_text_field(body, header, "Content-ID");
	render_text_field(body, header, "Content-Description");
	render_encoding(body, header);
	str_printf(body->out, " %zu", part->body_end - part->body_start);
}

/* Everything of a part that has no others in it; of others what comes before those. */
static void open_part(const struct body *body, const struct mime_part *part)
{
	struct view header = header_of(body, part);

	if (part->is_multipart) {
		str_append_byte(body->out, '(');
		if (part->children == 0)
			render_empty_text(body);
		return;
	}

	struct mime_part leaf = *part;

	leaf.is_message = part->is_message && part->children > 0;

	bool is_text = render_type(body, &leaf, header);

	render_common(body, part, header);
	if (leaf.is_message) {
		const struct mime_part *inner = part + 1;

		space(body);
		render_envelope(body->out, header_of(body, inner));
		space(body);
		return;
	}
	if (is_text)
		str_printf(body->out, " %zu", part->body_lines);
	render_extension(body, header, false);
	str_append_byte(body->out, ')');
}

/* What comes after the parts inside. */
static void close_part(const struct body *body, const struct mime_part *part)
{
	struct view header = header_of(body, part), subtype = VIEW("mixed");
	struct mime_value *value = body->value;
	struct header_field field;

	if (part->is_message) {
		str_printf(body->out, " %zu", part->body_lines);
		render_extension(body, header, false);
		str_append_byte(body->out, ')');
		return;
	}
	value->count = 0;
	value->type = value->subtype = STR_EMPTY;
	if (header_find(header, "Content-Type", &field) &&
	    mime_value_parse(field.body, value) == 0 && value->subtype.len > 0)
		subtype = str_view(&value->subtype);
	space(body);
	render_string(body->out, subtype);
	if (body->extended) {
		space(body);
		render_parameters(body, value, false);
	}
	mime_value_free(value);
	render_extension(body, header, true);
	str_append_byte(body->out, ')');
}

void render_body(struct str *out, struct view content, const struct mime_tree *tree, bool extended)
{
	_cleanup_free_ struct mime_value *value = mem_new(struct mime_value);
	struct body body = { out, content, tree, extended, value };
	int open[MIME_DEPTH_MAX + 2]; /* parts whose end is still to be written */
	size_t depth = 0;

	for (size_t i = 0; i < tree->count; i++) {
		const struct mime_part *part = &tree->parts[i];

		while (depth > 0 && open[depth - 1] != part->parent)
			close_part(&body, &tree->parts[open[--depth]]);
		open_part(&body, part);
		if ((part->is_multipart || (part->is_message && part->children > 0)) &&
		    depth < sizeof(open) / sizeof(open[0]))
			open[depth++] = (int)i;
	}
	while (depth > 0)
		close_part(&body, &tree->parts[open[--depth]]);
}

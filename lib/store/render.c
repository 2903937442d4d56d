/* ENVELOPE and its addresses as IMAP shows them. From bytes to bytes, without the index. */
#include "store/render.h"

#include <stdio.h>

#include "base/mem.h"
#include "mail/lex.h"

#define ADDRESSES_MAX 10000 /* of one field; more are left out */
#define QUOTED_MAX    4000  /* a longer string is a literal: some clients have a limit for lines */

/* ---- strings ---- */

static bool can_be_quoted(struct view text)
{
	return text.len <= QUOTED_MAX && view_is_ascii(text);
}

/* Header text has no line ends and no NUL; what is left of them becomes a space. */
static char harmless(char c)
{
	return c == '\0' || c == '\r' || c == '\n' || c == '\t' ? ' ' : c;
}

void render_string(struct str *out, struct view text)
{
	if (!can_be_quoted(text)) {
		str_printf(out, "{%zu}\r\n", text.len);
		for (size_t i = 0; i < text.len; i++)
			str_append_byte(out, harmless(text.data[i]));
		return;
	}
	str_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, harmless(text.data[i]));
	}
	str_append_byte(out, '"');
}

void render_nstring(struct str *out, struct view text)
{
	if (text.data == NULL)
		str_append(out, VIEW("NIL"));
	else
		render_string(out, text);
}

/* The unfolded body of a header's first field of that name, or NIL. */
static void render_field(struct str *out, struct view header, const char *name)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field field;

	if (!header_find(header, name, &field)) {
		str_append(out, VIEW("NIL"));
		return;
	}
	header_unfold(&text, field.body);
	render_string(out, view_make(str_cstr(&text), text.len));
}

/* ---- addresses ---- */

struct address_list {
	struct view body;
	struct str *out;
	size_t count;
	bool in_group;
};

/* The inside of a comment: backslashes off. */
static void append_comment(struct str *out, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\' && i + 1 < text.len)
			i++;
		str_append_byte(out, text.data[i]);
	}
}

/* Words and quoted strings, comments left out, one space where there was any. */
static void append_phrase(struct str *out, struct view text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t before = at;

		lex_skip_space(text, &at, NULL);
		if (at >= text.len)
			break;
		if (at > before && out->len > 0)
			str_append_byte(out, ' ');
		if (text.data[at] == '"') {
			lex_quoted_string(text, &at, out);
			continue;
		}
		/* At least one byte, whatever it is. */
		do
			str_append_byte(out, text.data[at++]);
		while (at < text.len && !ascii_is_space(text.data[at]) && text.data[at] != '"' &&
		       text.data[at] != '(');
	}
}

void render_display_name(struct str *out, struct view field_body,
			 const struct header_address *address)
{
	struct view name = address->name;

	if (name.len > 0 && name.data > field_body.data && name.data[-1] == '(')
		append_comment(out, name);
	else
		append_phrase(out, name);
}

static void render_name(struct address_list *list, const struct header_address *address)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	render_display_name(&text, list->body, address);
	render_nstring(list->out, view_trim(str_view(&text)));
}

static int render_address(void *argument, const struct header_address *address)
{
	struct address_list *list = argument;
	struct str *out = list->out;

	/* A group that was begun is ended, whatever it has in it. */
	if (list->count >= ADDRESSES_MAX && !address->group_end)
		return list->in_group ? 0 : 1;
	list->in_group = address->group_start || (list->in_group && !address->group_end);
	/* No space between addresses: the grammar has none. */
	if (list->count++ == 0)
		str_append_byte(out, '(');
	if (address->group_end) {
		str_append(out, VIEW("(NIL NIL NIL NIL)"));
		return 0;
	}
	if (address->group_start) {
		_cleanup_(str_free) struct str name = STR_EMPTY;

		append_phrase(&name, address->name);
		str_append(out, VIEW("(NIL NIL "));
		render_string(out, str_view(&name));
		str_append(out, VIEW(" NIL)"));
		return 0;
	}
	str_append_byte(out, '(');
	render_name(list, address);
	str_append_byte(out, ' ');
	render_nstring(out, address->route.len > 0 ? address->route : VIEW_NONE);
	str_append_byte(out, ' ');
	render_string(out, address->local);
	str_append_byte(out, ' ');
	/* NIL would make it a group. */
	render_string(out, address->domain);
	str_append_byte(out, ')');
	return 0;
}

static void render_addresses_end(struct address_list *list)
{
	if (list->count == 0)
		str_append(list->out, VIEW("NIL"));
	else
		str_append_byte(list->out, ')');
}

void render_addresses(struct str *out, struct view field_body)
{
	struct address_list list = { .body = field_body, .out = out };

	address_list_parse_shown(field_body, render_address, &list);
	render_addresses_end(&list);
}

/* Of all fields of that name, as one list. False: there is none, and NIL was not written. */
static bool render_address_field(struct str *out, struct view header, const char *name)
{
	struct address_list list = { .out = out };
	struct header_field field;

	while (header_next(&header, &field) > 0) {
		if (!view_is_nocase(field.name, name))
			continue;
		list.body = field.body;
		address_list_parse_shown(field.body, render_address, &list);
	}
	if (list.count > 0)
		render_addresses_end(&list);
	return list.count > 0;
}

void render_envelope(struct str *out, struct view header)
{
	static const char *const names[] = { "Sender", "Reply-To", "To", "Cc", "Bcc" };
	_cleanup_(str_free) struct str from = STR_EMPTY;

	str_append_byte(out, '(');
	render_field(out, header, "Date");
	str_append_byte(out, ' ');
	render_field(out, header, "Subject");
	str_append_byte(out, ' ');
	if (!render_address_field(&from, header, "From"))
		str_append(&from, VIEW("NIL"));
	str_append(out, str_view(&from));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		str_append_byte(out, ' ');
		if (!render_address_field(out, header, names[i]))
			str_append(out, i < 2 ? str_view(&from) : VIEW("NIL"));
	}
	str_append_byte(out, ' ');
	render_field(out, header, "In-Reply-To");
	str_append_byte(out, ' ');
	render_field(out, header, "Message-ID");
	str_append_byte(out, ')');
}

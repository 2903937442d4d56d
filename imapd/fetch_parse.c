/* Reading what a FETCH asks for. */
#include <errno.h>

#include "fetch.h"
#include "imap/chars.h"
#include "store/render.h"

static const struct simple {
	const char *name;
	enum fetch_kind kind;
} simple_items[] = {
	{ "UID", FETCH_UID },
	{ "FLAGS", FETCH_FLAGS },
	{ "INTERNALDATE", FETCH_INTERNALDATE },
	{ "SAVEDATE", FETCH_SAVEDATE },
	{ "RFC822.SIZE", FETCH_SIZE },
	{ "MODSEQ", FETCH_MODSEQ },
	{ "EMAILID", FETCH_EMAILID },
	{ "THREADID", FETCH_THREADID },
	{ "PREVIEW", FETCH_PREVIEW },
	{ "ENVELOPE", FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", FETCH_BODYSTRUCTURE },
};

/* The macros of RFC 3501 6.4.5. */
static const struct macro {
	const char *name;
	enum fetch_kind kinds[6];
	size_t count;
} macros[] = {
	{ "ALL", { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE }, 4 },
	{ "FAST", { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE }, 3 },
	{ "FULL", { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY }, 5 },
};

static const struct {
	const char *name;
	enum section_text text;
	bool names;
} section_texts[] = {
	{ "HEADER.FIELDS.NOT", SECTION_HEADER_FIELDS_NOT, true },
	{ "HEADER.FIELDS", SECTION_HEADER_FIELDS, true },
	{ "HEADER", SECTION_HEADER, false },
	{ "TEXT", SECTION_TEXT, false },
	{ "MIME", SECTION_MIME, false },
};

void fetch_free(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++) {
		free(fetch->items[i].section.path);
		free(fetch->items[i].section.names);
		str_free(&fetch->items[i].section.kept);
	}
	fetch->count = 0;
}

void fetch_keep(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++) {
		struct section *section = &fetch->items[i].section;
		size_t at = 0;

		for (size_t k = 0; k < section->name_count; k++)
			str_append(&section->kept, section->names[k]);
		for (size_t k = 0; k < section->name_count; k++) {
			section->names[k].data = section->kept.data + at;
			at += section->names[k].len;
		}
	}
}

static struct fetch_item *fetch_item_add(struct fetch *fetch, enum fetch_kind kind)
{
	struct fetch_item *item = &fetch->items[fetch->count];

	if (fetch->count == FETCH_ITEMS_MAX)
		return NULL;
	*item = (struct fetch_item){ .kind = kind };
	fetch->count++;
	return item;
}

/* SP "(" astring *(SP astring) ")" */
static int parse_names(struct imap_parser *p, struct section *section)
{
	int r = imap_space(p);

	if (r == 0 && !imap_take(p, '('))
		r = imap_syntax_error(p, "Expected ( and header names");
	section->names = mem_new_array(struct view, SECTION_NAMES_MAX);
	while (r == 0) {
		if (section->name_count == SECTION_NAMES_MAX)
			return imap_syntax_error(p, "Too many header names");
		r = imap_astring(p, &section->names[section->name_count]);
		if (r == 0 && section->names[section->name_count].len == 0)
			r = imap_syntax_error(p, "Empty header name");
		section->name_count++;
		if (r == 0 && !imap_take(p, ' '))
			break;
	}
	if (r == 0 && !imap_take(p, ')'))
		r = imap_syntax_error(p, "Expected ) after the header names");
	return r;
}

/* The word in a section, cut off at "]": HEADER, TEXT ... */
static int parse_section_text(struct imap_parser *p, struct section *section)
{
	struct view word;
	int r = imap_atom(p, &word);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(section_texts); i++) {
		if (!view_is_nocase(word, section_texts[i].name))
			continue;
		section->text = section_texts[i].text;
		if (section->text == SECTION_MIME && section->depth == 0)
			break;
		return section_texts[i].names ? parse_names(p, section) : 0;
	}
	return imap_syntax_error(p, "Unknown section");
}

/* After "[", up to and with "]". */
static int parse_section(struct imap_parser *p, struct section *section)
{
	int r = 0;

	while (r == 0 && ascii_is_digit(imap_peek(p))) {
		uint64_t number;

		r = imap_number(p, UINT32_MAX, &number);
		if (r == 0 && number == 0)
			r = imap_syntax_error(p, "Parts are numbered from 1");
		array_grow(section->path, section->depth);
		section->path[section->depth++] = (uint32_t)number;
		if (imap_peek(p) == ']' || !imap_take(p, '.'))
			break;
	}
	if (r == 0 && imap_peek(p) != ']')
		r = parse_section_text(p, section);
	if (r == 0 && !imap_take(p, ']'))
		r = imap_syntax_error(p, "Expected ]");
	return r;
}

/* "<offset.length>" */
static int parse_partial(struct imap_parser *p, struct section *section)
{
	int r;

	if (!imap_take(p, '<'))
		return 0;
	section->partial = true;
	r = imap_number(p, INT64_MAX, &section->offset);
	if (r == 0 && !imap_take(p, '.'))
		r = imap_syntax_error(p, "Expected <offset.length>");
	if (r == 0)
		r = imap_number(p, INT64_MAX, &section->length);
	if (r == 0 && section->length == 0)
		r = imap_syntax_error(p, "A piece has at least one byte");
	if (r == 0 && !imap_take(p, '>'))
		r = imap_syntax_error(p, "Expected <offset.length>");
	return r;
}

static int fetch_parse_body(struct imap_parser *p, struct fetch_item *item)
{
	int r;

	if (!imap_take(p, '['))
		return item->peek ? imap_syntax_error(p, "Expected BODY.PEEK[") : 0;
	item->kind = FETCH_SECTION;
	r = parse_section(p, &item->section);
	return r == 0 ? parse_partial(p, &item->section) : r;
}

/* BINARY[1.2]<0.100>, BINARY.PEEK, BINARY.SIZE[1.2] (RFC 3516): numbers alone. */
static int fetch_parse_binary(struct imap_parser *p, struct fetch_item *item, struct view word)
{
	int r;

	item->kind = view_is_nocase(word, "BINARY.SIZE") ? FETCH_BINARY_SIZE : FETCH_BINARY;
	item->peek = !view_is_nocase(word, "BINARY");
	if (!imap_take(p, '['))
		return imap_syntax_error(p, "Expected [");
	r = parse_section(p, &item->section);
	if (r == 0 && item->section.text != SECTION_ALL)
		r = imap_syntax_error(p, "Expected numbers of parts");
	return r == 0 && item->kind == FETCH_BINARY ? parse_partial(p, &item->section) : r;
}

/* The forms that RFC 3501 keeps from RFC 822's days. */
static bool old_form(struct fetch_item *item, struct view word)
{
	static const struct {
		const char *name;
		enum section_text text;
		bool peek;
	} forms[] = { { "RFC822", SECTION_ALL, false },
		      { "RFC822.HEADER", SECTION_HEADER, true },
		      { "RFC822.TEXT", SECTION_TEXT, false } };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (!view_is_nocase(word, forms[i].name))
			continue;
		item->kind = FETCH_SECTION;
		item->label = forms[i].name;
		item->peek = forms[i].peek;
		item->section.text = forms[i].text;
		return true;
	}
	return false;
}

/* atom without '[', which is an atom character but begins a section here. */
static int item_word(struct imap_parser *p, struct str *name)
{
	while (ascii_is_alnum(imap_peek(p)) || imap_peek(p) == '.') {
		char c = imap_peek(p);

		if (name->len == 32)
			break;
		str_append_byte(name, c);
		imap_take(p, c);
	}
	return name->len > 0 ? 0 : imap_syntax_error(p, "Expected a FETCH item");
}

static int parse_item(struct imap_parser *p, struct fetch *fetch, bool macro_allowed)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct fetch_item *item;
	struct view word;
	int r = item_word(p, &name);

	if (r < 0)
		return r;
	word = str_view(&name);
	for (size_t i = 0; macro_allowed && i < ARRAY_SIZE(macros); i++) {
		if (!view_is_nocase(word, macros[i].name))
			continue;
		for (size_t k = 0; k < macros[i].count; k++)
			fetch_item_add(fetch, macros[i].kinds[k]);
		return 0;
	}
	item = fetch_item_add(fetch, FETCH_BODY);
	if (item == NULL)
		return imap_syntax_error(p, "Too many FETCH items");
	if (view_is_nocase(word, "BODY") || view_is_nocase(word, "BODY.PEEK")) {
		item->peek = word.len > 4;
		return fetch_parse_body(p, item);
	}
	if (view_starts_nocase(word, VIEW("BINARY")) &&
	    (word.len == 6 || view_ends_nocase(word, VIEW(".PEEK")) ||
	     view_ends_nocase(word, VIEW(".SIZE"))))
		return fetch_parse_binary(p, item, word);
	for (size_t i = 0; i < ARRAY_SIZE(simple_items); i++) {
		if (view_is_nocase(word, simple_items[i].name)) {
			item->kind = simple_items[i].kind;
			/* Nothing is kept of it, so that there is no lazy way (RFC 8970 3.2). */
			if (item->kind == FETCH_PREVIEW)
				imap_take_text(p, " (LAZY)");
			return 0;
		}
	}
	return old_form(item, word) ? 0 : imap_syntax_error(p, "Unknown FETCH item");
}

int fetch_parse_list(struct imap_parser *p, struct fetch *fetch)
{
	int r;

	do
		r = parse_item(p, fetch, false);
	while (r == 0 && imap_take(p, ' '));
	if (r == 0 && !imap_take(p, ')'))
		r = imap_syntax_error(p, "Expected )");
	return r;
}

static int fetch_parse_items(struct imap_parser *p, struct fetch *fetch)
{
	return imap_take(p, '(') ? fetch_parse_list(p, fetch) : parse_item(p, fetch, true);
}

static int fetch_parse_modifier(struct imap_session *s, struct fetch *fetch)
{
	struct view word;
	int r = imap_atom(s->parser, &word);

	if (r == 0 && view_is_nocase(word, "CHANGEDSINCE")) {
		fetch->changed_since = true;
		return imap_parse_modseq(s, &fetch->modseq);
	}
	if (r == 0 && view_is_nocase(word, "VANISHED"))
		fetch->vanished = true;
	else if (r == 0)
		r = imap_syntax_error(s->parser, "Unknown modifier");
	return r;
}

/* " (CHANGEDSINCE n VANISHED)" */
static int fetch_parse_modifiers(struct imap_session *s, struct fetch *fetch)
{
	int r;

	if (!imap_take(s->parser, ' '))
		return 0;
	if (!imap_take(s->parser, '('))
		return imap_syntax_error(s->parser, "Expected ( and modifiers");
	do
		r = fetch_parse_modifier(s, fetch);
	while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	if (r == 0 && fetch->vanished && !(s->uid && s->qresync && fetch->changed_since))
		r = imap_syntax_error(s->parser,
				      "VANISHED needs QRESYNC, UID FETCH and CHANGEDSINCE");
	return r;
}

int fetch_parse(struct imap_session *s, struct fetch *fetch)
{
	bool has_modseq = false;
	int r;

	fetch->count = 0;
	r = fetch_parse_items(s->parser, fetch);
	if (r == 0)
		r = fetch_parse_modifiers(s, fetch);
	for (size_t i = 0; i < fetch->count; i++)
		has_modseq |= fetch->items[i].kind == FETCH_MODSEQ;
	if (r == 0 && fetch->changed_since && !has_modseq &&
	    fetch_item_add(fetch, FETCH_MODSEQ) == NULL)
		r = imap_syntax_error(s->parser, "Too many FETCH items");
	if (r == 0 && (has_modseq || fetch->changed_since))
		r = imap_enable_condstore(s);
	return r;
}

/* As it came, where that can be an atom: clients look for what they have sent. */
static void append_name(struct str *out, struct view name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!imap_is_astring_char(name.data[i])) {
			render_string(out, name);
			return;
		}
	}
	str_append(out, name);
}

void fetch_append_label(struct str *out, const struct fetch_item *item)
{
	const struct section *section = &item->section;

	if (item->label != NULL) {
		str_append_cstr(out, item->label);
		return;
	}
	str_append_cstr(out, item->kind == FETCH_BINARY	       ? "BINARY["
			     : item->kind == FETCH_BINARY_SIZE ? "BINARY.SIZE["
							       : "BODY[");
	for (size_t i = 0; i < section->depth; i++)
		str_printf(out, "%s%u", i > 0 ? "." : "", section->path[i]);
	for (size_t i = 0; i < ARRAY_SIZE(section_texts); i++)
		if (section->text == section_texts[i].text)
			str_printf(out, "%s%s", section->depth > 0 ? "." : "",
				   section_texts[i].name);
	for (size_t i = 0; i < section->name_count; i++) {
		str_append_cstr(out, i > 0 ? " " : " (");
		append_name(out, section->names[i]);
	}
	str_append_cstr(out, section->name_count > 0 ? ")]" : "]");
	if (section->partial)
		str_printf(out, "<%llu>", (unsigned long long)section->offset);
}

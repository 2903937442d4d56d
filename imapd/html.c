/* HTML to text, one byte after the other. What is done with the text: search_text.c, fetch_content.c. */
#include "html.h"

#include "search_text.h"

#define TAG_MAX	   4096 /* bytes of a tag that are kept; the rest of a longer one is passed over */
#define ENTITY_MAX 10
#define KEPT_MAX   8192 /* bytes of values that wait for the end of a word */

/* ---- entities ---- */

/* HTML 4, from U+00A0 on. */
static const char *const latin1_entities[] = {
	"nbsp",	  "iexcl",  "cent",   "pound",	"curren", "yen",    "brvbar", "sect",	"uml",
	"copy",	  "ordf",   "laquo",  "not",	"shy",	  "reg",    "macr",   "deg",	"plusmn",
	"sup2",	  "sup3",   "acute",  "micro",	"para",	  "middot", "cedil",  "sup1",	"ordm",
	"raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",	"Atilde",
	"Auml",	  "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",	"Igrave",
	"Iacute", "Icirc",  "Iuml",   "ETH",	"Ntilde", "Ograve", "Oacute", "Ocirc",	"Otilde",
	"Ouml",	  "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
	"szlig",  "agrave", "aacute", "acirc",	"atilde", "auml",   "aring",  "aelig",	"ccedil",
	"egrave", "eacute", "ecirc",  "euml",	"igrave", "iacute", "icirc",  "iuml",	"eth",
	"ntilde", "ograve", "oacute", "ocirc",	"otilde", "ouml",   "divide", "oslash", "ugrave",
	"uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

/* From U+0391 on; "": none. */
static const char *const greek_entities[] = {
	"Alpha", "Beta",   "Gamma",  "Delta", "Epsilon", "Zeta", "Eta",	    "Theta",
	"Iota",	 "Kappa",  "Lambda", "Mu",    "Nu",	 "Xi",	 "Omicron", "Pi",
	"Rho",	 "",	   "Sigma",  "Tau",   "Upsilon", "Phi",	 "Chi",	    "Psi",
	"Omega", "",	   "",	     "",      "",	 "",	 "",	    "",
	"alpha", "beta",   "gamma",  "delta", "epsilon", "zeta", "eta",	    "theta",
	"iota",	 "kappa",  "lambda", "mu",    "nu",	 "xi",	 "omicron", "pi",
	"rho",	 "sigmaf", "sigma",  "tau",   "upsilon", "phi",	 "chi",	    "psi",
	"omega",
};

static const struct {
	const char *name;
	uint32_t character;
} other_entities[] = {
	{ "amp", '&' },	      { "lt", '<' },	    { "gt", '>' },	  { "quot", '"' },
	{ "apos", '\'' },     { "euro", 0x20ac },   { "ndash", 0x2013 },  { "mdash", 0x2014 },
	{ "lsquo", 0x2018 },  { "rsquo", 0x2019 },  { "sbquo", 0x201a },  { "ldquo", 0x201c },
	{ "rdquo", 0x201d },  { "bdquo", 0x201e },  { "lsaquo", 0x2039 }, { "rsaquo", 0x203a },
	{ "hellip", 0x2026 }, { "bull", 0x2022 },   { "trade", 0x2122 },  { "dagger", 0x2020 },
	{ "Dagger", 0x2021 }, { "permil", 0x2030 }, { "OElig", 0x152 },	  { "oelig", 0x153 },
	{ "Scaron", 0x160 },  { "scaron", 0x161 },  { "Yuml", 0x178 },	  { "fnof", 0x192 },
	{ "circ", 0x2c6 },    { "tilde", 0x2dc },   { "ensp", ' ' },	  { "emsp", ' ' },
	{ "thinsp", ' ' },    { "zwnj", 0 },	    { "zwj", 0 },	  { "lrm", 0 },
	{ "rlm", 0 },	      { "larr", 0x2190 },   { "rarr", 0x2192 },	  { "minus", 0x2212 },
};

static bool entity_in(const char *const *names, size_t count, uint32_t first, struct view name,
		      uint32_t *character)
{
	for (size_t i = 0; i < count; i++)
		if (names[i][0] != '\0' && view_is(name, names[i])) {
			*character = first + (uint32_t)i;
			return true;
		}
	return false;
}

/* "#228", "#xe4" */
static bool entity_number(struct view text, uint32_t *character)
{
	bool hexadecimal = text.len > 1 && ascii_lower(text.data[1]) == 'x';
	uint32_t number = 0;

	text = view_from(text, hexadecimal ? 2 : 1);
	for (size_t i = 0; i < text.len; i++) {
		char c = ascii_lower(text.data[i]);

		if (ascii_is_digit(c))
			number = number * (hexadecimal ? 16 : 10) + (uint32_t)(c - '0');
		else if (hexadecimal && c >= 'a' && c <= 'f')
			number = number * 16 + (uint32_t)(c - 'a' + 10);
		else
			return false;
		if (number > 0x10ffff)
			return false;
	}
	*character = number;
	return text.len > 0 && (number < 0xd800 || number > 0xdfff);
}

/* What stands between '&' and ';'. False: nothing that we know. 0: nothing that is seen. */
static bool entity_find(struct view text, uint32_t *character)
{
	bool found = view_starts(text, VIEW("#")) && entity_number(text, character);

	for (size_t i = 0; i < ARRAY_SIZE(other_entities) && !found; i++)
		if (view_is(text, other_entities[i].name)) {
			*character = other_entities[i].character;
			found = true;
		}
	if (!found &&
	    !entity_in(latin1_entities, ARRAY_SIZE(latin1_entities), 0xa0, text, character) &&
	    !entity_in(greek_entities, ARRAY_SIZE(greek_entities), 0x391, text, character))
		return false;
	if (*character == 0xa0)
		*character = ' ';
	if (*character == 0xad)
		*character = 0;
	return true;
}

/* ---- what is shown ---- */

static void html_blank(struct html_text *html, struct str *out)
{
	if (!html->after_blank)
		str_append_byte(out, ' ');
	html->after_blank = true;
}

static void html_byte(struct html_text *html, char byte, struct str *out)
{
	if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == '\f') {
		html_blank(html, out);
		return;
	}
	str_append_byte(out, byte);
	html->after_blank = false;
}

static void html_bytes(struct html_text *html, struct view bytes, struct str *out)
{
	for (size_t i = 0; i < bytes.len; i++)
		html_byte(html, bytes.data[i], out);
}

/* Entities are resolved, as in text; what is none stays. */
static void html_value(struct html_text *html, struct view value, struct str *out)
{
	while (value.len > 0) {
		size_t end = view_find_byte(view_first(value, ENTITY_MAX + 2), ';');
		uint32_t c;

		if (value.data[0] == '&' && end != VIEW_NOT_FOUND &&
		    entity_find(view_make(value.data + 1, end - 1), &c)) {
			if (c != 0)
				text_append_character(out, c);
			html->after_blank = c == ' ';
			value = view_from(value, end + 1);
			continue;
		}
		html_byte(html, value.data[0], out);
		value = view_from(value, 1);
	}
}

/* Between two words. */
static void html_tell_kept(struct html_text *html, struct str *out)
{
	if (html->kept.len == 0)
		return;
	html_blank(html, out);
	html_value(html, str_view(&html->kept), out);
	html_blank(html, out);
	str_clear(&html->kept);
}

/* ---- tags ---- */

static bool tag_has_in_name(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == ':';
}

static struct view tag_take_name(struct view *rest)
{
	size_t len = 0;
	struct view name;

	while (len < rest->len && tag_has_in_name(rest->data[len]))
		len++;
	name = view_first(*rest, len);
	*rest = view_from(*rest, len);
	return name;
}

/* With its quotes, or up to the next blank. */
static struct view tag_take_value(struct view *rest)
{
	struct view value;
	size_t end;

	*rest = view_trim(*rest);
	if (rest->len > 0 && (rest->data[0] == '"' || rest->data[0] == '\'')) {
		value = view_from(*rest, 1);
		end = view_find_byte(value, rest->data[0]);
		value = view_first(value, end);
		*rest = view_from(*rest, MIN(value.len + 2, rest->len));
		return value;
	}
	for (end = 0; end < rest->len && strchr(" \t\r\n\f", rest->data[end]) == NULL;)
		end++;
	value = view_first(*rest, end);
	*rest = view_from(*rest, end);
	return value;
}

static bool value_is_text(struct view name)
{
	return view_is_nocase(name, "href") || view_is_nocase(name, "alt") ||
	       view_is_nocase(name, "title");
}

static void tag_keep_values(struct html_text *html, struct view rest)
{
	while (rest.len > 0) {
		struct view name, value;

		name = tag_take_name(&rest);
		if (name.len == 0) {
			rest = view_from(rest, 1);
			continue;
		}
		rest = view_trim(rest);
		if (!view_starts(rest, VIEW("=")))
			continue;
		rest = view_from(rest, 1);
		value = tag_take_value(&rest);
		if (!value_is_text(name))
			continue;
		str_append_byte(&html->kept, ' ');
		str_append(&html->kept, value);
	}
}

/* Those in the middle of a word: nothing comes between what is before and after them. */
static bool tag_is_inline(struct view name)
{
	static const char *const names[] = { "a",     "b",   "i",    "u",      "s",
					     "em",    "tt",  "font", "big",    "code",
					     "small", "sub", "sup",  "ins",    "del",
					     "span",  "wbr", "abbr", "strong", "mark" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is_nocase(name, names[i]))
			return true;
	return false;
}

/* What is in them is not shown. */
static const char *tag_hides(const struct html_text *html, struct view name)
{
	static const char *const names[] = { "style", "script", "title", "head" };

	for (size_t i = 0; i < (html->body_only ? ARRAY_SIZE(names) : 2); i++)
		if (view_is_nocase(name, names[i]))
			return names[i];
	return NULL;
}

static void tag_end(struct html_text *html, struct str *out)
{
	struct view rest = str_view(&html->tag), name;
	bool closes = view_starts(rest, VIEW("/"));

	rest = view_from(rest, closes);
	name = tag_take_name(&rest);
	html->state = HTML_TEXT;
	html->hidden = closes ? NULL : tag_hides(html, name);
	if (html->hidden != NULL) {
		html->state = HTML_HIDDEN;
		html->matched = 0;
	}
	if (html->values && !closes)
		tag_keep_values(html, rest);
	if (!tag_is_inline(name)) {
		html_blank(html, out);
		html_tell_kept(html, out);
	} else if (html->kept.len > KEPT_MAX) {
		html_tell_kept(html, out);
	}
	str_clear(&html->tag);
}

/* ---- the states ---- */

static void html_in_text(struct html_text *html, char byte, struct str *out)
{
	if (byte == '<') {
		html->state = HTML_LESS;
		return;
	}
	if (byte == '&') {
		html->state = HTML_ENTITY;
		return;
	}
	html_byte(html, byte, out);
}

/* After '<': is it a tag? */
static void html_after_less(struct html_text *html, char byte, struct str *out)
{
	if (!ascii_is_alpha(byte) && byte != '/' && byte != '!' && byte != '?') {
		html_byte(html, '<', out);
		html->state = HTML_TEXT;
		html_in_text(html, byte, out);
		return;
	}
	str_append_byte(&html->tag, byte);
	html->quote = 0;
	html->state = HTML_TAG;
}

static void html_in_tag(struct html_text *html, char byte, struct str *out)
{
	if (html->quote != 0) {
		if (byte == html->quote)
			html->quote = 0;
	} else if (byte == '>') {
		tag_end(html, out);
		return;
	} else if ((byte == '"' || byte == '\'') && view_ends(str_view(&html->tag), VIEW("="))) {
		html->quote = byte;
	}
	if (html->tag.len < TAG_MAX)
		str_append_byte(&html->tag, byte);
	if (view_is(str_view(&html->tag), "!--")) {
		str_clear(&html->tag);
		html->state = HTML_COMMENT;
		html->matched = 0;
	}
}

static void html_in_comment(struct html_text *html, char byte)
{
	if (byte == '>' && html->matched >= 2)
		html->state = HTML_TEXT;
	html->matched = byte == '-' ? html->matched + 1 : 0;
}

/* Up to "</name": the rest of that is a tag again. */
static void html_in_hidden(struct html_text *html, char byte)
{
	size_t name_len = strlen(html->hidden);
	char expected = html->matched == 0   ? '<'
			: html->matched == 1 ? '/'
					     : html->hidden[html->matched - 2];

	if (ascii_lower(byte) != expected) {
		html->matched = byte == '<';
		return;
	}
	if (++html->matched < name_len + 2)
		return;
	str_append_byte(&html->tag, '/');
	str_append(&html->tag, view_of(html->hidden));
	html->quote = 0;
	html->state = HTML_TAG;
}

/* As it stands: it was none. */
static void entity_give_up(struct html_text *html, struct str *out)
{
	html_byte(html, '&', out);
	html_bytes(html, str_view(&html->entity), out);
	str_clear(&html->entity);
	html->state = HTML_TEXT;
}

static void html_in_entity(struct html_text *html, char byte, struct str *out)
{
	uint32_t c;

	if (byte == ';' && entity_find(str_view(&html->entity), &c)) {
		str_clear(&html->entity);
		html->state = HTML_TEXT;
		if (c == ' ')
			html_blank(html, out);
		else if (c != 0)
			text_append_character(out, c);
		html->after_blank &= c == ' ' || c == 0;
		return;
	}
	if ((ascii_is_alnum(byte) || byte == '#') && html->entity.len < ENTITY_MAX) {
		str_append_byte(&html->entity, byte);
		return;
	}
	entity_give_up(html, out);
	html_in_text(html, byte, out);
}

void html_text_feed(struct html_text *html, struct view piece, struct str *out)
{
	for (size_t i = 0; i < piece.len; i++) {
		char byte = piece.data[i];

		switch (html->state) {
		case HTML_TEXT:
			html_in_text(html, byte, out);
			break;
		case HTML_LESS:
			html_after_less(html, byte, out);
			break;
		case HTML_TAG:
			html_in_tag(html, byte, out);
			break;
		case HTML_COMMENT:
			html_in_comment(html, byte);
			break;
		case HTML_HIDDEN:
			html_in_hidden(html, byte);
			break;
		case HTML_ENTITY:
			html_in_entity(html, byte, out);
			break;
		}
	}
}

void html_text_finish(struct html_text *html, struct str *out)
{
	if (html->state == HTML_ENTITY)
		entity_give_up(html, out);
	else if (html->state == HTML_LESS)
		html_byte(html, '<', out);
	html_tell_kept(html, out);
	str_free(&html->tag);
	str_free(&html->entity);
	str_free(&html->kept);
}

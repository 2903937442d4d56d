/* Macros of SPF (RFC 7208 section 7): their syntax, and what they stand for. */
#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "mailauth/spf.h"

#define MACRO_NAME_MAX	 253 /* octets of a name, 7.3 */
#define MACRO_LABELS_MAX 128

/* One %{...}. */
struct macro {
	char letter; /* lower case */
	bool escaped, reversed;
	uint32_t keep; /* labels; 0: all */
	struct view delimiters;
};

/* "{d2r.-}" at the front. Its length, or 0: there is none. */
static size_t macro_parse(struct view text, struct macro *macro)
{
	size_t at = 2, digits;

	*macro = (struct macro){ 0 };
	if (text.len < 3 || text.data[0] != '{' || !ascii_is_alpha(text.data[1]))
		return 0;
	macro->letter = ascii_lower(text.data[1]);
	macro->escaped = macro->letter != text.data[1];
	while (at < text.len && ascii_is_digit(text.data[at]))
		at++;
	digits = at - 2;
	/* A number beyond all labels keeps all of them; 0 is an error. */
	if (digits > 0 &&
	    view_parse_u32(view_make(text.data + 2, digits), UINT32_MAX, &macro->keep) == 0 &&
	    macro->keep == 0)
		return 0;
	if (at < text.len && ascii_lower(text.data[at]) == 'r') {
		macro->reversed = true;
		at++;
	}
	macro->delimiters.data = text.data + at;
	while (at < text.len && text.data[at] != '\0' && strchr(".-+,/_=", text.data[at]) != NULL)
		at++;
	macro->delimiters.len = (size_t)(text.data + at - macro->delimiters.data);
	return at < text.len && text.data[at] == '}' ? at + 1 : 0;
}

/* ---- syntax ---- */

/* Length of what stands after '%' if it is a macro or one of %% %_ %-, else 0. */
static size_t percent_length(struct view text, bool in_explanation)
{
	struct macro macro;
	size_t length;

	if (text.len > 0 && (text.data[0] == '%' || text.data[0] == '_' || text.data[0] == '-'))
		return 1;
	length = macro_parse(text, &macro);
	if (length == 0 ||
	    strchr(in_explanation ? "slodiphcrtv" : "slodiphv", macro.letter) == NULL)
		return 0;
	return length;
}

/* *last is where the last macro ends, if the text ends with it. */
static bool macro_string_is_valid(struct view text, bool in_explanation, bool *ends_with_macro)
{
	*ends_with_macro = false;
	for (size_t at = 0; at < text.len;) {
		char c = text.data[at];

		*ends_with_macro = false;
		if (c == '%') {
			size_t length = percent_length(view_from(text, at + 1), in_explanation);

			if (length == 0)
				return false;
			at += 1 + length;
			*ends_with_macro = true;
		} else if ((c > ' ' && c < 127) || (c == ' ' && in_explanation)) {
			at++;
		} else {
			return false;
		}
	}
	return true;
}

bool spf_macro_is_text(struct view text, bool in_explanation)
{
	bool ends_with_macro;

	return macro_string_is_valid(text, in_explanation, &ends_with_macro);
}

/* Section 7.1: letters, digits and inner hyphens, not all of them digits. */
static bool is_top_label(struct view label)
{
	bool numeric = true;

	if (label.len == 0 || label.data[0] == '-' || label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_alnum(label.data[i]) && label.data[i] != '-')
			return false;
		numeric = numeric && ascii_is_digit(label.data[i]);
	}
	return !numeric;
}

bool spf_macro_is_domain(struct view text)
{
	bool ends_with_macro;
	size_t dot;

	if (text.len == 0 || !macro_string_is_valid(text, false, &ends_with_macro))
		return false;
	if (ends_with_macro)
		return true;
	if (view_ends(text, VIEW(".")))
		text.len--;
	dot = view_find_last_byte(text, '.');
	return dot != VIEW_NOT_FOUND && is_top_label(view_from(text, dot + 1));
}

/* ---- expansion ---- */

static void append_client_address(const struct spf_macros *macros, struct str *out)
{
	const unsigned char *a = macros->address;

	if (macros->family == 4) {
		str_printf(out, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
		return;
	}
	for (size_t i = 0; i < 16; i++)
		str_printf(out, "%s%X.%X", i > 0 ? "." : "", a[i] >> 4, a[i] & 15u);
}

static void append_readable_address(const struct spf_macros *macros, struct str *out)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(macros->family == 4 ? AF_INET : AF_INET6, macros->address, text, sizeof(text));
	str_append_cstr(out, text);
}

static int macro_append_value(const struct spf_macros *macros, char letter, struct str *out)
{
	if ((letter == 's' || letter == 'l') && !view_is_ascii(macros->local))
		return -EILSEQ;
	switch (letter) {
	case 's':
		str_append(out, macros->local);
		str_append_byte(out, '@');
		str_append(out, macros->sender_domain);
		break;
	case 'l':
		str_append(out, macros->local);
		break;
	case 'o':
		str_append(out, macros->sender_domain);
		break;
	case 'd':
		str_append(out, macros->domain);
		break;
	case 'i':
		append_client_address(macros, out);
		break;
	case 'p':
		str_append(out, macros->client_name(macros->context));
		break;
	case 'v':
		str_append_cstr(out, macros->family == 4 ? "in-addr" : "ip6");
		break;
	case 'h':
		str_append(out, macros->helo);
		break;
	case 'c':
		append_readable_address(macros, out);
		break;
	case 'r':
		str_append(out, macros->receiver.len > 0 ? macros->receiver : VIEW("unknown"));
		break;
	default:
		str_printf(out, "%lld", (long long)clock_wall());
	}
	return 0;
}

static void macro_append_piece(struct str *out, struct view piece, bool escaped)
{
	if (!escaped) {
		str_append(out, piece);
		return;
	}
	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.data[i];

		if (ascii_is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL))
			str_append_byte(out, c);
		else
			str_printf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

/* The labels of a value that are kept, in the order asked for. */
static void append_labels(struct str *out, struct view value, const struct macro *macro)
{
	struct view labels[MACRO_LABELS_MAX];
	size_t count = 0, from = 0, first;
	struct view delimiters = macro->delimiters.len > 0 ? macro->delimiters : VIEW(".");

	for (size_t at = 0; at <= value.len; at++) {
		if (at < value.len && view_find_byte(delimiters, value.data[at]) == VIEW_NOT_FOUND)
			continue;
		if (count == MACRO_LABELS_MAX) /* longer than any name: the last ones count */
			memmove(labels, labels + 1, --count * sizeof(labels[0]));
		labels[count++] = view_make(value.data + from, at - from);
		from = at + 1;
	}
	first = macro->keep > 0 && macro->keep < count ? count - macro->keep : 0;
	for (size_t i = first; i < count; i++) {
		/* Reversed first, then the rightmost are kept. */
		size_t which = macro->reversed ? count - 1 - i : i;

		if (i > first)
			str_append_byte(out, '.');
		macro_append_piece(out, labels[which], macro->escaped);
	}
}

static int expand_macro(const struct spf_macros *macros, const struct macro *macro, struct str *out)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int r = macro_append_value(macros, macro->letter, &value);

	if (r == 0)
		append_labels(out, str_view(&value), macro);
	return r;
}

int spf_macro_expand(const struct spf_macros *macros, struct view text, struct str *out)
{
	for (size_t at = 0; at < text.len;) {
		struct view rest = view_from(text, at + 1);
		struct macro macro;
		size_t length;

		if (text.data[at] != '%') {
			str_append_byte(out, text.data[at++]);
			continue;
		}
		length = macro_parse(rest, &macro);
		if (length > 0) {
			int r = expand_macro(macros, &macro, out);

			if (r < 0)
				return r;
		} else {
			length = 1;
			str_append_cstr(out, rest.len == 0	   ? "%"
					     : rest.data[0] == '_' ? " "
					     : rest.data[0] == '-' ? "%20"
								   : "%");
		}
		at += 1 + length;
	}
	return 0;
}

int spf_macro_expand_domain(const struct spf_macros *macros, struct view text, struct str *out)
{
	int r = spf_macro_expand(macros, text, out);

	if (view_ends(str_view(out), VIEW(".")))
		str_truncate(out, out->len - 1);
	while (r == 0 && out->len > MACRO_NAME_MAX) {
		size_t dot = view_find_byte(str_view(out), '.');

		if (dot == VIEW_NOT_FOUND)
			break;
		str_consume(out, dot + 1);
	}
	return r;
}

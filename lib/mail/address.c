/* A mail address: split, quoted, shown. Parsing a header's list of them is elsewhere. */
#include "mail/address.h"

#include "base/mem.h"
#include "mail/lex.h"

void address_split(struct view address, struct view *local, struct view *domain)
{
	size_t at = view_find_last_byte(address, '@');

	*local = at == VIEW_NOT_FOUND ? address : view_first(address, at);
	*domain = at == VIEW_NOT_FOUND ? VIEW_NONE : view_from(address, at + 1);
}

/* RFC 5322 3.2.3: atoms with single dots between them. */
static bool is_dot_atom(struct view text)
{
	struct view atom;

	if (text.len == 0)
		return false;
	while (view_next(&text, '.', &atom)) {
		if (atom.len == 0)
			return false;
		for (size_t i = 0; i < atom.len; i++) {
			if (!lex_is_atext(atom.data[i]))
				return false;
		}
	}
	return true;
}

void address_quote(struct str *out, struct view address)
{
	struct view local, domain;

	if (address.len == 0)
		return;
	address_split(address, &local, &domain);
	if (is_dot_atom(local)) {
		str_append(out, address);
		return;
	}
	str_append_byte(out, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.data[i] == '"' || local.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, local.data[i]);
	}
	str_append_byte(out, '"');
	str_append(out, view_from(address, local.len));
}

/* Names in which a delimiter means nothing, and mailing lists' own when it is '-'. */
static bool is_never_split(struct view local, const char *delimiters)
{
	if (view_is_nocase(local, "postmaster") || view_is_nocase(local, "mailer-daemon") ||
	    view_is_nocase(local, "double-bounce"))
		return true;
	return strchr(delimiters, '-') != NULL && (view_starts_nocase(local, VIEW("owner-")) ||
						   view_ends_nocase(local, VIEW("-request")));
}

bool address_split_extension(struct view local, const char *delimiters, struct view *user,
			     struct view *extension)
{
	*user = local;
	*extension = VIEW_NONE;
	if (delimiters == NULL || delimiters[0] == '\0' || is_never_split(local, delimiters))
		return false;
	for (size_t i = 0; i < local.len; i++) {
		if (local.data[i] == '\0' || strchr(delimiters, local.data[i]) == NULL)
			continue;
		if (i == 0)
			return false;
		*user = view_first(local, i);
		*extension = view_from(local, i + 1);
		return true;
	}
	return false;
}

void address_show(struct str *out, struct view address)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;

	address_quote(&quoted, address);
	str_append_printable(out, str_view(&quoted));
}

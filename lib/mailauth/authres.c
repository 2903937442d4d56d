/* Authentication-Results fields (RFC 8601): their text, and whose they are. */
#include "mailauth/authres.h"

#include "base/mem.h"
#include "mail/address.h"
#include "mail/lex.h"

#define FOLD VIEW("\r\n\t")

/* ---- writing ---- */

/* RFC 2045 5.1 */
static bool is_token(struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c <= ' ' || c >= 127 || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
			return false;
	}
	return text.len > 0;
}

static bool authres_is_dot_atom(struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '.' && i > 0 && i + 1 < text.len && text.data[i - 1] != '.')
			continue;
		if (c >= 127 || c < 0 || !lex_is_atext(c))
			return false;
	}
	return text.len > 0;
}

/* "local@domain" and "@domain" stand without quotes (RFC 8601 2.2, pvalue). */
static bool is_plain_value(struct view value)
{
	size_t at = view_find_last_byte(value, '@');

	if (at == VIEW_NOT_FOUND)
		return is_token(value);
	return (at == 0 || authres_is_dot_atom(view_first(value, at))) &&
	       domain_is_valid(view_from(value, at + 1), false);
}

static void authres_append_value(struct str *out, struct view value)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	value = view_first(value, AUTHRES_VALUE_MAX);
	if (is_plain_value(value)) {
		str_append(out, value);
		return;
	}
	str_append_printable(&clean, value);
	str_append_byte(out, '"');
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, clean.data[i]);
	}
	str_append_byte(out, '"');
}

void authres_append_comment(struct str *out, struct view comment)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	str_append_printable(&clean, view_first(comment, AUTHRES_VALUE_MAX));
	str_append_cstr(out, " (");
	for (size_t i = 0; i < clean.len; i++) {
		char c = clean.data[i];

		str_append_byte(out, strchr("()\\", c) != NULL ? '_' : c);
	}
	str_append_byte(out, ')');
}

void authres_begin(struct authres *results, struct view authserv_id)
{
	*results = (struct authres){ STR_EMPTY, false };
	authres_append_value(&results->text, authserv_id);
}

void authres_method(struct authres *results, const char *method, const char *result,
		    struct view comment)
{
	str_append_byte(&results->text, ';');
	str_append(&results->text, FOLD);
	str_printf(&results->text, "%s=%s", method, result);
	if (comment.len > 0)
		authres_append_comment(&results->text, comment);
	results->any = true;
}

void authres_reason(struct authres *results, struct view reason)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (reason.len == 0)
		return;
	str_append(&results->text, FOLD);
	str_append_cstr(&results->text, "reason=");
	/* Always in quotes, as readers expect it. */
	authres_append_value(&text, reason);
	if (text.data[0] != '"')
		str_append_byte(&results->text, '"');
	str_append(&results->text, str_view(&text));
	if (text.data[0] != '"')
		str_append_byte(&results->text, '"');
}

void authres_property(struct authres *results, const char *name, struct view value)
{
	size_t lf = view_find_last_byte(str_view(&results->text), '\n');
	size_t column = results->text.len - (lf == VIEW_NOT_FOUND ? 0 : lf);

	if (column + strlen(name) + value.len > 76)
		str_append(&results->text, FOLD);
	else
		str_append_byte(&results->text, ' ');
	str_printf(&results->text, "%s=", name);
	authres_append_value(&results->text, value);
}

void authres_end(struct authres *results)
{
	if (!results->any)
		str_append_cstr(&results->text, "; none");
}

void authres_free(struct authres *results)
{
	str_free(&results->text);
}

void authres_append_line(const struct authres *results, struct str *out)
{
	struct view rest = str_view(&results->text);
	size_t at;

	while ((at = view_find(rest, FOLD)) != VIEW_NOT_FOUND) {
		str_append(out, view_first(rest, at));
		str_append_byte(out, ' ');
		rest = view_from(rest, at + FOLD.len);
	}
	str_append(out, rest);
}

/* ---- reading ---- */

/* The id at *at, as it stands. False: there is none. */
static bool authres_take_id(struct view body, size_t *at, struct str *id)
{
	size_t from;

	lex_skip_space(body, at, NULL);
	if (*at < body.len && body.data[*at] == '"')
		return lex_quoted_string(body, at, id);
	from = *at;
	while (*at < body.len && !ascii_is_space(body.data[*at]) &&
	       strchr("();\"", body.data[*at] != '\0' ? body.data[*at] : ';') == NULL)
		(*at)++;
	str_append(id, view_make(body.data + from, *at - from));
	return *at > from;
}

/* After the id: a version or nothing, then a semicolon or the end. False: something else. */
static bool take_version(struct view body, size_t *at)
{
	lex_skip_space(body, at, NULL);
	while (*at < body.len && ascii_is_digit(body.data[*at]))
		(*at)++;
	lex_skip_space(body, at, NULL);
	if (*at == body.len)
		return true;
	return body.data[(*at)++] == ';';
}

bool authres_read_id(struct view body, struct str *id)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, ascii = STR_EMPTY;
	size_t at = 0;

	if (!authres_take_id(body, &at, &text) || !take_version(body, &at))
		return false;
	if (domain_to_ascii(view_trim(str_view(&text)), &ascii) < 0)
		return false;
	if (view_ends(str_view(&ascii), VIEW(".")))
		str_truncate(&ascii, ascii.len - 1);
	str_append_lower(id, str_view(&ascii));
	return true;
}

bool authres_is_ours(struct view body, struct view authserv_id)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, ours = STR_EMPTY;

	if (domain_to_ascii(authserv_id, &ours) < 0)
		str_set(&ours, authserv_id);
	return !authres_read_id(body, &id) || view_eq_nocase(str_view(&id), str_view(&ours));
}

struct view authres_payload(struct view body)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	size_t at = 0;

	if (!authres_take_id(body, &at, &id) || !take_version(body, &at))
		return VIEW_NONE;
	return view_trim(view_from(body, at));
}

/* Past a quoted string, a comment, or one byte. */
static void skip_piece(struct view text, size_t *at)
{
	if (text.data[*at] == '"')
		lex_quoted_string(text, at, NULL);
	else if (text.data[*at] == '(')
		lex_skip_space(text, at, NULL);
	else
		(*at)++;
}

struct view authres_find(struct view payload, const char *method)
{
	size_t at = 0;

	while (at < payload.len) {
		size_t from;

		lex_skip_space(payload, &at, NULL);
		from = at;
		while (at < payload.len &&
		       (ascii_is_alnum(payload.data[at]) || payload.data[at] == '-'))
			at++;
		bool found = view_is_nocase(view_make(payload.data + from, at - from), method);

		lex_skip_space(payload, &at, NULL);
		if (found && at < payload.len && payload.data[at] == '=') {
			at++;
			lex_skip_space(payload, &at, NULL);
			from = at;
			while (at < payload.len && ascii_is_alpha(payload.data[at]))
				at++;
			return view_make(payload.data + from, at - from);
		}
		while (at < payload.len && payload.data[at] != ';')
			skip_piece(payload, &at);
		at++;
	}
	return VIEW_NONE;
}

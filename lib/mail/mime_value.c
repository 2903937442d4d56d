/* "type/subtype; name=value" of Content-Type and Content-Disposition: RFC 2045 5.1, RFC 2231. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/lex.h"

#define MIME_TOKEN_MAX 255 /* of a type or a parameter's name; longer ones are cut */

static bool is_token_byte(char c)
{
	return c > 32 && c < 127 && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static struct view take_token(struct view body, size_t *at)
{
	size_t start = *at;

	while (*at < body.len && is_token_byte(body.data[*at]))
		(*at)++;
	return view_first(view_make(body.data + start, *at - start), MIME_TOKEN_MAX);
}

/* Unquoted values run to white space or ';': senders forget quotes around "a/b" and "a=b". */
static void take_value(struct view body, size_t *at, struct str *out)
{
	if (*at < body.len && body.data[*at] == '"') {
		lex_quoted_string(body, at, out);
		return;
	}
	size_t start = *at;

	while (*at < body.len && body.data[*at] != ';' && !ascii_is_space(body.data[*at]))
		(*at)++;
	str_append(out, view_make(body.data + start, *at - start));
}

/* Up to the next ';' that is not inside quotes or a comment. */
static void skip_to_semicolon(struct view body, size_t *at)
{
	while (*at < body.len && body.data[*at] != ';') {
		if (body.data[*at] == '"')
			lex_quoted_string(body, at, NULL);
		else if (body.data[*at] == '(')
			lex_skip_space(body, at, NULL);
		else
			(*at)++;
	}
}

/* Reads one "name=value"; a piece without '=' is skipped. */
static void take_parameter(struct view body, size_t *at, struct mime_value *value)
{
	struct mime_parameter *parameter;

	lex_skip_space(body, at, NULL);

	struct view name = take_token(body, at);

	lex_skip_space(body, at, NULL);
	if (name.len == 0 || *at >= body.len || body.data[*at] != '=')
		return;
	(*at)++;
	lex_skip_space(body, at, NULL);
	array_grow(value->parameters, value->count);
	parameter = &value->parameters[value->count];
	*parameter = (struct mime_parameter){ STR_EMPTY, STR_EMPTY };
	str_append_lower(&parameter->name, name);
	take_value(body, at, &parameter->value);
	value->count++;
}

/*
 * RFC 2231 3: splits "name*N" or "name*N*" into its base, section and whether it is encoded. False
 * for other names.
 */
static bool split_section(struct view name, struct view *base, uint32_t *section, bool *extended)
{
	*extended = view_ends(name, VIEW("*"));
	if (*extended)
		name.len--;

	size_t star = view_find_last_byte(name, '*');

	if (star == VIEW_NOT_FOUND || star == 0 ||
	    view_parse_u32(view_from(name, star + 1), MIME_PARAMETERS_MAX, section) < 0)
		return false;
	*base = view_first(name, star);
	return true;
}

/* A plain section among encoded ones: encoded too, so that the whole is of one kind. */
static void append_encoded(struct str *out, struct view text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (is_token_byte((char)c) && c != '%' && c != '\'' && c != '*') {
			str_append_byte(out, (char)c);
		} else {
			str_append_byte(out, '%');
			str_append_byte(out, digits[c >> 4]);
			str_append_byte(out, digits[c & 15]);
		}
	}
}

static struct mime_parameter *find_section(struct mime_value *value, struct view base,
					   uint32_t wanted, bool *extended)
{
	for (size_t i = 0; i < value->count; i++) {
		struct view its_base;
		uint32_t section;

		if (split_section(str_view(&value->parameters[i].name), &its_base, &section,
				  extended) &&
		    section == wanted && view_eq(its_base, base))
			return &value->parameters[i];
	}
	return NULL;
}

/* Joins base*0, base*1, ... into one parameter; "base*" when any of them is encoded. */
static void join_sections(struct mime_value *value, struct view base, struct mime_parameter *joined)
{
	struct mime_parameter *section;
	bool extended, any_extended = false;

	for (uint32_t n = 0; (section = find_section(value, base, n, &extended)) != NULL; n++)
		any_extended = any_extended || extended;
	for (uint32_t n = 0; (section = find_section(value, base, n, &extended)) != NULL; n++) {
		if (any_extended && !extended)
			append_encoded(&joined->value, str_view(&section->value));
		else
			str_append(&joined->value, str_view(&section->value));
		str_clear(&section->name); /* taken: found no more, dropped below */
	}
	if (any_extended)
		str_append_byte(&joined->name, '*');
}

static void join_continuations(struct mime_value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		struct mime_parameter joined = { STR_EMPTY, STR_EMPTY };
		struct view base;
		uint32_t section;
		bool extended;

		if (!split_section(str_view(&value->parameters[i].name), &base, &section,
				   &extended) ||
		    section != 0)
			continue;
		str_append(&joined.name, base);
		join_sections(value, str_view(&joined.name), &joined);
		str_free(&value->parameters[i].name);
		str_free(&value->parameters[i].value);
		value->parameters[i] = joined;
	}

	size_t kept = 0;

	for (size_t i = 0; i < value->count; i++) {
		struct view base;
		uint32_t section;
		bool extended;
		struct mime_parameter *p = &value->parameters[i];

		/* Sections that were joined, and strays without a first one. */
		if (p->name.len == 0 ||
		    split_section(str_view(&p->name), &base, &section, &extended)) {
			str_free(&p->name);
			str_free(&p->value);
		} else {
			value->parameters[kept++] = *p;
		}
	}
	value->count = kept;
}

int mime_value_parse(struct view body, struct mime_value *value)
{
	size_t at = 0;
	bool sections = false;

	memset(value, 0, sizeof(*value));
	if (body.len == 0)
		return -EINVAL;
	lex_skip_space(body, &at, NULL);
	str_append_lower(&value->type, take_token(body, &at));
	if (value->type.len == 0)
		return -EINVAL;
	lex_skip_space(body, &at, NULL);
	if (at < body.len && body.data[at] == '/') {
		at++;
		lex_skip_space(body, &at, NULL);
		str_append_lower(&value->subtype, take_token(body, &at));
	}
	for (;;) {
		skip_to_semicolon(body, &at);
		if (at >= body.len || value->count == MIME_PARAMETERS_MAX)
			break;
		at++;

		size_t before = value->count;

		take_parameter(body, &at, value);
		if (value->count > before)
			sections |= view_find_byte(str_view(&value->parameters[before].name),
						   '*') != VIEW_NOT_FOUND;
	}
	if (sections)
		join_continuations(value);
	return 0;
}

void mime_value_free(struct mime_value *value)
{
	str_free(&value->type);
	str_free(&value->subtype);
	for (size_t i = 0; i < value->count; i++) {
		str_free(&value->parameters[i].name);
		str_free(&value->parameters[i].value);
	}
	free(TAKE(value->parameters));
	value->count = 0;
}

const struct str *mime_parameter_get(const struct mime_value *value, const char *name)
{
	for (size_t i = 0; i < value->count; i++) {
		if (view_is_nocase(str_view(&value->parameters[i].name), name))
			return &value->parameters[i].value;
	}
	return NULL;
}

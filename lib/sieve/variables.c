/*
 * Variables (RFC 5229) and encoded characters (RFC 5228, 2.4.2.4): what a script's strings become
 * before they are used. Names and values are bounded.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sieve/run.h"

#define GLOBALS "global." /* RFC 6609: a namespace */

/* Where a variable is: this script's, or that of all. `name` in small letters, changed. */
static struct map *variable_place(struct sieve_run *run, struct view *name)
{
	const struct sieve_variable *variable = map_get(run->variables, *name);

	if (variable != NULL && variable->is_global)
		return run->globals;
	if (!view_starts(*name, VIEW(GLOBALS)))
		return run->variables;
	*name = view_from(*name, strlen(GLOBALS));
	return run->globals;
}

static struct sieve_variable *variable_find(struct sieve_run *run, struct view name)
{
	struct map *place = variable_place(run, &name);

	return map_get(place, name);
}

struct view sieve_variable_get(struct sieve_run *run, struct view name)
{
	_cleanup_(str_free) struct str lower = STR_EMPTY;
	const struct sieve_variable *variable;
	uint32_t number;

	if (view_parse_u32(name, UINT32_MAX, &number) == 0)
		return number < SIEVE_MATCHES ? str_view(&run->matches[number]) : VIEW_NONE;
	str_append_lower(&lower, name);
	variable = variable_find(run, str_view(&lower));
	return variable != NULL ? str_view(&variable->value) : VIEW_NONE;
}

void sieve_variable_set(struct sieve_run *run, struct view name, struct view value)
{
	_cleanup_(str_free) struct str lower = STR_EMPTY;
	struct sieve_variable *variable;
	struct view key;
	struct map *place;

	str_append_lower(&lower, name);
	key = str_view(&lower);
	place = variable_place(run, &key);
	variable = map_get(place, key);
	if (variable == NULL) {
		if (map_count(place) == SIEVE_VARIABLES_MAX) {
			sieve_fail(run, "more than %d variables", SIEVE_VARIABLES_MAX);
			return;
		}
		variable = mem_new(struct sieve_variable);
		map_put(place, key, variable);
	}
	value = view_first(value, SIEVE_VALUE_MAX);
	/* Not within a character. */
	while (value.len > 0 && !view_is_utf8(value) && value.len > SIEVE_VALUE_MAX - 4)
		value.len--;
	str_set(&variable->value, value);
}

void sieve_variables_free(struct map *variables)
{
	map_for_each (variables, i) {
		struct sieve_variable *variable = map_value_at(variables, i);

		str_free(&variable->value);
		free(variable);
	}
	map_free(variables);
}

/* ---- in strings ---- */

/* A name, a namespace's, or a number. */
static bool is_variable_name(struct view name)
{
	uint32_t number;

	if (name.len == 0)
		return false;
	if (ascii_is_digit(name.data[0]))
		return view_parse_u32(name, UINT32_MAX, &number) == 0;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && name.data[i] != '_' && name.data[i] != '.')
			return false;
	return true;
}

static void append_utf8(struct str *out, uint32_t c)
{
	if (c < 0x80) {
		str_append_byte(out, (char)c);
	} else if (c < 0x800) {
		str_append_byte(out, (char)(0xc0 | c >> 6));
		str_append_byte(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		str_append_byte(out, (char)(0xe0 | c >> 12));
		str_append_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		str_append_byte(out, (char)(0x80 | (c & 0x3f)));
	} else {
		str_append_byte(out, (char)(0xf0 | c >> 18));
		str_append_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		str_append_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		str_append_byte(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* "hex:24 24", "unicode:40 20ac". False: it is no such thing, and stays as it stands. */
static bool decode_characters(struct view inside, struct str *out)
{
	bool hex = view_starts_nocase(inside, VIEW("hex:"));
	bool unicode = view_starts_nocase(inside, VIEW("unicode:"));
	struct view rest, word;
	size_t before = out->len;

	if (!hex && !unicode)
		return false;
	rest = view_from(inside, strlen(hex ? "hex:" : "unicode:"));
	while (view_next_word(&rest, " \t\r\n", &word)) {
		uint32_t value = 0;
		bool good = word.len <= (hex ? 2 : 6);

		for (size_t i = 0; good && i < word.len; i++) {
			char c = ascii_lower(word.data[i]);

			good = ascii_is_digit(c) || (c >= 'a' && c <= 'f');
			value = value * 16 + (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
		}
		if (!good ||
		    (unicode && (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)))) {
			str_truncate(out, before);
			return false;
		}
		if (hex)
			str_append_byte(out, (char)value);
		else
			append_utf8(out, value);
	}
	return out->len > before;
}

/* Encoded characters come first: what they give may not be a variable (RFC 5229, 3). */
static void expand_inside(struct sieve_run *run, struct view inside, struct view whole,
			  struct str *out)
{
	if (sieve_has(run, EXTENSION_ENCODED_CHARACTER) && decode_characters(inside, out))
		return;
	if (sieve_has(run, EXTENSION_VARIABLES) && is_variable_name(inside))
		str_append(out, sieve_variable_get(run, inside));
	else
		str_append(out, whole);
}

void sieve_expand(struct sieve_run *run, struct view text, struct str *out)
{
	while (text.len > 0) {
		size_t start = view_find(text, VIEW("${")), end;
		struct view inside;

		if (start == VIEW_NOT_FOUND) {
			str_append(out, text);
			return;
		}
		str_append(out, view_first(text, start));
		text = view_from(text, start);
		end = view_find_byte(text, '}');
		/* What was looked through for the end is looked through again for the next one. */
		sieve_cost(run, end == VIEW_NOT_FOUND ? text.len : end);
		if (run->failed)
			return;
		inside = view_first(view_from(text, 2), end == VIEW_NOT_FOUND ? 0 : end - 2);
		/* "${a${b}": the inner one counts. */
		if (end == VIEW_NOT_FOUND || view_find(inside, VIEW("${")) != VIEW_NOT_FOUND) {
			str_append(out, view_first(text, 2));
			text = view_from(text, 2);
			continue;
		}
		expand_inside(run, inside, view_first(text, end + 1), out);
		text = view_from(text, end + 1);
		if (out->len > SIEVE_SCRIPT_MAX) {
			sieve_fail(run, "a string of more than %d bytes", SIEVE_SCRIPT_MAX);
			return;
		}
	}
}

void sieve_string(struct sieve_run *run, const struct sieve_argument *argument, struct str *out)
{
	sieve_expand(run, str_view(&argument->strings.items[0]), out);
}

/* ---- set ---- */

static void modify_first(struct str *value, char (*change)(char))
{
	if (value->len > 0)
		value->data[0] = change(value->data[0]);
}

static void modify_all(struct str *value, char (*change)(char))
{
	for (size_t i = 0; i < value->len; i++)
		value->data[i] = change(value->data[i]);
}

static void modify_length(struct str *value)
{
	size_t count = 0;

	for (size_t i = 0; i < value->len; i++)
		count += ((unsigned char)value->data[i] & 0xc0) != 0x80;
	str_clear(value);
	str_printf(value, "%zu", count);
}

static void modify_quote(struct str *value)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;

	for (size_t i = 0; i < value->len; i++) {
		if (strchr("*?\\", value->data[i]) != NULL && value->data[i] != '\0')
			str_append_byte(&quoted, '\\');
		str_append_byte(&quoted, value->data[i]);
	}
	str_set(value, str_view(&quoted));
}

/* What stands for itself in a URI stays (RFC 5435, 6). */
static void modify_encode_url(struct str *value)
{
	_cleanup_(str_free) struct str encoded = STR_EMPTY;

	for (size_t i = 0; i < value->len; i++) {
		char c = value->data[i];

		if (ascii_is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL))
			str_append_byte(&encoded, c);
		else
			str_printf(&encoded, "%%%02X", (unsigned char)c);
	}
	str_set(value, str_view(&encoded));
}

/* In the order of their precedence (RFC 5229, 4.1). */
void sieve_set_modified(struct sieve_run *run, const struct sieve_node *node, struct view name,
			struct str *value)
{
	struct view plain = name;

	if (sieve_has(run, EXTENSION_INCLUDE) && view_starts_nocase(plain, VIEW(GLOBALS)))
		plain = view_from(plain, strlen(GLOBALS));
	if (!is_variable_name(name) || ascii_is_digit(name.data[0]) ||
	    view_find_byte(plain, '.') != VIEW_NOT_FOUND) {
		sieve_fail(run, "\"%.*s\" cannot be the name of a variable",
			   (int)MIN(name.len, (size_t)60), name.data != NULL ? name.data : "");
		return;
	}
	if (sieve_tag(node, "lower", NULL) != NULL)
		modify_all(value, ascii_lower);
	if (sieve_tag(node, "upper", NULL) != NULL)
		modify_all(value, ascii_upper);
	if (sieve_tag(node, "lowerfirst", NULL) != NULL)
		modify_first(value, ascii_lower);
	if (sieve_tag(node, "upperfirst", NULL) != NULL)
		modify_first(value, ascii_upper);
	if (sieve_tag(node, "quotewildcard", NULL) != NULL)
		modify_quote(value);
	if (sieve_tag(node, "encodeurl", NULL) != NULL)
		modify_encode_url(value);
	if (sieve_tag(node, "length", NULL) != NULL)
		modify_length(value);
	sieve_variable_set(run, name, str_view(value));
}

enum sieve_flow sieve_act_set(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, value = STR_EMPTY;

	sieve_string(run, node->positional[0], &name);
	sieve_string(run, node->positional[1], &value);
	sieve_set_modified(run, node, str_view(&name), &value);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

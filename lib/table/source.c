/* The text forms that indexes are made of. */
#include <stdio.h>

#include "base/mem.h"
#include "conf/lines.h"
#include "table/internal.h"
#include "table/tokens.h"

struct source {
	const char *path;
	bool fold;
	source_entry *entry;
	void *argument;
	struct str *report;
	size_t bad;
	bool stopped;
	struct str key;
};

static void source_complain(struct source *s, int line, const char *what, struct view text)
{
	s->bad++;
	str_printf(s->report, "%s, line %d: %s", s->path, line, what);
	if (text.len > 0) {
		str_append(s->report, VIEW(" \""));
		str_append_printable(s->report, view_first(text, 60));
		str_append(s->report, text.len > 60 ? VIEW("...\"") : VIEW("\""));
	}
	str_append_byte(s->report, '\n');
}

static void give(struct source *s, int line, struct view key, struct view value)
{
	if (s->fold) {
		_cleanup_(str_free) struct str folded = STR_EMPTY;

		str_append_lower(&folded, key);
		str_set(&s->key, str_view(&folded));
	} else {
		str_set(&s->key, key);
	}
	if (s->key.len > TABLE_KEY_MAX)
		source_complain(s, line, "the key is too long:", key);
	else if (value.len > TABLE_VALUE_MAX)
		source_complain(s, line, "the value is too long:", value);
	else if (!s->entry(s->argument, line, str_view(&s->key), value))
		s->stopped = true;
}

/*
 * Takes a word in double quotes off *rest, with what is quoted by "\" in it, and appends its
 * content. False if it has no end.
 */
static bool source_take_quoted(struct view *rest, struct str *out)
{
	for (size_t i = 1; i < rest->len; i++) {
		if (rest->data[i] == '"') {
			*rest = view_from(*rest, i + 1);
			return true;
		}
		if (rest->data[i] == '\\' && i + 1 < rest->len)
			i++;
		str_append_byte(out, rest->data[i]);
	}
	return false;
}

/*
 * "key value"; a key with white space in it stands in double quotes. An address whose local part
 * does ("a b"@example.org) keeps them: so it is looked up.
 */
static void parse_map(struct source *s, int line, struct view text)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;
	struct view key, value = text;

	if (text.data[0] == '"') {
		if (!source_take_quoted(&value, &quoted))
			return source_complain(s, line, "a quote without its end:", text);
		key = str_view(&quoted);
		if (value.len > 0 && !ascii_is_space(value.data[0])) {
			while (value.len > 0 && !ascii_is_space(value.data[0]))
				value = view_from(value, 1);
			key = view_first(text, text.len - value.len);
		}
	} else {
		size_t len = 0;

		while (len < text.len && !ascii_is_space(text.data[len]))
			len++;
		key = view_first(text, len);
		value = view_from(text, len);
	}
	value = view_trim(value);
	if (key.len == 0 || value.len == 0)
		return source_complain(s, line, "expected a key, white space and a value, not",
				       text);
	give(s, line, key, value);
}

static bool is_atom(struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c <= ' ' || c == 127 || strchr("()<>@,;:\\\"[]", c) != NULL)
			return false;
	}
	return text.len > 0;
}

static bool quotes_are_balanced(struct view text)
{
	bool inside = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			inside = !inside;
	}
	return !inside;
}

/*
 * A member that cannot be understood is told here, with its line. The alias stands all the same: its
 * mail waits until somebody has mended it, where a name that is not there would be refused.
 */
static void check_members(struct source *s, int line, struct view name, struct view value)
{
	_cleanup_(str_free) struct str piece = STR_EMPTY, what = STR_EMPTY;
	struct error err = ERROR_NONE;
	enum token_kind kind;
	int r;

	while ((r = token_next(&value, &piece, &kind, &err)) != 0) {
		if (r > 0)
			continue;
		str_printf(&what, "%s, in the alias", err.text);
		source_complain(s, line, str_cstr(&what), name);
		return;
	}
}

/* aliases(5): "name: value, value"; a name that is no plain word stands in double quotes. */
static void parse_aliases(struct source *s, int line, struct view text)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct view rest = text;

	if (text.data[0] == '"') {
		if (!source_take_quoted(&rest, &name))
			return source_complain(s, line, "a quote without its end:", text);
	} else {
		size_t colon = view_find_byte(text, ':');

		str_append(&name, view_trim(view_first(text, colon)));
		rest = view_from(text, colon);
	}
	rest = view_trim(rest);
	if (name.len == 0 || rest.len == 0 || rest.data[0] != ':')
		return source_complain(s, line, "expected name: value, not", text);
	rest = view_trim(view_from(rest, 1));
	if (rest.len == 0)
		return source_complain(s, line, "no value after", str_view(&name));
	if (view_find_byte(str_view(&name), '@') != VIEW_NOT_FOUND)
		return source_complain(s, line,
				       "an alias is a local name, without @:", str_view(&name));
	if (!quotes_are_balanced(rest))
		return source_complain(s, line, "a quote without its end:", rest);
	if (text.data[0] != '"' && !is_atom(str_view(&name)))
		return source_complain(s, line,
				       "such a name must stand in double quotes:", str_view(&name));
	check_members(s, line, str_view(&name), rest);
	give(s, line, str_view(&name), rest);
}

/* "address:password:uid:gid:..." as in Dovecot's passwd-file. */
static void parse_users(struct source *s, int line, struct view text)
{
	size_t colon = view_find_byte(text, ':');
	struct view key = view_first(text, colon);

	if (colon == VIEW_NOT_FOUND || key.len == 0)
		return source_complain(s, line,
				       "expected address:password:uid:gid::home::extra, not",
				       view_first(text, MIN(colon, (size_t)20)));
	for (size_t i = 0; i < key.len; i++)
		if (ascii_is_space(key.data[i]))
			return source_complain(s, line, "white space in the address", key);
	/* A line's text may be a password: it is never shown. */
	if (view_has_control(text))
		return source_complain(s, line, "a control byte in the line of", key);
	give(s, line, key, text);
}

static void source_parse_line(struct source *s, enum table_source source, int line,
			      struct view text)
{
	if (ascii_is_space(text.data[0]))
		source_complain(s, line, "begins with white space but continues nothing",
				VIEW_NONE);
	else if (view_find_byte(text, '\0') != VIEW_NOT_FOUND)
		source_complain(s, line, "a NUL byte in the text", VIEW_NONE);
	else if (source == SOURCE_ALIASES)
		parse_aliases(s, line, text);
	else if (source == SOURCE_USERS)
		parse_users(s, line, text);
	else
		parse_map(s, line, text);
}

size_t source_parse(struct view text, const char *path, enum table_source source, bool fold,
		    source_entry *entry, void *argument, struct str *report)
{
	struct source s = {
		.path = path,
		.fold = fold,
		.entry = entry,
		.argument = argument,
		.report = report,
	};
	struct view line;
	int number = 0;

	if (source == SOURCE_USERS) {
		/* One line, one user: there are no continuations. */
		while (!s.stopped && view_next(&text, '\n', &line)) {
			number++;
			if (view_trim(line).len == 0 || line.data[0] == '#')
				continue;
			if (view_ends(line, VIEW("\r")))
				line.len--;
			source_parse_line(&s, source, number, line);
		}
	} else {
		struct lines lines = lines_of(text);

		while (!s.stopped && lines_next(&lines, &line))
			source_parse_line(&s, source, lines.number, line);
		lines_free(&lines);
	}
	str_free(&s.key);
	return s.bad;
}

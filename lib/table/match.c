/* Match lists. */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "table/internal.h"

enum { LIST_FILE_MAX = 16 << 20, LIST_NEST_MAX = 5, LIST_PATTERNS_MAX = 1000000 };

struct pattern {
	char *text; /* without "!" */
	bool negated;
	struct table *table;
	bool is_network;
	struct network network;
};

struct matchlist {
	enum matchlist_kind kind;
	bool parents;
	struct pattern *patterns;
	size_t count;
};

void matchlist_close(struct matchlist *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++) {
		free(list->patterns[i].text);
		table_close(list->patterns[i].table);
	}
	free(list->patterns);
	free(list);
}

/* Made of nothing but what addresses and networks are made of, and with a dot or in brackets. */
static bool looks_like_network(struct view text)
{
	bool digits_only = true;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		digits_only = digits_only && (ascii_is_digit(c) || c == '.' || c == '/');
	}
	return text.len > 0 && (text.data[0] == '[' || digits_only);
}

static bool match_is_table(struct view text)
{
	return text.data[0] != '[' && view_find_byte(text, ':') != VIEW_NOT_FOUND;
}

static int add_pattern(struct matchlist *list, struct view text, bool negated, struct error *err)
{
	struct pattern pattern = { .negated = negated };
	int r = 0;

	if (list->count == LIST_PATTERNS_MAX)
		return error_set(err, -EINVAL, "more than %d patterns in a list",
				 LIST_PATTERNS_MAX);
	if (match_is_table(text)) {
		pattern.table = table_open(text, 0, err);
		r = pattern.table ? 0 : -EINVAL;
	} else if (list->kind == MATCH_ADDRESSES && looks_like_network(text)) {
		pattern.is_network = true;
		r = network_parse(text, &pattern.network, err);
	}
	if (r < 0)
		return r;
	pattern.text = mem_strndup(text.data, text.len);
	array_grow(list->patterns, list->count);
	list->patterns[list->count++] = pattern;
	return 0;
}

/* A file within a list: its words are patterns too. Kept on a stack, not by recursion. */
struct reading {
	struct str text;
	struct lines lines;
	struct view rest; /* of the line */
	bool negated;
	char *path;
};

static int push_file(struct reading *stack, size_t *depth, struct view path, bool negated,
		     struct error *err)
{
	struct reading *reading = &stack[*depth];
	int r;

	if (*depth == LIST_NEST_MAX)
		return error_set(err, -EINVAL, "files within files, more than %d deep",
				 LIST_NEST_MAX);
	*reading = (struct reading){ .negated = negated };
	reading->path = mem_strndup(path.data, path.len);
	(*depth)++;
	r = io_read_file(reading->path, LIST_FILE_MAX, &reading->text, err);
	reading->lines = lines_of(str_view(&reading->text));
	return r;
}

static void pop_file(struct reading *stack, size_t *depth)
{
	struct reading *reading = &stack[--*depth];

	lines_free(&reading->lines);
	str_free(&reading->text);
	free(reading->path);
}

/* The next word, of the innermost file first. False when that has no more. */
static bool match_next_word(struct reading *reading, struct view *word)
{
	while (!conf_next_element(&reading->rest, word))
		if (!lines_next(&reading->lines, &reading->rest))
			return false;
	return true;
}

static int match_list_parse(struct matchlist *list, struct view text, struct reading *stack,
			    size_t *depth, struct error *err)
{
	int r = 0;

	stack[0] = (struct reading){ .rest = text };
	*depth = 1;
	while (r == 0 && *depth > 0) {
		struct reading *reading = &stack[*depth - 1];
		struct view word;
		bool negated = reading->negated;

		if (!match_next_word(reading, &word)) {
			pop_file(stack, depth);
			continue;
		}
		while (word.len > 0 && word.data[0] == '!') {
			negated = !negated;
			word = view_from(word, 1);
		}
		if (word.len == 0)
			r = error_set(err, -EINVAL, "nothing after \"!\"");
		else if (word.data[0] == '/')
			r = push_file(stack, depth, word, negated, err);
		else
			r = add_pattern(list, word, negated, err);
		if (r < 0 && reading->path != NULL && !view_starts(word, VIEW("/")))
			error_prefix(err, "%s, line %d", reading->path, reading->lines.number);
	}
	return r;
}

struct matchlist *matchlist_open(const char *text, enum matchlist_kind kind, bool parents,
				 struct error *err)
{
	struct matchlist *list = mem_new(struct matchlist);
	struct reading stack[LIST_NEST_MAX];
	size_t depth = 0;
	int r;

	list->kind = kind;
	list->parents = parents;
	r = match_list_parse(list, view_of(text), stack, &depth, err);
	while (depth > 0)
		pop_file(stack, &depth);
	if (r == 0)
		return list;
	matchlist_close(list);
	return NULL;
}

/* ---- asking ---- */

static bool domain_matches(const struct matchlist *list, struct view pattern, struct view subject)
{
	if (view_eq_nocase(subject, pattern))
		return true;
	if (pattern.data[0] == '.')
		return subject.len > pattern.len && view_ends_nocase(subject, pattern);
	return list->parents && subject.len > pattern.len &&
	       subject.data[subject.len - pattern.len - 1] == '.' &&
	       view_ends_nocase(subject, pattern);
}

/* The domain itself, then what it is part of: "b.c" of "a.b.c", or ".b.c" without `parents`. */
static int domain_in_table(const struct matchlist *list, struct table *table, struct view subject)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct view name = subject;

	for (;;) {
		int r = table_lookup(table, name, &value, NULL);
		size_t dot;

		if (r != 0 || table_wants_whole_key(table))
			return r;
		dot = view_find_byte(view_from(name, 1), '.');
		if (dot == VIEW_NOT_FOUND)
			return 0;
		name = view_from(name, 1 + dot + (list->parents ? 1 : 0));
		if (name.len == 0)
			return 0;
	}
}

static int table_match_one(const struct matchlist *list, const struct pattern *pattern,
			   struct view subject, const struct network *address)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	if (pattern->table != NULL)
		return list->kind == MATCH_DOMAINS
			       ? domain_in_table(list, pattern->table, subject)
			       : table_lookup(pattern->table, subject, &value, NULL);
	if (pattern->is_network)
		return address != NULL && network_contains(&pattern->network, address);
	if (list->kind == MATCH_DOMAINS)
		return domain_matches(list, view_of(pattern->text), subject);
	return view_eq_nocase(subject, view_of(pattern->text));
}

int matchlist_match(struct matchlist *list, struct view subject, const char **by)
{
	struct network address;
	bool is_address = list->kind == MATCH_ADDRESSES && network_parse_address(subject, &address);

	if (by != NULL)
		*by = NULL;
	if (subject.len == 0)
		return 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct pattern *pattern = &list->patterns[i];
		int r = table_match_one(list, pattern, subject, is_address ? &address : NULL);

		if (r == 0)
			continue;
		if (by != NULL)
			*by = pattern->text;
		return r < 0 ? r : !pattern->negated;
	}
	return 0;
}

/*
 * What cidr, regexp and pcre have in common: rules in the order of the text, "pattern value",
 * "!pattern value", "if pattern" ... "endif"; the first that matches answers. $1, ${1}, $(1) in a
 * value are what the groups of the pattern matched; $$ is a dollar sign.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "table/internal.h"

struct rule {
	void *compiled; /* NULL: an if whose pattern is bad, which never matches */
	bool negated, is_if;
	size_t after_if; /* of an if: the rule after its endif */
	char *value;
	size_t groups;
};

struct patterns {
	const struct pattern_type *type;
	struct rule *rules;
	size_t count;
	size_t open_ifs[PATTERN_NEST_MAX];
	size_t depth;
};

void patterns_close(struct table *table)
{
	struct patterns *p = table->data;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++) {
		if (p->rules[i].compiled != NULL)
			p->type->free(p->rules[i].compiled);
		free(p->rules[i].value);
	}
	free(p->rules);
	free(p);
}

/* ---- values ---- */

/*
 * The next "$..." of a value: literal text before it, and the number of the group; -1 for "$$"
 * (then the literal has the dollar sign), -2 at the end.
 */
static int next_group(struct view *rest, struct view *literal, int *group, struct error *err)
{
	size_t dollar = view_find_byte(*rest, '$');
	struct view v = view_from(*rest, dollar == VIEW_NOT_FOUND ? rest->len : dollar + 1);
	size_t len = 0;
	char close = 0;
	uint32_t number;

	*literal = view_first(*rest, dollar);
	*group = -2;
	*rest = v;
	if (dollar == VIEW_NOT_FOUND)
		return 0;
	if (v.len > 0 && v.data[0] == '$') {
		literal->len++;
		*group = -1;
		*rest = view_from(v, 1);
		return 0;
	}
	if (v.len > 0 && (v.data[0] == '{' || v.data[0] == '('))
		close = v.data[0] == '{' ? '}' : ')';
	v = view_from(v, close != 0);
	while (len < v.len && ascii_is_digit(v.data[len]))
		len++;
	if (view_parse_u32(view_first(v, len), PATTERN_GROUPS_MAX, &number) < 0 ||
	    (close && (len == v.len || v.data[len] != close)))
		return error_set(
			err, -EINVAL,
			"expected the number of a group after \"$\" (a dollar sign is $$)");
	*group = (int)number;
	*rest = view_from(v, len + (close != 0));
	return 0;
}

static int check_value(struct view value, const struct rule *rule, struct error *err)
{
	struct view literal;
	int group;

	do {
		int r = next_group(&value, &literal, &group, err);

		if (r < 0)
			return r;
		if (group >= 0 && rule->negated)
			return error_set(err, -EINVAL,
					 "a pattern that must not match has no groups: $%d", group);
		if (group > (int)rule->groups)
			return error_set(err, -EINVAL, "the pattern has no group %d", group);
	} while (group != -2);
	return 0;
}

static void pattern_substitute(const struct rule *rule, const struct view *groups, struct str *out)
{
	struct view rest = view_of(rule->value), literal;
	int group;

	do {
		if (next_group(&rest, &literal, &group, NULL) < 0)
			return;
		str_append(out, literal);
		if (group >= 0)
			str_append(out, groups[group]);
	} while (group != -2 && out->len <= TABLE_VALUE_MAX);
}

/* ---- reading ---- */

static int end_if(struct patterns *p, struct error *err)
{
	if (p->depth == 0)
		return error_set(err, -EINVAL, "endif without if");
	p->rules[p->open_ifs[--p->depth]].after_if = p->count;
	return 0;
}

static bool take_if(struct view *rest)
{
	if (rest->len < 3 || !view_is_nocase(view_first(*rest, 2), "if"))
		return false;
	/* "if" needs no white space before its pattern, but must not be a word of its own kind. */
	if (ascii_is_alnum(rest->data[2]))
		return false;
	*rest = view_trim(view_from(*rest, 2));
	return true;
}

static void add_rule(struct patterns *p, const struct rule *rule)
{
	if (rule->is_if)
		p->open_ifs[p->depth++] = p->count;
	array_grow(p->rules, p->count);
	p->rules[p->count++] = *rule;
}

static int parse_rule(struct patterns *p, struct view text, struct error *err)
{
	struct rule rule = { 0 };
	struct view rest = view_trim(text);
	int r = 0;

	if (view_is_nocase(rest, "endif"))
		return end_if(p, err);
	rule.is_if = take_if(&rest);
	if (rule.is_if && p->depth == PATTERN_NEST_MAX)
		return error_set(err, -EINVAL, "more than %d ifs within ifs", PATTERN_NEST_MAX);
	while (rest.len > 0 && rest.data[0] == '!') {
		rule.negated = !rule.negated;
		rest = view_trim(view_from(rest, 1));
	}
	rule.compiled = p->type->compile(&rest, &rule.groups, err);
	if (rule.compiled == NULL) {
		/* What stands between such an if and its endif must not apply to everybody. */
		if (rule.is_if)
			add_rule(p, &(struct rule){ .is_if = true });
		return -EINVAL;
	}
	rest = view_trim(rest);
	if (rule.is_if && rest.len > 0)
		log_warning("ignoring extra text after \"if\": \"%.*s\"",
			    VIEW_ARG(view_first(rest, 60)));
	else if (!rule.is_if && rest.len == 0)
		r = error_set(err, -EINVAL, "no value after the pattern");
	else if (!rule.is_if)
		r = check_value(rest, &rule, err);
	if (r < 0) {
		p->type->free(rule.compiled);
		return r;
	}
	rule.value = mem_strndup(rest.len ? rest.data : "", rest.len);
	add_rule(p, &rule);
	return 0;
}

/* A bad line is named and left out: one typing mistake must not stop all mail. */
static void patterns_parse_text(struct patterns *p, struct view text, const char *path)
{
	struct lines lines = lines_of(text);
	struct view line;

	while (p->count < TABLE_ENTRIES_MAX && lines_next(&lines, &line)) {
		struct error err = ERROR_NONE;

		if (ascii_is_space(line.data[0]))
			error_set(&err, -EINVAL, "begins with white space but continues nothing");
		else if (view_find_byte(line, '\0') != VIEW_NOT_FOUND)
			error_set(&err, -EINVAL, "a NUL byte in the text");
		else if (parse_rule(p, line, &err) == 0)
			continue;
		log_warning("%s, line %d: %s: the line is left out", path, lines.number, err.text);
	}
	lines_free(&lines);
}

/* "{ {rule}, {rule} }" in main.cf itself. Here a mistake is one of main.cf. */
static int parse_inline(struct patterns *p, struct view name, struct error *err)
{
	struct view rest = view_first(view_from(name, 1), name.len - 2), element;

	while (conf_next_element(&rest, &element)) {
		if (view_find_byte(element, '\0') != VIEW_NOT_FOUND)
			return error_set(err, -EINVAL, "a NUL byte in the text");
		int r = parse_rule(p, element, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int patterns_open(struct table *table, struct view name, const struct pattern_type *type,
		  struct error *err)
{
	struct patterns *p = table->data = mem_new(struct patterns);
	struct view inside = view_trim(name);
	_cleanup_free_ char *path = mem_strndup(name.len ? name.data : "", name.len);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r;

	p->type = type;
	if (inside.len >= 2 && inside.data[0] == '{' && inside.data[inside.len - 1] == '}') {
		r = parse_inline(p, inside, err);
		if (r == 0 && p->depth > 0)
			r = error_set(err, -EINVAL, "if without endif");
		return r;
	}
	r = table_watch(table, path, err);
	if (r == 0)
		r = io_read_file(path, TABLE_TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	patterns_parse_text(p, str_view(&text), path);
	if (p->depth > 0)
		log_warning("%s: if without endif", path);
	while (p->depth > 0)
		end_if(p, NULL);
	return 0;
}

/* ---- asking ---- */

int patterns_lookup(struct table *table, struct view key, struct str *value, struct error *err)
{
	const struct patterns *p = table->data;
	struct view groups[PATTERN_GROUPS_MAX + 1];
	_cleanup_free_ char *subject = mem_strndup(key.data, key.len);

	for (size_t i = 0; i < p->count;) {
		const struct rule *rule = &p->rules[i];

		for (size_t g = 0; g <= rule->groups; g++)
			groups[g] = VIEW_NONE;
		int r = rule->compiled == NULL
				? 0
				: p->type->match(rule->compiled, subject, key.len, groups);

		if (r < 0)
			return error_set(err, -EAGAIN, "a pattern could not be tried on \"%.*s\"",
					 VIEW_ARG(view_first(key, 60)));

		bool matches = (r > 0) != rule->negated;

		if (rule->is_if) {
			i = matches ? i + 1 : rule->after_if;
		} else if (matches) {
			pattern_substitute(rule, groups, value);
			return 1;
		} else {
			i++;
		}
	}
	return 0;
}

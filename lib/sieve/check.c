/*
 * The check of a script: that each command and test exists, may stand where it stands, has been
 * required, and has the arguments that it takes. What is found out is written into the nodes.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "sieve/operation.h"

struct check {
	struct sieve_script *script;
	struct sieve_problem *problem;
	unsigned depth;
	/* Around the node at work, from the outermost. */
	const struct sieve_node *loops[SIEVE_DEPTH_MAX];
	size_t loop_count;
};

static int complain_at(struct check *c, const struct sieve_node *node, const char *format,
		       const char *text)
{
	char message[sizeof(c->problem->text)];

	snprintf(message, sizeof(message), format, str_cstr(&node->name), text);
	return sieve_complain(c->problem, node->line, node->column, "%s", message);
}

static bool is_required(const struct check *c, enum sieve_extension extension)
{
	return extension == EXTENSION_NONE ||
	       (c->script->extensions & (UINT64_C(1) << extension)) != 0;
}

static const char *extension_name(enum sieve_extension extension)
{
	for (size_t i = 0; i < sieve_extension_count; i++)
		if (sieve_extension_names[i].extension == extension)
			return sieve_extension_names[i].name;
	return "";
}

static int check_required(struct check *c, const struct sieve_argument *argument,
			  enum sieve_extension extension)
{
	if (is_required(c, extension))
		return 0;
	return sieve_complain(c->problem, argument->line, argument->column,
			      ":%s needs require \"%s\"", str_cstr(&argument->tag),
			      extension_name(extension));
}

/* ---- tags that many take ---- */

static const struct match_tag {
	const char *name;
	enum sieve_match match;
	enum sieve_extension extension;
} match_tags[] = {
	{ "is", MATCH_IS, EXTENSION_NONE },
	{ "contains", MATCH_CONTAINS, EXTENSION_NONE },
	{ "matches", MATCH_PATTERN, EXTENSION_NONE },
	{ "count", MATCH_COUNT, EXTENSION_RELATIONAL },
	{ "value", MATCH_VALUE, EXTENSION_RELATIONAL },
	{ "regex", MATCH_REGEX, EXTENSION_REGEX },
};

static const struct {
	const char *name;
	enum sieve_part part;
	enum sieve_extension extension;
} part_tags[] = {
	{ "all", PART_ALL, EXTENSION_NONE },
	{ "localpart", PART_LOCAL, EXTENSION_NONE },
	{ "domain", PART_DOMAIN, EXTENSION_NONE },
	{ "user", PART_USER, EXTENSION_SUBADDRESS },
	{ "detail", PART_DETAIL, EXTENSION_SUBADDRESS },
};

static const struct sieve_tag_spec index_tags[] = {
	{ "index", VALUE_NUMBER, EXTENSION_INDEX },
	{ "last", VALUE_NONE, EXTENSION_INDEX },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};

static bool value_fits(const struct sieve_argument *argument, enum sieve_value value)
{
	if (value == VALUE_NUMBER)
		return argument->kind == ARGUMENT_NUMBER;
	return argument->kind == ARGUMENT_STRINGS &&
	       (value == VALUE_STRINGS || argument->strings.count == 1);
}

/* The argument after a tag, taken. */
static int sieve_check_take_value(struct check *c, const struct sieve_node *node, size_t *at,
				  enum sieve_value value)
{
	const struct sieve_argument *tag = &node->arguments[*at];

	if (value == VALUE_NONE)
		return 0;
	if (*at + 1 < node->argument_count && value_fits(tag + 1, value)) {
		++*at;
		return 0;
	}
	return sieve_complain(c->problem, tag->line, tag->column, ":%s needs a %s after it",
			      str_cstr(&tag->tag),
			      value == VALUE_NUMBER   ? "number"
			      : value == VALUE_STRING ? "string"
						      : "list of strings");
}

static int take_relation(struct check *c, struct sieve_node *node, size_t at)
{
	static const char *const names[] = { "eq", "ne", "gt", "ge", "lt", "le" };
	const struct sieve_argument *value = &node->arguments[at];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is_nocase(str_view(&value->strings.items[0]), names[i])) {
			node->relation = (enum sieve_relation)i;
			return 0;
		}
	return sieve_complain(c->problem, value->line, value->column,
			      "expected \"eq\", \"ne\", \"gt\", \"ge\", \"lt\" or \"le\"");
}

static int take_comparator(struct check *c, struct sieve_node *node, size_t at)
{
	static const struct {
		const char *name;
		enum sieve_comparator comparator;
		enum sieve_extension extension;
	} known[] = {
		{ "i;ascii-casemap", COMPARE_CASEMAP, EXTENSION_NONE },
		{ "i;octet", COMPARE_OCTET, EXTENSION_NONE },
		{ "i;ascii-numeric", COMPARE_NUMERIC, EXTENSION_NUMERIC },
	};
	const struct sieve_argument *value = &node->arguments[at];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!view_is(str_view(&value->strings.items[0]), known[i].name))
			continue;
		node->comparator = known[i].comparator;
		if (is_required(c, known[i].extension))
			return 0;
		return sieve_complain(c->problem, value->line, value->column,
				      "this comparator needs require \"%s\"",
				      extension_name(known[i].extension));
	}
	return sieve_complain(c->problem, value->line, value->column,
			      "there is no comparator \"%.60s\"",
			      str_cstr(&value->strings.items[0]));
}

/* 1: taken, 0: it is another kind of tag, or a negative errno. */
static int take_match(struct check *c, struct sieve_node *node, size_t *at)
{
	const struct sieve_argument *tag = &node->arguments[*at];
	int r;

	if (view_is(str_view(&tag->tag), "comparator")) {
		r = sieve_check_take_value(c, node, at, VALUE_STRING);
		if (r == 0)
			r = take_comparator(c, node, *at);
		return r < 0 ? r : 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(match_tags); i++) {
		if (!view_is(str_view(&tag->tag), match_tags[i].name))
			continue;
		node->match = match_tags[i].match;
		r = check_required(c, tag, match_tags[i].extension);
		if (r == 0 && match_tags[i].extension == EXTENSION_RELATIONAL) {
			r = sieve_check_take_value(c, node, at, VALUE_STRING);
			if (r == 0)
				r = take_relation(c, node, *at);
		}
		return r < 0 ? r : 1;
	}
	return 0;
}

static int take_part(struct check *c, struct sieve_node *node, const struct sieve_argument *tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(part_tags); i++) {
		if (!view_is(str_view(&tag->tag), part_tags[i].name))
			continue;
		node->part = part_tags[i].part;

		int r = check_required(c, tag, part_tags[i].extension);

		return r < 0 ? r : 1;
	}
	return 0;
}

static int take_listed(struct check *c, struct sieve_node *node, size_t *at,
		       const struct sieve_tag_spec *specs)
{
	const struct sieve_argument *tag = &node->arguments[*at];

	for (; specs != NULL && specs->name != NULL; specs++) {
		if (!view_is(str_view(&tag->tag), specs->name))
			continue;

		int r = check_required(c, tag, specs->extension);

		if (r == 0)
			r = sieve_check_take_value(c, node, at, specs->value);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int sieve_check_take_tag(struct check *c, struct sieve_node *node, size_t *at)
{
	const struct sieve_operation *operation = node->operation;
	const struct sieve_argument *tag = &node->arguments[*at];
	int r = 0;

	for (size_t i = 0; i < *at; i++)
		if (node->arguments[i].kind == ARGUMENT_TAG &&
		    view_eq(str_view(&node->arguments[i].tag), str_view(&tag->tag)))
			return sieve_complain(c->problem, tag->line, tag->column,
					      ":%s stands there twice", str_cstr(&tag->tag));
	if (operation->takes & TAKES_MATCH)
		r = take_match(c, node, at);
	if (r == 0 && operation->takes & TAKES_PART)
		r = take_part(c, node, tag);
	if (r == 0 && operation->takes & TAKES_INDEX)
		r = take_listed(c, node, at, index_tags);
	if (r == 0)
		r = take_listed(c, node, at, operation->tags);
	if (r != 0)
		return r < 0 ? r : 0;
	return sieve_complain(c->problem, tag->line, tag->column, "%s does not take :%s",
			      operation->name, str_cstr(&tag->tag));
}

/* ---- positional arguments ---- */

static size_t positional_count(const struct sieve_operation *operation)
{
	size_t count = 0;

	while (count < SIEVE_POSITIONAL_MAX && operation->positional[count] != VALUE_NONE)
		count++;
	return count;
}

static int check_positional(struct check *c, struct sieve_node *node, size_t have)
{
	const struct sieve_operation *operation = node->operation;
	size_t want = positional_count(operation);

	if (have + 1 == want && operation->takes & OPTIONAL_FIRST) {
		for (size_t i = have; i > 0; i--)
			node->positional[i] = node->positional[i - 1];
		node->positional[0] = NULL;
	} else if (have + 1 == want && operation->takes & OPTIONAL_LAST) {
		want = have;
	} else if (have < want) {
		return complain_at(c, node, "%s needs more arguments%s", "");
	} else if (have > want) {
		return complain_at(c, node, "%s takes no more arguments%s", "");
	}
	for (size_t i = 0; i < want; i++) {
		const struct sieve_argument *a = node->positional[i];

		if (a != NULL && !value_fits(a, operation->positional[i]))
			return sieve_complain(c->problem, a->line, a->column, "%s needs a %s here",
					      operation->name,
					      operation->positional[i] == VALUE_NUMBER ? "number"
					      : operation->positional[i] == VALUE_STRING
						      ? "string"
						      : "list of strings");
	}
	return 0;
}

static int check_arguments(struct check *c, struct sieve_node *node)
{
	size_t have = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < node->argument_count; i++) {
		if (node->arguments[i].kind == ARGUMENT_TAG)
			r = sieve_check_take_tag(c, node, &i);
		else if (have == SIEVE_POSITIONAL_MAX)
			r = complain_at(c, node, "%s takes no more arguments%s", "");
		else
			node->positional[have++] = &node->arguments[i];
	}
	return r < 0 ? r : check_positional(c, node, have);
}

/* A loop of that name is around it. */
static bool loop_is_around(const struct check *c, const struct sieve_argument *name)
{
	for (size_t i = 0; i < c->loop_count; i++) {
		const struct sieve_argument *value = NULL;

		if (sieve_tag(c->loops[i], "name", &value) != NULL &&
		    view_eq(str_view(&value->strings.items[0]), str_view(&name->strings.items[0])))
			return true;
	}
	return false;
}

/* Of loops (RFC 5703, 3), and of what looks at parts. */
static int check_parts(struct check *c, const struct sieve_node *node)
{
	static const char *const of_mime[] = { "anychild", "type", "subtype", "contenttype",
					       "param" };
	const struct sieve_argument *name = NULL;
	size_t options = 0;

	if (node->operation->takes & IN_LOOP && c->loop_count == 0)
		return complain_at(c, node, "%s stands in the block of foreverypart only%s", "");
	if (node->operation->takes & IN_LOOP && sieve_tag(node, "name", &name) != NULL &&
	    !loop_is_around(c, name))
		return complain_at(c, node, "%s: no foreverypart around it has the name \"%.60s\"",
				   str_cstr(&name->strings.items[0]));
	if (view_is(str_view(&node->name), "extracttext") && !is_required(c, EXTENSION_VARIABLES))
		return complain_at(c, node, "%s needs require \"%s\"", "variables");
	for (size_t i = 0; i < ARRAY_SIZE(of_mime); i++) {
		if (!(node->operation->takes & IS_TEST) ||
		    sieve_tag(node, of_mime[i], NULL) == NULL)
			continue;
		options += i > 0;
		if (sieve_tag(node, "mime", NULL) == NULL)
			return complain_at(c, node, "%s: :%s needs :mime", of_mime[i]);
	}
	return options > 1
		       ? complain_at(c, node,
				     "%s takes one of :type, :subtype, :contenttype and :param%s",
				     "")
		       : 0;
}

/* Of what the tags mean together. */
static int check_meaning(struct check *c, const struct sieve_node *node)
{
	if (node->operation->takes & TAKES_MATCH && node->comparator == COMPARE_NUMERIC &&
	    (node->match == MATCH_CONTAINS || node->match == MATCH_PATTERN ||
	     node->match == MATCH_REGEX))
		return complain_at(c, node, "%s: i;ascii-numeric compares whole numbers only%s",
				   "");
	if (view_is(str_view(&node->name), "size") &&
	    (sieve_tag(node, "over", NULL) == NULL) == (sieve_tag(node, "under", NULL) == NULL))
		return complain_at(c, node, "%s needs either :over or :under%s", "");
	if (view_is(str_view(&node->name), "require") && c->depth > 1)
		return complain_at(c, node, "%s stands at the front of the script only%s", "");
	return check_parts(c, node);
}

/* ---- nodes ---- */

static int check_commands(struct check *c, struct sieve_node *node);
static int check_node(struct check *c, struct sieve_node *node, bool is_test);

static int check_tests(struct check *c, struct sieve_node *node)
{
	unsigned takes = node->operation->takes;
	int r = 0;

	if (node->tests != NULL && !(takes & (TAKES_TEST | TAKES_TESTS)))
		return complain_at(c, node, "%s takes no test%s", "");
	if (node->tests == NULL && takes & (TAKES_TEST | TAKES_TESTS))
		return complain_at(c, node, "%s needs a test%s", "");
	if (takes & TAKES_TEST && node->tests->next != NULL)
		return complain_at(c, node, "%s takes one test, allof() and anyof() several%s", "");
	for (struct sieve_node *test = node->tests; r == 0 && test != NULL; test = test->next)
		r = check_node(c, test, true);
	return r;
}

/*
 * A branch for what is not there is not looked at, for it is never taken (RFC 5463); one for what is
 * there may use it.
 */
static bool ihave_is_false(struct check *c, const struct sieve_node *test)
{
	const struct sieve_argument *names;
	bool all = true;

	while (test != NULL && view_is(str_view(&test->name), "allof"))
		test = test->tests;
	if (test == NULL || !view_is(str_view(&test->name), "ihave"))
		return false;
	names = test->positional[0];
	for (size_t i = 0; all && i < names->strings.count; i++)
		all = sieve_extension_find(str_view(&names->strings.items[i])) != NULL;
	for (size_t i = 0; all && i < names->strings.count; i++)
		c->script->extensions |=
			UINT64_C(1)
			<< sieve_extension_find(str_view(&names->strings.items[i]))->extension;
	return !all;
}

static int check_require(struct check *c, struct sieve_node *node)
{
	const struct sieve_argument *a = node->positional[0];

	for (size_t i = 0; i < a->strings.count; i++) {
		const struct sieve_extension_name *known =
			sieve_extension_find(str_view(&a->strings.items[i]));

		if (known == NULL)
			return sieve_complain(c->problem, a->line, a->column,
					      "there is no extension \"%.60s\" here",
					      str_cstr(&a->strings.items[i]));
		c->script->extensions |= UINT64_C(1) << known->extension;
	}
	return 0;
}

/* A loop counts as one within its block. */
static int check_block(struct check *c, struct sieve_node *node)
{
	bool is_loop = (node->operation->takes & IS_LOOP) != 0 && c->loop_count < SIEVE_DEPTH_MAX;
	int r;

	if (is_loop)
		c->loops[c->loop_count++] = node;
	r = check_commands(c, node->block);
	c->loop_count -= is_loop;
	return r;
}

static int check_node(struct check *c, struct sieve_node *node, bool is_test)
{
	const struct sieve_operation *o = sieve_operations;
	size_t n = 0;
	int r;

	while (n < sieve_operation_count && !(view_is(str_view(&node->name), o[n].name) &&
					      ((o[n].takes & IS_TEST) != 0) == is_test))
		n++;
	if (n == sieve_operation_count)
		return complain_at(c, node, "there is no %.60s%s",
				   is_test ? " among the tests" : " among the commands");
	node->operation = &o[n];
	if (!is_required(c, o[n].extension))
		return complain_at(c, node, "%s needs require \"%s\"",
				   extension_name(o[n].extension));
	r = check_arguments(c, node);
	if (r == 0)
		r = check_meaning(c, node);
	if (r == 0)
		r = check_tests(c, node);
	if (r == 0 && node->has_block != ((o[n].takes & TAKES_BLOCK) != 0))
		r = complain_at(c, node,
				node->has_block ? "%s takes no block%s" : "%s needs a block%s", "");
	if (r == 0 && o[n].takes & IS_FIRST)
		r = check_require(c, node);
	if (r == 0 && o[n].takes & TAKES_BLOCK && ihave_is_false(c, node->tests))
		return 0;
	return r < 0 ? r : check_block(c, node);
}

static int check_commands(struct check *c, struct sieve_node *node)
{
	bool after_if = false, begun = false;
	int r = 0;

	c->depth++;
	for (; r == 0 && node != NULL; node = node->next) {
		r = check_node(c, node, false);
		if (r < 0)
			break;
		if (node->operation->takes & AFTER_IF && !after_if)
			r = complain_at(c, node, "%s stands after if or elsif%s", "");
		if (node->operation->takes & IS_FIRST && begun)
			r = complain_at(c, node, "%s stands before all other commands%s", "");
		begun |= !(node->operation->takes & IS_FIRST);
		after_if = view_is(str_view(&node->name), "if") ||
			   view_is(str_view(&node->name), "elsif");
	}
	c->depth--;
	return r;
}

int sieve_check(struct sieve_script *script, struct sieve_problem *problem)
{
	struct check c = { .script = script, .problem = problem };

	return check_commands(&c, script->commands);
}

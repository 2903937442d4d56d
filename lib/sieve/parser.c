/*
 * The grammar of Sieve (RFC 5228, 8.2): from tokens to commands, tests, arguments and blocks. Which
 * of them exist is not asked here.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "sieve/lexer.h"
#include "sieve/script.h"

struct parse {
	struct sieve_lexer lexer;
	struct sieve_script *script;
	struct sieve_problem *problem;
	unsigned depth;
};

int sieve_complain(struct sieve_problem *problem, unsigned line, unsigned column,
		   const char *format, ...)
{
	va_list args;

	problem->line = line;
	problem->column = column;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

static void strings_free(struct sieve_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		str_free(&strings->items[i]);
	free(strings->items);
}

/* Its depth is bounded, as the parser's is. */
void sieve_nodes_free(struct sieve_node *node)
{
	while (node != NULL) {
		struct sieve_node *next = node->next;

		for (size_t i = 0; i < node->argument_count; i++) {
			str_free(&node->arguments[i].tag);
			strings_free(&node->arguments[i].strings);
		}
		free(node->arguments);
		str_free(&node->name);
		sieve_nodes_free(node->tests);
		sieve_nodes_free(node->block);
		free(node);
		node = next;
	}
}

/* What is there instead of what is expected. */
static int parse_expected(struct parse *p, const char *expected)
{
	const struct sieve_lexer *x = &p->lexer;

	if (x->token == TOKEN_WRONG)
		return sieve_complain(p->problem, x->token_line, x->token_column, "%s", x->problem);
	if (x->token == TOKEN_END)
		return sieve_complain(p->problem, x->token_line, x->token_column,
				      "expected %s, but the script ends", expected);
	if (x->token == TOKEN_SIGN)
		return sieve_complain(p->problem, x->token_line, x->token_column,
				      "expected %s, not \"%c\"", expected, x->sign);
	return sieve_complain(p->problem, x->token_line, x->token_column, "expected %s, not a %s",
			      expected,
			      x->token == TOKEN_STRING	 ? "string"
			      : x->token == TOKEN_NUMBER ? "number"
			      : x->token == TOKEN_TAG	 ? "tag"
							 : "name");
}

static bool at_sign(const struct parse *p, char sign)
{
	return p->lexer.token == TOKEN_SIGN && p->lexer.sign == sign;
}

static int parse_sign(struct parse *p, char sign, const char *expected)
{
	if (!at_sign(p, sign))
		return parse_expected(p, expected);
	sieve_lexer_next(&p->lexer);
	return 0;
}

/* ---- arguments ---- */

static int parse_string(struct parse *p, struct sieve_strings *strings)
{
	if (p->lexer.token != TOKEN_STRING)
		return parse_expected(p, "a string");
	if (strings->count == SIEVE_STRINGS_MAX)
		return sieve_complain(p->problem, p->lexer.token_line, p->lexer.token_column,
				      "more than %d strings in a list", SIEVE_STRINGS_MAX);
	array_grow(strings->items, strings->count);
	strings->items[strings->count] = STR_EMPTY;
	str_append(&strings->items[strings->count++], str_view(&p->lexer.value));
	sieve_lexer_next(&p->lexer);
	return 0;
}

static int parse_list(struct parse *p, struct sieve_strings *strings)
{
	int r;

	sieve_lexer_next(&p->lexer);
	r = parse_string(p, strings);
	while (r == 0 && at_sign(p, ',')) {
		sieve_lexer_next(&p->lexer);
		r = parse_string(p, strings);
	}
	return r < 0 ? r : parse_sign(p, ']', "\",\" or \"]\"");
}

/* One argument; 0 with *found false: there is none. */
static int parse_argument(struct parse *p, struct sieve_node *node, bool *found)
{
	struct sieve_lexer *x = &p->lexer;
	struct sieve_argument *argument;

	*found = x->token == TOKEN_TAG || x->token == TOKEN_NUMBER || x->token == TOKEN_STRING ||
		 at_sign(p, '[');
	if (!*found)
		return 0;
	if (node->argument_count == SIEVE_ARGUMENTS_MAX)
		return sieve_complain(p->problem, x->token_line, x->token_column,
				      "more than %d arguments", SIEVE_ARGUMENTS_MAX);
	array_grow(node->arguments, node->argument_count);
	argument = &node->arguments[node->argument_count++];
	*argument = (struct sieve_argument){ 0 };
	argument->line = x->token_line;
	argument->column = x->token_column;
	if (x->token == TOKEN_TAG) {
		argument->kind = ARGUMENT_TAG;
		str_append_lower(&argument->tag, x->text);
	} else if (x->token == TOKEN_NUMBER) {
		argument->kind = ARGUMENT_NUMBER;
		argument->number = x->number;
	} else {
		argument->kind = ARGUMENT_STRINGS;
		return x->token == TOKEN_STRING ? parse_string(p, &argument->strings)
						: parse_list(p, &argument->strings);
	}
	sieve_lexer_next(x);
	return 0;
}

/* ---- commands and tests ---- */

static int parse_node(struct parse *p, struct sieve_node **node, const char *expected);

static int parse_deeper(struct parse *p)
{
	if (++p->depth <= SIEVE_DEPTH_MAX)
		return 0;
	return sieve_complain(p->problem, p->lexer.token_line, p->lexer.token_column,
			      "blocks or tests nested more than %d deep", SIEVE_DEPTH_MAX);
}

/* A test, or several in parentheses. */
static int parse_tests(struct parse *p, struct sieve_node *node)
{
	struct sieve_node **last = &node->tests;
	bool several = at_sign(p, '(');
	int r = parse_deeper(p);

	if (r == 0 && several)
		sieve_lexer_next(&p->lexer);
	if (r == 0)
		r = parse_node(p, last, "a test");
	while (r == 0 && several && at_sign(p, ',')) {
		sieve_lexer_next(&p->lexer);
		last = &(*last)->next;
		r = parse_node(p, last, "a test");
	}
	if (r == 0 && several)
		r = parse_sign(p, ')', "\",\" or \")\"");
	p->depth--;
	return r;
}

/* Name and arguments, and the tests that are among these. */
static int parse_node(struct parse *p, struct sieve_node **node, const char *expected)
{
	struct sieve_lexer *x = &p->lexer;
	bool found = true;
	int r = 0;

	if (x->token != TOKEN_IDENTIFIER)
		return parse_expected(p, expected);
	if (p->script->node_count++ == SIEVE_NODES_MAX)
		return sieve_complain(p->problem, x->token_line, x->token_column,
				      "more than %d commands and tests", SIEVE_NODES_MAX);
	*node = mem_new(struct sieve_node);
	(*node)->line = x->token_line;
	(*node)->column = x->token_column;
	str_append_lower(&(*node)->name, x->text);
	sieve_lexer_next(x);
	while (r == 0 && found)
		r = parse_argument(p, *node, &found);
	if (r == 0 && (x->token == TOKEN_IDENTIFIER || at_sign(p, '(')))
		r = parse_tests(p, *node);
	return r;
}

/* Commands up to the end of the script, or of the block. */
static int parse_commands(struct parse *p, struct sieve_node **last, bool in_block)
{
	int r = parse_deeper(p);

	p->depth -= in_block ? 0 : 1;
	while (r == 0 && p->lexer.token != TOKEN_END && !(in_block && at_sign(p, '}'))) {
		struct sieve_node *node;

		r = parse_node(p, last, in_block ? "a command or \"}\"" : "a command");
		if (r < 0)
			break;
		node = *last;
		last = &node->next;
		if (!at_sign(p, '{')) {
			r = parse_sign(p, ';', "\";\" or a block");
			continue;
		}
		sieve_lexer_next(&p->lexer);
		node->has_block = true;
		r = parse_commands(p, &node->block, true);
		if (r == 0)
			r = parse_sign(p, '}', "a command or \"}\"");
	}
	p->depth -= in_block ? 1 : 0;
	return r;
}

int sieve_parse(struct view text, struct sieve_script *script, struct sieve_problem *problem)
{
	struct parse p = { .script = script, .problem = problem };
	int r;

	if (text.len > SIEVE_SCRIPT_MAX)
		return sieve_complain(problem, 1, 1, "the script is larger than %d bytes",
				      SIEVE_SCRIPT_MAX);
	if (!view_is_utf8(text) || view_find_byte(text, '\0') != VIEW_NOT_FOUND)
		return sieve_complain(problem, 1, 1, "the script is not UTF-8 text");
	sieve_lexer_begin(&p.lexer, text);
	sieve_lexer_next(&p.lexer);
	r = parse_commands(&p, &script->commands, false);
	sieve_lexer_end(&p.lexer);
	return r;
}

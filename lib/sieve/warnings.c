/*
 * Looks over a script that has been compiled. A text with a variable in it is left alone: only the run
 * knows what it will be.
 */
#include "sieve/warnings.h"

#include <stdio.h>

#include "base/mem.h"
#include "mail/address.h"
#include "sieve/operation.h"

struct looking {
	const struct sieve_warner *warner;
	void *argument, *told;
	size_t redirects;
};

static bool node_is(const struct sieve_node *node, const char *name)
{
	return view_is(str_view(&node->name), name);
}

static void looking_warn(struct looking *l, const struct sieve_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void looking_warn(struct looking *l, const struct sieve_node *node, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	l->warner->warn(l->told, node->line, text);
}

/* The only string of an argument. False: it has a variable, or what may be one. */
static bool literal_string(const struct sieve_argument *argument, struct view *text)
{
	*text = str_view(&argument->strings.items[0]);
	return view_find(*text, VIEW("${")) == VIEW_NOT_FOUND;
}

static void look_at_redirect(struct looking *l, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	const char *problem = NULL;
	struct view text, rest;

	if (++l->redirects == l->warner->redirects_max + 1)
		looking_warn(l, node,
			     "a message can be redirected to %zu addresses at most, more than that "
			     "are an error",
			     l->warner->redirects_max);
	if (!literal_string(node->positional[0], &text))
		return;
	rest = view_trim(text);
	if (address_parse_path(&rest, false, true, &address, &problem) < 0 || rest.len > 0 ||
	    view_find_byte(str_view(&address), '@') == VIEW_NOT_FOUND)
		looking_warn(l, node, "\"%.*s\" is no address, which will be an error",
			     (int)MIN(text.len, (size_t)100), text.data != NULL ? text.data : "");
}

static void look_at_vacation(struct looking *l, const struct sieve_node *node)
{
	const struct sieve_argument *value = NULL;
	uint64_t seconds;

	if (sieve_tag(node, "seconds", &value) != NULL)
		seconds = value->number;
	else if (sieve_tag(node, "days", &value) != NULL)
		seconds = value->number * 86400;
	else
		return;
	if (seconds < l->warner->vacation_min)
		looking_warn(l, node, "the same sender is answered once in %llu seconds at most",
			     (unsigned long long)l->warner->vacation_min);
	else if (seconds > l->warner->vacation_max)
		looking_warn(l, node, "the same sender is answered again after %llu seconds",
			     (unsigned long long)l->warner->vacation_max);
}

static void look_at_include(struct looking *l, const struct sieve_node *node)
{
	struct view name = str_view(&node->positional[0]->strings.items[0]);

	if (sieve_tag(node, "optional", NULL) == NULL &&
	    !l->warner->exists(l->argument, sieve_tag(node, "global", NULL) != NULL, name))
		looking_warn(l, node, "there is no script \"%.*s\" yet",
			     (int)MIN(name.len, (size_t)100), name.data != NULL ? name.data : "");
}

static void look_at(struct looking *l, const struct sieve_node *node)
{
	bool ended = false;

	for (; node != NULL; node = node->next) {
		/* A branch for what is not there has not been looked at (RFC 5463). */
		if (node->operation == NULL)
			return;
		if (ended) {
			looking_warn(l, node, "this is never reached");
			return;
		}
		if (node_is(node, "redirect"))
			look_at_redirect(l, node);
		else if (node_is(node, "vacation"))
			look_at_vacation(l, node);
		else if (node_is(node, "include"))
			look_at_include(l, node);
		ended = node_is(node, "stop") || node_is(node, "return") || node_is(node, "error");
		look_at(l, node->block);
	}
}

void sieve_warnings(const struct sieve_script *script, const struct sieve_warner *warner,
		    void *argument, void *told)
{
	struct looking l = { .warner = warner, .argument = argument, .told = told };

	look_at(&l, script->commands);
}

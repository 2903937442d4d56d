/*
 * Scripts within scripts (RFC 6609): include, return, global. Who runs the script knows where the
 * others are, and has compiled them.
 */
#include "base/mem.h"
#include "sieve/run.h"

#define INCLUDE_DEPTH_MAX 10
#define INCLUDES_MAX	  100 /* of a run */

enum sieve_flow sieve_act_return(struct sieve_run *run, const struct sieve_node *node)
{
	(void)run;
	(void)node;
	return FLOW_RETURN;
}

/* Names that are from here on those of all scripts of the run. */
enum sieve_flow sieve_act_global(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *names = node->positional[0];

	for (size_t i = 0; i < names->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str lower = STR_EMPTY;
		struct sieve_variable *variable;

		str_append_lower(&lower, str_view(&names->strings.items[i]));
		variable = map_get(run->variables, str_view(&lower));
		if (variable == NULL) {
			sieve_variable_set(run, str_view(&lower), VIEW_NONE);
			variable = map_get(run->variables, str_view(&lower));
		}
		if (variable != NULL)
			variable->is_global = true;
	}
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

/* Of this script alone, until it ends. */
static enum sieve_flow include_run(struct sieve_run *run, const struct sieve_script *script)
{
	const struct sieve_script *outer = run->script;
	struct map *variables = run->variables;
	struct sieve_parts *parts = run->parts;
	enum sieve_flow flow;

	run->script = script;
	run->parts = NULL;
	run->variables = map_new();
	run->depth++;
	flow = sieve_run_commands(run, script->commands);
	run->depth--;
	sieve_variables_free(run->variables);
	run->variables = variables;
	run->script = outer;
	run->parts = parts;
	return flow == FLOW_RETURN ? FLOW_ON : flow;
}

enum sieve_flow sieve_act_include(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_host *host = run->message->host;
	bool global = sieve_tag(node, "global", NULL) != NULL;
	_cleanup_(str_free) struct str key = STR_EMPTY;
	const struct sieve_script *script = NULL;
	struct view name = str_view(&node->positional[0]->strings.items[0]);
	struct sieve_problem problem = { .line = 0 };

	str_printf(&key, "%c%.*s", global ? 'g' : 'p', VIEW_ARG(name));
	if (sieve_tag(node, "once", NULL) != NULL && map_get(run->included, str_view(&key)) != NULL)
		return FLOW_ON;
	if (run->depth == INCLUDE_DEPTH_MAX || run->includes++ == INCLUDES_MAX) {
		sieve_fail(run, "scripts include each other too often");
		return FLOW_FAILED;
	}
	if (host != NULL && host->included != NULL)
		script = host->included(run->message->argument, global, name, &problem);
	if (script != NULL) {
		map_put(run->included, str_view(&key), run);
		return include_run(run, script);
	}
	if (problem.line > 0)
		sieve_fail(run, "include \"%.*s\", line %u: %s", VIEW_ARG(name), problem.line,
			   problem.text);
	else if (sieve_tag(node, "optional", NULL) == NULL)
		sieve_fail(run, "include: there is no script \"%.*s\"", VIEW_ARG(name));
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

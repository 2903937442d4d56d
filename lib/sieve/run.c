/*
 * Compiling and running: the flow of a script, and what it comes to in the end. What commands and
 * tests do is in their own files.
 */
#include "sieve/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"

/* ---- compiling ---- */

int sieve_compile(struct view text, struct sieve_script **script, struct sieve_problem *problem)
{
	int r;

	*problem = (struct sieve_problem){ 0 };
	*script = mem_new(struct sieve_script);
	r = sieve_parse(text, *script, problem);
	if (r == 0)
		r = sieve_check(*script, problem);
	if (r < 0)
		sieve_freep(script);
	return r;
}

void sieve_free(struct sieve_script *script)
{
	if (script != NULL)
		sieve_nodes_free(script->commands);
	free(script);
}

void sieve_freep(struct sieve_script **script)
{
	sieve_free(*script);
	*script = NULL;
}

const char *sieve_extensions(void)
{
	static char names[1024];

	if (names[0] == '\0')
		for (size_t i = 0, at = 0; i < sieve_extension_count; i++)
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
					       at > 0 ? " " : "", sieve_extension_names[i].name);
	return names;
}

/* ---- the flow ---- */

static bool test_holds(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_node *test = node->tests;

	run->node = node;
	if (!sieve_step(run))
		return false;
	if (node->operation->test != NULL)
		return node->operation->test(run, node);
	if (view_is(str_view(&node->name), "not"))
		return !test_holds(run, test) && !run->failed;
	/* Only as many as are needed (RFC 5228, 5.2, 5.3). */
	if (view_is(str_view(&node->name), "allof")) {
		while (test != NULL && test_holds(run, test))
			test = test->next;
		return test == NULL;
	}
	if (view_is(str_view(&node->name), "anyof")) {
		while (test != NULL && !run->failed && !test_holds(run, test))
			test = test->next;
		return test != NULL && !run->failed;
	}
	return view_is(str_view(&node->name), "true");
}

/* *taken: of an if and what belongs to it one has been taken. */
static enum sieve_flow run_commands(struct sieve_run *run, const struct sieve_node *node);
static enum sieve_flow run_branch(struct sieve_run *run, const struct sieve_node *node, bool *taken)
{
	bool is_if = view_is(str_view(&node->name), "if");
	bool is_else = view_is(str_view(&node->name), "else");

	if (is_if)
		*taken = false;
	if (*taken || !(is_else || test_holds(run, node->tests)))
		return run->failed ? FLOW_FAILED : FLOW_ON;
	*taken = true;
	return run_commands(run, node->block);
}

static enum sieve_flow run_commands(struct sieve_run *run, const struct sieve_node *node)
{
	enum sieve_flow flow = FLOW_ON;
	bool taken = false;

	for (; flow == FLOW_ON && node != NULL; node = node->next) {
		run->node = node;
		if (!sieve_step(run))
			return FLOW_FAILED;
		if (node->operation->act != NULL)
			flow = node->operation->act(run, node);
		else if (node->operation->takes & TAKES_BLOCK)
			flow = run_branch(run, node, &taken);
		else if (view_is(str_view(&node->name), "stop"))
			flow = FLOW_STOP;
	}
	return run->failed ? FLOW_FAILED : flow;
}

/* ---- a run ---- */

static void action_free(struct sieve_action *action)
{
	str_free(&action->text);
	str_free(&action->flags);
	str_free(&action->subject);
	str_free(&action->from);
	str_free(&action->handle);
	str_free(&action->addresses);
}

static void actions_clear(struct sieve_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		action_free(&result->actions[i]);
	result->count = 0;
}

void sieve_result_free(struct sieve_result *result)
{
	actions_clear(result);
	free(result->actions);
	*result = (struct sieve_result){ 0 };
}

static void run_end(struct sieve_run *run)
{
	map_for_each (run->variables, i) {
		struct sieve_variable *variable = map_value_at(run->variables, i);

		str_free(&variable->value);
		free(variable);
	}
	map_free(run->variables);
	for (size_t i = 0; i < SIEVE_MATCHES; i++)
		str_free(&run->matches[i]);
	str_free(&run->flags);
}

static void split_message(struct sieve_run *run)
{
	struct view content = run->message->content, rest = content;
	struct header_field field;

	while (header_next(&rest, &field) == 1)
		;
	run->body = rest;
	run->header = view_first(content, content.len - rest.len);
}

int sieve_run(const struct sieve_script *script, const struct sieve_message *message,
	      struct sieve_result *result)
{
	struct sieve_run run = { .script = script,
				 .message = message,
				 .result = result,
				 .kept = true,
				 .variables = map_new() };

	*result = (struct sieve_result){ 0 };
	split_message(&run);
	(void)run_commands(&run, script->commands);
	if (!run.failed && run.kept)
		sieve_keep(&run);
	/* Better in the mailbox than as half a script would have it. */
	if (run.failed) {
		actions_clear(result);
		str_clear(&run.flags);
		run.failed = false;
		sieve_keep(&run);
		run.failed = true;
	}
	run_end(&run);
	return run.failed ? -EINVAL : 0;
}

const char *sieve_action_name(enum sieve_action_kind kind)
{
	static const char *const names[] = { "keep", "fileinto", "redirect", "reject", "vacation" };

	return names[kind];
}

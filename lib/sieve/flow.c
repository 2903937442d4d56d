/* The flow within a script: if and what belongs to it, not, allof, anyof, stop. */
#include "sieve/run.h"

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
static enum sieve_flow run_branch(struct sieve_run *run, const struct sieve_node *node, bool *taken)
{
	bool is_if = view_is(str_view(&node->name), "if");
	bool is_else = view_is(str_view(&node->name), "else");

	if (is_if)
		*taken = false;
	if (*taken || !(is_else || test_holds(run, node->tests)))
		return run->failed ? FLOW_FAILED : FLOW_ON;
	*taken = true;
	return sieve_run_commands(run, node->block);
}

enum sieve_flow sieve_run_commands(struct sieve_run *run, const struct sieve_node *node)
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

/*
 * What everything in a run reports to: steps, what they cost, and failure. Knows no command.
 */
#include <stdio.h>

#include "sieve/run.h"

bool sieve_has(const struct sieve_run *run, enum sieve_extension extension)
{
	return (run->script->extensions & (UINT64_C(1) << extension)) != 0;
}

void sieve_fail(struct sieve_run *run, const char *format, ...)
{
	struct sieve_problem *problem = &run->result->problem;
	va_list args;

	if (run->failed)
		return;
	run->failed = true;
	problem->line = run->node != NULL ? run->node->line : 1;
	problem->column = run->node != NULL ? run->node->column : 1;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
}

bool sieve_step(struct sieve_run *run)
{
	size_t most = run->message->steps_max > 0 ? run->message->steps_max : SIEVE_STEPS_MAX;

	if (run->steps++ >= most)
		sieve_fail(run, "more than %zu steps", most);
	return !run->failed;
}

#define COST_BYTES 1024 /* for one step */

void sieve_cost(struct sieve_run *run, size_t bytes)
{
	run->steps += bytes / COST_BYTES;
	(void)sieve_step(run);
}

const struct sieve_argument *sieve_tag(const struct sieve_node *node, const char *name,
				       const struct sieve_argument **value)
{
	for (size_t i = 0; i < node->argument_count; i++) {
		const struct sieve_argument *a = &node->arguments[i];

		if (a->kind != ARGUMENT_TAG || !view_is(str_view(&a->tag), name))
			continue;
		if (value != NULL)
			*value = i + 1 < node->argument_count ? a + 1 : NULL;
		return a;
	}
	return NULL;
}

/*
 * Compiling and running: scripts one after the other, and what they come to in the end. The flow
 * within one, and what commands and tests do, is in other files.
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

/* ---- a run ---- */

static void action_free(struct sieve_action *action)
{
	str_free(&action->text);
	str_free(&action->flags);
	str_free(&action->subject);
	str_free(&action->from);
	str_free(&action->body);
	str_free(&action->handle);
	str_free(&action->addresses);
}

static void actions_truncate(struct sieve_result *result, size_t count)
{
	while (result->count > count)
		action_free(&result->actions[--result->count]);
}

void sieve_result_free(struct sieve_result *result)
{
	actions_truncate(result, 0);
	free(result->actions);
	str_free(&result->content);
	*result = (struct sieve_result){ 0 };
}

/* What one script leaves is nothing to the next. */
static void run_forget(struct sieve_run *run)
{
	sieve_variables_free(run->variables);
	run->variables = NULL;
	for (size_t i = 0; i < SIEVE_MATCHES; i++)
		str_free(&run->matches[i]);
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

/* Better in the mailbox than as half a script would have it. */
static void run_undo(struct sieve_run *run)
{
	actions_truncate(run->result, run->first);
	str_free(&run->result->content);
	str_clear(&run->flags);
	run->failed = false;
	sieve_keep(run);
	run->failed = true;
}

/* Whether the script at work keeps it; *at: by which action, or the count. */
static bool run_is_kept(const struct sieve_run *run, size_t *at)
{
	for (*at = run->first; *at < run->result->count; ++*at)
		if (run->result->actions[*at].kind == SIEVE_KEEP)
			return true;
	return run->kept;
}

/* The next script says what becomes of it: a keep is taken back, and its flags are where it begins. */
static void run_pass_on(struct sieve_run *run, size_t at)
{
	struct sieve_result *result = run->result;

	if (at == result->count)
		return;
	str_set(&run->flags, str_view(&result->actions[at].flags));
	action_free(&result->actions[at]);
	memmove(&result->actions[at], &result->actions[at + 1],
		(--result->count - at) * sizeof(result->actions[0]));
}

/* False: none is to run after it. */
static bool run_script(struct sieve_run *run, const struct sieve_script *script, bool is_last)
{
	size_t at;

	run->script = script;
	run->kept = true;
	run->first = run->result->count;
	run->variables = map_new();
	(void)sieve_run_commands(run, script->commands);
	if (!run->failed && run->kept && is_last)
		sieve_keep(run);
	if (run->failed)
		run_undo(run);
	run->result->kept = run_is_kept(run, &at);
	if (run->result->kept && !run->failed && !is_last)
		run_pass_on(run, at);
	run_forget(run);
	return run->result->kept && !run->failed;
}

int sieve_run_several(const struct sieve_script *const *scripts, size_t count,
		      const struct sieve_message *message, struct sieve_result *result)
{
	struct sieve_run run = {
		.message = message, .result = result, .globals = map_new(), .included = map_new()
	};
	size_t i = 0;

	*result = (struct sieve_result){ 0 };
	split_message(&run);
	while (i < count && run_script(&run, scripts[i], i + 1 == count))
		i++;
	result->script = i;
	if (count == 0) {
		sieve_keep(&run);
		result->kept = true;
	}
	str_free(&run.flags);
	sieve_variables_free(run.globals);
	map_free(run.included);
	return run.failed ? -EINVAL : 0;
}

int sieve_run(const struct sieve_script *script, const struct sieve_message *message,
	      struct sieve_result *result)
{
	return sieve_run_several(&script, 1, message, result);
}

const char *sieve_action_name(enum sieve_action_kind kind)
{
	static const char *const names[] = { "keep",	 "fileinto", "redirect", "reject",
					     "vacation", "remember", "notify" };

	return names[kind];
}

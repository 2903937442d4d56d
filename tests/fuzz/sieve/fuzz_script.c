/* A script, and after a NUL byte the message that it runs on. */
#include <stdlib.h>

#include "base/mem.h"
#include "sieve/sieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sieve_script *running;

static bool fuzz_was_seen(void *unused, struct view key)
{
	(void)unused;
	return key.len > 0 && key.data[0] < '8';
}

/* Each script may include itself. */
static const struct sieve_script *fuzz_included(void *unused, bool global, struct view name,
						struct sieve_problem *problem)
{
	(void)unused;
	(void)problem;
	return global || name.len > 4 ? NULL : running;
}

static const struct sieve_host host = { .was_seen = fuzz_was_seen, .included = fuzz_included };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size);
	size_t nul = view_find_byte(input, '\0');
	struct sieve_message message = { .content = nul == VIEW_NOT_FOUND
							    ? VIEW_NONE
							    : view_from(input, nul + 1),
					 .sender = VIEW("a@b.test"),
					 .recipient = VIEW("c+d@e.test"),
					 .delimiters = "+",
					 .now = 1795949890,
					 .host_name = VIEW("mx.test"),
					 .host = &host,
					 .spam_field = VIEW("Spam"),
					 .virus_field = VIEW("Virus") };
	_cleanup_(str_free) struct str answer = STR_EMPTY;
	struct sieve_script *script;
	struct sieve_problem problem;
	struct sieve_result result;

	if (sieve_compile(view_first(input, nul), &script, &problem) < 0) {
		if (problem.line == 0 || problem.column == 0 || problem.text[0] == '\0')
			abort();
		return 0;
	}
	running = script;
	/* Whatever happens, what a failed script leaves is the mail in the mailbox. */
	if (sieve_run(script, &message, &result) < 0 &&
	    (result.count != 1 || result.actions[0].kind != SIEVE_KEEP || result.problem.line == 0))
		abort();
	if (result.count > SIEVE_ACTIONS_MAX)
		abort();
	for (size_t i = 0; i < result.count; i++)
		if (result.actions[i].kind == SIEVE_VACATION &&
		    sieve_vacation_refusal(&message, &result.actions[i]) == NULL)
			sieve_vacation_compose(&message, &result.actions[i], &answer);
	sieve_result_free(&result);
	sieve_free(script);
	return 0;
}

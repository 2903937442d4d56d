/* A script, and after a NUL byte the message that it runs on. */
#include <stdlib.h>

#include "base/mem.h"
#include "sieve/sieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
					 .host_name = VIEW("mx.test") };
	struct sieve_script *script;
	struct sieve_problem problem;
	struct sieve_result result;

	if (sieve_compile(view_first(input, nul), &script, &problem) < 0) {
		if (problem.line == 0 || problem.column == 0 || problem.text[0] == '\0')
			abort();
		return 0;
	}
	/* Whatever happens, what a failed script leaves is the mail in the mailbox. */
	if (sieve_run(script, &message, &result) < 0 &&
	    (result.count != 1 || result.actions[0].kind != SIEVE_KEEP || result.problem.line == 0))
		abort();
	if (result.count > SIEVE_ACTIONS_MAX)
		abort();
	sieve_result_free(&result);
	sieve_free(script);
	return 0;
}

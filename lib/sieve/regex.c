/*
 * Regular expressions (draft-ietf-sieve-regex): by PCRE2. What matching takes is counted in steps, and
 * bounded at each place where it begins; a pattern that would take longer fails the script.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "sieve/run.h"

#define PATTERN_MAX  ((size_t)1000) /* bytes */
#define MATCH_LIMIT  50000
#define DEPTH_LIMIT  1000
#define HEAP_LIMIT   4096		 /* KiB */
#define PATTERN_COST ((size_t)64 * 1024) /* in bytes looked at */
#define REGEX_STEP   64			 /* bytes and parts of the pattern looked at for one step */

/* What matching has taken since the last step. */
struct regex_work {
	struct sieve_run *run;
	size_t at, looked;
};

/*
 * PCRE2 calls this at each part of the pattern: its own limits are for one place in the text, and
 * begin anew at the next.
 */
static int regex_count(pcre2_callout_block *block, void *argument)
{
	struct regex_work *work = argument;
	size_t at = block->current_position;

	work->looked += 1 + (at > work->at ? at - work->at : 0);
	work->at = at;
	while (work->looked >= REGEX_STEP) {
		work->looked -= REGEX_STEP;
		if (!sieve_step(work->run))
			return PCRE2_ERROR_CALLOUT;
	}
	return 0;
}

static pcre2_match_context *regex_limits(void)
{
	static pcre2_match_context *limits;

	if (limits == NULL) {
		limits = pcre2_match_context_create(NULL);
		if (limits == NULL)
			return NULL;
		pcre2_set_match_limit(limits, MATCH_LIMIT);
		pcre2_set_depth_limit(limits, DEPTH_LIMIT);
		pcre2_set_heap_limit(limits, HEAP_LIMIT);
	}
	return limits;
}

static pcre2_code *regex_compile(struct sieve_run *run, struct view pattern, bool nocase)
{
	PCRE2_UCHAR text[120];
	PCRE2_SIZE at;
	pcre2_code *code;
	int why;

	if (pattern.len > PATTERN_MAX) {
		sieve_fail(run, "a regular expression of more than %zu bytes", PATTERN_MAX);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)(pattern.data != NULL ? pattern.data : ""), pattern.len,
			     PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C |
				     (nocase ? PCRE2_CASELESS : 0),
			     &why, &at, NULL);
	if (code == NULL) {
		pcre2_get_error_message(why, text, sizeof(text));
		sieve_fail(run, "regular expression: %s", (const char *)text);
	}
	return code;
}

static void regex_captures(pcre2_match_data *data, struct view text, int count,
			   struct view captures[SIEVE_MATCHES])
{
	const PCRE2_SIZE *places = pcre2_get_ovector_pointer(data);

	for (int i = 0; i < count && i < SIEVE_MATCHES; i++)
		if (places[2 * i] != PCRE2_UNSET && places[2 * i] <= places[2 * i + 1])
			captures[i] = view_first(view_from(text, places[2 * i]),
						 places[2 * i + 1] - places[2 * i]);
}

bool sieve_regex(struct sieve_run *run, struct view pattern, struct view text, bool nocase,
		 struct view captures[SIEVE_MATCHES])
{
	pcre2_code *code = regex_compile(run, pattern, nocase);
	pcre2_match_context *limits = regex_limits();
	struct regex_work work = { .run = run };
	pcre2_match_data *data;
	int count;

	if (code == NULL)
		return false;
	if (limits != NULL)
		pcre2_set_callout(limits, regex_count, &work);
	sieve_cost(run, PATTERN_COST);
	data = pcre2_match_data_create_from_pattern(code, NULL);
	count = data == NULL || limits == NULL
			? PCRE2_ERROR_NOMEMORY
			: pcre2_match(code, (PCRE2_SPTR)(text.data != NULL ? text.data : ""),
				      text.len, 0, 0, data, limits);
	if (count > 0)
		regex_captures(data, text, count, captures);
	else if (count != PCRE2_ERROR_NOMATCH)
		sieve_fail(run, "a regular expression takes too much to match");
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return count > 0;
}

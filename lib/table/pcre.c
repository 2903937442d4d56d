/* pcre:/path: "/pattern/flags value" with Perl's regular expressions, of bounded cost. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/internal.h"

enum { MATCH_STEPS_MAX = 1000000, MATCH_DEPTH_MAX = 10000, MATCH_HEAP_KIB = 20000 };

struct expression {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	size_t groups;
};

static const struct {
	char flag;
	uint32_t option;
} flags_known[] = {
	{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },
	{ 's', PCRE2_DOTALL },	 { 'x', PCRE2_EXTENDED },
	{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY },
	{ 'U', PCRE2_UNGREEDY }, { 'X', 0 },
};

static int parse_flags(struct view flags, uint32_t *options, struct error *err)
{
	*options = PCRE2_CASELESS | PCRE2_DOTALL;
	for (size_t i = 0; i < flags.len; i++) {
		size_t f = 0;

		while (f < ARRAY_SIZE(flags_known) && flags_known[f].flag != flags.data[i])
			f++;
		if (f == ARRAY_SIZE(flags_known))
			return error_set(err, -EINVAL,
					 "unknown flag \"%c\" after the pattern (i m s x A E U X)",
					 flags.data[i]);
		*options ^= flags_known[f].option;
	}
	return 0;
}

static void pcre_free_expression(void *compiled)
{
	struct expression *e = compiled;

	pcre2_match_context_free(e->context);
	pcre2_match_data_free(e->data);
	pcre2_code_free(e->code);
	free(e);
}

static void *pcre_compile_expression(struct view *rest, size_t *groups, struct error *err)
{
	_cleanup_free_ char *pattern = NULL;
	struct expression *e;
	struct view flags;
	uint32_t options, count = 0;
	PCRE2_UCHAR reason[200];
	PCRE2_SIZE at;
	int code;

	if (pattern_split(rest, &pattern, &flags, err) < 0 || parse_flags(flags, &options, err) < 0)
		return NULL;

	pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options,
					  &code, &at, NULL);

	if (regex == NULL) {
		pcre2_get_error_message(code, reason, sizeof(reason));
		error_set(err, -EINVAL, "%s at offset %zu of /%.60s/", (char *)reason, at, pattern);
		return NULL;
	}
	e = mem_new(struct expression);
	e->code = regex;
	e->data = pcre2_match_data_create_from_pattern(regex, NULL);
	e->context = pcre2_match_context_create(NULL);
	if (e->data == NULL || e->context == NULL)
		mem_exhausted();
	pcre2_set_match_limit(e->context, MATCH_STEPS_MAX);
	pcre2_set_depth_limit(e->context, MATCH_DEPTH_MAX);
	pcre2_set_heap_limit(e->context, MATCH_HEAP_KIB);
	pcre2_pattern_info(regex, PCRE2_INFO_CAPTURECOUNT, &count);
	e->groups = *groups = MIN(count, (uint32_t)PATTERN_GROUPS_MAX);
	return e;
}

static int pcre_match_expression(void *compiled, const char *subject, size_t len,
				 struct view *groups)
{
	struct expression *e = compiled;
	int r = pcre2_match(e->code, (PCRE2_SPTR)subject, len, 0, 0, e->data, e->context);
	const PCRE2_SIZE *found;

	if (r == PCRE2_ERROR_NOMATCH)
		return 0;
	if (r < 0)
		return -EAGAIN;
	found = pcre2_get_ovector_pointer(e->data);
	for (size_t g = 0; g < (size_t)r && g <= e->groups; g++)
		if (found[2 * g] != PCRE2_UNSET && found[2 * g + 1] >= found[2 * g])
			groups[g] =
				view_make(subject + found[2 * g], found[2 * g + 1] - found[2 * g]);
	return 1;
}

static const struct pattern_type expressions = {
	.compile = pcre_compile_expression,
	.match = pcre_match_expression,
	.free = pcre_free_expression,
};

static int open_pcre(struct table *table, struct view name, struct error *err)
{
	return patterns_open(table, name, &expressions, err);
}

const struct table_type table_type_pcre = {
	.name = "pcre",
	.whole = true,
	.open = open_pcre,
	.lookup = patterns_lookup,
	.close = patterns_close,
};

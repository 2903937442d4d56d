/* regexp:/path: "/pattern/flags value" with POSIX regular expressions. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/internal.h"

int pattern_split(struct view *rest, char **pattern, struct view *flags, struct error *err)
{
	struct str text = STR_EMPTY;
	char delimiter = rest->len > 0 ? rest->data[0] : ' ';
	size_t i, start;

	if (ascii_is_alnum(delimiter) || ascii_is_space(delimiter) || delimiter == '\\')
		return error_set(err, -EINVAL, "expected /pattern/flags, not \"%.*s\"",
				 VIEW_ARG(view_first(*rest, 60)));
	for (i = 1; i < rest->len && rest->data[i] != delimiter; i++) {
		if (rest->data[i] == '\\' && i + 1 < rest->len) {
			/* A delimiter that is quoted is meant as itself. */
			if (rest->data[i + 1] != delimiter)
				str_append_byte(&text, '\\');
			i++;
		}
		str_append_byte(&text, rest->data[i]);
	}
	if (i == rest->len) {
		str_free(&text);
		return error_set(err, -EINVAL, "no \"%c\" at the end of the pattern", delimiter);
	}
	for (start = ++i; i < rest->len && ascii_is_alpha(rest->data[i]);)
		i++;
	*flags = view_first(view_from(*rest, start), i - start);
	*rest = view_from(*rest, i);
	*pattern = mem_strdup(str_cstr(&text));
	str_free(&text);
	return 0;
}

struct expression {
	regex_t yes, no; /* "/yes/!/no/": the second must not match */
	bool has_no;
};

static int compile_one(struct view *rest, regex_t *regex, struct error *err)
{
	_cleanup_free_ char *pattern = NULL;
	struct view flags;
	int options = REG_EXTENDED | REG_ICASE;
	char reason[200];
	int r = pattern_split(rest, &pattern, &flags, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < flags.len; i++) {
		switch (flags.data[i]) {
		case 'i':
			options ^= REG_ICASE;
			break;
		case 'm':
			options ^= REG_NEWLINE;
			break;
		case 'x':
			options ^= REG_EXTENDED;
			break;
		default:
			return error_set(err, -EINVAL,
					 "unknown flag \"%c\" after the pattern (i, m, x)",
					 flags.data[i]);
		}
	}
	r = regcomp(regex, pattern, options);
	if (r == 0)
		return 0;
	regerror(r, regex, reason, sizeof(reason));
	return error_set(err, -EINVAL, "%s in /%.60s/", reason, pattern);
}

static void regexp_free_expression(void *compiled)
{
	struct expression *e = compiled;

	regfree(&e->yes);
	if (e->has_no)
		regfree(&e->no);
	free(e);
}

static void *regexp_compile_expression(struct view *rest, size_t *groups, struct error *err)
{
	struct expression *e = mem_new(struct expression);

	if (compile_one(rest, &e->yes, err) < 0) {
		free(e);
		return NULL;
	}
	*groups = MIN(e->yes.re_nsub, (size_t)PATTERN_GROUPS_MAX);
	if (rest->len > 1 && rest->data[0] == '!') {
		*rest = view_from(*rest, 1);
		if (compile_one(rest, &e->no, err) < 0) {
			regfree(&e->yes);
			free(e);
			return NULL;
		}
		e->has_no = true;
	}
	return e;
}

static int regexp_match_expression(void *compiled, const char *subject, size_t len,
				   struct view *groups)
{
	struct expression *e = compiled;
	regmatch_t found[PATTERN_GROUPS_MAX + 1];
	size_t count = MIN(e->yes.re_nsub, (size_t)PATTERN_GROUPS_MAX) + 1;
	int r = regexec(&e->yes, subject, count, found, 0);

	(void)len;
	if (r == REG_NOMATCH)
		return 0;
	if (r != 0)
		return -EAGAIN;
	for (size_t g = 0; g < count; g++)
		if (found[g].rm_so >= 0)
			groups[g] = view_make(subject + found[g].rm_so,
					      (size_t)(found[g].rm_eo - found[g].rm_so));
	if (!e->has_no)
		return 1;
	r = regexec(&e->no, subject, 0, NULL, 0);
	return r == REG_NOMATCH ? 1 : r == 0 ? 0 : -EAGAIN;
}

static const struct pattern_type expressions = {
	.compile = regexp_compile_expression,
	.match = regexp_match_expression,
	.free = regexp_free_expression,
};

static int open_regexp(struct table *table, struct view name, struct error *err)
{
	return patterns_open(table, name, &expressions, err);
}

const struct table_type table_type_regexp = {
	.name = "regexp",
	.whole = true,
	.open = open_regexp,
	.lookup = patterns_lookup,
	.close = patterns_close,
};

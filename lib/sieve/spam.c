/*
 * What a filter in front has said of a message (RFC 5235): spamtest and virustest, by header fields
 * that the administrator names.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"
#include "sieve/run.h"

#define SCORE_TEXT_MAX 64

/* The number at the front; false: there is none. */
static bool score_number(struct view text, double *number)
{
	char copy[SCORE_TEXT_MAX];
	char *end;
	size_t len = MIN(text.len, sizeof(copy) - 1);

	memcpy(copy, text.data, len);
	copy[len] = '\0';
	*number = strtod(copy, &end);
	return end != copy && *number > -1e6 && *number < 1e6;
}

/* "score=5.1", "5.1 / 15", "*****"; what is none of these says nothing. */
static bool score_parse(struct view text, double *score)
{
	size_t at = view_find(text, VIEW("score="));
	size_t stars = 0;

	if (at != VIEW_NOT_FOUND)
		return score_number(view_from(text, at + strlen("score=")), score);
	while (stars < text.len && text.data[stars] == '*')
		stars++;
	*score = (double)stars;
	return stars > 0 || (text.len > 0 && strchr("+-.0123456789", text.data[0]) != NULL &&
			     score_number(text, score));
}

static bool field_value(const struct sieve_run *run, struct view name, struct str *text)
{
	_cleanup_(str_free) struct str field_name = STR_EMPTY;
	struct header_field field;

	str_append(&field_name, name);
	if (name.len == 0 || !header_find(run->header, str_cstr(&field_name), &field))
		return false;
	header_unfold(text, field.body);
	return true;
}

static bool compare_number(struct sieve_run *run, const struct sieve_node *node, unsigned value)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "%u", value);
	return node->match == MATCH_COUNT
		       ? sieve_match_count(run, node, value > 0, node->positional[0])
		       : sieve_match_keys(run, node, str_view(&text), node->positional[0]);
}

/* 0: not tested; 1 to 10, or 0 to 100 by :percent (RFC 5235, 3.2). */
bool sieve_test_spamtest(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	bool percent = sieve_tag(node, "percent", NULL) != NULL;
	unsigned most = run->message->spam_max > 0 ? run->message->spam_max : 10;
	double score = 0, part;

	if (!field_value(run, run->message->spam_field, &text) ||
	    !score_parse(view_trim(str_view(&text)), &score))
		return compare_number(run, node, 0);
	part = score <= 0 ? 0 : score >= most ? 1 : score / most;
	return compare_number(run, node,
			      percent ? (unsigned)(part * 100) : 1 + (unsigned)(part * 9));
}

/* 0: not tested; 1: clean; 5: it has one (RFC 5235, 3.3). A number stands for itself. */
bool sieve_test_virustest(struct sieve_run *run, const struct sieve_node *node)
{
	static const char *const clean[] = { "no", "clean", "ok", "false", "not-detected" };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, word;
	uint32_t number;

	if (!field_value(run, run->message->virus_field, &text))
		return compare_number(run, node, 0);
	rest = str_view(&text);
	if (!view_next_word(&rest, " \t,;", &word))
		return compare_number(run, node, 0);
	if (view_parse_u32(word, 5, &number) == 0)
		return compare_number(run, node, number);
	for (size_t i = 0; i < ARRAY_SIZE(clean); i++)
		if (view_is_nocase(word, clean[i]))
			return compare_number(run, node, 1);
	return compare_number(run, node, 5);
}

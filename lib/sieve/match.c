/*
 * Comparing: RFC 5228, 2.7 (:is, :contains, :matches with its wildcards), RFC 5231 (:count, :value),
 * and the comparators. Each comparison costs steps, by what it looks at.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sieve/run.h"

#define GLOB_STEP 64 /* bytes looked at for one step */

static bool byte_eq(char a, char b, bool nocase)
{
	return a == b || (nocase && ascii_lower(a) == ascii_lower(b));
}

/* Bytes of the UTF-8 character at the front. */
static size_t char_length(struct view text)
{
	size_t n = 1;

	while (n < text.len && ((unsigned char)text.data[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Where the last '*' was met, to go back to: it takes one more byte then. */
struct star {
	size_t pattern, text, capture;
	bool met;
};

/*
 * Each '*' takes as little as it can (RFC 5229, 3.2). Going back to the last one is enough: what an
 * earlier one could take more of, the last one can too.
 */
bool sieve_glob(struct sieve_run *run, struct view pattern, struct view text, bool nocase,
		struct view captures[SIEVE_MATCHES])
{
	size_t p = 0, t = 0, capture = 1, starts[SIEVE_MATCHES] = { 0 };
	struct star star = { .met = false };

	captures[0] = text;
	for (size_t looked = 0;; looked++) {
		if (looked % GLOB_STEP == 0 && !sieve_step(run))
			return false;
		if (p < pattern.len && pattern.data[p] == '*') {
			star = (struct star){ p, t, capture, true };
			if (capture < SIEVE_MATCHES) {
				starts[capture] = t;
				captures[capture] = view_make(text.data + t, 0);
			}
			capture++;
			p++;
			continue;
		}
		if (p < pattern.len && t < text.len && pattern.data[p] == '?') {
			size_t n = char_length(view_from(text, t));

			if (capture < SIEVE_MATCHES)
				captures[capture] = view_first(view_from(text, t), n);
			capture++;
			p++;
			t += n;
			continue;
		}
		if (p == pattern.len && t == text.len)
			return true;
		size_t literal = p + (p + 1 < pattern.len && pattern.data[p] == '\\');

		if (p < pattern.len && t < text.len &&
		    byte_eq(pattern.data[literal], text.data[t], nocase)) {
			p = literal + 1;
			t++;
			continue;
		}
		if (!star.met || star.text >= text.len)
			return false;
		t = ++star.text;
		p = star.pattern + 1;
		capture = star.capture + 1;
		if (star.capture < SIEVE_MATCHES)
			captures[star.capture] = view_make(text.data + starts[star.capture],
							   t - starts[star.capture]);
	}
}

/* i;ascii-numeric (RFC 4790, 9.1): what begins with no digit is larger than all numbers. */
static int compare_numeric(struct view a, struct view b)
{
	bool a_is = a.len > 0 && ascii_is_digit(a.data[0]);
	bool b_is = b.len > 0 && ascii_is_digit(b.data[0]);
	size_t a_len = 0, b_len = 0;

	if (!a_is || !b_is)
		return b_is - a_is;
	while (a.len > 1 && a.data[0] == '0' && ascii_is_digit(a.data[1]))
		a = view_from(a, 1);
	while (b.len > 1 && b.data[0] == '0' && ascii_is_digit(b.data[1]))
		b = view_from(b, 1);
	while (a_len < a.len && ascii_is_digit(a.data[a_len]))
		a_len++;
	while (b_len < b.len && ascii_is_digit(b.data[b_len]))
		b_len++;
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return view_compare(view_first(a, a_len), view_first(b, b_len));
}

static int compare(const struct sieve_node *node, struct view a, struct view b)
{
	_cleanup_(str_free) struct str x = STR_EMPTY, y = STR_EMPTY;

	if (node->comparator == COMPARE_NUMERIC)
		return compare_numeric(a, b);
	if (node->comparator == COMPARE_OCTET)
		return view_compare(a, b);
	str_append_lower(&x, a);
	str_append_lower(&y, b);
	return view_compare(str_view(&x), str_view(&y));
}

static bool relation_holds(enum sieve_relation relation, int order)
{
	switch (relation) {
	case RELATION_EQ:
		return order == 0;
	case RELATION_NE:
		return order != 0;
	case RELATION_GT:
		return order > 0;
	case RELATION_GE:
		return order >= 0;
	case RELATION_LT:
		return order < 0;
	default:
		return order <= 0;
	}
}

/* In small letters both: so the search is linear, however alike the two are. */
static bool contains_nocase(struct view value, struct view key)
{
	_cleanup_(str_free) struct str x = STR_EMPTY, y = STR_EMPTY;

	str_append_lower(&x, value);
	str_append_lower(&y, key);
	return view_find(str_view(&x), str_view(&y)) != VIEW_NOT_FOUND;
}

static bool match_one(struct sieve_run *run, const struct sieve_node *node, struct view value,
		      struct view key)
{
	bool nocase = node->comparator == COMPARE_CASEMAP;
	struct view captures[SIEVE_MATCHES] = { { 0 } };

	switch (node->match) {
	case MATCH_IS:
		return compare(node, value, key) == 0;
	case MATCH_VALUE:
		return relation_holds(node->relation, compare(node, value, key));
	case MATCH_CONTAINS:
		return nocase ? contains_nocase(value, key)
			      : view_find(value, key) != VIEW_NOT_FOUND;
	case MATCH_PATTERN:
	case MATCH_REGEX:
		if (node->match == MATCH_REGEX ? !sieve_regex(run, key, value, nocase, captures)
					       : !sieve_glob(run, key, value, nocase, captures))
			return false;
		for (size_t i = 0; i < SIEVE_MATCHES; i++)
			str_set(&run->matches[i], view_first(captures[i], SIEVE_VALUE_MAX));
		return true;
	default:
		return false;
	}
}

bool sieve_match_keys(struct sieve_run *run, const struct sieve_node *node, struct view value,
		      const struct sieve_argument *keys)
{
	_cleanup_(str_free) struct str copy = STR_EMPTY;

	/* The value may be what a match changes: ${1}. */
	str_append(&copy, value);
	for (size_t i = 0; i < keys->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str key = STR_EMPTY;

		sieve_expand(run, str_view(&keys->strings.items[i]), &key);
		sieve_cost(run, copy.len);
		if (match_one(run, node, str_view(&copy), str_view(&key)))
			return !run->failed;
	}
	return false;
}

bool sieve_match_count(struct sieve_run *run, const struct sieve_node *node, size_t count,
		       const struct sieve_argument *keys)
{
	for (size_t i = 0; i < keys->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str key = STR_EMPTY, number = STR_EMPTY;

		sieve_expand(run, str_view(&keys->strings.items[i]), &key);
		str_printf(&number, "%zu", count);
		if (relation_holds(node->relation,
				   compare_numeric(str_view(&number), str_view(&key))))
			return true;
	}
	return false;
}

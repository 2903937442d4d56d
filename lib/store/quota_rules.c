/* The rules of a quota: read from their text, and what they say about a folder. Nothing is counted here. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/quota.h"
#include "store/store.h"

#define SIZE_LIMIT_MAX ((uint64_t)1 << 60)
#define PERCENT_MAX    10000

enum amount_base { AMOUNT_UNSET, AMOUNT_ABSOLUTE, AMOUNT_MORE, AMOUNT_LESS };

/* "100M", "+10%": of the limit for all where it is relative or in percent. */
struct amount {
	uint64_t value;
	uint8_t base;
	bool percent;
};

struct quota_rule {
	struct view pattern;
	struct amount storage, messages, own_storage, own_messages;
	bool ignore;
};

struct quota {
	char *text; /* the views are into it */
	struct quota_rule rules[QUOTA_RULES_MAX];
	size_t count;
	struct amount grace;
	unsigned warnings[QUOTA_WARNINGS_MAX + 1];
	struct view user;
	bool maildirsize;
};

/* ---- reading ---- */

/* The power of 1024 that the last letter stands for, taken off; `otherwise` without one. */
static unsigned size_take_suffix(struct view *text, unsigned otherwise)
{
	static const char letters[] = "BKMGT";
	const char *found;

	if (text->len > 1 && ascii_lower(text->data[text->len - 1]) == 'b' &&
	    !ascii_is_digit(text->data[text->len - 2]))
		text->len--; /* "MB" */
	if (text->len == 0 || ascii_is_digit(text->data[text->len - 1]))
		return otherwise;
	found = strchr(letters, ascii_upper(text->data[text->len - 1]));
	if (found == NULL)
		return otherwise;
	text->len--;
	return (unsigned)(found - letters);
}

static int amount_parse(struct view text, unsigned unit, struct amount *amount, struct error *err)
{
	struct view number = text;
	uint64_t scale = 1;

	*amount = (struct amount){ .base = AMOUNT_ABSOLUTE };
	if (number.len > 0 && (number.data[0] == '+' || number.data[0] == '-')) {
		amount->base = number.data[0] == '+' ? AMOUNT_MORE : AMOUNT_LESS;
		number = view_from(number, 1);
	}
	/* Dovecot's files have "%%", its databases "%". */
	while (number.len > 0 && number.data[number.len - 1] == '%') {
		amount->percent = true;
		number.len--;
	}
	if (!amount->percent)
		for (unsigned power = size_take_suffix(&number, unit); power > 0; power--)
			scale *= 1024;
	if (view_parse_u64(number, amount->percent ? PERCENT_MAX : SIZE_LIMIT_MAX / scale,
			   &amount->value) < 0)
		return error_set(err, -EINVAL, "quota: \"%.*s\" is no amount", VIEW_ARG(text));
	amount->value *= scale;
	return 0;
}

static int rule_parse_limit(struct quota_rule *rule, struct view piece, struct error *err)
{
	const struct {
		const char *name;
		unsigned unit;
		struct amount *amount;
	} known[] = {
		{ "storage", 1, &rule->storage },	{ "bytes", 0, &rule->storage },
		{ "messages", 0, &rule->messages },	{ "own_storage", 1, &rule->own_storage },
		{ "own_bytes", 0, &rule->own_storage }, { "own_messages", 0, &rule->own_messages },
	};
	size_t equals = view_find_byte(piece, '=');
	struct view name = view_first(piece, MIN(equals, piece.len));

	if (view_is_nocase(piece, "ignore")) {
		rule->ignore = true;
		return 0;
	}
	/* How Dovecot asks for limits that a backend has by itself. */
	if (view_is_nocase(piece, "backend") || piece.len == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(known) && equals != VIEW_NOT_FOUND; i++)
		if (view_is_nocase(name, known[i].name))
			return amount_parse(view_from(piece, equals + 1), known[i].unit,
					    known[i].amount, err);
	return error_set(err, -EINVAL, "quota: \"%.*s\" is no limit", VIEW_ARG(piece));
}

static int quota_parse_rule(struct quota *quota, struct view word, struct error *err)
{
	struct quota_rule *rule = &quota->rules[quota->count];
	struct view rest = word, piece;

	if (quota->count == QUOTA_RULES_MAX)
		return error_set(err, -EINVAL, "quota: more than %d rules", QUOTA_RULES_MAX);
	if (!view_next(&rest, ':', &rule->pattern) || rule->pattern.len == 0 ||
	    rule->pattern.len == word.len)
		return error_set(err, -EINVAL, "quota: \"%.*s\" is no rule", VIEW_ARG(word));
	quota->count++;
	while (view_next(&rest, ':', &piece)) {
		int r = rule_parse_limit(rule, piece, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_unsigned(const void *a, const void *b)
{
	const unsigned *first = a, *second = b;

	return *first < *second ? -1 : *first > *second;
}

static int quota_parse_warnings(struct quota *quota, struct view list, struct error *err)
{
	struct view piece;
	size_t count = 0;

	memset(quota->warnings, 0, sizeof(quota->warnings));
	while (view_next_word(&list, ":,", &piece)) {
		uint32_t percent;
		struct view number = piece;

		while (number.len > 0 && number.data[number.len - 1] == '%')
			number.len--;
		if (count == QUOTA_WARNINGS_MAX || view_parse_u32(number, 1000, &percent) < 0 ||
		    percent == 0)
			return error_set(err, -EINVAL, "quota: no warning at \"%.*s\"",
					 VIEW_ARG(piece));
		quota->warnings[count++] = percent;
	}
	qsort(quota->warnings, count, sizeof(quota->warnings[0]), compare_unsigned);
	return 0;
}

static int quota_parse_word(struct quota *quota, struct view word, struct error *err)
{
	if (view_starts(word, VIEW("user="))) {
		quota->user = view_from(word, strlen("user="));
		return 0;
	}
	if (view_starts(word, VIEW("grace=")))
		return amount_parse(view_from(word, strlen("grace=")), 1, &quota->grace, err);
	if (view_starts(word, VIEW("warn=")))
		return quota_parse_warnings(quota, view_from(word, strlen("warn=")), err);
	if (view_is(word, "maildirsize")) {
		quota->maildirsize = true;
		return 0;
	}
	return quota_parse_rule(quota, word, err);
}

/* Does it say anything that could refuse a message, or that a file is to be kept? */
static bool quota_limits_anything(const struct quota *quota)
{
	if (quota->maildirsize)
		return true;
	for (size_t i = 0; i < quota->count; i++) {
		const struct quota_rule *rule = &quota->rules[i];
		const struct amount *all[] = { &rule->storage, &rule->messages, &rule->own_storage,
					       &rule->own_messages };

		for (size_t k = 0; k < ARRAY_SIZE(all); k++)
			if (all[k]->base == AMOUNT_ABSOLUTE && all[k]->value > 0)
				return true;
	}
	return false;
}

int quota_parse(struct view text, struct quota **out, struct error *err)
{
	_cleanup_(quota_freep) struct quota *quota = mem_new(struct quota);
	struct view rest, word;

	*out = NULL;
	if (text.len > QUOTA_TEXT_MAX)
		return error_set(err, -EINVAL, "quota: longer than %d bytes", QUOTA_TEXT_MAX);
	quota->text = mem_strndup(text.len > 0 ? text.data : "", text.len);
	rest = view_make(quota->text, text.len);
	while (view_next_word(&rest, " \t", &word)) {
		int r = quota_parse_word(quota, word, err);

		if (r < 0)
			return r;
	}
	if (quota_limits_anything(quota))
		*out = TAKE(quota);
	return 0;
}

void quota_free(struct quota *quota)
{
	if (quota == NULL)
		return;
	free(quota->text);
	free(quota);
}

void quota_freep(struct quota **quota)
{
	quota_free(*quota);
}

/* ---- which rules are a folder's ---- */

static bool char_matches(char pattern, char c)
{
	if (pattern == '?')
		return true;
	return ascii_lower(pattern == '/' ? '.' : pattern) == ascii_lower(c);
}

/* '*' is tried again from one character further on; the last one is enough. */
static bool pattern_matches(struct view pattern, struct view name)
{
	size_t p = 0, n = 0, star = VIEW_NOT_FOUND, from = 0;

	while (n < name.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			from = n;
		} else if (p < pattern.len && char_matches(pattern.data[p], name.data[n])) {
			p++;
			n++;
		} else if (star != VIEW_NOT_FOUND) {
			p = star + 1;
			n = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

static bool rule_matches(const struct quota_rule *rule, struct view name, unsigned special_use)
{
	if (view_is(rule->pattern, "*"))
		return true;
	if (name.len == 0)
		return false;
	if (rule->pattern.data[0] == '\\')
		return (store_use_find(view_from(rule->pattern, 1)) & special_use) != 0;
	return pattern_matches(rule->pattern, name);
}

/* ---- what they say ---- */

static uint64_t amount_of(const struct amount *amount, uint64_t whole)
{
	uint64_t value = amount->value;

	/* In two parts, so that nothing overflows. */
	if (amount->percent)
		value = whole / 100 * value + whole % 100 * value / 100;
	if (amount->base == AMOUNT_MORE)
		return whole > 0 ? whole + value : 0;
	if (amount->base == AMOUNT_LESS)
		/* Nothing left is not "no limit". */
		return whole > value ? whole - value : whole > 0;
	return value;
}

/* The last of them that has one. */
static void take_amount(const struct amount *amount, struct amount *last)
{
	if (amount->base != AMOUNT_UNSET)
		*last = *amount;
}

/* In the names of the rules: UTF-8. */
static void rules_name(struct view folder, struct str *name)
{
	if (store_name_to_utf8(folder, name) < 0)
		str_set(name, folder);
}

bool quota_counts(const struct quota *quota, struct view folder, unsigned special_use)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	for (size_t i = 0; i < quota->count; i++) {
		if (!quota->rules[i].ignore)
			continue;
		if (name.len == 0)
			rules_name(folder, &name);
		if (rule_matches(&quota->rules[i], str_view(&name), special_use))
			return false;
	}
	return true;
}

void quota_limits(const struct quota *quota, struct view folder, unsigned special_use,
		  struct quota_size *whole, struct quota_size *own)
{
	struct amount all[2] = { { 0 } }, here[2] = { { 0 } }, itself[2] = { { 0 } };
	_cleanup_(str_free) struct str name = STR_EMPTY;

	rules_name(folder, &name);
	for (size_t i = 0; i < quota->count; i++) {
		const struct quota_rule *rule = &quota->rules[i];
		bool is_all = view_is(rule->pattern, "*");

		if (!rule_matches(rule, str_view(&name), special_use))
			continue;
		take_amount(&rule->storage, is_all ? &all[0] : &here[0]);
		take_amount(&rule->messages, is_all ? &all[1] : &here[1]);
		take_amount(&rule->own_storage, &itself[0]);
		take_amount(&rule->own_messages, &itself[1]);
	}
	*whole = (struct quota_size){ amount_of(&all[0], 0), amount_of(&all[1], 0) };
	*own = (struct quota_size){ amount_of(&itself[0], whole->bytes),
				    amount_of(&itself[1], whole->messages) };
	if (here[0].base != AMOUNT_UNSET)
		whole->bytes = amount_of(&here[0], whole->bytes);
	if (here[1].base != AMOUNT_UNSET)
		whole->messages = amount_of(&here[1], whole->messages);
}

uint64_t quota_grace(const struct quota *quota, uint64_t limit)
{
	return quota->grace.base == AMOUNT_UNSET ? 0 : amount_of(&quota->grace, limit);
}

unsigned quota_warning(const struct quota *quota, size_t i)
{
	return i < QUOTA_WARNINGS_MAX ? quota->warnings[i] : 0;
}

struct view quota_user(const struct quota *quota)
{
	return quota->user;
}

bool quota_keeps_maildirsize(const struct quota *quota)
{
	return quota->maildirsize;
}

void quota_take_limits(struct quota *quota, const struct quota_size *limits)
{
	struct quota_rule *rule = &quota->rules[quota->count];
	struct quota_size whole, own;

	quota_limits(quota, VIEW_NONE, 0, &whole, &own);
	if (quota->count == QUOTA_RULES_MAX)
		return;
	*rule = (struct quota_rule){ .pattern = VIEW("*") };
	if (whole.bytes == 0)
		rule->storage = (struct amount){ limits->bytes, AMOUNT_ABSOLUTE, false };
	if (whole.messages == 0)
		rule->messages = (struct amount){ limits->messages, AMOUNT_ABSOLUTE, false };
	quota->count++;
}

bool quota_has_room(const struct quota *quota, const struct quota_size *limit,
		    const struct quota_size *now, const struct quota_size *more)
{
	uint64_t bytes = now->bytes + more->bytes;

	if (limit->messages > 0 && now->messages + more->messages > limit->messages)
		return false;
	if (limit->bytes == 0 || bytes <= limit->bytes)
		return true;
	return now->bytes < limit->bytes && more->messages <= 1 &&
	       bytes <= limit->bytes + quota_grace(quota, limit->bytes);
}

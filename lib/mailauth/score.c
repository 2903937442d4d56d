/* Points for what was found about a message. What follows from their sum is for others to say. */
#include "mailauth/score.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

#define LIST_PREFIX VIEW("dnsbl:")

/* ---- weights ---- */

static bool is_finding(struct view key)
{
	static const char *const methods[] = { "dmarc", "spf", "dkim", "arc", "iprev" };
	struct view method, word, rest = key;
	bool known = false;

	if (!view_next(&rest, ':', &method) || !view_next(&rest, ':', &word))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		known = known || view_is_nocase(method, methods[i]);
	return known && proof_is_word(word) && !view_ends(key, VIEW(":")) &&
	       (rest.len == 0 || domain_is_valid(rest, false));
}

/* "key=points" */
static int weight_parse(struct view element, struct score_weight *weight, struct error *err)
{
	size_t equals = view_find_last_byte(element, '=');
	struct view key = view_first(element, MIN(equals, element.len)), number = VIEW_NONE;
	uint32_t points = 0;
	bool negative;

	if (equals != VIEW_NOT_FOUND)
		number = view_from(element, equals + 1);
	negative = view_starts(number, VIEW("-"));
	if (negative)
		number = view_from(number, 1);
	if (number.len == 0 || view_parse_u32(number, SCORE_POINTS_MAX, &points) < 0)
		return error_set(err, -EINVAL, "%.*s: expected =points, -%d to %d",
				 VIEW_ARG(element), SCORE_POINTS_MAX, SCORE_POINTS_MAX);
	if (!is_finding(key) && !(view_starts_nocase(key, LIST_PREFIX) &&
				  domain_is_valid(view_from(key, LIST_PREFIX.len), false)))
		return error_set(err, -EINVAL,
				 "%.*s: expected method:result, as dmarc:fail or spf:pass:DOMAIN, "
				 "or dnsbl:LIST",
				 VIEW_ARG(key));
	str_append_lower(&weight->key, key);
	weight->points = negative ? -(int)points : (int)points;
	return 0;
}

int score_weights_parse(struct view text, struct score_weights *weights, struct error *err)
{
	struct view element;
	size_t lists = 0;

	*weights = (struct score_weights){ .count = 0 };
	while (conf_next_element(&text, &element)) {
		struct score_weight *weight = &weights->items[weights->count];

		if (weights->count == SCORE_WEIGHTS_MAX)
			return error_set(err, -EINVAL, "more than %d weights", SCORE_WEIGHTS_MAX);
		if (weight_parse(element, weight, err) < 0)
			return -EINVAL;
		weights->count++;
		if (view_starts(str_view(&weight->key), LIST_PREFIX) && ++lists > SCORE_LISTS_MAX)
			return error_set(err, -EINVAL, "more than %d lists", SCORE_LISTS_MAX);
	}
	return 0;
}

void score_weights_free(struct score_weights *weights)
{
	for (size_t i = 0; i < weights->count; i++)
		str_free(&weights->items[i].key);
	weights->count = 0;
}

/* ---- the sum ---- */

void score_free(struct score *score)
{
	str_free(&score->why);
}

static void score_count(struct score *score, const struct score_weights *weights, size_t which)
{
	const struct score_weight *weight = &weights->items[which];

	if (score->counted & UINT64_C(1) << which)
		return;
	score->counted |= UINT64_C(1) << which;
	score->points += weight->points;
	str_printf(&score->why, "%s%s=%d", score->why.len > 0 ? " " : "", str_cstr(&weight->key),
		   weight->points);
}

void score_add(struct score *score, const struct score_weights *weights, const char *method,
	       enum proof proof, struct view domain)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	str_printf(&key, "%s:%s", method, proof_word(proof));
	if (domain.len > 0) {
		str_append_byte(&key, ':');
		str_append_lower(&key, domain);
	}
	for (size_t i = 0; i < weights->count; i++)
		if (view_eq(str_view(&weights->items[i].key), str_view(&key)))
			score_count(score, weights, i);
}

/* An answer in 127.0.0.0/8; those from 127.255.255.0 on say that one may not ask. */
static bool list_has(const struct dns_source *dns, struct view name)
{
	struct records records;
	bool found = false;

	records_ask(dns, name, RECORD_A, &records);
	for (size_t i = 0; i < records.count; i++) {
		struct view value = str_view(&records.values[i]);

		found = found || (view_starts(value, VIEW("127.")) &&
				  !view_starts(value, VIEW("127.255.255.")));
	}
	records_free(&records);
	return found;
}

void score_add_lists(struct score *score, const struct score_weights *weights, struct view ip,
		     const struct dns_source *dns)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;

	records_list_name(ip, &address);
	for (size_t i = 0; address.len > 0 && i < weights->count; i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;
		struct view key = str_view(&weights->items[i].key);

		if (!view_starts(key, LIST_PREFIX))
			continue;
		str_append(&name, str_view(&address));
		str_append_byte(&name, '.');
		str_append(&name, view_from(key, LIST_PREFIX.len));
		if (list_has(dns, str_view(&name)))
			score_count(score, weights, i);
	}
}

/* postscreen_dnsbl_sites: DNS lists of addresses, each with a weight; together they score a client. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "policy/policy.h"
#include "screen.h"
#include "table/table.h"
#include "task/task.h"

#define SITES_MAX  100
#define WEIGHT_MAX 1000000

static struct dnsbl_site sites[SITES_MAX];
static size_t site_count;
static struct tables *replies;

/* Belongs to the client's task and to those that ask: freed with the last of them. */
struct dnsbl_score {
	size_t holders, pending;
	struct str name; /* the client's, as the lists have it */
	int64_t points;
	const struct dnsbl_site *heaviest;
	uint32_t ttl; /* the shortest that came */
	bool in_doubt;
};

/* ---- settings ---- */

bool dnsbl_parse(struct view text, struct dnsbl_site *site)
{
	size_t star = view_find_last_byte(text, '*');
	struct view weight = star == VIEW_NOT_FOUND ? VIEW_NONE : view_from(text, star + 1);
	bool is_negative = view_starts(weight, VIEW("-"));
	uint32_t number = 1;
	size_t equals;

	if (is_negative || view_starts(weight, VIEW("+")))
		weight = view_from(weight, 1);
	if (star != VIEW_NOT_FOUND && view_parse_u32(weight, WEIGHT_MAX, &number) < 0)
		return false;
	text = view_first(text, star);
	equals = view_find_byte(text, '=');
	*site = (struct dnsbl_site){
		.domain = view_first(text, equals),
		.filter = equals == VIEW_NOT_FOUND ? VIEW_NONE : view_from(text, equals + 1),
		.weight = is_negative ? -(int64_t)number : (int64_t)number,
	};
	return domain_is_valid(site->domain, false) &&
	       (equals == VIEW_NOT_FOUND || site->filter.len > 0);
}

int dnsbl_open(struct error *err)
{
	struct view rest = view_of(param.postscreen_dnsbl_sites), text;

	while (conf_next_element(&rest, &text)) {
		if (site_count == SITES_MAX)
			return error_set(err, -E2BIG, "postscreen_dnsbl_sites: more than %d",
					 SITES_MAX);
		if (!dnsbl_parse(text, &sites[site_count++]))
			return error_set(err, -EINVAL,
					 "postscreen_dnsbl_sites: expected domain=filter*weight, "
					 "not %.*s",
					 VIEW_ARG(text));
	}
	replies = tables_open(param.postscreen_dnsbl_reply_map, 0, err);
	if (replies != NULL)
		return 0;
	error_prefix(err, "postscreen_dnsbl_reply_map");
	return -EINVAL;
}

void dnsbl_close(void)
{
	tables_close(TAKE(replies));
	site_count = 0;
}

bool dnsbl_is_used(void)
{
	return site_count > 0;
}

/* ---- asking ---- */

static void score_release(struct dnsbl_score *score)
{
	if (--score->holders > 0)
		return;
	str_free(&score->name);
	free(score);
}

static bool site_lists(const struct dnsbl_site *site, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		if (policy_rbl_filter_matches(site->filter, answer->records[i].name))
			return true;
	return false;
}

/* Each site of this domain counts once, by its own filter. */
static void score_take(struct dnsbl_score *score, struct view domain,
		       const struct dns_answer *answer)
{
	for (size_t i = 0; i < site_count; i++) {
		const struct dnsbl_site *site = &sites[i];

		if (!view_eq_nocase(site->domain, domain) || !site_lists(site, answer))
			continue;
		score->points += site->weight;
		if (score->heaviest == NULL || site->weight > score->heaviest->weight)
			score->heaviest = site;
	}
}

struct dnsbl_question {
	struct dnsbl_score *score;
	struct view domain;
};

static void question_ask(void *argument)
{
	struct dnsbl_question *question = argument;
	struct dnsbl_score *score = question->score;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct dns_answer answer = { 0 };

	str_printf(&name, "%s.%.*s", str_cstr(&score->name), VIEW_ARG(question->domain));
	if (dns_query(str_view(&name), DNS_A, &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY ||
	    answer.outcome == RESOLVE_BOGUS) {
		log_warning("%s: DNS list does not answer", str_cstr(&name));
		score->in_doubt = true;
	} else {
		score->ttl = MIN(score->ttl, answer.ttl);
		score_take(score, question->domain, &answer);
	}
	dns_answer_free(&answer);
	score->pending--;
	score_release(score);
	free(question);
}

/* One that stands before it has the same domain, and is asked for both. */
static bool site_is_asked(size_t which)
{
	for (size_t i = 0; i < which; i++)
		if (view_eq_nocase(sites[i].domain, sites[which].domain))
			return true;
	return false;
}

struct dnsbl_score *dnsbl_begin(const char *address)
{
	struct dnsbl_score *score = mem_new(struct dnsbl_score);

	score->holders = 1;
	score->ttl = UINT32_MAX;
	policy_rbl_name(view_of(address), &score->name);
	for (size_t i = 0; score->name.len > 0 && i < site_count; i++) {
		struct dnsbl_question *question;

		if (site_is_asked(i))
			continue;
		question = mem_new(struct dnsbl_question);
		*question = (struct dnsbl_question){ .score = score, .domain = sites[i].domain };
		score->holders++;
		score->pending++;
		task_spawn("dnsbl", question_ask, question);
	}
	return score;
}

void dnsbl_end(struct dnsbl_score *score)
{
	if (score != NULL)
		score_release(score);
}

bool dnsbl_is_complete(const struct dnsbl_score *score)
{
	return score->pending == 0;
}

int64_t dnsbl_points(const struct dnsbl_score *score)
{
	return score->points;
}

int64_t dnsbl_ttl(const struct dnsbl_score *score)
{
	int64_t least = param.postscreen_dnsbl_min_ttl / 1000;
	int64_t most = MAX(param.postscreen_dnsbl_max_ttl / 1000, least);

	/* What was not heard may say something else in a moment. */
	if (score->in_doubt || score->pending > 0)
		return least;
	return MAX(MIN((int64_t)score->ttl, most), least);
}

void dnsbl_name(const struct dnsbl_score *score, struct str *name)
{
	struct view domain = score->heaviest != NULL ? score->heaviest->domain : VIEW_NONE;
	struct error err = ERROR_NONE;
	int r = domain.len > 0 ? tables_lookup(replies, domain, name, &err) : 0;

	if (r < 0)
		log_warning("postscreen_dnsbl_reply_map: %s", err.text);
	/* What the map may hide is not told because it does not answer. */
	if (r < 0)
		str_set(name, VIEW("a DNS list"));
	else if (r == 0)
		str_set(name, domain);
}

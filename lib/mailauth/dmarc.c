/* DMARC's verdict (RFC 9989 section 5.3): who is aligned, and which policy is applied otherwise. */
#include "mailauth/dmarc.h"

#include "base/mem.h"

/* One domain of the author. */
struct dmarc_run {
	const struct dmarc_question *question;
	struct dmarc_answer *answer;
	struct dmarc_tree *tree;
	struct view domain;
	struct dmarc_walk walk;
	bool unsure; /* the DNS gave no answer about something that could be aligned */
};

static void dmarc_step(struct dmarc_answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void dmarc_step(struct dmarc_answer *answer, const char *format, ...)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	str_append_cstr(&answer->steps, "dmarc: ");
	str_append_printable(&answer->steps, str_view(&line));
	str_append_byte(&answer->steps, '\n');
}

/* ---- alignment (section 4.4) ---- */

static bool is_at_or_below(struct view domain, struct view organization)
{
	size_t more = domain.len - organization.len;

	return view_ends_nocase(domain, organization) &&
	       (more == 0 || domain.data[more - 1] == '.');
}

static bool is_aligned(struct dmarc_run *run, struct view domain, bool strict)
{
	struct dmarc_walk other;
	bool aligned;

	if (domain.len == 0 || view_eq_nocase(domain, run->domain))
		return domain.len > 0;
	/*
	 * A domain ends in its organization's: others are not asked about. Else whoever has one could make
	 * us unsure, and so escape the author's policy, by a name server that gives no answer.
	 */
	if (strict || !is_at_or_below(domain, str_view(&run->walk.organization)))
		return false;
	dmarc_tree_walk(run->tree, domain, &other);
	aligned = view_eq_nocase(str_view(&other.organization), str_view(&run->walk.organization));
	run->unsure = run->unsure || other.failed;
	dmarc_walk_free(&other);
	return aligned;
}

/* Whether that proves the author. Results that are neither yes nor no make us unsure. */
static bool is_proven(struct dmarc_run *run, const char *how, enum proof result, struct view domain,
		      bool strict)
{
	if (result != PROOF_PASS && result != PROOF_TEMPERROR)
		return false;
	if (!is_aligned(run, domain, strict)) {
		dmarc_step(run->answer, "%s %.*s is not aligned with %.*s", how, VIEW_ARG(domain),
			   VIEW_ARG(run->domain));
		return false;
	}
	run->unsure = run->unsure || result == PROOF_TEMPERROR;
	dmarc_step(run->answer, "%s %.*s is aligned with %.*s: %s", how, VIEW_ARG(domain),
		   VIEW_ARG(run->domain), proof_word(result));
	return result == PROOF_PASS;
}

static void check_alignment(struct dmarc_run *run)
{
	const struct dmarc_question *q = run->question;
	const struct dmarc_record *record = run->walk.record;

	if (q->spf != NULL)
		run->answer->spf_aligned =
			is_proven(run, "SPF", q->spf->result, str_view(&q->spf->identity_domain),
				  record->strict_spf);
	for (size_t i = 0; q->dkim != NULL && i < dkim_check_count(q->dkim); i++) {
		const struct signature *s = dkim_check_at(q->dkim, i);

		if (is_proven(run, "DKIM", s->result, str_view(&s->domain), record->strict_dkim))
			run->answer->dkim_aligned = true;
	}
}

/* ---- policy ---- */

/* RFC 8020: only NXDOMAIN says that there is no such name. */
static bool name_is_missing(struct dmarc_run *run)
{
	struct records records;
	bool missing;

	records_ask(run->question->dns, run->domain, RECORD_A, &records);
	missing = records.outcome == RECORDS_NO_NAME;
	records_free(&records);
	return missing;
}

static enum dmarc_policy policy_in_force(struct dmarc_run *run)
{
	const struct dmarc_record *record = run->walk.record;
	enum dmarc_policy policy = record->p;

	if (view_eq_nocase(str_view(&run->walk.owner), run->domain))
		return policy;
	if (record->sp != DMARC_NO_POLICY)
		policy = record->sp;
	if (record->np != DMARC_NO_POLICY && record->np != policy && name_is_missing(run))
		policy = record->np;
	return policy;
}

/* t=y: one step less. */
static enum dmarc_policy disposition_of(enum dmarc_policy policy, bool testing)
{
	return testing && policy > DMARC_P_NONE ? policy - 1 : policy;
}

/* ---- verdict ---- */

static void dmarc_decide(struct dmarc_run *run)
{
	struct dmarc_answer *answer = run->answer;
	bool readable = run->question->author->state == AUTHOR_CLEAR;

	answer->policy = policy_in_force(run);
	answer->disposition = DMARC_P_NONE;
	if (readable)
		check_alignment(run);
	if (answer->spf_aligned || answer->dkim_aligned) {
		answer->result = PROOF_PASS;
	} else if (run->unsure) {
		answer->result = PROOF_TEMPERROR;
		str_append_cstr(&answer->reason, "the DNS gives no answer now");
	} else {
		answer->result = PROOF_FAIL;
		answer->disposition = disposition_of(answer->policy, run->walk.record->testing);
		str_append_cstr(&answer->reason, readable ? "neither SPF nor DKIM prove the domain"
							  : run->question->author->problem);
	}
}

static void dmarc_check_domain(struct dmarc_run *run)
{
	struct dmarc_answer *answer = run->answer;

	str_append(&answer->domain, run->domain);
	dmarc_tree_walk(run->tree, run->domain, &run->walk);
	str_append(&answer->organization, str_view(&run->walk.organization));
	dmarc_step(answer, "the organizational domain of %.*s is %s", VIEW_ARG(run->domain),
		   str_cstr(&answer->organization));
	run->unsure = run->walk.failed;
	if (run->walk.failed && run->walk.record == NULL) {
		answer->result = PROOF_TEMPERROR;
		str_append_cstr(&answer->reason, "the DNS gives no answer now");
	} else if (run->walk.record == NULL) {
		answer->result =
			run->question->author->state == AUTHOR_CLEAR ? PROOF_NONE : PROOF_PERMERROR;
		str_append_cstr(&answer->reason, "the domain has no policy");
	} else {
		str_append(&answer->owner, str_view(&run->walk.owner));
		str_append(&answer->record, str_view(&run->walk.record->text));
		dmarc_step(answer, "_dmarc.%s: %s", str_cstr(&answer->owner),
			   str_cstr(&answer->record));
		dmarc_decide(run);
	}
	dmarc_step(answer, "%.*s: %s%s%s", VIEW_ARG(run->domain), proof_word(answer->result),
		   answer->reason.len > 0 ? ": " : "", str_cstr(&answer->reason));
	dmarc_walk_free(&run->walk);
}

/* Of several domains that counts for which most is to be done. */
static unsigned rank_of(const struct dmarc_answer *answer)
{
	switch (answer->result) {
	case PROOF_PASS:
		return 0;
	case PROOF_NONE:
		return 1;
	case PROOF_PERMERROR:
		return 2;
	case PROOF_TEMPERROR:
		return 3;
	default:
		return 4 + (unsigned)answer->disposition;
	}
}

static void dmarc_keep_worse(struct dmarc_answer *answer, struct dmarc_answer *other)
{
	struct str steps = answer->steps, more = other->steps;

	answer->steps = other->steps = STR_EMPTY;
	if (rank_of(other) > rank_of(answer)) {
		struct dmarc_answer kept = *other;

		*other = *answer;
		*answer = kept;
	}
	str_append(&steps, str_view(&more));
	str_free(&more);
	answer->steps = steps;
	dmarc_answer_free(other);
}

void dmarc_check(const struct dmarc_question *question, struct dmarc_answer *answer)
{
	const struct author *author = question->author;
	struct dmarc_tree tree = { .dns = question->dns, .suffixes = question->suffixes };

	*answer = (struct dmarc_answer){ .result = PROOF_PERMERROR, .disposition = DMARC_P_NONE };
	for (size_t i = 0; i < author->count; i++) {
		struct dmarc_answer one = { .disposition = DMARC_P_NONE };
		struct dmarc_run run = {
			.question = question,
			.answer = &one,
			.tree = &tree,
			.domain = str_view(&author->domains[i]),
		};

		dmarc_check_domain(&run);
		if (i == 0)
			*answer = one;
		else
			dmarc_keep_worse(answer, &one);
	}
	/* Whose name is behind these nobody knows: as if his policy were the strictest. */
	if (author->overflows) {
		answer->result = PROOF_FAIL;
		answer->disposition = DMARC_P_REJECT;
		str_clear(&answer->reason);
		str_append_cstr(&answer->reason, author->problem);
		dmarc_step(answer, "%s", author->problem);
	}
	if (author->count == 0) {
		str_append_cstr(&answer->reason, author->problem);
		dmarc_step(answer, "%s", author->problem);
	}
	dmarc_tree_free(&tree);
}

void dmarc_answer_free(struct dmarc_answer *answer)
{
	str_free(&answer->domain);
	str_free(&answer->owner);
	str_free(&answer->record);
	str_free(&answer->organization);
	str_free(&answer->reason);
	str_free(&answer->steps);
}

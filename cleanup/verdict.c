/*
 * What becomes of a message when it is known who it is from: refused, held, marked as junk, or let in.
 * Exceptions come first; what the verdict was stands in a field of ours, for Sieve and rules.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "checks.h"
#include "conf/conf.h"
#include "mail/junk.h"
#include "mailauth/check.h"
#include "mailauth/score.h"
#include "proofs.h"

static struct {
	struct matchlist *trusted, *sealers, *lists;
	struct tables *access; /* check_mailauth_access */
	struct junk_checks *junk;
	struct score_weights weights;
} verdicts;

/* mail_verification_restrictions: "check_mailauth_access type:table ...", or nothing. */
static int open_restrictions(struct error *err)
{
	struct view rest = view_of(param.mail_verification_restrictions), word;

	if (conf_next_element(&rest, &word) && !view_is(word, "check_mailauth_access"))
		return error_set(err, -EINVAL,
				 "mail_verification_restrictions: expected check_mailauth_access, "
				 "not %.*s",
				 VIEW_ARG(word));
	_cleanup_(str_free) struct str list = STR_EMPTY;

	str_append(&list, rest);
	verdicts.access = tables_open(str_cstr(&list), 0, err);
	return verdicts.access != NULL ? 0 : -EINVAL;
}

int verdict_open(struct error *err)
{
	verdicts.trusted = matchlist_open(param.mail_verification_exempt_networks, MATCH_ADDRESSES,
					  false, err);
	verdicts.sealers = matchlist_open(param.arc_trusted_sealers, MATCH_DOMAINS, false, err);
	verdicts.lists = matchlist_open(param.dmarc_trusted_lists, MATCH_DOMAINS, true, err);
	verdicts.junk = junk_checks_parse(view_of(param.junk_header_checks), err);
	if (verdicts.trusted == NULL || verdicts.sealers == NULL || verdicts.lists == NULL)
		return -EINVAL;
	if (verdicts.junk == NULL) {
		error_prefix(err, "junk_header_checks");
		return -EINVAL;
	}
	if (score_weights_parse(view_of(param.junk_score_weights), &verdicts.weights, err) < 0) {
		error_prefix(err, "junk_score_weights");
		return -EINVAL;
	}
	return open_restrictions(err);
}

bool verdict_is_stranger(const struct intake *in)
{
	struct view address =
		str_view(intake_is_brought_back(in) ? &in->origin.address : &in->client_address);

	if (intake_is_ours(in) || (in->flags & MAIL_FLAG_INTERNAL) || address.len == 0)
		return false;
	/* Verified as it came: the filter may have changed what was signed. */
	if (intake_was_queued(in))
		return false;
	/* Where a table does not answer, nobody is exempt. */
	return matchlist_match(verdicts.trusted, address, NULL) <= 0;
}

bool verdict_is_forged(const struct intake *in, const struct header_field *field)
{
	bool delivers_junk = param.junk_mailbox[0] != '\0';
	bool is_foreign = in->login.len > 0 || verdict_is_stranger(in);

	/* A filter has not had it from us with a verdict if it was not in our queue. */
	if (view_is_nocase(field->name, VERDICT_FIELD))
		return (param.mail_verification || delivers_junk) &&
		       (is_foreign || (intake_is_brought_back(in) && !in->origin.was_queued));
	/* What the filter itself says stays. */
	return delivers_junk && junk_checks_name(verdicts.junk, field->name) && is_foreign &&
	       !intake_is_brought_back(in);
}

/* ---- exceptions ---- */

/* A chain of ARC whose last sealer is trusted, and who says that DMARC passed then. */
static bool is_vouched_for(const struct mail_check *check)
{
	uint32_t count = arc_check_count(check->arc);
	struct view domain;

	/* Of two From fields only the one that was sealed is what the sealer has seen. */
	if (arc_check_result(check->arc) != PROOF_PASS || check->author.state != AUTHOR_CLEAR)
		return false;
	domain = str_view(&arc_check_seal(check->arc, count)->domain);
	return matchlist_match(verdicts.sealers, domain, NULL) > 0 &&
	       view_is(authres_find(authres_payload(arc_check_results(check->arc, count)), "dmarc"),
		       "pass");
}

/* "Users of it <users.lists.example.org>" (RFC 2919). Empty: none, or more than one field. */
static void list_read_id(const struct mail_check *check, struct str *id)
{
	const struct field_name *known = field_set_find(check->fields, VIEW("List-Id"));
	struct view body, inner;
	size_t from, to;

	if (known == NULL || known->count != 1)
		return;
	body = check->fields->items[known->at[0]].body;
	from = view_find_last_byte(body, '<');
	inner = from != VIEW_NOT_FOUND ? view_from(body, from + 1) : body;
	to = view_find_byte(inner, '>');
	str_append_lower(id, view_trim(view_first(inner, to != VIEW_NOT_FOUND ? to : inner.len)));
}

/* The same entry of dmarc_trusted_lists has the list, and who was proven to have sent it. */
static bool is_proven_for(const char *entry, struct view domain)
{
	const char *by = NULL;

	return matchlist_match(verdicts.lists, domain, &by) > 0 && by != NULL &&
	       strcmp(by, entry) == 0;
}

static bool is_from_trusted_list(const struct mail_check *check)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	_cleanup_free_ char *entry = NULL;
	const char *by = NULL;

	list_read_id(check, &id);
	if (id.len == 0 || check->author.is_nobody ||
	    matchlist_match(verdicts.lists, str_view(&id), &by) <= 0 || by == NULL)
		return false;
	entry = mem_strdup(by);
	for (size_t i = 0; i < dkim_check_count(check->dkim); i++) {
		const struct signature *s = dkim_check_at(check->dkim, i);

		if (s->result == PROOF_PASS && is_proven_for(entry, str_view(&s->domain)))
			return true;
	}
	return check->has_client && check->spf.result == PROOF_PASS &&
	       is_proven_for(entry, str_view(&check->spf.identity_domain));
}

/* ---- what was found ---- */

/* Calls that for each result, and ends with the first that is not 0. */
static int finding_each(const struct mail_check *check,
			int (*each)(void *argument, const char *method, enum proof proof,
				    struct view domain),
			void *argument)
{
	uint32_t sets = arc_check_count(check->arc);
	size_t signatures = dkim_check_count(check->dkim);
	int r = each(argument, "dmarc", check->dmarc.result, str_view(&check->dmarc.domain));

	if (r == 0)
		r = each(argument, "spf", check->spf.result, str_view(&check->spf.identity_domain));
	if (r == 0 && signatures == 0)
		r = each(argument, "dkim", PROOF_NONE, VIEW_NONE);
	for (size_t i = 0; r == 0 && i < signatures; i++) {
		const struct signature *s = dkim_check_at(check->dkim, i);

		r = each(argument, "dkim", s->result, str_view(&s->domain));
	}
	if (r == 0)
		r = each(argument, "arc", arc_check_result(check->arc),
			 sets > 0 ? str_view(&arc_check_seal(check->arc, sets)->domain)
				  : VIEW_NONE);
	if (r == 0)
		r = each(argument, "iprev", check->iprev, str_view(&check->iprev_name));
	return r;
}

/* ---- check_mailauth_access ---- */

struct access_question {
	struct intake *in;
	struct check_result result;
};

/* dmarc:fail:example.org, then dmarc:fail. 1: a table has an action; or as check_line. */
static int access_ask(void *argument, const char *method, enum proof proof, struct view domain)
{
	struct access_question *q = argument;
	_cleanup_(str_free) struct str key = STR_EMPTY;
	size_t bare;
	int r = 0;

	str_printf(&key, "%s:%s", method, proof_word(proof));
	bare = key.len;
	if (domain.len > 0) {
		str_append_byte(&key, ':');
		str_append_lower(&key, domain);
		r = check_line(q->in, verdicts.access, CHECK_MAILAUTH, str_view(&key), &q->result);
	}
	if (r == 0 && !q->result.found)
		r = check_line(q->in, verdicts.access, CHECK_MAILAUTH,
			       view_first(str_view(&key), bare), &q->result);
	return r < 0 ? r : q->result.found ? 1 : 0;
}

/* 0 with what was found, or -EACCES after intake_fail. */
static int access_ask_all(struct access_question *q, const struct mail_check *check)
{
	int r = tables_are_empty(verdicts.access) ? 0 : finding_each(check, access_ask, q);

	if (r > 0 && q->result.fate != CHECK_KEEP)
		return intake_fail(q->in, 451, "4.3.5", "Error: server configuration error");
	return MIN(r, 0);
}

/* ---- refusing ---- */

/* Every program that shows it shows somebody else as its author, or nobody. */
static int refuse_nobody(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "Error: %s (RFC 5322 section 3.6)", check->author.problem);
	return intake_fail(in, 550, "5.7.1", str_cstr(&text));
}

static int refuse_by_dmarc(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (check->author.overflows)
		str_printf(&text, "Error: %s", check->author.problem);
	else
		str_printf(&text,
			   "Error: %s does not let this mail be its own (DMARC p=reject: "
			   "_dmarc.%s): %s",
			   str_cstr(&check->dmarc.domain), str_cstr(&check->dmarc.owner),
			   str_cstr(&check->dmarc.reason));
	return intake_fail(in, 550, "5.7.1", str_cstr(&text));
}

/* RFC 7208 section 8.4, RFC 7372. */
static int refuse_by_spf(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "Error: SPF: %s", str_cstr(&check->spf.explanation));
	return intake_fail(in, 550, "5.7.23", str_cstr(&text));
}

/* ---- the verdict ---- */

struct verdict {
	const char *junk_by; /* not NULL: it goes to Junk */
	bool exempt, has_score;
	int score;
	struct dmarc_done *done;
};

static void dmarc_note(struct verdict *v, enum dmarc_policy disposition, const char *reason,
		       const char *comment)
{
	*v->done = (struct dmarc_done){ disposition, reason, comment };
}

static void verdict_exempt(const struct intake *in, struct verdict *v, const char *reason,
			   const char *why)
{
	v->exempt = true;
	dmarc_note(v, DMARC_P_NONE, reason, NULL);
	log_info("%s: %s", queue_writer_id(in->writer), why);
}

static void dmarc_hold(struct intake *in, enum dmarc_policy wanted)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;

	str_printf(&reason, "DMARC policy %s, and nothing proves its author",
		   dmarc_policy_word(wanted));
	log_info("%s: held: %s", queue_writer_id(in->writer), str_cstr(&reason));
	intake_hold(in, "dmarc", str_view(&reason));
}

static int dmarc_act(struct intake *in, const struct mail_check *check, struct verdict *v)
{
	enum dmarc_policy wanted = check->dmarc.disposition;
	const char *action = wanted == DMARC_P_REJECT ? param.dmarc_reject_action
						      : param.dmarc_quarantine_action;
	bool tested = check->dmarc.result == PROOF_FAIL && check->dmarc.policy > wanted;

	dmarc_note(v, wanted, tested ? "policy_test_mode" : NULL, NULL);
	if (check->dmarc.result != PROOF_FAIL || wanted <= DMARC_P_NONE)
		return 0;
	if (is_vouched_for(check))
		verdict_exempt(in, v, "trusted_forwarder",
			       "a trusted sealer vouches for it (arc_trusted_sealers)");
	else if (is_from_trusted_list(check))
		verdict_exempt(in, v, "mailing_list",
			       "it comes from a trusted list (dmarc_trusted_lists)");
	else if (strcmp(action, "reject") == 0)
		return refuse_by_dmarc(in, check);
	else if (strcmp(action, "junk") == 0 && param.junk_mailbox[0] != '\0')
		v->junk_by = "dmarc";
	else if (strcmp(action, "mark") != 0)
		dmarc_hold(in, wanted);
	else
		dmarc_note(v, DMARC_P_NONE, "local_policy", "it is marked only");
	/* What is junk or held is quarantine. */
	if (v->done->disposition == DMARC_P_REJECT)
		dmarc_note(v, DMARC_P_QUARANTINE, "local_policy", "it is held");
	return 0;
}

/* Of several signatures the first that is good, else the last. */
static enum proof dkim_best(const struct mail_check *check)
{
	enum proof best = PROOF_NONE;

	for (size_t i = 0; i < dkim_check_count(check->dkim) && best != PROOF_PASS; i++)
		best = dkim_check_at(check->dkim, i)->result;
	return best;
}

/* ---- the score ---- */

/* DKIM without a domain is the best signature's, as in the verdict. */
static int score_finding(void *argument, const char *method, enum proof proof, struct view domain)
{
	if (strcmp(method, "dkim") != 0)
		score_add(argument, &verdicts.weights, method, proof, VIEW_NONE);
	if (domain.len > 0)
		score_add(argument, &verdicts.weights, method, proof, domain);
	return 0;
}

static int score_act(struct intake *in, const struct mail_check *check, struct verdict *v)
{
	_cleanup_(score_free) struct score score = { 0 };
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (verdicts.weights.count == 0)
		return 0;
	finding_each(check, score_finding, &score);
	score_add(&score, &verdicts.weights, "dkim", dkim_best(check), VIEW_NONE);
	if (check->has_client)
		score_add_lists(&score, &verdicts.weights, str_view(&check->ip),
				&records_of_resolver);
	v->has_score = true;
	v->score = score.points;
	log_info("%s: score %d (%s)", queue_writer_id(in->writer), score.points,
		 score.why.len > 0 ? str_cstr(&score.why) : "nothing counts");
	if (param.junk_score_reject_limit > 0 && score.points >= param.junk_score_reject_limit) {
		dmarc_note(v, DMARC_P_REJECT, "local_policy", "junk_score_reject_limit");
		str_printf(&text, "Error: this looks like junk: score %d (%s)", score.points,
			   str_cstr(&score.why));
		return intake_fail(in, 550, "5.7.1", str_cstr(&text));
	}
	if (score.points >= param.junk_score_limit && v->junk_by == NULL &&
	    param.junk_mailbox[0] != '\0')
		v->junk_by = "score";
	return 0;
}

static void verdict_write(const struct mail_check *check, const struct verdict *v,
			  struct str *field)
{
	const char *word = "none";

	if (v->junk_by != NULL)
		word = VERDICT_JUNK;
	else if (v->exempt || check->dmarc.result == PROOF_PASS)
		word = "pass";
	else if (check->dmarc.result == PROOF_FAIL || check->spf.result == PROOF_FAIL)
		word = "fail";
	str_printf(field, VERDICT_FIELD ": %s", word);
	if (v->junk_by != NULL)
		str_printf(field, "; by=%s", v->junk_by);
	str_printf(field, "; dmarc=%s; spf=%s; dkim=%s; arc=%s; iprev=%s",
		   proof_word(check->dmarc.result), proof_word(check->spf.result),
		   proof_word(dkim_best(check)), proof_word(arc_check_result(check->arc)),
		   proof_word(check->iprev));
	if (v->has_score)
		str_printf(field, "; score=%d", v->score);
	str_append_cstr(field, "\r\n");
}

int verdict_act(struct intake *in, const struct mail_check *check, struct str *field,
		struct dmarc_done *done)
{
	struct access_question access = { .in = in };
	struct verdict v = { .done = done };
	int r;

	dmarc_note(&v, DMARC_P_NONE, NULL, NULL);
	r = access_ask_all(&access, check);
	check_result_free(&access.result);
	if (access.result.ok)
		verdict_exempt(in, &v, "local_policy", "exempt (check_mailauth_access)");
	if (access.result.junk)
		v.junk_by = "access";
	if (r < 0)
		dmarc_note(&v, DMARC_P_REJECT, "local_policy", "check_mailauth_access");
	if (r == 0 && !v.exempt) {
		dmarc_note(&v, DMARC_P_REJECT, "local_policy", NULL);
		if (check->author.is_nobody && strcmp(param.no_author_action, "reject") == 0)
			r = refuse_nobody(in, check);
		else if (check->spf.result == PROOF_FAIL &&
			 strcmp(param.spf_fail_action, "reject") == 0)
			r = refuse_by_spf(in, check);
		else
			r = dmarc_act(in, check, &v);
	}
	if (r == 0 && !v.exempt)
		r = score_act(in, check, &v);
	/* What DMARC did not ask for. */
	if (r == 0 && v.junk_by != NULL && done->disposition <= DMARC_P_NONE)
		dmarc_note(&v, DMARC_P_QUARANTINE, "local_policy", "it is junk");
	if (r == 0 && (param.verdict_header || v.junk_by != NULL))
		verdict_write(check, &v, field);
	return r;
}

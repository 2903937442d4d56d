/*
 * Restrictions by SPF (RFC 7208), whose result for MAIL FROM is known before the content. Nothing is
 * kept between recipients: the resolver has what was asked for.
 */
#include "mailauth/spf.h"

#include "policy/internal.h"

enum verdict policy_reject_spf_fail(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;
	enum verdict verdict = DUNNO;
	struct spf_answer answer;

	(void)rule;
	if (!policy_ask_spf(e, &answer))
		return DUNNO;
	/* Where the DNS does not answer nobody is refused: DKIM may still prove the message. */
	if (answer.result == PROOF_FAIL) {
		str_printf(&reason, "SPF: %s", str_cstr(&answer.explanation));
		verdict = policy_refuse_subject(e, subject_sender(e), 550, "5.7.23",
						str_view(&reason));
	}
	spf_answer_free(&answer);
	return verdict;
}

enum verdict policy_check_spf_access(struct evaluation *e, const struct rule *rule)
{
	struct access a = { .e = e, .table = &rule->table, .subject = subject_sender(e) };
	struct spf_answer answer;

	if (!policy_ask_spf(e, &answer))
		return DUNNO;
	access_try_domain(&a, view_of(proof_word(answer.result)));
	spf_answer_free(&answer);
	return access_finish(&a);
}

/*
 * reject_greylisted: clients that nobody knows are asked to come again. Those of whom enough is known are
 * not; where the program greylist or the DNS does not answer, nobody has to wait.
 */
#include "base/log.h"
#include "conf/conf.h"
#include "mailauth/spf.h"
#include "policy/internal.h"
#include "services/clients.h"

static bool greylist_spf_passes(const struct evaluation *e)
{
	struct spf_answer answer = { .result = PROOF_NONE };
	bool passes = policy_ask_spf(e, &answer) && answer.result == PROOF_PASS;

	spf_answer_free(&answer);
	return passes;
}

static bool greylist_is_exempt(struct evaluation *e)
{
	return e->q->login.len > 0 || e->q->recipient.len == 0 || e->q->client_address.len == 0 ||
	       matchlist_match(e->policy->mynetworks, e->q->client_address, NULL) > 0 ||
	       (param.greylist_exempt_spf_pass && greylist_spf_passes(e)) ||
	       policy_is_listed_in(e, param.greylist_exempt_dnswl);
}

enum verdict policy_reject_greylisted(struct evaluation *e, const struct rule *rule)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;
	uint32_t wait = 0;
	int r;

	(void)rule;
	/* `posta explain` is nobody who came. */
	if (e->q->explain || greylist_is_exempt(e))
		return DUNNO;
	r = greylist_ask_client(e->q->client_address, e->q->sender, e->q->recipient, &wait);
	if (r < 0)
		log_warning("greylist does not answer: %s", strerror(-r));
	if (r < 0 || wait == 0)
		return DUNNO;
	str_printf(&reason, "Greylisted, please come again in %u seconds", wait);
	policy_defer_if_permit(e, subject_recipient(e), "4.7.1", str_view(&reason));
	return DUNNO;
}

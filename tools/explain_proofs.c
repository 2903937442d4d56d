/* What posta explain says about who a mail is from: verified as a stranger's, or signed as our own. */
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mailauth/score.h"
#include "mailauth/signing_table.h"
#include "mailauth/spf.h"
#include "table/table.h"
#include "tools/explain.h"

static bool is_in_networks(const char *networks, struct view client)
{
	struct error err = ERROR_NONE;
	struct matchlist *list = matchlist_open(networks, MATCH_ADDRESSES, false, &err);
	bool found = list != NULL && matchlist_match(list, client, NULL) > 0;

	matchlist_close(list);
	return found;
}

/* Its author is taken to be its sender. */
static void explain_signatures(struct view sender)
{
	struct key_table keys = { 0 };
	struct signing_table who = { 0 };
	const struct signing_row *rows[SIGNING_KEYS_MAX];
	struct error err = ERROR_NONE;
	size_t count = 0;

	explain_because("dkim_signing_table = %s", param.dkim_signing_table);
	if (key_table_read(param.dkim_key_table, &keys, &err) < 0 ||
	    signing_table_read(param.dkim_signing_table, &who, &err) < 0)
		explain_result("cannot be signed: %s", err.text);
	else
		count = signing_table_find(&who, sender, rows);
	for (size_t i = 0; i < count; i++) {
		const struct key_row *key = key_table_find(&keys, view_of(rows[i]->key));

		if (key != NULL)
			explain_result("signed by key %s (d=%s s=%s), if it is its author's too",
				       key->name, key->domain, key->selector);
	}
	if (count == 0)
		explain_result("not signed");
	key_table_free(&keys);
	signing_table_free(&who);
}

/* As far as it is known before the content. */
static void explain_score(struct view client, const struct spf_answer *spf)
{
	struct score_weights weights;
	struct score score = { 0 };
	struct error err = ERROR_NONE;
	int r = score_weights_parse(view_of(param.junk_score_weights), &weights, &err);

	if (r == 0 && weights.count > 0) {
		explain_because("junk_score_weights; junk_score_limit = %d, "
				"junk_score_reject_limit = %d",
				(int)param.junk_score_limit, (int)param.junk_score_reject_limit);
		score_add(&score, &weights, "spf", spf->result, VIEW_NONE);
		score_add(&score, &weights, "spf", spf->result, str_view(&spf->identity_domain));
		score_add_lists(&score, &weights, client, &records_of_resolver);
		explain_result("score %d (%s), without what DKIM, DMARC, ARC and iprev add",
			       score.points,
			       score.why.len > 0 ? str_cstr(&score.why) : "nothing counts");
	}
	score_free(&score);
	score_weights_free(&weights);
}

static void explain_verification(struct view client, struct view helo, struct view sender,
				 bool has_resolver)
{
	const struct spf_question question = {
		.ip = client,
		.helo = helo,
		.sender = sender,
		.receiver = view_of(param.myhostname),
		.dns = &records_of_resolver,
	};
	struct spf_answer spf = { .result = PROOF_NONE };

	if (has_resolver) {
		spf_check(&question, &spf);
		explain_why(str_view(&spf.steps));
		explain_result("SPF: %s: %s", proof_word(spf.result), str_cstr(&spf.explanation));
		explain_score(client, &spf);
		spf_answer_free(&spf);
	}
	explain_because("dmarc_reject_action = %s, dmarc_quarantine_action = %s, "
			"spf_fail_action = %s",
			param.dmarc_reject_action, param.dmarc_quarantine_action,
			param.spf_fail_action);
	explain_result("DKIM, DMARC and ARC depend on the content (posta verify all)");
}

void explain_proofs(struct view client, struct view helo, struct view login, struct view sender,
		    bool has_resolver)
{
	explain_step("Who is it from?");
	if (login.len > 0 || is_in_networks(param.dkim_signing_networks, client)) {
		explain_signatures(sender);
	} else if (!param.mail_verification) {
		explain_because("mail_verification = no");
		explain_result("not verified");
	} else if (is_in_networks(param.mail_verification_exempt_networks, client)) {
		explain_because("mail_verification_exempt_networks");
		explain_result("not verified");
	} else {
		explain_verification(client, helo, sender, has_resolver);
	}
}

/* SPF of MAIL FROM, for restrictions that ask it. What is asked twice the resolver has. */
#include "mailauth/spf.h"

#include "conf/conf.h"
#include "policy/internal.h"

bool policy_ask_spf(const struct evaluation *e, struct spf_answer *answer)
{
	const struct spf_question question = {
		.ip = e->q->client_address,
		.helo = e->q->helo,
		.sender = e->q->sender,
		.receiver = view_of(param.myhostname),
		.dns = &records_of_resolver,
	};

	if (!e->q->has_sender)
		return false;
	spf_check(&question, answer);
	return true;
}

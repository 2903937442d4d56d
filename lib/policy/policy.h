/*
 * The one answer to "may this client do that?": Postfix's restriction lists, with the reason.
 * smtpd asks it, `posta check` (open relay) and `posta explain` too.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/error.h"
#include "base/str.h"
#include "route/route.h"

enum policy_stage { POLICY_CLIENT, POLICY_HELO, POLICY_SENDER, POLICY_RELAY, POLICY_RECIPIENT,
		    POLICY_DATA, POLICY_END_OF_DATA, POLICY_ETRN };

struct policy_question {
	struct view client_address, client_name, reverse_name; /* name: verified, or "unknown" */
	struct view helo;
	struct view sender, recipient;    /* standard form; recipient empty before RCPT */
	struct view login;                /* authenticated user, or empty */
	bool secured;                     /* TLS */
	bool client_name_temporary;       /* the DNS failed when it was looked up */
	uint32_t recipient_count;
	uint64_t size;
};

enum policy_action { POLICY_PERMIT, POLICY_REJECT, POLICY_DEFER, POLICY_DISCARD, POLICY_HOLD };
struct policy_answer {
	enum policy_action action;
	struct str reply;   /* "554 5.7.1 <x@y>: Relay access denied", for REJECT and DEFER */
	struct str prepend; /* header lines to put in front, CRLF each */
	struct str redirect;
	struct trail why;   /* the elements that were looked at and the one that decided */
};
void policy_answer_free(struct policy_answer *answer);

struct policy;
/*
 * Reads the restriction parameters and opens their tables; before the chroot. Fails with a reason
 * for a word that is no restriction (and the nearest that is), and when neither the relay nor the
 * recipient list ends relaying for strangers.
 */
struct policy *policy_open(const struct routes *routes, struct error *err);
void policy_close(struct policy *policy);
/* Evaluates the list of a stage. */
void policy_ask(struct policy *policy, enum policy_stage stage,
		const struct policy_question *question, struct policy_answer *answer);
/* mynetworks: 1, 0, negative errno. */
int policy_is_my_network(struct policy *policy, struct view client_address);

#endif

/*
 * The one answer to "may this client do that?": Postfix's restriction lists, with the reason.
 * smtpd asks it, `posta check` (open relay) and `posta explain` too.
 *
 * Restrictions that ask the DNS or sleep wait as a task. A table or the DNS failing never permits:
 * the answer is then POLICY_DEFER with a 4xx reply (but a DNS block list that does not answer
 * lists nobody, as with Postfix).
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/error.h"
#include "base/str.h"
#include "route/route.h"

enum policy_stage {
	POLICY_CLIENT,
	POLICY_HELO,
	POLICY_SENDER,
	POLICY_RELAY,
	POLICY_RECIPIENT,
	POLICY_DATA,
	POLICY_END_OF_DATA,
	POLICY_ETRN,
	POLICY_STAGES
};

struct policy_question {
	struct view client_address, client_name, reverse_name; /* name: verified, or "unknown" */
	struct view helo;
	struct view sender, recipient; /* standard form; recipient empty before RCPT */
	struct view login;	       /* authenticated user, or empty */
	bool secured;		       /* TLS */
	bool client_name_temporary;    /* the DNS failed when it was looked up */
	uint32_t recipient_count;
	uint64_t size;

	/* For policy servers. */
	struct view state, protocol;	/* "RCPT", "ESMTP" */
	struct view queue_id, instance; /* instance: the same for all of one message */
	struct view only_recipient;	/* the accepted one, if there is just one */
	struct view login_method, server_address;
	struct view tls_protocol, tls_cipher;
	uint32_t tls_bits;
	struct view etrn_domain; /* at ETRN */
	/* The client's certificate; all empty where it showed none. */
	struct {
		struct view fingerprint,
			key_fingerprint;     /* "AB:CD...", smtpd_tls_fingerprint_digest */
		struct view subject, issuer; /* common names */
		bool trusted;		     /* a certificate authority of ours says so */
	} certificate;
	uint16_t client_port, server_port;

	bool has_sender;  /* MAIL was given, maybe with <> */
	bool early_input; /* the client did not wait for our answer */
	struct view sender_given,
		recipient_given; /* as the client wrote them, in quotes where they must be, for replies;
							empty: the standard form */
	bool explain;		 /* fill answer.why; do not sleep */
	/* WARN, INFO and warn_if_reject: `what` is "warn", "info", "reject_warning". May be NULL. */
	void (*note)(void *argument, const char *what, struct view text);
	void *note_argument;
};

enum policy_action { POLICY_PERMIT, POLICY_REJECT, POLICY_DEFER, POLICY_DISCARD, POLICY_HOLD };
struct policy_answer {
	enum policy_action action;
	bool conditional;   /* DEFER by defer_if_permit: a reject by a later list is better */
	struct str reply;   /* "554 5.7.1 <x@y>: Relay access denied", for REJECT and DEFER */
	struct str prepend; /* header lines to put in front, CRLF each */
	struct str redirect;
	struct str filter; /* "transport:nexthop" that the message goes to first */
	struct str bcc;	   /* addresses that get a copy, a line feed after each */
	struct str held;   /* what is said with HOLD, or which restriction it was */
	struct trail why;  /* the elements that were looked at and the one that decided */
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
/*
 * Evaluates the list of a stage. `answer` is overwritten; policy_answer_free it. For RELAY and
 * RECIPIENT only the list itself; policy_ask_recipient is the whole of RCPT TO.
 */
void policy_ask(struct policy *policy, enum policy_stage stage,
		const struct policy_question *question, struct policy_answer *answer);
/* The list of that stage is empty: asking it would permit. */
bool policy_is_empty(const struct policy *policy, enum policy_stage stage);
/*
 * RCPT TO in Postfix's order: with `delayed` the lists for client, helo and sender first, then
 * relay and recipient, then smtpd_reject_unlisted_sender and _recipient.
 */
void policy_ask_recipient(struct policy *policy, bool delayed,
			  const struct policy_question *question, struct policy_answer *answer);
/*
 * smtpd_reject_footer and its maps: what is to stand after this refusal. 1 with the text ("\\c" in
 * front: on the same line), or 0.
 */
int policy_footer(struct policy *policy, const struct policy_question *question, struct view reply,
		  struct str *text);
/* The same of postscreen_reject_footer; the question has no more than the client, and perhaps addresses. */
int policy_screen_footer(struct policy *policy, const struct policy_question *question,
			 struct view reply, struct str *text);
bool policy_has_screen_footer(void);
/* mynetworks: 1, 0, negative errno. */
int policy_is_my_network(struct policy *policy, struct view client_address);

/* One of this host's own addresses. */
bool policy_is_own_address(const struct policy *policy, struct view address);

/* Names of all restrictions in force, for documentation and checks; NULL after the last. */
const char *policy_element_name(size_t index);

/* ---- DNS block lists, for others that ask them ---- */

/* Appends the name below which lists have this address ("1.2.0.192"); nothing if it is none. */
void policy_rbl_name(struct view address, struct str *name);
/* "127.0.0.[2..11;14]" has this answer of a list; an empty filter has all. */
bool policy_rbl_filter_matches(struct view filter, const char *answer);

#endif

/* What the files of lib/policy share. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "base/mem.h"
#include "base/view.h"
#include "policy/policy.h"
#include "route/interfaces.h"
#include "table/table.h"

#define POLICY_DEPTH_MAX 20   /* restriction lists inside of restriction lists */
#define POLICY_RULES_MAX 1000 /* restrictions in one list */

/* What a restriction says. */
enum verdict { DUNNO, PERMIT, REFUSE /* e->answer->reply is set */ };

/* Something with a name that replies talk about: "<a@b>: Sender address rejected: ..." */
struct subject {
	struct view name;
	const char *what; /* "Sender address" */
};

struct evaluation;
struct rule;
typedef enum verdict rule_function(struct evaluation *e, const struct rule *rule);

/* What may follow a restriction's name. */
enum element_argument {
	NO_ARGUMENT,
	TABLE_ARGUMENT,
	RBL_ARGUMENT,
	TIME_ARGUMENT,
	SERVICE_ARGUMENT
};

struct element {
	const char *name;
	enum element_argument argument;
	rule_function *check; /* NULL: of Postfix, not in force yet */
	unsigned detail;      /* for functions that serve several names */
};
extern const struct element policy_elements[]; /* ends with a NULL name */

/* A table of an access map. Patterns are asked for whole keys only. */
struct access_table {
	struct table *table;
	bool pattern;
};

/* "zen.example=127.0.0.[2..11]" */
struct rbl {
	struct str domain;
	struct str filter; /* empty: any answer */
};

struct policy_service;
struct rule_list;
struct rule {
	const struct element *element;
	const struct rule_list *list; /* a restriction class instead of an element */
	struct access_table table;
	struct rbl rbl;
	struct policy_service *service;
	int64_t seconds;
};
struct rule_list {
	char *name; /* of the class or parameter */
	struct rule *rules;
	size_t count;
	bool open; /* being compiled: a class that names itself is an error */
	bool compiled;
};

struct policy {
	const struct routes *routes;
	struct rule_list stages[POLICY_STAGES];
	struct rule_list *classes;
	size_t class_count;
	struct matchlist *mynetworks;
	struct own_addresses *own;
	struct tables *login_maps, *rbl_replies, *footers, *screen_footers, *certificates;
	struct matchlist *backup_networks;
	bool access_parents; /* smtpd_access_maps in parent_domain_matches_subdomains */
};

struct evaluation {
	struct policy *policy;
	const struct policy_question *q;
	struct policy_answer *answer;
	enum policy_stage stage;
	bool warn_next; /* warn_if_reject stood before this restriction */
	bool hold, discard;
	struct str client; /* "name[address]", made when it is first asked for */
	struct str defer_if_permit, defer_if_reject; /* replies, empty: not asked for */
	int depth;
	struct trail *why; /* NULL unless explaining */
};

/* ---- lists.c ---- */

/* Compiles "permit_mynetworks, check_x hash:..." into rules. `tables`: tables may be opened. */
int policy_compile(struct policy *policy, struct view text, enum policy_stage stage, bool tables,
		   struct rule_list *list, struct error *err);
void policy_list_free(struct rule_list *list);
/* Reads smtpd_restriction_classes. */
int policy_compile_classes(struct policy *policy, struct error *err);
/* Does this list end relaying for strangers? */
bool policy_list_guards(const struct rule_list *list);

/* ---- evaluate.c ---- */

enum verdict policy_run_list(struct evaluation *e, const struct rule_list *list);

/* ---- refusal.c ---- */

/*
 * Sets the reply: "CODE X.Y.Z text". The status' first digit follows the code. Returns REFUSE, or
 * DUNNO where warn_if_reject wants only a line in the log.
 */
enum verdict policy_refuse(struct evaluation *e, int64_t code, const char *status,
			   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The refusal of a subject: "CODE X.Y.Z <name>: What rejected: reason". */
enum verdict policy_refuse_subject(struct evaluation *e, struct subject subject, int64_t code,
				   const char *status, struct view reason);
/* A table did not answer. */
enum verdict policy_lookup_failed(struct evaluation *e, struct subject subject);
/* The same of an access map, in Postfix's words. */
enum verdict policy_access_failed(struct evaluation *e);
/* Remembers a reply for when the list would permit; the first one stays. */
void policy_defer_if_permit(struct evaluation *e, struct subject subject, const char *status,
			    struct view reason);
/* The same for when it would refuse: "CODE X.Y.Z <name>: What rejected: reason". */
void policy_defer_if_reject(struct evaluation *e, struct subject subject, const char *status,
			    struct view reason);
/*
 * The DNS did not answer: what the parameter (unknown_address_tempfail_action ...) says, "defer" or
 * "defer_if_permit".
 */
enum verdict policy_tempfail(struct evaluation *e, const char *action, struct subject subject,
			     const char *status, struct view reason);
/* The same with another code than 450. */
enum verdict policy_tempfail_code(struct evaluation *e, const char *action, struct subject subject,
				  int64_t code, const char *status, struct view reason);

/* What the stage, or a part of the transaction, is called in replies. */
struct subject subject_of_stage(struct evaluation *e);
struct subject subject_client(struct evaluation *e);
struct subject subject_reverse_client(struct evaluation *e); /* "Unverified Client host" */
struct subject subject_helo(const struct evaluation *e);
struct subject subject_sender(const struct evaluation *e);
struct subject subject_recipient(const struct evaluation *e);

/* ---- access.c ---- */

/* What the value of an access map asks for, access(5). */
enum verdict policy_apply_action(struct evaluation *e, struct subject subject, struct view value,
				 const char *table);
rule_function policy_check_client_access, policy_check_helo_access, policy_check_sender_access,
	policy_check_recipient_access, policy_check_reverse_client_access, policy_check_sasl_access,
	policy_check_etrn_access, policy_check_certificate_access;

/* A look-up under way: the first key that is found decides. */
struct access {
	struct evaluation *e;
	const struct access_table *table;
	struct subject subject;
	struct str value;
	int found; /* 1, 0, negative errno */
};
/* The keys of a name, of an address. True when the search is over. */
bool access_try_domain(struct access *a, struct view domain);
bool access_try_address(struct access *a, struct view address);
/* What was found, done; frees the value. */
enum verdict access_finish(struct access *a);
/* What a stranger's own DNS says may refuse, never permit. */
enum verdict policy_forbid_permit(struct evaluation *e, const struct rule *rule,
				  enum verdict verdict);

/* ---- spf_sender.c ---- */

struct spf_answer;
/* Of MAIL FROM. False: there is no sender yet. */
bool policy_ask_spf(const struct evaluation *e, struct spf_answer *answer);

/* ---- spf.c ---- */

rule_function policy_reject_spf_fail, policy_check_spf_access;

/* ---- greylist.c ---- */

rule_function policy_reject_greylisted;

/* ---- rbl.c ---- */

/* One of these DNS lists, "list.example=127.0.*, other.example", has the client; if it answers. */
bool policy_is_listed_in(const struct evaluation *e, const char *lists);

/* ---- template.c ---- */

/* A name beside those of the session. */
struct template_value {
	const char *name;
	struct view value;
};
/* "$client_name", "${recipient?...}" put in. 0, or -EINVAL with a reason. */
int policy_expand(const struct policy_question *q, const struct template_value *extra,
		  size_t extra_count, struct view text, struct str *out, struct error *err);

/* ---- access_server.c ---- */

/* element.detail: whose servers, and (the rest) which type of record. */
enum {
	SERVER_TYPE = 0xff,
	SERVER_OF_CLIENT = 0x100,
	SERVER_OF_REVERSE_CLIENT = 0x200,
	SERVER_OF_HELO = 0x300,
	SERVER_OF_SENDER = 0x400,
	SERVER_OF_RECIPIENT = 0x500,
	SERVER_OF = 0xf00,
};
rule_function policy_check_server_access;

/* ---- service.c ---- */

rule_function policy_check_service;
/* "inet:host:port" or what stands in { } . *service is set also on failure; it has to be freed. */
int policy_service_parse(struct view text, const char *where, struct policy_service **service,
			 struct error *err);
void policy_service_free(struct policy_service *service);
/* The question, for the server: name=value lines. */
void policy_service_attributes(const struct policy_question *q, enum policy_stage stage,
			       struct view context, struct str *out);

/* ---- the rest of the restrictions, by what they look at ---- */

rule_function policy_permit, policy_reject, policy_defer, policy_do_defer_if_permit,
	policy_do_defer_if_reject, policy_warn_if_reject, policy_sleep, policy_permit_mynetworks,
	policy_permit_sasl, policy_permit_interfaces, policy_reject_plaintext,
	policy_reject_pipelining, policy_unknown_client, policy_unknown_reverse_client,
	policy_unknown_forward_client, policy_permit_certificate, policy_permit_any_certificate;
rule_function policy_invalid_helo, policy_non_fqdn_helo, policy_unknown_helo;
rule_function policy_permit_mx_backup;
rule_function policy_permit_auth_destination, policy_reject_unauth_destination,
	policy_defer_unauth_destination, policy_unlisted_sender, policy_unlisted_recipient,
	policy_non_fqdn_sender, policy_non_fqdn_recipient, policy_unknown_sender_domain,
	policy_unknown_recipient_domain, policy_multi_recipient_bounce;
/* ---- unverified.c ---- */

rule_function policy_unverified_sender, policy_unverified_recipient;
rule_function policy_login_mismatch, policy_login_mismatch_authenticated,
	policy_login_mismatch_known, policy_login_mismatch_unknown;
rule_function policy_rbl_client, policy_rhsbl_client, policy_rhsbl_helo, policy_rhsbl_sender,
	policy_rhsbl_recipient, policy_rhsbl_reverse, policy_dnswl_client, policy_rhswl_client;

#endif

/*
 * A run of a script on a message: what its tests and actions share. Of lib/sieve only.
 *
 *	state.c		steps, failure, tags: everything reports there
 *	flow.c		if, stop, not, allof
 *	run.c		scripts one after the other, and the end of it all
 *	match.c		comparing
 *	variables.c	${name} in strings, set
 *	values.c	what of a message is compared: header fields, addresses
 *	tests.c, dates.c	the tests
 *	actions.c	the actions
 *	editheader.c	those that change the message
 *	parts.c, foreverypart.c	the parts of the message
 *	include.c	other scripts
 *	notify.c	notifications
 */
#ifndef SIEVE_RUN_H
#define SIEVE_RUN_H

#include "base/map.h"
#include "sieve/operation.h"

#define SIEVE_MATCHES 10 /* ${0} to ${9} */

struct sieve_variable {
	struct str value;
	bool is_global; /* the value is that of the run's globals */
};

struct sieve_run {
	const struct sieve_script *script;
	const struct sieve_message *message;
	struct sieve_result *result;
	struct view header, body;      /* of the message */
	const struct sieve_node *node; /* at work, for problems */
	size_t steps, redirects;
	size_t first;		    /* of the actions of the script at work */
	bool failed, stopped, kept; /* kept: the implicit keep still holds */
	struct map *variables, *globals;
	struct map *included; /* scripts, for :once */
	unsigned depth, includes;
	size_t added; /* bytes of header */
	struct str matches[SIEVE_MATCHES];
	struct str flags;	   /* the internal variable of imap4flags */
	struct sieve_parts *parts; /* of the loops at work, or NULL: there is none */
	struct view break_name;	   /* of the loop that ends; empty: the innermost */
};

bool sieve_has(const struct sieve_run *run, enum sieve_extension extension);
/* Counts a step; false: there were too many, and the run has failed. */
bool sieve_step(struct sieve_run *run);
/* Counts steps for work on that many bytes. */
void sieve_cost(struct sieve_run *run, size_t bytes);
/* The run has failed, at the node at work. */
void sieve_fail(struct sieve_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- variables.c ---- */

/* The string with its ${...} replaced, if the script has variables and encoded-character. */
void sieve_expand(struct sieve_run *run, struct view text, struct str *out);
/* The only string of an argument, expanded. */
void sieve_string(struct sieve_run *run, const struct sieve_argument *argument, struct str *out);
void sieve_variables_free(struct map *variables);
void sieve_variable_set(struct sieve_run *run, struct view name, struct view value);
struct view sieve_variable_get(struct sieve_run *run, struct view name);
/* Sets what the modifiers of the node make of the value. */
void sieve_set_modified(struct sieve_run *run, const struct sieve_node *node, struct view name,
			struct str *value);
enum sieve_flow sieve_act_set(struct sieve_run *run, const struct sieve_node *node);

/* ---- match.c ---- */

/* Whether a value matches one of the keys, as the node's tags say. Sets ${1} and so on. */
bool sieve_match_keys(struct sieve_run *run, const struct sieve_node *node, struct view value,
		      const struct sieve_argument *keys);
/* For :count: the number of values against the keys. */
bool sieve_match_count(struct sieve_run *run, const struct sieve_node *node, size_t count,
		       const struct sieve_argument *keys);
/* As glob, with `nocase`; *captures (or NULL) gets up to SIEVE_MATCHES of them. */
bool sieve_glob(struct sieve_run *run, struct view pattern, struct view text, bool nocase,
		struct view captures[SIEVE_MATCHES]);

/* ---- regex.c ---- */

/* As sieve_glob. What is no pattern, or takes too much, fails the run. */
bool sieve_regex(struct sieve_run *run, struct view pattern, struct view text, bool nocase,
		 struct view captures[SIEVE_MATCHES]);

/* ---- flow.c ---- */

/* Down to the end of a block or script. */
enum sieve_flow sieve_run_commands(struct sieve_run *run, const struct sieve_node *node);

/* ---- values.c ---- */

/*
 * Calls `each` for each value of the header fields of these names, decoded and unfolded, in their
 * order, until it returns true (returned). :index and :last of the node are kept to.
 */
typedef bool sieve_each(struct sieve_run *run, const struct sieve_node *node, struct view value,
			void *argument);
bool sieve_each_header(struct sieve_run *run, const struct sieve_node *node,
		       const struct sieve_argument *names, sieve_each *each, void *argument);
/* The part of an address (local@domain, internal form) that the node asks for. False: it has none. */
bool sieve_address_part(const struct sieve_run *run, const struct sieve_node *node,
			struct view address, struct str *part);

/* ---- tests.c, actions.c ---- */

bool sieve_test_header(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_address(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_envelope(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_exists(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_size(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_body(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_hasflag(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_string(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_mailboxexists(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_mailboxidexists(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_specialuse_exists(struct sieve_run *run, const struct sieve_node *node);
/* Asks the host, and counts the folders that it has looked at. */
bool sieve_mailbox_by_id(struct sieve_run *run, struct view id, struct str *name);
bool sieve_mailbox_by_use(struct sieve_run *run, struct view use, struct str *name);
bool sieve_test_environment(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_duplicate(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_ihave(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_spamtest(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_virustest(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_valid_notify_method(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_notify_method_capability(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_date(struct sieve_run *run, const struct sieve_node *node);
bool sieve_test_currentdate(struct sieve_run *run, const struct sieve_node *node);

enum sieve_flow sieve_act_keep(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_discard(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_fileinto(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_redirect(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_reject(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_vacation(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_flags(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_error(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_include(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_return(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_global(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_addheader(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_deleteheader(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_foreverypart(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_break(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_extracttext(struct sieve_run *run, const struct sieve_node *node);
enum sieve_flow sieve_act_notify(struct sieve_run *run, const struct sieve_node *node);
/* An address alone, with a domain; appended in its internal form. */
bool sieve_address_is_usable(struct view text, struct str *address);
/* NULL: there are too many, and the run has failed. */
struct sieve_action *sieve_add_notification(struct sieve_run *run, struct view address);
/* A key for was_seen, once the script has come to its end. */
void sieve_remember(struct sieve_run *run, struct view key, uint64_t seconds);
/* The implicit keep. */
void sieve_keep(struct sieve_run *run);

#endif

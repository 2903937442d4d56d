/*
 * posta explain: what its files share.
 *
 *	verb_explain.c		the options; may it, where does it go
 *	explain_steps.c		the steps, as text and as JSON
 *	explain_lines.c		the line of main.cf or of a table's source that a reason comes from
 *	explain_proofs.c	who it is from: verified, or signed
 *	explain_alias.c		what becomes of a local recipient: aliases, .forward, mailbox
 */
#ifndef TOOLS_EXPLAIN_H
#define TOOLS_EXPLAIN_H

#include "base/str.h"
#include "route/route.h"

/* ---- the steps ---- */

/* All goes to standard output: at once, or with --json in one object at the end. */
void explain_begin(bool as_json);
/* A question: "Where does a@b go?". What follows belongs to it. */
void explain_step(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Lines of a trail: each why. */
void explain_why(struct view lines);
void explain_because(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What follows from it. */
void explain_result(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* With a name for programs: "transport", ... (JSON only). */
void explain_fact(const char *name, struct view value);
void explain_end(const char *verdict);

/* ---- lines ---- */

/*
 * Appends ", main.cf, line 12" and ", /etc/aliases, line 3" where they can be found: the parameter
 * that the line begins with, and the row "(hash:/path): key -> value" of a table that has a text.
 */
void explain_append_lines(struct view why, struct str *out);
/* The -o of this line of master.cf are in force. */
void explain_set_service_line(int line);

/* ---- proofs ---- */

/* Whether it is verified, or signed: in a task, for it may ask the resolver. */
void explain_proofs(struct view client, struct view helo, struct view login, struct view sender,
		    bool has_resolver);

/* ---- aliases ---- */

/* Calls `each` for every recipient that is not on this host. */
void explain_local(const struct routes *routes, struct view recipient,
		   void (*each)(void *argument, struct view recipient), void *argument);

#endif

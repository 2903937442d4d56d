/*
 * Templates of questions and of results: %s, %u, %d, %1 to %9 and their capitals, as in
 * mysql_table(5) and ldap_table(5).
 */
#ifndef PROXYMAP_EXPAND_H
#define PROXYMAP_EXPAND_H

#include "base/str.h"

/* Appends the text so that it cannot end what it stands in. 0, or a negative errno. */
typedef int expand_escape(void *argument, struct view text, struct str *out);

/*
 * After "%" in templates that were Dovecot's: the service that asks, and "secured" or nothing. They stand in the key after
 * TABLE_ASKER_MARK; no file has such a letter.
 */
#define EXPAND_SERVICE '\001'
#define EXPAND_SECURED '\002'
/* 0, or -EINVAL: a "%" with something else after it. */
int expand_check(struct view template);
/*
 * The question for a key: %s the key, %u its local part, %d its domain, %1 the last label of the
 * domain, and so on; capitals mean the same. 1; 0: the key lacks what the template wants, so that
 * there is nothing to ask; or what `escape` said.
 */
int expand_question(struct view template, struct view key, expand_escape *escape, void *argument,
		    struct str *out);
/*
 * One value of a result: %s, %u and %d are of the value, the capitals %S, %U, %D and the digits of
 * the key. Appended to *out, with a comma in front if there is something before. 1, or 0: nothing
 * was appended, for the value is empty or lacks what the template wants.
 */
int expand_result(struct view template, struct view key, struct view value, struct str *out);

#endif

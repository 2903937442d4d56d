/* The list of public suffixes (publicsuffix.org, Debian's package), by libpsl. */
#ifndef MAILAUTH_SUFFIX_H
#define MAILAUTH_SUFFIX_H

#include "base/view.h"

struct suffix_list;
/* Reads the newest list that this system has; before a program is confined. NULL: there is none. */
struct suffix_list *suffix_list_new(void);
void suffix_list_free(struct suffix_list *list);
/*
 * What somebody registered: "example.co.uk" of "a.b.example.co.uk"; the domain itself where it is a
 * suffix. In lower case and A-labels; a part of `domain`.
 */
struct view suffix_list_registered(const struct suffix_list *list, struct view domain);

#endif

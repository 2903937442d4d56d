/* posta sieve: verbs about the scripts of a user. */
#ifndef TOOLS_SIEVE_USER_H
#define TOOLS_SIEVE_USER_H

#include <stdbool.h>

bool sieve_is_user_verb(const char *name);
/* argv[0] is one of those. A tool_status. */
int sieve_run_user_verb(int argc, char **argv);

#endif

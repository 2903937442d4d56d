/* The password that a user gets, for posta user. */
#ifndef TOOLS_USER_PASSWORD_H
#define TOOLS_USER_PASSWORD_H

#include "base/str.h"

/* As the options say; each may be NULL. */
struct password_request {
	const char *clear, *hash, *scheme;
};
/*
 * The hash that was given, or that of the password that was given, typed, or is a line of standard input.
 * A tool_status; what is wrong is told.
 */
int user_make_hash(const struct password_request *q, struct str *hash);
/* Lines of a table of options, and what getopt_long says when it has found one of them. */
enum { OPTION_PASSWORD = 256, OPTION_HASH, OPTION_SCHEME, OPTION_AFTER_PASSWORD };
#define PASSWORD_OPTIONS                                                                           \
	{ "password", required_argument, NULL, OPTION_PASSWORD },                                  \
		{ "hash", required_argument, NULL, OPTION_HASH },                                  \
	{                                                                                          \
		"scheme", required_argument, NULL, OPTION_SCHEME                                   \
	}
/* False: it is another option. */
bool password_option_take(int option, const char *value, struct password_request *q);

#endif

/* For main.cf: the users that the suite's programs have need not exist where this is built. */
#ifndef TEST_OWNERS_H
#define TEST_OWNERS_H

static const char owners_nobody[] =
#define USER(id, parameter, doc) #parameter " = nobody\n"
#define PROGRAM(name, user, root, calls, count, wave, doc)
#define PEER(socket, client, ...)
#define END
#include "daemon/programs.def"
#undef USER
#undef PROGRAM
#undef PEER
#undef END
	;

#endif

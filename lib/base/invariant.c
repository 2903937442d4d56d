/* The end of a program that has lost its way. */
#include "base/invariant.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

void invariant_broken(const char *what, const char *function)
{
	log_error("broken invariant in %s: %s", function, what);
	log_flush();
	/* Not abort(): see mem_exhausted. */
	raise(SIGABRT);
	_exit(EX_SOFTWARE);
}

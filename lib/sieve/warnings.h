/*
 * What is right in a script, and will hardly do what its author wants: commands that are never reached,
 * addresses that are none, limits of this place, included scripts that are not there (which is no
 * error, RFC 6609, 3.2). Nothing is run.
 */
#ifndef SIEVE_WARNINGS_H
#define SIEVE_WARNINGS_H

#include "sieve/sieve.h"

struct sieve_warner {
	size_t redirects_max;
	uint64_t vacation_min, vacation_max; /* seconds */
	/* Is there such a script? */
	bool (*exists)(void *argument, bool global, struct view name);
	/* In the order of the script. */
	void (*warn)(void *argument, unsigned line, const char *text);
};
/* `argument` is for exists, `told` for warn. */
void sieve_warnings(const struct sieve_script *script, const struct sieve_warner *warner,
		    void *argument, void *told);

#endif

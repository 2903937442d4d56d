/*
 * What a user's scripts remember from one message to the next: who has had an answer of vacation,
 * which messages have been there (duplicate). One file, posta-sieve/memory in the Maildir, a line
 * each:
 *
 *	<key, 32 hex digits> <seconds since 1970 when it is forgotten> <identity of the delivery>
 *
 * It is read and replaced under a lock, durably; who does not get the lock within 2 s fails (-EBUSY).
 * A delivery that is done again, by its identity,
 * does not meet what it has remembered itself.
 */
#ifndef SIEVE_MEMORY_H
#define SIEVE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* The folder in the Maildir for this; not that of the scripts, which is made when there is one. */
#define SIEVE_STATE	 "posta-sieve"
#define SIEVE_MEMORY_MAX 10000 /* entries; those that were made first give way */

/* Is there such an entry of another delivery? 1, 0, or a negative errno: nobody knows. */
int sieve_memory_has(const char *maildir, struct view key, struct view identity, int64_t now,
		     struct error *err);
/*
 * The same, and if there is none (0), or with `anew`, it is remembered until then, durably: two
 * deliveries at one time do not both get 0.
 */
int sieve_memory_note(const char *maildir, struct view key, struct view identity, int64_t now,
		      int64_t until, bool anew, struct error *err);

/*
 * Whether the user is to be told of a script that fails: not twice within `seconds`. False also when
 * that cannot be found out.
 */
bool sieve_telling_is_due(const char *maildir, int64_t now, int64_t seconds);

/* ---- what has been sent for a delivery ---- */

/*
 * `day`: of the message's arrival, days since 1970, the same for each attempt. What is older than
 * `keep` days is removed when the first of another day is noted.
 */
bool sieve_sent_has(const char *maildir, int64_t day, struct view identity);
int sieve_sent_note(const char *maildir, int64_t day, struct view identity, int64_t keep,
		    struct error *err);

#endif

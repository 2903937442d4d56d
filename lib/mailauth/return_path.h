/*
 * Return paths of what we send on (SRS, mail/srs.h): made by smtp when a stranger's message goes to
 * another host, and read by smtpd and cleanup when a report comes back. The secret is in `keys`.
 * Both wait as tasks.
 */
#ifndef MAILAUTH_RETURN_PATH_H
#define MAILAUTH_RETURN_PATH_H

#include <stdbool.h>

#include "base/str.h"

/*
 * The sender under which mail of `sender` goes on: 1 with *out; 0: it stays as it is (nobody's, or it
 * would be too long); or a negative errno: nobody can say now.
 */
int return_path_make(struct view sender, struct str *out);
/* It is of the form of srs_domain: somebody's return path, or forged. */
bool return_path_is_ours(struct view address);
/*
 * Whom mail for such an address goes to: 0 with *out; -EACCES: it is not of our making; -ETIME: it was,
 * long ago; or another negative errno: nobody can say now.
 */
int return_path_read(struct view address, struct str *out);

#endif

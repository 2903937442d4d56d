/*
 * Asking saslauthd whether a password is right (smtpd_sasl_type = cyrus, with pwcheck_method:
 * saslauthd in the Cyrus library's file for the application).
 */
#ifndef AUTH_SASLAUTHD_H
#define AUTH_SASLAUTHD_H

#include "auth.h"

struct saslauthd;

/*
 * `name` as smtpd_sasl_path: the file "name.conf" is looked for where the Cyrus library would. Never
 * NULL; where passwords cannot be checked in the way that the file says, saslauthd_problem() has why.
 */
struct saslauthd *saslauthd_new(struct view name);
const char *saslauthd_problem(const struct saslauthd *server);
/* PLAIN or LOGIN, as the file's mech_list has it. */
bool saslauthd_has_mechanism(const struct saslauthd *server, const char *name);
/*
 * LOGIN_RIGHT with "name" or "name@realm" in *user. Where the name has no realm of its own, it is
 * `realm`, which may be empty. Waits.
 */
enum verdict saslauthd_check(const struct saslauthd *server, struct view service, struct view name,
			     struct view realm, struct view password, struct str *user,
			     struct error *why);

/* ---- for tests ---- */

/* Reads the file's text. */
struct saslauthd *saslauthd_parse(struct view text);

#endif

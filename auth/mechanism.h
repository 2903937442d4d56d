/* What kind of mechanism one is, as smtpd_sasl_security_options and Dovecot's servers have it. */
#ifndef AUTH_MECHANISM_H
#define AUTH_MECHANISM_H

#include <stdbool.h>

#include "base/view.h"

enum mechanism_kind {
	MECHANISM_PLAINTEXT = 1,  /* the password travels as it is */
	MECHANISM_ACTIVE = 2,	  /* open to active attacks */
	MECHANISM_DICTIONARY = 4, /* who listens can try passwords */
	MECHANISM_ANONYMOUS = 8,
	MECHANISM_MUTUAL = 16,		/* the server proves itself too */
	MECHANISM_FORWARD_SECRECY = 32, /* old sessions stay secret */
	MECHANISM_PRIVATE = 64,		/* not to be announced */
	MECHANISM_BINDS = 128,		/* ours alone: it is about the TLS connection */
};

#define MECHANISM_NAME_MAX 20 /* octets, RFC 4422 3.1 */
/* Letters, digits, hyphen and underscore. */
bool mechanism_is_name(struct view name);
/* Is it one of auth_mechanisms? */
bool mechanism_is_enabled(const char *name);
/* The kind that Dovecot's protocol has a word for; 0: another word. */
unsigned mechanism_kind_of(struct view word);
/*
 * None of the words refuses it: noplaintext, noactive, nodictionary, noanonymous, mutual_auth,
 * forward_secrecy. A word that is not known refuses all.
 */
bool mechanism_suits(unsigned kinds, struct view refused);

#endif

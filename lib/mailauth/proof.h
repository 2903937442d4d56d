/* The results that all methods share (RFC 8601 section 2.7), and their words. */
#ifndef MAILAUTH_PROOF_H
#define MAILAUTH_PROOF_H

#include "base/str.h"

enum proof {
	PROOF_NONE,
	PROOF_PASS,
	PROOF_FAIL,
	PROOF_SOFTFAIL,
	PROOF_NEUTRAL,
	PROOF_POLICY,
	PROOF_TEMPERROR,
	PROOF_PERMERROR,
};
/* "pass" */
const char *proof_word(enum proof proof);
/* One of these, in any case. */
bool proof_is_word(struct view word);

#endif

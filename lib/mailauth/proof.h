/* The results that all methods share (RFC 8601 section 2.7), and their words. */
#ifndef MAILAUTH_PROOF_H
#define MAILAUTH_PROOF_H

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

#endif

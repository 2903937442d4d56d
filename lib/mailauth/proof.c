/* The words of results. */
#include "mailauth/proof.h"

const char *proof_word(enum proof proof)
{
	static const char *const words[] = {
		[PROOF_NONE] = "none",		 [PROOF_PASS] = "pass",
		[PROOF_FAIL] = "fail",		 [PROOF_SOFTFAIL] = "softfail",
		[PROOF_NEUTRAL] = "neutral",	 [PROOF_POLICY] = "policy",
		[PROOF_TEMPERROR] = "temperror", [PROOF_PERMERROR] = "permerror",
	};

	return words[proof];
}

bool proof_is_word(struct view word)
{
	for (enum proof proof = PROOF_NONE; proof <= PROOF_PERMERROR; proof++)
		if (view_is_nocase(word, proof_word(proof)))
			return true;
	return false;
}

/* posta verify spf. */
#include <stdio.h>

#include "mailauth/spf.h"
#include "tools/tool.h"
#include "tools/verify.h"

int verify_spf(struct verify *v)
{
	struct spf_question question = {
		.ip = view_of(v->options.ip),
		.helo = view_of(v->options.helo),
		.sender = verify_sender(v),
		.receiver = view_of(param.myhostname),
		.dns = &v->dns,
	};
	struct spf_answer answer;
	int status;

	spf_check(&question, &answer);
	printf("%s\n%s\n", proof_word(answer.result), str_cstr(&answer.explanation));
	verify_print_steps(str_view(&answer.steps));
	status = answer.result == PROOF_TEMPERROR ? TOOL_LATER : TOOL_DONE;
	spf_answer_free(&answer);
	return status;
}

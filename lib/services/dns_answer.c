/* An answer of resolver, and how it is freed. */
#include "base/mem.h"
#include "services/clients.h"

void dns_answer_free(struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->records[i].name);
		str_free(&answer->records[i].data);
	}
	free(answer->records);
	str_free(&answer->reason);
	str_free(&answer->canonical);
	*answer = (struct dns_answer){ 0 };
}

/* The sender, then the TXT records that the DNS has, one after the other, with NUL between them. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mailauth/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_dns {
	struct view records;
	unsigned asked;
};

static void fuzz_ask(void *context, struct view name, enum record_type type,
		     struct records *records)
{
	struct fuzz_dns *dns = context;
	struct view record;

	if (!record_name_is_possible(name) && type != RECORD_PTR)
		abort();
	dns->asked++;
	records->outcome = RECORDS_FOUND;
	if (type == RECORD_TXT && view_next(&dns->records, '\0', &record))
		records_add(records, record);
	else if (type == RECORD_A && dns->asked % 3 != 0)
		records_add(records, VIEW("192.0.2.7"));
	else if (type == RECORD_AAAA && dns->asked % 2 == 0)
		records_add(records, VIEW("2001:db8::7"));
	else if (type == RECORD_MX || type == RECORD_PTR)
		records_add(records, VIEW("host.example.org"));
	else
		records->outcome = dns->asked % 5 == 0 ? RECORDS_FAILED : RECORDS_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_dns dns = { .records = view_make(data, size) };
	struct dns_source source = { fuzz_ask, &dns };
	struct view sender = VIEW_NONE;
	struct spf_question question = {
		.ip = size % 2 ? VIEW("192.0.2.7") : VIEW("2001:db8::7"),
		.helo = VIEW("helo.example.org"),
		.dns = &source,
	};
	struct spf_answer answer;

	view_next(&dns.records, '\0', &sender);
	question.sender = sender;
	spf_check(&question, &answer);
	/* Each term that counts, its hosts, the client's names, and as many records and texts. */
	if (dns.asked > 2 + (SPF_LOOKUPS_MAX + 1) * (3 + SPF_HOSTS_MAX))
		abort();
	if (view_has_control(str_view(&answer.explanation)) ||
	    (answer.explained && answer.explanation.len > SPF_EXPLAIN_MAX * 3))
		abort();
	spf_answer_free(&answer);
	return 0;
}

/* The suite's resolver as a source of records. It alone reads what name servers send. */
#include "base/mem.h"
#include "mailauth/records.h"
#include "services/clients.h"

static enum records_outcome outcome_of_resolver(uint8_t outcome)
{
	switch (outcome) {
	case RESOLVE_OK:
		return RECORDS_FOUND;
	case RESOLVE_NODATA:
		return RECORDS_NONE;
	case RESOLVE_NXDOMAIN:
		return RECORDS_NO_NAME;
	default: /* also what DNSSEC says is forged */
		return RECORDS_FAILED;
	}
}

static void records_resolve(void *unused, struct view name, enum record_type type,
			    struct records *records)
{
	struct dns_answer answer;

	(void)unused;
	if (dns_query(name, (uint32_t)type, &answer) == 0)
		records->outcome = outcome_of_resolver(answer.outcome);
	for (size_t i = 0; i < answer.count; i++)
		records_add(records, type == RECORD_TXT ? str_view(&answer.records[i].data)
							: view_of(answer.records[i].name));
	dns_answer_free(&answer);
}

const struct dns_source records_of_resolver = { records_resolve, NULL };

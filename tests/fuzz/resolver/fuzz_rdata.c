/* The first byte chooses the type, the rest is a record's data, and a name to ask for. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rdata.h"
#include "services/clients.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t types[] = { DNS_A,   DNS_AAAA, DNS_MX,  DNS_PTR,
					  DNS_TXT, DNS_SRV,  DNS_TLSA };

	if (size == 0)
		return 0;

	uint32_t type = types[data[0] % ARRAY_SIZE(types)];
	struct view bytes = view_make(data + 1, size - 1);
	_cleanup_(rdata_free) struct rdata record;
	_cleanup_(str_free) struct str question = STR_EMPTY;

	if (rdata_parse(type, bytes, &record) == 0 &&
	    (view_has_control(str_view(&record.name)) || record.name.len > IPC_HOST_MAX ||
	     record.data.len > IPC_RDATA_MAX))
		abort();
	if (rdata_question(bytes, type, &question) == 0 &&
	    (question.len > 256 || view_has_control(str_view(&question))))
		abort();
	return 0;
}

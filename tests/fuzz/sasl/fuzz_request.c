/* What clients of Dovecot's authentication protocol say: whatever comes, what is kept of it is bounded and clean. */
#include <stdlib.h>

#include "base/mem.h"
#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_address(struct view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.data[i]) && text.data[i] != '.' && text.data[i] != ':')
			return false;
	return text.len < 46;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size), line;

	while (view_next(&input, '\n', &line)) {
		struct sasl_request said = { .word = SASL_OTHER };

		if (sasl_request_parse(line, &said) == 0) {
			if (said.mechanism.len > SASL_MECHANISM_MAX ||
			    said.service.len > SASL_SERVICE_MAX ||
			    (said.data_is_readable && said.data.len > IPC_SASL_MAX) ||
			    view_has_control(str_view(&said.mechanism)) ||
			    view_has_control(str_view(&said.service)) ||
			    !is_address(str_view(&said.rip)) || !is_address(str_view(&said.lip)))
				abort();
		}
		sasl_request_free(&said);
	}
	return 0;
}

/* A server that says just these bytes, from its greeting on; the first bit chooses LMTP. */
#include <stddef.h>

#include "base/log.h"
#include "conversation.h"
#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const recipients[] = { "a@one.test", "b@one.test", "c@one.test", NULL };

	if (size == 0)
		return 0;

	struct conversation c = {
		.raw = view_make(data + 1, size - 1),
		.lmtp = data[0] & 1,
		.uses = data[0] & 2 ? 1 : 0,
		.flags = data[0] & 4 ? MAIL_FLAG_SMTPUTF8 : 0,
		.recipients = recipients,
	};

	conversation_defaults();
	log_set_level(LOG_FATAL_LEVEL);
	converse(&c);
	conversation_free(&c);
	return 0;
}

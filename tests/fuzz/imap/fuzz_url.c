/* URLs of CATENATE: whatever is taken names a message, a folder that can be, and a part that can be asked for. */
#include "message_url.h"

#include "conf/conf.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void url_check(const struct message_url *url)
{
	const struct section *section = &url->section;

	if (url->uid == 0 || url->uid > UINT32_MAX || url->uidvalidity > UINT32_MAX)
		abort();
	if (url->mailbox.len > 0 && store_name_check(str_view(&url->mailbox), NULL) < 0)
		abort();
	for (size_t i = 0; i < section->depth; i++)
		if (section->path[i] == 0)
			abort();
	if ((section->text == SECTION_MIME && section->depth == 0) || section->names != NULL)
		abort();
	if (section->partial && (section->offset > INT64_MAX || section->length == 0))
		abort();
}

/* The first byte says how clients see folders' names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_url url = { 0 };

	if (size == 0)
		return 0;
	param.imap_namespace_separator = data[0] & 1 ? "/" : ".";
	param.imap_namespace_prefix = data[0] & 2 ? (data[0] & 1 ? "Mail/" : "INBOX.") : "";
	if (message_url_parse(view_make(data + 1, size - 1), &url))
		url_check(&url);
	message_url_free(&url);
	return 0;
}

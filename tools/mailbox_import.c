/*
 * posta mailbox import: one message or folder of the source into the store of the user. The sources are
 * read in files of their own.
 */
#include <errno.h>
#include <stdio.h>

#include "tools/mailbox.h"
#include "tools/tool.h"

int import_make_folder(struct mailbox_request *q, const char *folder)
{
	struct error err = ERROR_NONE;
	int r = store_create(q->store, view_of(folder), 0, &err);

	if (r < 0 && r != -EEXIST)
		return tool_fail("mailbox", "%s: %s", folder, err.text);
	return TOOL_DONE;
}

/* With CR LF at the end of every line. */
static int append_lines(struct append *append, struct view content)
{
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; i < content.len && r == 0; i++) {
		if (content.data[i] != '\n' || (i > 0 && content.data[i - 1] == '\r'))
			continue;
		r = append_write(append, view_make(content.data + from, i - from));
		if (r == 0)
			r = append_write(append, VIEW("\r"));
		from = i;
	}
	return r < 0 ? r : append_write(append, view_from(content, from));
}

int import_put(struct mailbox_request *q, const char *folder, const struct import_message *message)
{
	struct append_meta meta = { .flags = message->flags,
				    .keywords = message->keywords,
				    .keyword_count = message->keyword_count };
	struct append *append;
	uint32_t uidvalidity, uid;
	int r = append_begin(q->store, view_of(folder),
			     message->date != 0 ? message->date : APPEND_NOW, &append);

	if (r == 0) {
		r = append_lines(append, message->content);
		if (r == 0)
			r = append_finish(&append, &meta, 1, &uidvalidity, &uid);
		else
			append_free(append);
	}
	return r < 0 ? tool_fail("mailbox", "%s: %s", folder, strerror(-r)) : TOOL_DONE;
}

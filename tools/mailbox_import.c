/*
 * posta mailbox import: one message or folder of the source into the store of the user. The sources are
 * read in files of their own.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "tools/mailbox.h"
#include "tools/tool.h"

/* What the name of a message's file begins with, and what stays when it is moved or copied. */
static struct view unique_part(struct view name)
{
	size_t comma = view_find_byte(name, ',');

	return view_first(name, comma == VIEW_NOT_FOUND ? name.len : comma);
}

static uintptr_t import_count(struct map *map, struct view unique)
{
	uintptr_t count = (uintptr_t)map_get(map, unique) + 1;

	map_put(map, unique, (void *)count);
	return count;
}

/* Names of what is in the folder now. */
static int import_look(struct mailbox_request *q, const char *folder)
{
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	int r = mailbox_open(q->store, view_of(folder), MAILBOX_READ_ONLY, &box);

	for (uint32_t seq = 1; r == 0 && seq <= mailbox_count(box); seq++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;

		if (mailbox_file_name(box, seq, &name) == 0)
			import_count(q->known, unique_part(str_view(&name)));
	}
	return r < 0 ? tool_fail("mailbox", "%s: %s", folder, strerror(-r)) : TOOL_DONE;
}

int import_begin(struct mailbox_request *q, const char *folder)
{
	struct error err = ERROR_NONE;
	int r = store_create(q->store, view_of(folder), 0, &err);

	import_end(q);
	q->known = map_new();
	q->came = map_new();
	if (r < 0 && r != -EEXIST)
		return tool_fail("mailbox", "%s: %s", folder, err.text);
	return import_look(q, folder);
}

void import_end(struct mailbox_request *q)
{
	map_free(q->known);
	map_free(q->came);
	q->known = q->came = NULL;
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

static int import_append(struct mailbox_request *q, const char *folder,
			 const struct import_message *message, size_t keyword_count)
{
	struct append_meta meta = { .flags = message->flags,
				    .keywords = message->keywords,
				    .keyword_count = keyword_count };
	struct append *append;
	uint32_t uidvalidity, uid;
	int r = append_begin(q->store, view_of(folder), message->date, &append);

	if (r < 0)
		return r;
	/* A name that cannot be kept: the message comes, under another. */
	(void)append_set_unique(append, message->unique);
	r = message->crlf ? append_write(append, message->content)
			  : append_lines(append, message->content);
	if (r == 0)
		return append_finish(&append, &meta, 1, &uidvalidity, &uid);
	append_free(append);
	return r;
}

int import_put(struct mailbox_request *q, const char *folder, const struct import_message *message,
	       bool *known)
{
	uintptr_t there = (uintptr_t)map_get(q->known, message->unique);
	int r;

	*known = import_count(q->came, message->unique) <= there;
	if (*known)
		return TOOL_DONE;
	r = import_append(q, folder, message, message->keyword_count);
	if (r == -ERANGE) {
		(void)tool_fail("mailbox", "%s: %.*s: too many keywords in the folder: without",
				folder, VIEW_ARG(message->unique));
		r = import_append(q, folder, message, 0);
	}
	return r < 0 ? tool_fail("mailbox", "%s: %s", folder, strerror(-r)) : TOOL_DONE;
}

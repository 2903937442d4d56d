/* The content of one message and the places of its parts. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "fetch.h"

void opened_message_close(struct opened_message *message)
{
	if (message->uid == 0)
		return;
	close(message->fd);
	if (message->has_tree)
		mime_tree_free(&message->tree);
	*message = (struct opened_message){ 0 };
}

int opened_message_map(const struct opened_message *message, struct view *content)
{
	void *map;

	*content = VIEW("");
	if (message->size == 0)
		return 0;
	map = mmap(NULL, (size_t)message->size, PROT_READ, MAP_PRIVATE, message->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*content = view_make(map, (size_t)message->size);
	return 0;
}

void opened_message_unmap(struct view content)
{
	if (content.len > 0)
		munmap((void *)(uintptr_t)content.data, content.len);
}

/* What is to be known of every message. One without an empty line is all header. */
static int opened_message_look(struct opened_message *message)
{
	struct view content;
	size_t end;
	int r = opened_message_map(message, &content);

	if (r < 0)
		return r;
	end = header_find_end(content, 0);
	message->body_start = end == VIEW_NOT_FOUND ? message->size : end;
	message->has_nul = view_find_byte(content, '\0') != VIEW_NOT_FOUND;
	opened_message_unmap(content);
	return 0;
}

int opened_message_get(struct imap_session *s, uint32_t seq, struct opened_message **message)
{
	uint32_t uid = mailbox_uid(s->mailbox, seq);
	struct opened_message *opened = s->message;
	int r;

	*message = opened;
	if (opened->uid == uid)
		return 0;
	opened_message_close(opened);
	r = mailbox_content(s->mailbox, seq, &opened->fd, &opened->size);
	if (r < 0)
		return r;
	opened->uid = uid;
	r = opened_message_look(opened);
	if (r < 0)
		opened_message_close(opened);
	return r;
}

const struct mime_tree *opened_message_tree(struct opened_message *message, struct view content)
{
	if (!message->has_tree)
		mime_tree_parse(content, &message->tree);
	message->has_tree = true;
	return &message->tree;
}

static int need_tree(struct opened_message *message)
{
	struct view content;
	int r;

	if (message->has_tree)
		return 0;
	r = opened_message_map(message, &content);
	if (r < 0)
		return r;
	opened_message_tree(message, content);
	opened_message_unmap(content);
	return 0;
}

/* Index of the child with that number, or -1. */
static int child_of(const struct mime_tree *tree, int parent, uint32_t number)
{
	for (size_t i = (size_t)parent + 1; i < tree->count; i++)
		if (tree->parts[i].parent == parent && (uint32_t)tree->parts[i].number == number)
			return (int)i;
	return -1;
}

/*
 * Walks a path of part numbers. A message is not a part: the one part of a message without
 * multipart is number 1, and the parts below a message/rfc822 part are those of the message in it
 * (RFC 3501 6.4.5). -1: there is no such part.
 */
static int find_part(const struct mime_tree *tree, const struct section *section)
{
	int at = 0;
	bool is_part = false;

	for (size_t i = 0; i < section->depth; i++) {
		uint32_t number = section->path[i];

		if (is_part && tree->parts[at].is_message) {
			at = child_of(tree, at, 1);
			is_part = false;
			if (at < 0)
				return -1;
		}
		if (tree->parts[at].is_multipart)
			at = child_of(tree, at, number);
		else if (is_part || number != 1)
			return -1;
		is_part = true;
		if (at < 0)
			return -1;
	}
	return at;
}

static void whole_message(const struct opened_message *message, enum section_text text,
			  uint64_t *offset, uint64_t *length)
{
	*offset = text == SECTION_TEXT ? message->body_start : 0;
	*length = (text == SECTION_ALL || text == SECTION_TEXT ? message->size
							       : message->body_start) -
		  *offset;
}

int opened_message_section(struct opened_message *message, const struct section *section,
			   uint64_t *offset, uint64_t *length)
{
	const struct mime_part *part;
	int at, r;

	if (section->depth == 0) {
		whole_message(message, section->text, offset, length);
		return 0;
	}
	r = need_tree(message);
	if (r < 0)
		return r;
	at = find_part(&message->tree, section);
	if (at < 0)
		return -ENOENT;
	part = &message->tree.parts[at];
	if (section->text != SECTION_ALL && section->text != SECTION_MIME) {
		/* HEADER and TEXT of a part are those of the message in it. */
		at = part->is_message ? child_of(&message->tree, at, 1) : -1;
		if (at < 0)
			return -ENOENT;
		part = &message->tree.parts[at];
	}
	if (section->text == SECTION_ALL || section->text == SECTION_TEXT) {
		*offset = part->body_start;
		*length = part->body_end - part->body_start;
	} else {
		*offset = part->header_start;
		*length = part->body_start - part->header_start;
	}
	return 0;
}

/*
 * The message written once more: recipients stand in front of the content, and neither can be changed
 * where it is. Nobody has heard of the old one yet.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "milters.h"
#include "proofs.h"

#define BLOCK_SIZE ((size_t)65536)

static bool again_is_removed(void *argument, struct view original)
{
	const struct intake *in = argument;
	_cleanup_(str_free) struct str key = STR_EMPTY;

	str_append_lower(&key, original);
	return map_get(in->removed, str_view(&key)) != NULL;
}

static int again_recipients(struct intake *in, struct queue_writer *old)
{
	struct view redirect = str_view(&in->redirect);
	int r;

	if (redirect.len > 0)
		return queue_writer_recipient(in->writer, redirect, redirect, VIEW_NONE, 0);
	if (in->removed != NULL)
		r = queue_writer_take_recipients_but(in->writer, old, again_is_removed, in);
	else
		r = queue_writer_take_recipients(in->writer, old);
	return r < 0 ? r : envelope_late_copies(in);
}

static int again_write(struct intake *in, struct view bytes)
{
	in->has_8bit = in->has_8bit || !view_is_ascii(bytes);
	return queue_writer_content(in->writer, bytes);
}

/* The content of `from` from there on. */
static int again_copy(struct intake *in, struct queue_writer *from, uint64_t at)
{
	_cleanup_free_ char *block = mem_resize(NULL, BLOCK_SIZE, 1);

	for (;;) {
		ssize_t n = queue_writer_read(from, at, block, BLOCK_SIZE);
		int r = n > 0 ? again_write(in, view_make(block, (size_t)n)) : (int)n;

		if (n <= 0 || r < 0)
			return r;
		at += (uint64_t)n;
	}
}

/* As the milters have left it. */
static int again_judged(struct intake *in, struct queue_writer *old)
{
	struct judged *j = in->judged;
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->count; i++)
		r = again_write(in, str_view(&j->fields[i].whole));
	if (r == 0)
		r = again_write(in, VIEW("\r\n"));
	if (r == 0)
		r = j->body != NULL ? again_copy(in, j->body, 0) : again_copy(in, old, j->body_at);
	if (r == 0 && in->has_8bit)
		queue_writer_set_body(in->writer, BODY_8BITMIME);
	return r;
}

int message_again(struct intake *in)
{
	struct queue_envelope envelope = intake_envelope(in);
	bool judged = in->judged != NULL && in->judged->is_changed;
	struct queue_writer *old = in->writer;
	int r;

	if (in->redirect.len == 0 && in->late == NULL && in->removed == NULL && !in->again &&
	    !judged)
		return 0;
	in->writer = queue_writer_again(old, &envelope);
	r = again_recipients(in, old);
	if (r == 0)
		r = cleanup_signing_reserve(in);
	if (r == 0)
		r = passage_reserve(in);
	if (r == 0)
		r = judged ? again_judged(in, old) : queue_writer_take_content(in->writer, old);
	queue_writer_free(old);
	if (r < 0)
		return intake_fail_temporarily(in, "write the queue file", r);
	if (queue_writer_recipient_count(in->writer) > 0)
		return 0;
	log_info("%s: no recipients are left: thrown away", queue_writer_id(in->writer));
	return intake_discard(in);
}

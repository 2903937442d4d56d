/* Commands with arguments of all kinds: whatever comes, reading ends at the end of the input. */
#include <errno.h>

#include "base/mem.h"
#include "input.h"

static int read_literal(struct imap_parser *p)
{
	struct view piece;
	uint64_t size, seen = 0;
	int r = imap_literal_begin(p, 1000, &size);

	if (r < 0)
		return r;
	while ((r = imap_literal_read(p, &piece)) > 0)
		seen += piece.len;
	if (r == 0 && seen != size)
		abort();
	return r;
}

static int read_set(struct imap_parser *p)
{
	struct imap_set set;
	int r = imap_sequence_set(p, &set);

	if (r < 0)
		return r;
	imap_set_resolve(&set, 100);
	for (size_t i = 0; i < set.count; i++)
		if (set.ranges[i].first > set.ranges[i].last ||
		    (i > 0 && set.ranges[i].first <= set.ranges[i - 1].last))
			abort();
	imap_set_free(&set);
	return 0;
}

static int read_argument(struct imap_parser *p, uint8_t what, struct view *first)
{
	struct view text = VIEW_NONE;
	uint64_t number;
	int r = imap_space(p);

	if (r < 0)
		return r;
	switch (what % 7) {
	case 0:
		r = imap_atom(p, &text);
		break;
	case 1:
		r = imap_astring(p, &text);
		break;
	case 2:
		r = imap_string(p, &text);
		break;
	case 3:
		r = imap_list_mailbox(p, &text);
		break;
	case 4:
		return imap_number(p, 1000000, &number);
	case 5:
		return read_set(p);
	default:
		return read_literal(p);
	}
	if (r == 0 && first->data == NULL)
		*first = text;
	return r;
}

static void try_input(void *argument)
{
	const uint8_t *data = ((struct input *)argument)->data;
	size_t size = ((struct input *)argument)->size;
	enum { PLAN = 8 };
	struct stream *io;
	struct imap_parser *p;
	int r = 0;

	if (size < PLAN)
		return;
	io = input_stream(data + PLAN, size - PLAN);
	p = imap_parser_new(io, &input_limits);
	while (r == 0) {
		struct view first = VIEW_NONE;
		_cleanup_(str_free) struct str copy = STR_EMPTY;

		r = imap_command_begin(p);
		for (size_t i = 0; i < PLAN && r == 0 && !imap_at_end(p); i++) {
			r = read_argument(p, data[i], &first);
			if (copy.len == 0)
				str_append(&copy, first);
		}
		/* What was read first is still there. */
		if (!view_eq(view_first(first, copy.len), str_view(&copy)))
			abort();
		if (r == 0)
			r = imap_end(p);
		if (r == -EBADMSG || r == -EMSGSIZE) {
			if (imap_parser_problem(p)[0] == '\0')
				abort();
			r = 0;
		}
		if (r == 0)
			r = imap_command_skip(p);
	}
	if (r == -EBADMSG || r == -EMSGSIZE)
		abort();
	imap_parser_free(p);
	stream_free(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return input_run(try_input, data, size);
}

/* What a FETCH asks for: read, and named again as the answer does. */
#include "fetch.h"
#include "input.h"

static void try_input(void *argument)
{
	const uint8_t *data = ((struct input *)argument)->data;
	size_t size = ((struct input *)argument)->size;
	struct stream *io = input_stream(data, size);
	struct imap_parser *p = imap_parser_new(io, &input_limits);
	struct imap_session session = { .io = io, .parser = p };
	struct fetch *fetch = mem_new(struct fetch);

	if (imap_command_begin(p) == 0 && imap_space(p) == 0 && fetch_parse(&session, fetch) == 0) {
		if (fetch->count == 0 || fetch->count > FETCH_ITEMS_MAX)
			abort();
		for (size_t i = 0; i < fetch->count; i++) {
			struct str label = STR_EMPTY;

			fetch_append_label(&label, &fetch->items[i]);
			if (label.len == 0)
				abort();
			str_free(&label);
		}
	}
	fetch_free(fetch);
	free(fetch);
	imap_parser_free(p);
	stream_free(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return input_run(try_input, data, size);
}

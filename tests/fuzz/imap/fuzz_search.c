/* The keys of SEARCH: the program that is made can be evaluated, whatever the values. */
#include "input.h"
#include "search.h"

/* Each operator has its operands, and one value is left. */
static void check_program(const struct search *search)
{
	size_t depth = 0;

	for (size_t i = 0; i < search->count; i++) {
		switch (search->keys[i].kind) {
		case SEARCH_NOT:
			if (depth < 1)
				abort();
			break;
		case SEARCH_AND:
		case SEARCH_OR:
			if (depth < 2)
				abort();
			depth--;
			break;
		default:
			depth++;
		}
		if (depth > SEARCH_DEPTH_MAX + 2)
			abort();
	}
	if (depth != 1)
		abort();
}

static void try_input(void *argument)
{
	const uint8_t *data = ((struct input *)argument)->data;
	size_t size = ((struct input *)argument)->size;
	struct stream *io = input_stream(data, size);
	struct imap_parser *p = imap_parser_new(io, &input_limits);
	struct search *search = mem_new(struct search);

	if (imap_command_begin(p) == 0 && search_parse(p, search) == 0) {
		check_program(search);
		search->truth = mem_new_array(signed char, search->count);
		for (size_t i = 0; i < search->count; i++)
			search->truth[i] = (signed char)(data[i % size] % 3 - 1);
		if (search_evaluate(search) < -1 || search_evaluate(search) > 1)
			abort();
	}
	search_free(search);
	free(search);
	imap_parser_free(p);
	stream_free(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return input_run(try_input, data, size);
}

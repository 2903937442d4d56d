/* What a NOTIFY asks for: read, and kept after the command it came with. */
#include "conf/conf.h"
#include "input.h"
#include "notify.h"

static void check_kept(const struct notify *n)
{
	struct str label = STR_EMPTY;

	if (n->group_count > NOTIFY_GROUPS_MAX)
		abort();
	for (size_t i = 0; n->fetch != NULL && i < n->fetch->count; i++)
		fetch_append_label(&label, &n->fetch->items[i]);
	for (size_t i = 0; i < n->group_count; i++)
		if (mailbox_filter_matches(&n->groups[i].filter, VIEW("Lists.a"), true) &&
		    n->groups[i].filter.kind < FILTER_PERSONAL)
			abort();
	str_free(&label);
}

static void try_input(void *argument)
{
	const uint8_t *data = ((struct input *)argument)->data;
	size_t size = ((struct input *)argument)->size;
	struct stream *io = input_stream(data, size);
	struct imap_parser *p = imap_parser_new(io, &input_limits);
	struct imap_session session = { .io = io, .parser = p };
	struct notify *n = mem_new(struct notify);
	bool status;
	int r = imap_command_begin(p);

	if (r == 0)
		r = notify_parse(&session, n, &status);
	/* Its names must not be the command's. */
	imap_parser_free(p);
	if (r == 0)
		check_kept(n);
	notify_free(n);
	stream_free(io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool loaded;
	struct str report = STR_EMPTY;

	if (!loaded && conf_load_text(VIEW(""), "/nonexistent", NULL, 0, &report) < 0)
		abort();
	loaded = true;
	str_free(&report);
	return input_run(try_input, data, size);
}

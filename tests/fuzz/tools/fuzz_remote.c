/* What another IMAP server answers to a migration: folders, UIDs, flags, contents. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "task/task.h"
#include "tools/remote.h"

struct input {
	const uint8_t *data;
	size_t size;
};

struct taken {
	bool open;
	uint64_t bytes;
};

static int take_begin(void *argument)
{
	struct taken *taken = argument;

	if (taken->open)
		abort();
	*taken = (struct taken){ .open = true };
	return 0;
}

static int take_piece(void *argument, struct view bytes)
{
	struct taken *taken = argument;

	taken->bytes += bytes.len;
	if (!taken->open || taken->bytes > 1000)
		abort();
	return 0;
}

static int take_end(void *argument, const struct remote_message *message)
{
	struct taken *taken = argument;

	if (!taken->open || (message->flags & ~(unsigned)FLAGS_SYSTEM))
		abort();
	taken->open = false;
	return 0;
}

static int take_flags(void *argument, const struct remote_message *message)
{
	struct view rest = str_view(&message->keywords), word;

	(void)argument;
	if (message->uid == 0 || message->uid >= 1000)
		abort();
	while (view_next_word(&rest, " ", &word))
		if (!store_keyword_is_valid(word))
			abort();
	return 0;
}

/* Every name that comes out can be a folder's, and every UID is above the one before. */
static void ask_all(struct remote *remote)
{
	struct taken taken = { 0 };
	struct remote_taker taker = { take_begin, take_piece, take_end, &taken, 1000 };
	struct remote_message_size *sizes = NULL;
	struct remote_folders folders;
	struct remote_mailbox box;
	size_t count = 0;
	int r = remote_list(remote, &folders);

	for (size_t i = 0; i < folders.count; i++)
		if (store_name_check(view_of(folders.items[i].local), NULL) < 0)
			abort();
	remote_folders_free(&folders);
	if (r >= 0)
		r = remote_examine(remote, "INBOX", &box);
	if (r >= 0)
		r = remote_sizes(remote, 3, &sizes, &count);
	for (size_t i = 0; i < count; i++)
		if (sizes[i].uid < 3 || (i > 0 && sizes[i].uid <= sizes[i - 1].uid))
			abort();
	free(sizes);
	if (r >= 0)
		r = remote_flags(remote, 1000, 5, take_flags, NULL);
	if (r >= 0)
		(void)remote_contents(remote, "1:9", &taker);
}

static void try_input(void *argument)
{
	const struct input *input = argument;
	struct remote_options options = { .host = "host" };
	struct error err = ERROR_NONE;
	struct remote remote = { .options = &options, .login = "x", .err = &err };

	remote.capabilities = input->size > 0 ? input->data[0] : 0;
	remote.io = stream_new(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (input->size > 1)
		stream_push_back(remote.io, view_make(input->data + 1, input->size - 1));
	remote.in = imap_response_new(remote.io);
	ask_all(&remote);
	remote_close(&remote);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	task_run(try_input, &input);
	return 0;
}

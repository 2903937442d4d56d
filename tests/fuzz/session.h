/* What the targets share that talk with a session: a folder of their own, and a client that says all and hears the answer. */
#ifndef FUZZ_SESSION_H
#define FUZZ_SESSION_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char fuzz_folder[64]; /* empty: there is none yet */

static inline int fuzz_folder_remove_one(const char *path, const struct stat *st, int type,
					 struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static inline void fuzz_folder_remove(void)
{
	(void)nftw(fuzz_folder, fuzz_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* It goes when the process ends. */
static inline void fuzz_folder_make(void)
{
	snprintf(fuzz_folder, sizeof(fuzz_folder), "/dev/shm/posta-fuzz-XXXXXX");
	if (mkdtemp(fuzz_folder) == NULL)
		abort();
	atexit(fuzz_folder_remove);
}

struct fuzz_talk {
	task_function *serve; /* gets the server's end as its argument, and closes it */
	struct view input;
};

static inline void fuzz_talk_run(void *argument)
{
	const struct fuzz_talk *talk = argument;
	struct stream *client;
	struct view bytes;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		abort();
	task_spawn("server", talk->serve, stream_new(pair[0]));
	client = stream_new(pair[1]);
	stream_set_timeout(client, 5000);
	(void)stream_write(client, talk->input);
	(void)stream_flush(client);
	shutdown(pair[1], SHUT_WR);
	while (stream_peek(client, &bytes) >= 0)
		stream_consume(client, bytes.len);
	stream_free(client);
}

static inline void fuzz_talk(task_function *serve, const uint8_t *data, size_t size)
{
	struct fuzz_talk talk = { serve, view_make(data, size) };

	task_run(fuzz_talk_run, &talk);
}

#endif

/* A stream that gives the fuzzer's bytes and then ends; what is written to it goes nowhere. */
#ifndef FUZZ_IMAP_INPUT_H
#define FUZZ_IMAP_INPUT_H

#include <fcntl.h>
#include <stdlib.h>

#include "imap/parser.h"
#include "task/task.h"

static inline struct stream *input_stream(const uint8_t *data, size_t size)
{
	struct stream *io = stream_new(open("/dev/null", O_RDWR | O_CLOEXEC));

	stream_push_back(io, view_make(data, size));
	return io;
}

static const struct imap_limits input_limits = { .line = 8192,
						 .command = 16384,
						 .literal_plus = true };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Streams want a task around them. */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline int input_run(task_function *function, const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	task_run(function, &input);
	return 0;
}

#endif

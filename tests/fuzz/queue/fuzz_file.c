/* A whole queue file of a stranger's making: opened, verified, walked, every reason looked up. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "queue/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("queue-file", MFD_CLOEXEC);
	struct queue_file *file;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient recipient;
	struct queue_reason reason;
	struct error err;

	if (fd < 0 || io_write_all(fd, data, size) < 0)
		abort();
	if (queue_file_from_fd(fd, view_of("4XyZbcdfgzBCDFGHJK"), &file, &err) < 0)
		return 0;
	queue_file_verify(file);
	while (queue_file_next_recipient(file, &cursor, &recipient) > 0)
		queue_file_reason(file, recipient.reason, &reason);
	if (cursor.offset > size)
		abort();
	queue_file_close(file);
	return 0;
}

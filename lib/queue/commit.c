/*
 * Group commit. Whoever comes first leads: it takes all that wait, has a worker thread write them,
 * fsync each file and then each distinct folder once, and tells everyone. Those who come meanwhile gather for
 * the next round, which one of them leads. So under load one round serves many messages, and a
 * lone message waits for nobody.
 */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/format.h"
#include "task/task.h"

#define BATCH_MAX 512

/* Lives on the stack of the task that waits for it. */
struct sync_job {
	struct list link;
	int (*write)(void *argument, int *fd);
	void *argument;
	int fd, folder_fd;
	int result;
	bool done;
	struct waitlist woken; /* it is done, or it is to lead */
};

static struct {
	struct list gathering;
	bool running;
} committer = { .gathering = { &committer.gathering, &committer.gathering } };

struct batch {
	struct sync_job *jobs[BATCH_MAX];
	size_t count;
};

static int sync_file(int fd)
{
#ifdef POSTA_TEST_NO_FSYNC
	/* Only for the test that must find out that mail is lost without it. */
	(void)fd;
	return 0;
#else
	return fsync(fd) < 0 ? -errno : 0;
#endif
}

static void sync_folder(struct batch *batch, size_t first)
{
	int fd = batch->jobs[first]->folder_fd;

	if (fsync(fd) == 0)
		return;
	int r = -errno;

	for (size_t i = first; i < batch->count; i++)
		if (batch->jobs[i]->folder_fd == fd)
			batch->jobs[i]->result = r;
}

/* Runs in a worker thread. Each job gets the error that concerns it. */
static int sync_batch(void *argument)
{
	struct batch *batch = argument;

	/* All are written first: one commit of the journal then serves many fsyncs. */
	for (size_t i = 0; i < batch->count; i++) {
		struct sync_job *job = batch->jobs[i];

		job->result = job->write(job->argument, &job->fd);
	}
	for (size_t i = 0; i < batch->count; i++)
		if (batch->jobs[i]->result == 0)
			batch->jobs[i]->result = sync_file(batch->jobs[i]->fd);
	for (size_t i = 0; i < batch->count; i++) {
		size_t first = 0;

		/* At most QUEUE_HASH_FOLDERS different ones: the first of its kind is near. */
		while (batch->jobs[first]->folder_fd != batch->jobs[i]->folder_fd)
			first++;
		if (first == i)
			sync_folder(batch, i);
	}
	return 0;
}

static void lead(void)
{
	_cleanup_free_ struct batch *batch = mem_new(struct batch);
	struct sync_job *job;

	committer.running = true;
	while (batch->count < BATCH_MAX &&
	       (job = LIST_FIRST(&committer.gathering, struct sync_job, link)) != NULL) {
		list_remove(&job->link);
		batch->jobs[batch->count++] = job;
	}
	task_blocking(sync_batch, batch);
	for (size_t i = 0; i < batch->count; i++) {
		batch->jobs[i]->done = true;
		wake_one(&batch->jobs[i]->woken);
	}
	job = LIST_FIRST(&committer.gathering, struct sync_job, link);
	if (job != NULL)
		wake_one(&job->woken);
	else
		committer.running = false;
}

int queue_commit(int (*write)(void *argument, int *fd), void *argument, int folder_fd)
{
	struct sync_job job = {
		.write = write, .argument = argument, .fd = -1, .folder_fd = folder_fd
	};

	WAITLIST_INIT(&job.woken);
	list_push_back(&committer.gathering, &job.link);
	if (committer.running)
		wait_on(&job.woken, MSEC_FOREVER);
	if (!job.done)
		lead();
	return job.result;
}

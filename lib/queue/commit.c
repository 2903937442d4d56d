/*
 * Group commit. Whoever comes first leads: it takes all that wait, makes them durable, and tells
 * everyone. Those who come meanwhile gather for the next round, which one of them leads. So under
 * load one round serves many messages, and a lone message waits for nobody.
 *
 * A round of the journal is one write and one sync, and the whole program waits for it: what comes
 * meanwhile waits in its sockets and makes the next round larger, and two switches to a thread and
 * back would cost as much as the sync. Of files a round is an fsync of each and then one of each
 * distinct folder, in a worker thread, since they may be large.
 */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/journal.h"
#include "task/task.h"

#define BATCH_MAX 512

/* Lives on the stack of the task that waits for it. */
struct waiting {
	struct list link;
	struct queue *queue;
	struct commit_job *job;
	bool done;
	struct waitlist woken; /* it is done, or it is to lead */
};

static struct {
	struct list gathering;
	bool running;
} committer = { .gathering = { &committer.gathering, &committer.gathering } };

struct batch {
	struct queue *queue;
	struct waiting *members[BATCH_MAX];
	struct commit_job *journaled[BATCH_MAX], *files[BATCH_MAX];
	size_t count, journaled_count, file_count;
};

static void sync_folder(struct batch *batch, size_t first)
{
	int fd = batch->files[first]->folder_fd;

	if (fsync(fd) == 0)
		return;
	int r = -errno;

	for (size_t i = first; i < batch->file_count; i++)
		if (batch->files[i]->folder_fd == fd)
			batch->files[i]->result = r;
}

/* Each job gets the error that concerns it. In a worker thread. */
static int sync_files(void *argument)
{
	struct batch *batch = argument;

	/* All are written first: one commit of the file system's journal then serves many fsyncs. */
	for (size_t i = 0; i < batch->file_count; i++) {
		struct commit_job *job = batch->files[i];

		job->result = job->write(job->argument, &job->fd);
	}
	for (size_t i = 0; i < batch->file_count; i++)
		if (batch->files[i]->result == 0)
			batch->files[i]->result = queue_sync(batch->files[i]->fd, false);
	for (size_t i = 0; i < batch->file_count; i++) {
		size_t first = 0;

		/* At most QUEUE_HASH_FOLDERS different ones: the first of its kind is near. */
		while (batch->files[first]->folder_fd != batch->files[i]->folder_fd)
			first++;
		if (first == i)
			sync_folder(batch, i);
	}
	return 0;
}

static void sync_journal(struct batch *batch)
{
	journal_append(batch->queue, batch->journaled, batch->journaled_count);
	for (size_t i = 0; i < batch->journaled_count; i++)
		if (batch->journaled[i]->place.segment == 0 && batch->journaled[i]->result == 0)
			batch->files[batch->file_count++] = batch->journaled[i];
}

static void commit_add(struct batch *batch, struct waiting *w)
{
	batch->queue = w->queue;
	batch->members[batch->count++] = w;
	if (w->job->image.len > 0)
		batch->journaled[batch->journaled_count++] = w->job;
	else
		batch->files[batch->file_count++] = w->job;
}

static void lead(void)
{
	_cleanup_free_ struct batch *batch = mem_new(struct batch);
	struct waiting *w;

	committer.running = true;
	/* All who are ready have their turn first, and may join. */
	task_yield();
	while (batch->count < BATCH_MAX &&
	       (w = LIST_FIRST(&committer.gathering, struct waiting, link)) != NULL) {
		list_remove(&w->link);
		commit_add(batch, w);
	}
	sync_journal(batch);
	if (batch->file_count > 0)
		task_blocking(sync_files, batch);
	for (size_t i = 0; i < batch->count; i++) {
		batch->members[i]->done = true;
		wake_one(&batch->members[i]->woken);
	}
	w = LIST_FIRST(&committer.gathering, struct waiting, link);
	if (w != NULL)
		wake_one(&w->woken);
	else
		committer.running = false;
}

int queue_commit(struct queue *queue, struct commit_job *job)
{
	struct waiting w = { .queue = queue, .job = job };

	job->place = QUEUE_OWN_FILE;
	job->result = 0;
	job->fd = -1;
	WAITLIST_INIT(&w.woken);
	list_push_back(&committer.gathering, &w.link);
	if (committer.running)
		wait_on(&w.woken, MSEC_FOREVER);
	if (!w.done)
		lead();
	return job->result;
}

/*
 * Threads for calls that block. They are started when a job finds no idle one, take jobs from one
 * line, and report through an eventfd that the loop watches.
 */
#include "task/internal.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

/* For getpwnam() and the like, which like large buffers. */
#define WORKER_STACK_SIZE ((size_t)1024 * 1024)

/* Lives on the stack of the task that waits for it. */
struct job {
	struct list link;
	int (*function)(void *);
	void *argument;
	int result;
	bool done;
	unsigned run; /* the task_run that it belongs to */
	struct task *task;
};

static struct {
	pthread_mutex_t mutex; /* guards the lists and the counts of threads */
	pthread_cond_t job_waits;
	struct list waiting, done;
	int threads, idle;
	unsigned run;
	int event_fd;
	bool open;
	size_t unfinished; /* the loop's own: jobs whose tasks wait */
} pool = { .mutex = PTHREAD_MUTEX_INITIALIZER, .job_waits = PTHREAD_COND_INITIALIZER };

static void *worker_work(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&pool.mutex);
	for (;;) {
		struct job *job = LIST_FIRST(&pool.waiting, struct job, link);

		if (job == NULL) {
			pool.idle++;
			pthread_cond_wait(&pool.job_waits, &pool.mutex);
			pool.idle--;
			continue;
		}
		list_remove(&job->link);
		pthread_mutex_unlock(&pool.mutex);
		job->result = job->function(job->argument);
		pthread_mutex_lock(&pool.mutex);
		/* Under the mutex, so that the loop cannot close it meanwhile. */
		if (pool.open && job->run == pool.run) {
			list_push_back(&pool.done, &job->link);
			eventfd_write(pool.event_fd, 1);
		}
	}
	return NULL;
}

static void take_finished(void)
{
	eventfd_t ignored;
	struct job *job;

	eventfd_read(pool.event_fd, &ignored);
	pthread_mutex_lock(&pool.mutex);
	while ((job = LIST_FIRST(&pool.done, struct job, link)) != NULL) {
		list_remove(&job->link);
		job->done = true;
		task_wake(job->task, 0);
	}
	pthread_mutex_unlock(&pool.mutex);
}

static void open_pool(void)
{
	if (pool.open)
		return;
	pool.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.event_fd < 0)
		log_fatal("eventfd: %m");
	pthread_mutex_lock(&pool.mutex);
	if (pool.waiting.next == NULL) {
		list_init(&pool.waiting);
		list_init(&pool.done);
	}
	pool.open = true;
	pthread_mutex_unlock(&pool.mutex);
	/* One for us and one for all the workers: each that there is keeps its own free memory. */
	mallopt(M_ARENA_MAX, 2);
	poll_add_internal(pool.event_fd, take_finished);
}

/* Starts a thread; signals are for the loop, so it has them all blocked. */
static bool start_thread(void)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKER_STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attributes, worker_work, NULL);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0;
}

int task_blocking(int (*function)(void *), void *argument)
{
	struct job job = { .function = function, .argument = argument, .task = task_current() };
	bool nobody = false;

	open_pool();
	pthread_mutex_lock(&pool.mutex);
	job.run = pool.run;
	list_push_back(&pool.waiting, &job.link);
	if (pool.idle == 0 && pool.threads < TASK_WORKERS_MAX) {
		if (start_thread())
			pool.threads++;
		else
			nobody = pool.threads == 0;
	}
	if (nobody)
		list_remove(&job.link);
	pthread_cond_signal(&pool.job_waits);
	pthread_mutex_unlock(&pool.mutex);
	if (nobody)
		return function(
			argument); /* no thread to be had: everybody waits, but it is done */

	pool.unfinished++;
	while (!job.done)
		task_suspend("a worker thread", MSEC_FOREVER);
	pool.unfinished--;
	return job.result;
}

bool worker_is_busy(void)
{
	return pool.unfinished > 0;
}

void worker_close(bool forked)
{
	if (!pool.open)
		return;
	if (forked) {
		/* The threads are the parent's; one may have held the mutex when we were born. */
		pthread_mutex_init(&pool.mutex, NULL);
		pthread_cond_init(&pool.job_waits, NULL);
		pool.threads = pool.idle = 0;
	}
	pthread_mutex_lock(&pool.mutex);
	/* Jobs that run are left to end by themselves; their tasks are gone. */
	list_init(&pool.waiting);
	list_init(&pool.done);
	pool.run++;
	pool.open = false;
	close(pool.event_fd);
	pthread_mutex_unlock(&pool.mutex);
	pool.unfinished = 0;
}

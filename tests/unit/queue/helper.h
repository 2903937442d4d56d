/* A queue in a folder of its own, and a message in it, for the tests of this room. */
#ifndef TEST_QUEUE_HELPER_H
#define TEST_QUEUE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "queue/queue.h"
#include "task/task.h"

struct test_queue {
	char directory[64];
	struct queue *queue;
};

static inline void test_queue_make(struct test_queue *t)
{
	struct error err = ERROR_NONE;

	/* In memory where there is such a place: a disk's fsync would take most of the time. */
	snprintf(t->directory, sizeof(t->directory), "/dev/shm/posta-queue-XXXXXX");
	if (mkdtemp(t->directory) == NULL) {
		snprintf(t->directory, sizeof(t->directory), "/tmp/posta-queue-XXXXXX");
		assert_non_null(mkdtemp(t->directory));
	}
	assert_int_equal(queue_make_folders(t->directory, &err), 0);
	t->queue = queue_open(t->directory, &err);
	assert_non_null(t->queue);
}

static inline void test_queue_remove(struct test_queue *t)
{
	char command[128];

	queue_close(t->queue);
	snprintf(command, sizeof(command), "rm -rf '%s'", t->directory);
	assert_int_equal(system(command), 0);
}

static inline struct queue_writer *test_message_begin(struct test_queue *t)
{
	return queue_writer_new(t->queue,
				&(struct queue_envelope){ .sender = VIEW("sender@example.com"),
							  .envid = VIEW("QQ314159"),
							  .client_address = VIEW("192.0.2.1"),
							  .client_name = VIEW("client.example.com"),
							  .helo = VIEW("client"),
							  .protocol = VIEW("ESMTPSA"),
							  .login = VIEW("sender"),
							  .flags = MAIL_FLAG_REMOTE,
							  .body = BODY_8BITMIME,
							  .ret = RET_HDRS,
							  .arrival = 1795305501123456 });
}

/* Runs a test as a task. */
struct test_run {
	void (*test)(struct test_queue *t);
	struct test_queue t;
};
static inline void test_as_task(void *argument)
{
	struct test_run *run = argument;

	run->test(&run->t);
	task_quit(0);
}
static inline void test_with_queue(void (*test)(struct test_queue *t))
{
	struct test_run run = { .test = test };

	test_queue_make(&run.t);
	task_run(test_as_task, &run);
	test_queue_remove(&run.t);
}

#endif

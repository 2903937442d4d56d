/* Group commit: many writers at once, each message whole. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

enum { WRITERS = 100, MESSAGES = 3 };

struct load {
	struct test_queue *t;
	int running, committed;
	struct waitlist over;
};

static void write_messages(void *argument)
{
	struct load *load = argument;

	for (int i = 0; i < MESSAGES; i++) {
		_cleanup_(queue_writer_freep) struct queue_writer *w = test_message_begin(load->t);
		struct error err = ERROR_NONE;
		struct queue_file *f;

		queue_writer_recipient(w, VIEW("a@x"), VIEW("a@x"), VIEW_NONE, 0);
		queue_writer_content(w, VIEW("x\r\n"));
		assert_int_equal(queue_writer_commit(w, &err), 0);
		assert_int_equal(queue_file_open(load->t->queue, view_of(queue_writer_id(w)), NULL,
						 QUEUE_OPEN_VERIFY, &f, &err),
				 0);
		queue_file_close(f);
		load->committed++;
	}
	if (--load->running == 0)
		wake_all(&load->over);
}

static void many_writers(struct test_queue *t)
{
	struct load load = { .t = t, .running = WRITERS };

	WAITLIST_INIT(&load.over);
	for (int i = 0; i < WRITERS; i++)
		task_spawn("writer", write_messages, &load);
	assert_int_equal(wait_on(&load.over, clock_after(60000)), 0);
	assert_int_equal(load.committed, WRITERS * MESSAGES);
}

static int no_file(void *argument, const char *id, const struct queue_place *place)
{
	(void)argument;
	(void)id;
	(void)place;
	return 1;
}

/* A write that fails (file size limit, like a full disk) is told, and leaves nothing. */
static void failing_write(struct test_queue *t)
{
	struct rlimit old, small = { 100000, 100000 };
	struct queue_writer *w = test_message_begin(t);
	_cleanup_free_ char *block = mem_new_bytes(65536);
	struct error err = ERROR_NONE;

	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	queue_writer_recipient(w, VIEW("a@x"), VIEW("a@x"), VIEW_NONE, 0);
	assert_int_equal(queue_writer_content(w, view_make(block, 65536)), 0);
	assert_int_equal(queue_writer_content(w, view_make(block, 65536)), -EFBIG);
	assert_int_equal(queue_writer_content(w, VIEW("x")), -EFBIG);
	assert_int_equal(queue_writer_commit(w, &err), -EFBIG);
	queue_writer_free(w);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(queue_scan(t->queue, &(struct queue_scan){ .each = no_file }), 0);
}

static void many_writers_test(void **state)
{
	(void)state;
	test_with_queue(many_writers);
}
static void failing_test(void **state)
{
	(void)state;
	test_with_queue(failing_write);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_writers_test),
		cmocka_unit_test(failing_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

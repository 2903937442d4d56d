/* What is written is read back, and results are kept in place. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static void write_and_read(struct test_queue *t)
{
	_cleanup_(queue_writer_freep) struct queue_writer *w = test_message_begin(t);
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	char content[16];

	assert_int_equal(queue_writer_recipient(w, VIEW("a@example.org"), VIEW("alias@example.org"),
						VIEW("rfc822;alias@example.org"), NOTIFY_NEVER),
			 0);
	assert_int_equal(queue_writer_recipient(w, VIEW("b@example.org"), VIEW("b@example.org"),
						VIEW_NONE, 0),
			 0);
	assert_int_equal(queue_writer_content(w, VIEW("A: b\r\n\r\nc\0d\r\n")), 0);
	assert_int_equal(queue_writer_recipient(w, VIEW("late@x"), VIEW("late@x"), VIEW_NONE, 0),
			 -EINVAL);
	assert_int_equal(queue_writer_size(w), 13);
	assert_int_equal(queue_writer_recipient_count(w), 2);
	assert_int_equal(queue_writer_commit(w, &err), 0);

	struct view id = view_of(queue_writer_id(w));

	/* The writer has it locked until it is freed. */
	assert_int_equal(queue_file_open(t->queue, id, NULL, QUEUE_OPEN_LOCK, &f, &err), -EBUSY);
	assert_int_equal(queue_file_open(t->queue, id, NULL, QUEUE_OPEN_VERIFY, &f, &err), 0);

	const struct queue_envelope *e = queue_file_envelope(f);

	assert_true(view_is(e->sender, "sender@example.com"));
	assert_true(view_is(e->envid, "QQ314159"));
	assert_true(view_is(e->client_address, "192.0.2.1"));
	assert_true(view_is(e->client_name, "client.example.com"));
	assert_true(view_is(e->helo, "client"));
	assert_true(view_is(e->protocol, "ESMTPSA"));
	assert_true(view_is(e->login, "sender"));
	assert_int_equal(e->flags, MAIL_FLAG_REMOTE);
	assert_int_equal(e->body, BODY_8BITMIME);
	assert_int_equal(e->ret, RET_HDRS);
	assert_int_equal(e->arrival, 1795305501123456);
	assert_int_equal(queue_file_recipient_count(f), 2);
	assert_int_equal(queue_file_flags(f), 0);
	assert_int_equal(queue_file_next_attempt(f), 0);

	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_true(view_is(r.address, "a@example.org"));
	assert_true(view_is(r.original, "alias@example.org"));
	assert_true(view_is(r.orcpt, "rfc822;alias@example.org"));
	assert_int_equal(r.notify, NOTIFY_NEVER);
	assert_int_equal(r.index, 0);
	assert_int_equal(r.outcome, OUTCOME_PENDING);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_true(view_is(r.address, "b@example.org"));
	assert_int_equal(r.index, 1);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 0);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 0);

	assert_int_equal(queue_file_content_size(f), 13);
	assert_int_equal(
		io_pread_all(queue_file_fd(f), content, 13, (off_t)queue_file_content_offset(f)),
		0);
	assert_memory_equal(content, "A: b\r\n\r\nc\0d\r\n", 13);

	struct stat st;

	assert_int_equal(fstat(queue_file_fd(f), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fcntl(queue_file_fd(f), F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void results_are_kept(struct test_queue *t)
{
	struct queue_writer *w = test_message_begin(t);
	struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	struct queue_reason reason = { VIEW("5.1.1"), VIEW("mx[192.0.2.2]"), VIEW("550 no") }, out;
	uint64_t place, again;

	for (int i = 0; i < 3; i++)
		assert_int_equal(queue_writer_recipient(w, VIEW("a@x"), VIEW("a@x"), VIEW_NONE, 0),
				 0);
	queue_writer_content(w, VIEW("x\r\n"));
	assert_int_equal(queue_writer_commit(w, &err), 0);
	snprintf(id, sizeof(id), "%s", queue_writer_id(w));
	queue_writer_free(w);

	assert_int_equal(queue_file_open(t->queue, view_of(id), NULL, QUEUE_OPEN_LOCK, &f, &err),
			 0);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_int_equal(queue_file_add_reason(f, &reason, &place), 0);
	assert_int_equal(queue_file_add_reason(f, &reason, &again), 0);
	assert_int_equal(place, again);
	assert_int_equal(
		queue_file_set_result(f, r.position, OUTCOME_FAILED, true, 1795305502, place), 0);
	reason.status = VIEW("4.4.1");
	assert_int_equal(queue_file_add_reason(f, &reason, &again), 0);
	assert_true(again > place);
	assert_int_equal(queue_file_set_state(f, QUEUE_FLAG_HOLD, 1795309999), 0);
	assert_int_equal(queue_file_set_result(f, 5, OUTCOME_FAILED, true, 0, 0), -EINVAL);
	queue_file_close(f);

	/* The CRC does not cover what changes. */
	assert_int_equal(queue_file_open(t->queue, view_of(id), NULL, QUEUE_OPEN_VERIFY, &f, &err),
			 0);
	assert_int_equal(queue_file_flags(f), QUEUE_FLAG_HOLD);
	assert_int_equal(queue_file_next_attempt(f), 1795309999);
	cursor = (struct queue_cursor){ 0 };
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_PENDING);
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_FAILED);
	assert_true(r.reported);
	assert_int_equal(r.when, 1795305502);
	assert_int_equal(r.reason, place);
	assert_int_equal(queue_file_reason(f, r.reason, &out), 0);
	assert_true(view_is(out.status, "5.1.1"));
	assert_true(view_is(out.remote, "mx[192.0.2.2]"));
	assert_true(view_is(out.diagnostic, "550 no"));
	assert_int_equal(queue_file_reason(f, r.reason + 1, &out), -EBADMSG);
	assert_int_equal(queue_file_reason(f, 3, &out), -EBADMSG);
	assert_int_equal(queue_file_reason(f, UINT64_MAX, &out), -EBADMSG);
	queue_file_close(f);

	int fd = open(t->directory, O_RDONLY);

	assert_int_equal(queue_file_from_fd(fd, view_of(id), &f, &err), -EBADMSG);
	assert_int_equal(queue_remove(t->queue, view_of(id), NULL), 0);
	assert_int_equal(queue_file_open(t->queue, view_of(id), NULL, 0, &f, &err), -ENOENT);
}

/* The window moves many times, and a large content goes past the buffer. */
static void many_recipients(struct test_queue *t)
{
	enum { COUNT = 100000 };
	_cleanup_(queue_writer_freep) struct queue_writer *w = test_message_begin(t);
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	char address[64];
	_cleanup_free_ char *block = mem_new_bytes(200000);

	for (int i = 0; i < COUNT; i++) {
		snprintf(address, sizeof(address), "user%d@example.org", i);
		assert_int_equal(
			queue_writer_recipient(w, view_of(address), view_of(address), VIEW_NONE, 0),
			0);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(queue_writer_content(w, view_make(block, 200000)), 0);
	assert_int_equal(queue_writer_commit(w, &err), 0);
	assert_int_equal(queue_file_open(t->queue, view_of(queue_writer_id(w)), NULL,
					 QUEUE_OPEN_VERIFY, &f, &err),
			 0);
	assert_int_equal(queue_file_recipient_count(f), COUNT);
	assert_int_equal(queue_file_content_size(f), 1000000);
	for (int i = 0; i < COUNT; i++) {
		snprintf(address, sizeof(address), "user%d@example.org", i);
		assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
		assert_true(view_is(r.address, address));
		assert_int_equal(r.index, i);
		if (i % 1000 == 0)
			queue_file_trim(f);
	}
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 0);
}

static int count_file(void *argument, const char *id, const struct queue_place *place)
{
	(void)id;
	(void)place;
	++*(int *)argument;
	return 0;
}

static void nothing_is_left_of_what_was_not_committed(struct test_queue *t)
{
	struct queue_writer *w = test_message_begin(t);
	_cleanup_free_ char *block = mem_new_bytes(200000);
	int count = 0;

	queue_writer_recipient(w, VIEW("a@x"), VIEW("a@x"), VIEW_NONE, 0);
	queue_writer_content(w, view_make(block, 200000));
	assert_int_equal(queue_scan(t->queue,
				    &(struct queue_scan){ .each = count_file, .argument = &count }),
			 0);
	assert_int_equal(count, 1);
	queue_writer_free(w);
	count = 0;
	assert_int_equal(queue_scan(t->queue,
				    &(struct queue_scan){ .each = count_file, .argument = &count }),
			 0);
	assert_int_equal(count, 0);
}

static void write_and_read_test(void **state)
{
	(void)state;
	test_with_queue(write_and_read);
}
static void results_test(void **state)
{
	(void)state;
	test_with_queue(results_are_kept);
}
static void many_test(void **state)
{
	(void)state;
	test_with_queue(many_recipients);
}
static void left_test(void **state)
{
	(void)state;
	test_with_queue(nothing_is_left_of_what_was_not_committed);
}

/* What a sender asked for (RFC 3461 4.1) and what was reported already. */
static void reports(void **state)
{
	static const struct {
		uint8_t outcome, notify;
		bool reported, failure, delay, success;
	} cases[] = {
		{ OUTCOME_FAILED, 0, false, true, false, false },
		{ OUTCOME_FAILED, 0, true, false, false, false },
		{ OUTCOME_FAILED, NOTIFY_NEVER, false, false, false, false },
		{ OUTCOME_FAILED, NOTIFY_SUCCESS, false, false, false, false },
		{ OUTCOME_FAILED, NOTIFY_FAILURE, false, true, false, false },
		{ OUTCOME_DEFERRED, 0, false, false, true, false },
		{ OUTCOME_DEFERRED, NOTIFY_FAILURE, false, false, false, false },
		{ OUTCOME_PENDING, NOTIFY_DELAY, false, false, true, false },
		{ OUTCOME_DELIVERED, 0, false, false, false, false },
		{ OUTCOME_DELIVERED, NOTIFY_SUCCESS, false, false, false, true },
		{ OUTCOME_RELAYED, NOTIFY_SUCCESS, true, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct queue_recipient r = { .outcome = cases[i].outcome,
					     .notify = cases[i].notify,
					     .reported = cases[i].reported };

		assert_int_equal(queue_recipient_wants_report(&r, REPORT_FAILURE),
				 cases[i].failure);
		assert_int_equal(queue_recipient_wants_report(&r, REPORT_DELAY), cases[i].delay);
		assert_int_equal(queue_recipient_wants_report(&r, REPORT_SUCCESS),
				 cases[i].success);
	}
}

/* Room in front: exact in a small message, a hole in a large one, and the CRC covers what is in it. */
static void write_reserved(struct test_queue *t, size_t size, bool fill)
{
	_cleanup_(queue_writer_freep) struct queue_writer *w = test_message_begin(t);
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	_cleanup_(str_free) struct str body = STR_EMPTY, got = STR_EMPTY;
	static const char too_long[999];
	const char *front = fill ? "First: 1\r\nSecond: 2\r\n" : "";
	struct error err = ERROR_NONE;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	assert_int_equal(queue_writer_recipient(w, VIEW("a@b"), VIEW("a@b"), VIEW_NONE, 0), 0);
	assert_int_equal(queue_writer_reserve(w, 1000), 0);
	assert_int_equal(queue_writer_reserve(w, QUEUE_RESERVE_MAX), -E2BIG);
	memset(str_reserve(&body, size), 'x', size);
	str_grow(&body, size);
	assert_int_equal(queue_writer_content(w, str_view(&body)), 0);
	assert_int_equal(queue_writer_reserve(w, 1), -EINVAL);
	if (fill) {
		assert_int_equal(queue_writer_fill(w, VIEW("Second: 2\r\n")), 0);
		assert_int_equal(queue_writer_fill(w, VIEW("First: 1\r\n")), 0);
		assert_int_equal(queue_writer_fill(w, view_make(too_long, sizeof(too_long))),
				 -ENOSPC);
	}
	if (queue_writer_commit(w, &err) < 0)
		fail_msg("%s", err.text);

	struct view id = view_of(queue_writer_id(w));

	if (queue_file_open(t->queue, id, NULL, QUEUE_OPEN_VERIFY, &f, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_true(view_is(r.address, "a@b"));
	assert_int_equal(queue_file_content_size(f), strlen(front) + size);
	size_t len = (size_t)queue_file_content_size(f);

	assert_int_equal(io_pread_all(queue_file_fd(f), str_reserve(&got, len), len,
				      (off_t)queue_file_content_offset(f)),
			 0);
	str_grow(&got, len);
	assert_true(view_starts(str_view(&got), view_of(front)));
	assert_true(view_eq(view_from(str_view(&got), strlen(front)), str_view(&body)));
	if (!fill)
		return;

	/* A byte of what was filled, changed: found out. */
	_cleanup_(str_free) struct str path = STR_EMPTY;
	char name[128];

	queue_path(&path, id);
	snprintf(name, sizeof(name), "%s/%s", t->directory, str_cstr(&path));
	_cleanup_fd_ int fd = open(name, O_RDWR);

	assert_int_equal(pwrite(fd, "X", 1, (off_t)queue_file_content_offset(f)), 1);
	assert_int_equal(queue_file_verify(f), -EBADMSG);
}

static void reserved(struct test_queue *t)
{
	static const size_t sizes[] = { 0, 1, 5000, 65000, 65536, 65400, 200000, 1000000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		write_reserved(t, sizes[i], false);
		write_reserved(t, sizes[i], true);
	}
}

static void reserved_test(void **state)
{
	(void)state;
	test_with_queue(reserved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_and_read_test), cmocka_unit_test(reserved_test),
		cmocka_unit_test(results_test),	       cmocka_unit_test(many_test),
		cmocka_unit_test(left_test),	       cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

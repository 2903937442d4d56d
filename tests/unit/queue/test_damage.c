/* Files cut off at every length and with every bit flipped: never believed, never a crash. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

struct sample {
	char id[QUEUE_ID_LENGTH_MAX];
	struct str bytes;
	size_t mark_end;
};

static void make_sample(struct test_queue *t, struct sample *sample)
{
	_cleanup_(queue_writer_freep) struct queue_writer *w = test_message_begin(t);
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct queue_file *f;
	struct queue_reason reason = { VIEW("4.4.1"), VIEW_NONE, VIEW("no route") };
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	uint64_t place;

	queue_writer_recipient(w, VIEW("a@x.example"), VIEW("b@x.example"), VIEW("o"), 1);
	queue_writer_recipient(w, VIEW("c@x.example"), VIEW("c@x.example"), VIEW_NONE, 0);
	queue_writer_content(w, VIEW("Subject: x\r\n\r\nHello\r\n"));
	assert_int_equal(queue_writer_commit(w, &err), 0);
	snprintf(sample->id, sizeof(sample->id), "%s", queue_writer_id(w));
	str_printf(&path, "%s/", t->directory);
	queue_path(&path, view_of(sample->id));
	assert_int_equal(io_read_file(str_cstr(&path), 100000, &sample->bytes, &err), 0);
	sample->mark_end = sample->bytes.len;

	assert_int_equal(queue_file_open(t->queue, view_of(sample->id), NULL, 0, &f, &err), 0);
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(queue_file_add_reason(f, &reason, &place), 0);
	queue_file_set_result(f, r.position, OUTCOME_DEFERRED, false, 5, place);
	queue_file_set_state(f, 0, 1000);
	queue_file_close(f);
	str_clear(&sample->bytes);
	assert_int_equal(io_read_file(str_cstr(&path), 100000, &sample->bytes, &err), 0);
}

static int memory_file(struct view bytes)
{
	int fd = memfd_create("queue-file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, bytes.data, bytes.len), 0);
	return fd;
}

/* Opens, verifies, walks all of it; what the first failure was. */
static int walk(const struct sample *sample, struct view bytes)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	struct queue_reason reason;
	struct error err;
	int result = queue_file_from_fd(memory_file(bytes), view_of(sample->id), &f, &err);

	if (result < 0)
		return result;
	int verified = queue_file_verify(f);

	while ((result = queue_file_next_recipient(f, &cursor, &r)) > 0)
		if (r.reason != 0)
			queue_file_reason(f, r.reason, &reason);
	return verified < 0 ? verified : result;
}

static void truncated(struct test_queue *t)
{
	struct sample sample = { .bytes = STR_EMPTY };

	make_sample(t, &sample);
	for (size_t len = 0; len < sample.mark_end; len++)
		assert_int_equal(walk(&sample, view_make(sample.bytes.data, len)), -ENODATA);
	for (size_t len = sample.mark_end; len <= sample.bytes.len; len++)
		assert_int_equal(walk(&sample, view_make(sample.bytes.data, len)), 0);
	str_free(&sample.bytes);
}

/* Bytes of the state words, slots, reasons and unused ones, which are no part of the CRC. */
static bool may_change(const struct sample *sample, const struct sample *clean, size_t at)
{
	(void)clean;
	return at >= sample->mark_end - 4 || (at >= 56 && at < 128);
}

static void flipped(struct test_queue *t)
{
	struct sample sample = { .bytes = STR_EMPTY };
	size_t unnoticed = 0;

	make_sample(t, &sample);
	for (size_t bit = 0; bit < sample.bytes.len * 8; bit++) {
		sample.bytes.data[bit / 8] ^= (char)(1 << bit % 8);
		int r = walk(&sample, str_view(&sample.bytes));

		if (r == 0 && !may_change(&sample, &sample, bit / 8))
			unnoticed++;
		assert_true(r == 0 || r == -ENODATA || r == -EBADMSG);
		sample.bytes.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	/* Just the two slots. */
	assert_int_equal(unnoticed, (size_t)2 * 24 * 8);
	str_free(&sample.bytes);
}

static void torn_slot_means_nothing_happened(struct test_queue *t)
{
	struct sample sample = { .bytes = STR_EMPTY };
	struct queue_file *f;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	struct error err;

	make_sample(t, &sample);
	assert_int_equal(queue_file_from_fd(memory_file(str_view(&sample.bytes)),
					    view_of(sample.id), &f, &err),
			 0);
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_DEFERRED);
	assert_int_equal(queue_file_next_attempt(f), 1000);
	sample.bytes.data[r.position + 4] = OUTCOME_DELIVERED;
	sample.bytes.data[68 + 7] ^= 1;
	queue_file_close(f);
	assert_int_equal(queue_file_from_fd(memory_file(str_view(&sample.bytes)),
					    view_of(sample.id), &f, &err),
			 0);
	cursor = (struct queue_cursor){ 0 };
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_PENDING);
	assert_int_equal(queue_file_next_attempt(f), 0);
	queue_file_close(f);
	str_free(&sample.bytes);
}

static void truncated_test(void **state)
{
	(void)state;
	test_with_queue(truncated);
}
static void flipped_test(void **state)
{
	(void)state;
	test_with_queue(flipped);
}
static void torn_test(void **state)
{
	(void)state;
	test_with_queue(torn_slot_means_nothing_happened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_test),
		cmocka_unit_test(flipped_test),
		cmocka_unit_test(torn_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

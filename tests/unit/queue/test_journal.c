/* The journal: small messages appended to segments, read back, moved out, segments used anew. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"

enum { SEGMENT_SIZE = 256 * 1024 };

struct written {
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_place place;
};

static void write_message(struct test_queue *t, size_t recipients, uint8_t flags,
			  struct view content, struct written *out)
{
	struct queue_writer *w =
		queue_writer_new(t->queue, &(struct queue_envelope){ .sender = VIEW("s@x.test"),
								     .helo = VIEW("client"),
								     .flags = flags,
								     .arrival = 1795305501123456 });
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < recipients; i++)
		queue_writer_recipient(w, VIEW("a@x.test"), VIEW("b@x.test"), VIEW_NONE, 0);
	queue_writer_content(w, content);
	assert_int_equal(queue_writer_commit(w, &err), 0);
	snprintf(out->id, sizeof(out->id), "%s", queue_writer_id(w));
	out->place = *queue_writer_place(w);
	queue_writer_free(w);
}

static void write_small(struct test_queue *t, struct written *out)
{
	write_message(t, 1, 0, VIEW("A: b\r\n\r\nbody\r\n"), out);
}

static struct queue_file *open_it(struct test_queue *t, const struct written *w)
{
	struct queue_file *f;
	struct error err = ERROR_NONE;

	assert_int_equal(
		queue_file_open(t->queue, view_of(w->id), &w->place, QUEUE_OPEN_VERIFY, &f, &err),
		0);
	return f;
}

/* ---- what a scan finds ---- */

struct census {
	struct written found[5000];
	size_t count;
	struct queue_scan scan;
};

static int note(void *argument, const char *id, const struct queue_place *place)
{
	struct census *c = argument;

	assert_true(c->count < ARRAY_SIZE(c->found));
	snprintf(c->found[c->count].id, sizeof(c->found[0].id), "%s", id);
	c->found[c->count++].place = *place;
	return 0;
}

static struct census *scan(struct queue *queue, bool busy_too)
{
	static struct census c;

	c = (struct census){ .scan = { .each = note, .argument = &c, .busy_too = busy_too } };
	assert_int_equal(queue_scan(queue, &c.scan), 0);
	return &c;
}

static bool finds(const struct census *c, const struct written *w)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->found[i].id, w->id) == 0 &&
		    memcmp(&c->found[i].place, &w->place, sizeof(w->place)) == 0)
			return true;
	return false;
}

static struct queue *reopen(struct test_queue *t)
{
	struct error err;
	struct queue *queue = queue_open(t->directory, &err);

	assert_non_null(queue);
	return queue;
}

/* ---- the tests ---- */

static void small_ones_are_appended(struct test_queue *t)
{
	struct written a, b;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	struct queue_reason reason = { VIEW("4.0.0"), VIEW_NONE, VIEW("why") };
	uint64_t where;
	char content[14];

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_small(t, &a);
	write_small(t, &b);
	assert_int_equal(a.place.segment, 1);
	assert_int_equal(b.place.segment, 1);
	assert_true(b.place.offset > a.place.offset);

	_cleanup_(queue_file_closep) struct queue_file *f = open_it(t, &a);

	assert_true(queue_file_in_journal(f));
	assert_true(view_is(queue_file_envelope(f)->helo, "client"));
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_true(view_is(r.address, "a@x.test"));
	/* What is handed over is a copy that holds just this message, and cannot be changed. */
	int fd = queue_file_fd(f);

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), a.place.size);
	assert_int_equal(
		io_pread_all(fd, content, sizeof(content), (off_t)queue_file_content_offset(f)), 0);
	assert_memory_equal(content, "A: b\r\n\r\nbody\r\n", 14);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	/* Results are recorded in place; there is no place for reasons. */
	assert_int_equal(queue_file_set_result(f, r.position, OUTCOME_DELIVERED, true, 5, 0), 0);
	assert_true(queue_file_add_reason(f, &reason, &where) < 0);
	queue_file_close(TAKE(f));
	f = open_it(t, &a);
	cursor = (struct queue_cursor){ 0 };
	assert_int_equal(queue_file_next_recipient(f, &cursor, &r), 1);
	assert_int_equal(r.outcome, OUTCOME_DELIVERED);
}

static void others_are_files(struct test_queue *t)
{
	_cleanup_free_ char *block = mem_new_bytes(70000);
	struct written w;

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_message(t, 1, 0, view_make(block, 70000), &w);
	assert_int_equal(w.place.segment, 0);
	write_message(t, 200, 0, VIEW("x\r\n"), &w);
	assert_int_equal(w.place.segment, 0);
	write_message(t, 1, MAIL_FLAG_HOLD, VIEW("x\r\n"), &w);
	assert_int_equal(w.place.segment, 0);
	assert_int_equal(scan(t->queue, false)->count, 3);
}

static void removed_ones_are_gone(struct test_queue *t)
{
	struct written a, b, busy;
	struct queue_file *f;

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_small(t, &a);
	write_small(t, &b);
	write_small(t, &busy);
	assert_int_equal(queue_remove(t->queue, view_of(a.id), &a.place), 0);
	queue_mark(t->queue, &busy.place, QUEUE_RECORD_BUSY);
	assert_int_equal(queue_file_open(t->queue, view_of(a.id), &a.place, 0, &f, NULL), -ENOENT);
	/* A place where another message is, by mistake or malice. */
	assert_int_equal(queue_file_open(t->queue, view_of(a.id), &b.place, 0, &f, NULL), -ENOENT);

	struct queue *later = reopen(t);
	struct census *c = scan(later, false);

	assert_int_equal(c->count, 1);
	assert_true(finds(c, &b));
	assert_int_equal(c->scan.busy, 1);
	assert_int_equal(c->scan.segments, 1);
	assert_int_equal(c->scan.writers, 1);
	c = scan(later, true);
	assert_int_equal(c->count, 2);
	assert_true(finds(c, &busy));
	queue_close(later);
}

/* What was read into a buffer of the record's size grows when it has a file of its own. */
static void settled_ones_grow(struct test_queue *t)
{
	char text[IPC_TEXT_MAX];
	struct error err = ERROR_NONE;
	struct written a;
	uint64_t where[3];

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_message(t, 1, 0, VIEW("A: b\r\n\r\nbody\r\n"), &a);

	_cleanup_(queue_file_closep) struct queue_file *f = open_it(t, &a);

	assert_int_equal(queue_file_settle(f, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct queue_reason reason = { VIEW("4.0.0"), VIEW_NONE,
					       view_make(text, sizeof(text)) };

		memset(text, 'a' + (int)i, sizeof(text));
		assert_int_equal(queue_file_add_reason(f, &reason, &where[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct queue_reason reason;

		assert_int_equal(queue_file_reason(f, where[i], &reason), 0);
		assert_int_equal(reason.diagnostic.len, sizeof(text));
		assert_int_equal(reason.diagnostic.data[sizeof(text) - 1], 'a' + (int)i);
	}
}

static void settled_ones_are_files(struct test_queue *t)
{
	struct written a;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	struct queue_reason reason = { VIEW("4.0.0"), VIEW_NONE, VIEW("why") };
	struct error err = ERROR_NONE;
	uint64_t where;

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_message(t, 3, 0, VIEW("A: b\r\n\r\nbody\r\n"), &a);

	_cleanup_(queue_file_closep) struct queue_file *f = open_it(t, &a);

	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(queue_file_set_result(f, r.position, OUTCOME_DELIVERED, true, 5, 0), 0);
	assert_int_equal(lseek(queue_file_fd(f), 0, SEEK_END), a.place.size);
	assert_int_equal(queue_file_settle(f, &err), 0);
	assert_false(queue_file_in_journal(f));
	assert_int_equal(queue_file_add_reason(f, &reason, &where), 0);
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(queue_file_set_result(f, r.position, OUTCOME_DEFERRED, false, 6, where),
			 0);
	/* Who is handed it now sees the reason. */
	assert_true(lseek(queue_file_fd(f), 0, SEEK_END) > a.place.size);

	struct census *c = scan(t->queue, true);
	struct written own = a;
	struct queue_file *second;

	own.place = QUEUE_OWN_FILE;
	assert_int_equal(c->count, 1);
	assert_true(finds(c, &own));
	/* Locked by who settled it. */
	assert_int_equal(
		queue_file_open(t->queue, view_of(a.id), NULL, QUEUE_OPEN_LOCK, &second, NULL),
		-EBUSY);
	queue_file_close(TAKE(f));
	f = open_it(t, &own);
	cursor = (struct queue_cursor){ 0 };
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_DELIVERED);
	queue_file_next_recipient(f, &cursor, &r);
	assert_int_equal(r.outcome, OUTCOME_DEFERRED);
}

/* Full segments wait for their messages; then they are used anew, and nothing old shows up. */
static void segments_are_used_again(struct test_queue *t)
{
	static struct written all[3000];
	size_t count = 0, removed = 0, in_journal;

	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	do
		write_small(t, &all[count++]);
	while (all[count - 1].place.segment != 0 && count < ARRAY_SIZE(all));
	in_journal = count - 1;
	assert_true(in_journal > 500);
	assert_int_equal(all[in_journal].place.segment, 0);
	assert_int_equal(all[in_journal - 1].place.segment, 2);

	struct census *c = scan(t->queue, false);

	assert_int_equal(c->count, count);
	assert_int_equal(c->scan.segments, 2);
	for (size_t i = 0; i < count; i++)
		if (all[i].place.segment == 1)
			queue_remove(t->queue, view_of(all[i].id), &all[i].place);
	c = scan(t->queue, false);
	assert_int_equal(c->scan.segments, 1);

	/* Another writer takes it; it knows nothing of the one before. */
	struct test_queue other = { .queue = reopen(t) };
	struct written first;

	queue_use_journal(other.queue, 2, SEGMENT_SIZE);
	write_small(&other, &first);
	assert_int_equal(first.place.segment, 1);
	c = scan(t->queue, true);
	assert_int_equal(c->scan.segments, 2);
	for (size_t i = 0; i < count; i++)
		removed += all[i].place.segment == 1;
	assert_int_equal(c->count, count - removed + 1);
	assert_true(finds(c, &first));
	queue_close(other.queue);
}

static void two_writers_do_not_meet(struct test_queue *t)
{
	struct test_queue other = { .queue = reopen(t) };
	struct written a, b;

	queue_use_journal(t->queue, 4, SEGMENT_SIZE);
	queue_use_journal(other.queue, 4, SEGMENT_SIZE);
	write_small(t, &a);
	write_small(&other, &b);
	assert_int_equal(a.place.segment, 1);
	assert_int_equal(b.place.segment, 2);
	assert_int_equal(scan(t->queue, false)->count, 2);
	queue_close(other.queue);
}

/* No room for a segment: files, as long as there is room for them. */
static void without_room(struct test_queue *t)
{
	struct rlimit old, small = { 100000, 100000 };
	struct written w;

	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	queue_use_journal(t->queue, 2, SEGMENT_SIZE);
	write_small(t, &w);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(w.place.segment, 0);
	assert_int_equal(scan(t->queue, false)->scan.segments, 0);
}

/* Any byte of a segment may be another after a power cut: no crash, and no strange message. */
static void damaged_segments(struct test_queue *t)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct written all[3];
	unsigned char byte;

	queue_use_journal(t->queue, 1, SEGMENT_SIZE);
	for (int i = 0; i < 3; i++)
		write_small(t, &all[i]);
	str_printf(&path, "%s/journal/001", t->directory);
	_cleanup_fd_ int fd = open(str_cstr(&path), O_RDWR | O_CLOEXEC);
	off_t end = (off_t)(all[2].place.offset + all[2].place.size + 128);

	for (off_t at = 0; at < end; at += at == 64 ? 4096 - 64 : 1) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);

		struct queue *later = reopen(t);
		struct census *c = scan(later, true);

		assert_true(c->count <= 3);
		for (size_t i = 0; i < c->count; i++) {
			struct queue_file *f;
			int r = queue_file_open(later, view_of(c->found[i].id), &c->found[i].place,
						QUEUE_OPEN_VERIFY, &f, NULL);

			if (r == 0)
				queue_file_close(f);
			assert_true(finds(c, &all[i]) || r < 0 || c->count < 3);
		}
		queue_close(later);
		byte ^= 0x55;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(scan(t->queue, true)->count, 3);
}

#define TEST(name)                                                                                 \
	static void name##_test(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		test_with_queue(name);                                                             \
	}
TEST(small_ones_are_appended)
TEST(others_are_files)
TEST(removed_ones_are_gone)
TEST(settled_ones_grow)
TEST(settled_ones_are_files)
TEST(segments_are_used_again)
TEST(two_writers_do_not_meet)
TEST(without_room)
TEST(damaged_segments)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_ones_are_appended_test),
		cmocka_unit_test(others_are_files_test),
		cmocka_unit_test(removed_ones_are_gone_test),
		cmocka_unit_test(settled_ones_grow_test),
		cmocka_unit_test(settled_ones_are_files_test),
		cmocka_unit_test(segments_are_used_again_test),
		cmocka_unit_test(two_writers_do_not_meet_test),
		cmocka_unit_test(without_room_test),
		cmocka_unit_test(damaged_segments_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The packer and unpacker: every message type, every limit, every truncation. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/pack.h"

static char filling[IPC_FRAME_MAX + 1];

enum size { EMPTY, SMALL, FULL };

static int open_something(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd > 0);
	return fd;
}

/* Fills a message's structure with values that differ from field to field. */
static void fill(enum message_type type, void *fields, enum size size, int fd)
{
	uint64_t number = 0x0102030405060708U + (uint64_t)type;

	for (const struct field *f = message_fields(type); f->kind != FIELD_END; f++, number += 7) {
		char *at = (char *)fields + f->offset;

		if (f->kind == FIELD_TEXT)
			*(struct view *)(void *)at =
				view_make(filling, size == EMPTY   ? 0
						   : size == SMALL ? number % 20
								   : f->max);
		else if (f->kind == FIELD_U8)
			*(uint8_t *)at = (uint8_t)number;
		else if (f->kind == FIELD_U32)
			*(uint32_t *)(void *)at = (uint32_t)number;
		else if (f->kind == FIELD_FD)
			*(int *)(void *)at = fd;
		else
			*(uint64_t *)(void *)at = number;
	}
}

static void assert_same(enum message_type type, const void *sent, const struct message *got, int fd)
{
	assert_int_equal(got->type, type);
	for (const struct field *f = message_fields(type); f->kind != FIELD_END; f++) {
		const void *a = (const char *)sent + f->offset;
		const void *b = (const char *)&got->done + f->offset;

		if (f->kind == FIELD_TEXT)
			assert_true(view_eq(*(const struct view *)a, *(const struct view *)b));
		else if (f->kind == FIELD_U8)
			assert_int_equal(*(const uint8_t *)a, *(const uint8_t *)b);
		else if (f->kind == FIELD_U32)
			assert_int_equal(*(const uint32_t *)a, *(const uint32_t *)b);
		else if (f->kind == FIELD_FD)
			assert_int_equal(*(const int *)b, fd);
		else
			assert_true(*(const uint64_t *)a == *(const uint64_t *)b);
	}
}

/* The bytes of a message in one piece, as they go over the wire. */
static void pack_whole(enum message_type type, const void *fields, struct str *wire, int *fd)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct packed packed = { .out = &out };
	size_t done = 0;

	assert_int_equal(message_pack(&packed, type, fields), 0);
	for (size_t i = 0; i < packed.count; i++) {
		str_append(wire, view_make(out.data + done, packed.pieces[i].at - done));
		str_append(wire, packed.pieces[i].text);
		done = packed.pieces[i].at;
	}
	str_append(wire, view_from(str_view(&out), done));
	*fd = packed.fd;
}

static bool has_fd(enum message_type type)
{
	for (const struct field *f = message_fields(type); f->kind != FIELD_END; f++)
		if (f->kind == FIELD_FD)
			return true;
	return false;
}

static void round_trip(enum message_type type, enum size size)
{
	_cleanup_(str_free) struct str wire = STR_EMPTY;
	struct message fields = { 0 }, got = { 0 };
	_cleanup_fd_ int fd = open_something();
	int packed_fd, came;
	struct view body;

	fill(type, &fields.done, size, fd);
	pack_whole(type, &fields.done, &wire, &packed_fd);
	assert_int_equal(packed_fd, has_fd(type) ? fd : -1);
	body = view_from(str_view(&wire), IPC_HEAD_SIZE);
	assert_true(body.len <= message_body_max(type));
	if (size == FULL)
		assert_int_equal(body.len, message_body_max(type));
	came = has_fd(type) ? fd : -1;
	assert_int_equal(message_unpack(type, body, &came, &got), 0);
	assert_int_equal(came, -1);
	assert_same(type, &fields.done, &got, fd);
}

static void every_message_survives_the_way(void **state)
{
	(void)state;
	for (enum message_type type = 1; type < MSG_COUNT; type++) {
		round_trip(type, EMPTY);
		round_trip(type, SMALL);
		round_trip(type, FULL);
	}
}

/* Cut anywhere, or with a byte too many, a message is none. */
static void every_cut_is_noticed(void **state)
{
	(void)state;
	for (enum message_type type = 1; type < MSG_COUNT; type++) {
		_cleanup_(str_free) struct str wire = STR_EMPTY;
		struct message fields = { 0 }, got;
		_cleanup_fd_ int fd = open_something();
		int packed_fd;
		struct view body;

		fill(type, &fields.done, SMALL, fd);
		pack_whole(type, &fields.done, &wire, &packed_fd);
		str_append_byte(&wire, 'x');
		body = view_from(str_view(&wire), IPC_HEAD_SIZE);
		for (size_t len = 0; len <= body.len; len++) {
			/* A copy of its own, so that a sanitizer sees a byte too far. */
			_cleanup_free_ char *copy = mem_resize(NULL, len ? len : 1, 1);
			int came = packed_fd, r;

			memcpy(copy, body.data, len);
			r = message_unpack(type, view_make(copy, len), &came, &got);
			assert_int_equal(r, len + 1 == body.len ? 0 : -EBADMSG);
			assert_int_equal(came, r == 0 ? -1 : packed_fd);
		}
	}
}

static void lengths_over_the_limit_are_refused(void **state)
{
	(void)state;
	for (enum message_type type = 1; type < MSG_COUNT; type++) {
		for (const struct field *f = message_fields(type); f->kind != FIELD_END; f++) {
			_cleanup_(str_free) struct str out = STR_EMPTY;
			struct packed packed = { .out = &out };
			struct message fields = { 0 };
			struct view *text = (void *)((char *)&fields.done + f->offset);

			if (f->kind != FIELD_TEXT || f->max >= sizeof(filling))
				continue;
			fill(type, &fields.done, EMPTY, 0);
			*text = view_make(filling, f->max + 1);
			assert_int_equal(message_pack(&packed, type, &fields.done), -EMSGSIZE);
			assert_int_equal(out.len, 0);
		}
	}
}

/* A text whose length lies: over its own limit, over the message, near the top of the range. */
static void lying_lengths_are_refused(void **state)
{
	static const unsigned char over[] = { 0, 0, 0, 65, 'a' };
	static const unsigned char huge[] = { 0xff, 0xff, 0xff, 0xff, 'a', 'b' };
	char long_id[4 + 65] = { 0, 0, 0, 65 };
	struct message m;
	int fd = -1;

	(void)state;
	assert_int_equal(message_unpack(MSG_queue_open, view_make(over, sizeof(over)), &fd, &m),
			 -EBADMSG);
	assert_int_equal(message_unpack(MSG_queue_open, view_make(huge, sizeof(huge)), &fd, &m),
			 -EBADMSG);
	/* All there, but longer than IPC_QUEUE_ID_MAX. */
	assert_int_equal(
		message_unpack(MSG_queue_open, view_make(long_id, sizeof(long_id)), &fd, &m),
		-EBADMSG);
	assert_int_equal(message_unpack(MSG_none, VIEW_NONE, &fd, &m), -EBADMSG);
	assert_int_equal(message_unpack(MSG_COUNT, VIEW_NONE, &fd, &m), -EBADMSG);
	assert_int_equal(message_unpack((enum message_type)60000, VIEW_NONE, &fd, &m), -EBADMSG);
}

static void a_promised_descriptor_must_come(void **state)
{
	static const unsigned char promised[] = { 1 }, none[] = { 0 }, nonsense[] = { 2 };
	struct message m;
	int fd = -1;

	(void)state;
	assert_int_equal(message_unpack(MSG_queue_opened, view_make(promised, 1), &fd, &m),
			 -EBADMSG);
	assert_int_equal(message_unpack(MSG_queue_opened, view_make(nonsense, 1), &fd, &m),
			 -EBADMSG);
	assert_int_equal(message_unpack(MSG_queue_opened, view_make(none, 1), &fd, &m), 0);
	assert_int_equal(m.queue_opened.file, -1);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(message_name(MSG_anvil_event), "anvil_event");
	assert_string_equal(message_name((enum message_type)9999), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_survives_the_way),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(lengths_over_the_limit_are_refused),
		cmocka_unit_test(lying_lengths_are_refused),
		cmocka_unit_test(a_promised_descriptor_must_come),
		cmocka_unit_test(names),
	};

	for (size_t i = 0; i < sizeof(filling); i++)
		filling[i] = (char)('a' + i % 26);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bytes between a client and its session, both ways, until both have ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

#include "session/internal.h"

/* client -- io, inner -- session: the relay is in the middle. */
static struct {
	struct stream *client, *io, *session;
	bool ended;
	msec_t patience; /* of the relay, with silence */
	struct waitlist done;
} t;

static void run_relay(void *argument)
{
	relay(t.io, argument, t.patience);
	stream_free(t.io);
	t.ended = true;
	wake_all(&t.done);
}

static void begin_patient(msec_t patience)
{
	int outer[2], inner[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, outer), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, inner), 0);
	t.client = stream_new(outer[0]);
	t.io = stream_new(outer[1]);
	t.session = stream_new(inner[1]);
	stream_set_timeout(t.client, 30000);
	stream_set_timeout(t.session, 30000);
	t.ended = false;
	t.patience = patience;
	WAITLIST_INIT(&t.done);
	task_spawn("relay", run_relay, stream_new(inner[0]));
}

static void begin(void)
{
	begin_patient(30000);
}

static void finish(void)
{
	while (!t.ended)
		assert_int_equal(wait_on(&t.done, clock_after(30000)), 0);
	stream_free(t.client);
	stream_free(t.session);
}

static void say(struct stream *from, const char *line)
{
	assert_int_equal(stream_printf(from, "%s\r\n", line), 0);
	assert_int_equal(stream_flush(from), 0);
}

static void hear(struct stream *at, const char *expected)
{
	struct view line;

	assert_int_equal(stream_read_line(at, &line, 100), 0);
	assert_true(view_is(line, expected));
}

static void the_session_ends(void *unused)
{
	struct view bytes;

	(void)unused;
	begin();
	say(t.client, "STAT");
	hear(t.session, "STAT");
	say(t.session, "+OK 0 0");
	hear(t.client, "+OK 0 0");
	/* The last words arrive, then the end. */
	say(t.session, "+OK bye");
	shutdown(stream_fd(t.session), SHUT_RDWR);
	hear(t.client, "+OK bye");
	assert_int_equal(stream_peek(t.client, &bytes), -ENODATA);
	finish();
}

static void the_client_has_sent_its_last(void *unused)
{
	struct view bytes;

	(void)unused;
	begin();
	say(t.client, "QUIT");
	shutdown(stream_fd(t.client), SHUT_WR);
	hear(t.session, "QUIT");
	assert_int_equal(stream_peek(t.session, &bytes), -ENODATA);
	say(t.session, "+OK bye");
	hear(t.client, "+OK bye");
	shutdown(stream_fd(t.session), SHUT_RDWR);
	finish();
}

static void a_silent_client_is_given_up(void *unused)
{
	struct view bytes;

	(void)unused;
	begin_patient(100);
	assert_int_equal(stream_peek(t.session, &bytes), -ENODATA);
	finish();
}

static void much_both_ways(void *unused)
{
	enum { LINES = 20000 };
	struct view line;

	(void)unused;
	begin();
	for (int i = 0; i < LINES; i++) {
		assert_int_equal(stream_printf(t.client, "line %d\r\n", i), 0);
		if (i % 100 != 99)
			continue;
		assert_int_equal(stream_flush(t.client), 0);
		for (int k = 0; k < 100; k++) {
			assert_int_equal(stream_read_line(t.session, &line, 100), 0);
			assert_int_equal(stream_printf(t.session, "%.*s\r\n", VIEW_ARG(line)), 0);
		}
		assert_int_equal(stream_flush(t.session), 0);
		for (int k = 0; k < 100; k++)
			assert_int_equal(stream_read_line(t.client, &line, 100), 0);
	}
	assert_true(view_is(line, "line 19999"));
	shutdown(stream_fd(t.client), SHUT_RDWR);
	shutdown(stream_fd(t.session), SHUT_RDWR);
	finish();
}

#define TASK_TEST(name)                                                                            \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		task_run(name, NULL);                                                              \
	}

TASK_TEST(the_session_ends)
TASK_TEST(the_client_has_sent_its_last)
TASK_TEST(a_silent_client_is_given_up)
TASK_TEST(much_both_ways)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_session_ends),
		cmocka_unit_test(test_the_client_has_sent_its_last),
		cmocka_unit_test(test_a_silent_client_is_given_up),
		cmocka_unit_test(test_much_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

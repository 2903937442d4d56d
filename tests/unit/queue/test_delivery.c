/* The delivery agent's side, with this test in the place of qmgr. */
#include "helper.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queue/delivery.h"

static void agent(struct delivery *d)
{
	assert_int_equal(d->count, 3);
	assert_true(view_is(str_view(&d->nexthop), "example.org"));
	assert_true(view_is(str_view(&d->recipients[1].address), "b@example.org"));
	d->connected = d->started;
	delivery_result(d, 0, OUTCOME_DELIVERED, "2.0.0", VIEW("mx[192.0.2.1]:25"), VIEW("250 ok"));
	delivery_result(d, 1, OUTCOME_FAILED, "5.1.1", VIEW("mx[192.0.2.1]:25"), VIEW("550 no"));
	/* A second word about the same recipient changes nothing, nor one about none. */
	delivery_result(d, 1, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, VIEW("250 ok"));
	delivery_result(d, 7, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, VIEW("250 ok"));
	delivery_unreachable(d, VIEW("gone"));
}

static void serve(void *argument)
{
	struct ipc *ipc = argument;

	delivery_serve(ipc, agent);
	ipc_free(ipc);
}

static void ask(struct ipc *qmgr)
{
	ipc_send(qmgr, deliver, .queue_id = VIEW("4XyZbcdfgzBCDFGHJK"), .transport = VIEW("smtp"),
		 .nexthop = VIEW("example.org"), .sender = VIEW("s@x"), .arrival = 1, .queued = 2,
		 .count = 3, .file = open("/dev/null", O_RDONLY));
	ipc_send(qmgr, deliver_rcpt, .index = 5, .address = VIEW("a@example.org"));
	ipc_send(qmgr, deliver_rcpt, .index = 6, .address = VIEW("b@example.org"));
	ipc_send(qmgr, deliver_rcpt, .index = 9, .address = VIEW("c@example.org"));
	assert_int_equal(ipc_flush(qmgr), 0);
}

static void exchange(void *argument)
{
	int pair[2];
	struct message m;

	(void)argument;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	_cleanup_(ipc_freep) struct ipc *qmgr = ipc_new(pair[0]);

	task_spawn("agent", serve, ipc_new(pair[1]));
	for (int round = 0; round < 2; round++) {
		ask(qmgr);
		assert_int_equal(ipc_expect(qmgr, MSG_result, &m), 0);
		assert_int_equal(m.result.index, 5);
		assert_int_equal(m.result.outcome, OUTCOME_DELIVERED);
		assert_true(view_is(m.result.remote, "mx[192.0.2.1]:25"));
		assert_int_equal(ipc_expect(qmgr, MSG_result, &m), 0);
		assert_int_equal(m.result.index, 6);
		assert_int_equal(m.result.outcome, OUTCOME_FAILED);
		assert_true(view_is(m.result.status, "5.1.1"));
		assert_true(view_is(m.result.diagnostic, "550 no"));
		/* Nothing was said about the third. */
		assert_int_equal(ipc_expect(qmgr, MSG_result, &m), 0);
		assert_int_equal(m.result.index, 9);
		assert_int_equal(m.result.outcome, OUTCOME_DEFERRED);
		assert_true(view_is(m.result.status, "4.3.0"));
		assert_int_equal(ipc_expect(qmgr, MSG_deliver_end, &m), 0);
		assert_int_equal(m.deliver_end.destination, DESTINATION_UNREACHABLE);
		assert_true(view_is(m.deliver_end.reason, "gone"));
	}
	/* A request for nobody ends the connection. */
	ipc_send(qmgr, deliver, .queue_id = VIEW("4XyZbcdfgzBCDFGHJK"), .count = 0,
		 .file = open("/dev/null", O_RDONLY));
	assert_true(ipc_receive(qmgr, &m) < 0);
	/* And so does one whose content is not all there. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	_cleanup_(ipc_freep) struct ipc *other = ipc_new(pair[0]);

	task_spawn("agent", serve, ipc_new(pair[1]));
	ipc_send(other, deliver, .queue_id = VIEW("4XyZbcdfgzBCDFGHJK"), .count = 1,
		 .content = VIEW("abc"), .content_size = 4);
	assert_true(ipc_receive(other, &m) < 0);
	task_quit(0);
}

static void exchange_test(void **state)
{
	(void)state;
	task_run(exchange, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exchange_test) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The exchange: recipients, refusals, limits. */
#include "helper.h"

#include <errno.h>

static const struct msg_mail stranger = { .sender = VIEW("s@example.com"),
					  .flags = MAIL_FLAG_REMOTE,
					  .client_address = VIEW("192.0.2.1") };

static void expansion(struct ipc *client)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, list = STR_EMPTY;

	test_begin(client, &stranger);
	test_rcpt(client, "team@example.test");
	test_rcpt(client, "TEAM@Example.TEST");
	test_rcpt(client, "b@example.test");
	ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\n"));
	assert_int_equal(test_end(client, &id), 250);
	test_read_recipients(str_view(&id), &list);
	/* Both the recipient and what it came from must repeat to be dropped. */
	assert_string_equal(str_cstr(&list),
			    "a@example.test<team@example.test b@example.test<team@example.test "
			    "b@example.test<b@example.test copy@example.test<copy@example.test ");
}

static void no_mapping(struct ipc *client)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, list = STR_EMPTY;
	struct msg_mail mail = stranger;

	mail.flags |= MAIL_FLAG_NO_MAPPING;
	test_begin(client, &mail);
	test_rcpt(client, "team@example.test");
	assert_int_equal(test_end(client, &id), 250);
	test_read_recipients(str_view(&id), &list);
	assert_string_equal(str_cstr(&list), "team@example.test<team@example.test ");
}

/* A refused recipient leaves the message as it is. */
static void bad_recipients(struct ipc *client)
{
	static const char *const bad[] = { "", "a\nb@c", "a\x01@b" };
	_cleanup_(str_free) struct str id = STR_EMPTY, list = STR_EMPTY;
	struct message m;

	test_begin(client, &stranger);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ipc_send(client, rcpt, .address = view_of(bad[i]));
		assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
		assert_int_equal(m.verdict.code, 501);
		assert_true(view_is(m.verdict.status, "5.1.3"));
	}
	test_rcpt(client, "good@example.test");
	assert_int_equal(test_end(client, &id), 250);
	test_read_recipients(str_view(&id), &list);
	assert_string_equal(str_cstr(&list), "good@example.test<good@example.test ");
}

static void aliases_without_end(struct ipc *client)
{
	struct message m;

	test_begin(client, &stranger);
	ipc_send(client, rcpt, .address = VIEW("loop@example.test"));
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 451);
	/* And nobody else was given. */
	assert_int_equal(test_end(client, NULL), 554);
}

static int count_file(void *argument, const char *id, const struct queue_place *place)
{
	(void)id;
	(void)place;
	++*(int *)argument;
	return 0;
}

static int files(void)
{
	int count = 0;

	assert_int_equal(queue_scan(cleanup.queue,
				    &(struct queue_scan){ .each = count_file, .argument = &count }),
			 0);
	return count;
}

static void limits(struct ipc *client)
{
	_cleanup_(str_free) struct str big = STR_EMPTY;
	struct msg_mail mail = stranger;
	struct message m;

	/* The promise is too large; and with a smaller one, the message is. */
	mail.size = 200001;
	ipc_send_message(client, MSG_mail, &mail);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 552);
	test_begin(client, &stranger);
	test_rcpt(client, "u@example.test");
	memset(str_reserve(&big, 60000), 'x', 60000);
	str_grow(&big, 60000);
	ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\n"));
	for (int i = 0; i < 4; i++)
		ipc_send(client, data, .bytes = str_view(&big));
	assert_int_equal(test_end(client, NULL), 552);

	/* Header fields without end, each line fine. */
	test_begin(client, &stranger);
	test_rcpt(client, "u@example.test");
	for (int i = 0; i < 2000; i++)
		ipc_send(client, data, .bytes = VIEW("X-Field: abcdefghijklmn\r\n"));
	assert_int_equal(test_end(client, NULL), 552);

	/* A loop. */
	test_begin(client, &stranger);
	test_rcpt(client, "u@example.test");
	for (int i = 0; i < 51; i++)
		ipc_send(client, data, .bytes = VIEW("Received: x\r\n"));
	assert_int_equal(test_end(client, NULL), 554);

	/* Internal reports have no size limit; and the connection still works. */
	assert_int_equal(files(), 0);
	mail = stranger;
	mail.flags = MAIL_FLAG_INTERNAL;
	test_begin(client, &mail);
	test_rcpt(client, "u@example.test");
	for (int i = 0; i < 4; i++)
		ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\n"));
	for (int i = 0; i < 4; i++)
		ipc_send(client, data, .bytes = str_view(&big));
	assert_int_equal(test_end(client, NULL), 250);
	assert_int_equal(files(), 1);
}

static void aborted(struct ipc *client)
{
	struct message m;

	test_begin(client, &stranger);
	test_rcpt(client, "u@example.test");
	ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\n"));
	ipc_send(client, abort);
	assert_int_equal(ipc_expect(client, MSG_done, &m), 0);
	assert_int_equal(files(), 0);
	/* A recipient after the content, or anything else out of order, ends the connection. */
	test_begin(client, &stranger);
	test_rcpt(client, "u@example.test");
	ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\n"));
	ipc_send(client, rcpt, .address = VIEW("late@example.test"));
	assert_int_equal(ipc_receive(client, &m), -ENODATA);
	assert_int_equal(files(), 0);
}

/* What only the suite's own programs may say. */
static void local_lies(struct ipc *client)
{
	const struct msg_mail lies[] = {
		{ .sender = VIEW("a"), .client_address = VIEW("127.0.0.1") },
		{ .sender = VIEW("a"), .login = VIEW("root") },
		{ .sender = VIEW("a"), .flags = MAIL_FLAG_REMOTE },
		{ .sender = VIEW("a"), .flags = MAIL_FLAG_INTERNAL },
		{ .sender = VIEW("a"), .flags = MAIL_FLAG_NO_MAPPING },
	};
	struct message m;

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		ipc_send_message(client, MSG_mail, &lies[i]);
		assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
		assert_int_equal(m.verdict.code, 554);
	}
	ipc_send(client, mail, .sender = VIEW("a\r\nRCPT"));
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 501);
	/* Somebody else as the sender is usual. */
	test_begin(client, &(struct msg_mail){ .sender = VIEW("list-owner@example.test") });
}

#define ALIASES                                                                                    \
	"virtual_alias_maps = inline:{ {team@example.test = a@example.test, b@example.test} "      \
	"{loop@example.test = loop2@example.test} {loop2@example.test = loop@example.test} }\n"

static void expansion_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", ALIASES "always_bcc = copy\n", expansion);
}
static void no_mapping_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", ALIASES "always_bcc = copy\n", no_mapping);
}
static void bad_recipients_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", bad_recipients);
}
static void loop_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", ALIASES, aliases_without_end);
}
static void limits_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup",
			  "message_size_limit = 200000\nmessage_header_limit = 40000\n", limits);
}
static void aborted_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", aborted);
}
static void lies_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit", "", local_lies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion_test),      cmocka_unit_test(no_mapping_test),
		cmocka_unit_test(bad_recipients_test), cmocka_unit_test(loop_test),
		cmocka_unit_test(limits_test),	       cmocka_unit_test(aborted_test),
		cmocka_unit_test(lies_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

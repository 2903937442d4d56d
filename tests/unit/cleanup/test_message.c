/* The exchange: recipients, refusals, limits. */
#include "helper.h"

#include <errno.h>

#include "services/milter.h"

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

/* The sender knows of no recipient that was left out: all of them, or no message. */
static void bad_recipients(struct ipc *client)
{
	static const char *const bad[] = { "", "a\nb@c", "a\x01@b" };
	_cleanup_(str_free) struct str id = STR_EMPTY, list = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_begin(client, &stranger);
		test_rcpt(client, bad[i]);
		test_rcpt(client, "good@example.test");
		assert_int_equal(test_end(client, NULL), 501);
	}
	assert_int_equal(files(), 0);
	/* The connection is as good as before. */
	test_begin(client, &stranger);
	test_rcpt(client, "good@example.test");
	assert_int_equal(test_end(client, &id), 250);
	test_read_recipients(str_view(&id), &list);
	assert_string_equal(str_cstr(&list), "good@example.test<good@example.test ");
}

/* An id that the suite's own program chose; what is none is not believed. */
static void given_ids(struct ipc *client)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	struct msg_mail mail = stranger;
	char given[QUEUE_ID_LENGTH_MAX];

	queue_id_new(given);
	mail.queue_id = view_of(given);
	test_begin(client, &mail);
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, &id), 250);
	assert_string_equal(str_cstr(&id), given);
	mail.queue_id = VIEW("../../etc/passwd");
	test_begin(client, &mail);
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, &id), 250);
	assert_true(queue_id_is_valid(str_view(&id)));
	/* The same once more would be another message under its name. */
	mail.queue_id = view_of(given);
	test_begin(client, &mail);
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, NULL), 451);
}

static void aliases_without_end(struct ipc *client)
{
	test_begin(client, &stranger);
	test_rcpt(client, "loop@example.test");
	assert_int_equal(test_end(client, NULL), 451);
	/* Nobody was given. */
	test_begin(client, &stranger);
	assert_int_equal(test_end(client, NULL), 554);
}

static void limits(struct ipc *client)
{
	_cleanup_(str_free) struct str big = STR_EMPTY;
	struct msg_mail mail = stranger;

	/* The promise is too large; and with a smaller one, the message is. */
	mail.size = 200001;
	test_begin(client, &mail);
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, NULL), 552);
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
	_cleanup_(str_free) struct str id = STR_EMPTY;
	char given[QUEUE_ID_LENGTH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		test_begin(client, &lies[i]);
		test_rcpt(client, "u@example.test");
		assert_int_equal(test_end(client, NULL), 554);
	}
	test_begin(client, &(struct msg_mail){ .sender = VIEW("a\r\nRCPT") });
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, NULL), 501);
	test_begin(client, &(struct msg_mail){ .sender = VIEW("a"), .envid = VIEW("x\r\nRCPT") });
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, NULL), 501);
	/* Somebody else as the sender is usual; a queue id of their own they do not get. */
	queue_id_new(given);
	test_begin(client, &(struct msg_mail){ .sender = VIEW("list-owner@example.test"),
					       .queue_id = view_of(given) });
	test_rcpt(client, "u@example.test");
	assert_int_equal(test_end(client, &id), 250);
	assert_string_not_equal(str_cstr(&id), given);
}

#define ALIASES                                                                                    \
	"virtual_alias_maps = inline:{ {team@example.test = a@example.test, b@example.test} "      \
	"{loop@example.test = loop2@example.test} {loop2@example.test = loop@example.test} }\n"

/* A message with a connection to milters, whose other end is returned. */
static struct ipc *begin_with_milters(struct ipc *client)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(ipc_send(client, filtered, .channel = ends[1]), 0);
	close(ends[1]);
	test_begin(client, &stranger);
	test_rcpt(client, "a@example.test");
	ipc_send(client, data, .bytes = VIEW("A: b\r\n\r\nold\r\n"));
	assert_int_equal(ipc_send(client, data_end), 0);
	assert_int_equal(ipc_flush(client), 0);
	return ipc_new(ends[0]);
}

/* There are not more of them than there may be, whatever the other side says. */
static void milters_without_end(struct ipc *client)
{
	struct ipc *filter = begin_with_milters(client);
	struct message m;
	uint32_t asked = 0;

	while (asked <= 2 * MILTERS_MAX && ipc_receive(filter, &m) == 0) {
		assert_int_equal(m.type, MSG_milter_message);
		assert_int_equal(m.milter_message.index, asked);
		asked++;
		ipc_send(filter, milter_wants, .parts = 0, .more = 1);
		ipc_flush(filter);
	}
	ipc_free(filter);
	assert_int_equal(asked, MILTERS_MAX);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 250);
}

/* A new body that no message may have: not taken, and not kept either. */
static void body_without_end(struct ipc *client)
{
	struct ipc *filter = begin_with_milters(client);
	static const char piece[30000];
	struct message m;

	assert_int_equal(ipc_expect(filter, MSG_milter_message, &m), 0);
	ipc_send(filter, milter_wants, .parts = MILTER_WANTS_END, .more = 1);
	assert_int_equal(ipc_expect(filter, MSG_milter_end, &m), 0);
	for (size_t i = 0; i < 10; i++)
		ipc_send(filter, milter_edit, .edit = MILTER_EDIT_BODY,
			 .value = view_make(piece, sizeof(piece)));
	ipc_send(filter, milter_verdict, .failed = 0);
	ipc_send(filter, milter_wants, .parts = 0, .more = 0);
	ipc_flush(filter);
	assert_int_equal(ipc_expect(client, MSG_verdict, &m), 0);
	assert_int_equal(m.verdict.code, 421); /* milter_default_action */
	ipc_free(filter);
	assert_int_equal(files(), 0);
}

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
static void given_ids_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", given_ids);
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

static void milters_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", milters_without_end);
	test_with_cleanup("private/cleanup",
			  "message_size_limit = 200000\nmessage_header_limit = 40000\n",
			  body_without_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion_test),      cmocka_unit_test(no_mapping_test),
		cmocka_unit_test(bad_recipients_test), cmocka_unit_test(given_ids_test),
		cmocka_unit_test(loop_test),	       cmocka_unit_test(limits_test),
		cmocka_unit_test(aborted_test),	       cmocka_unit_test(lies_test),
		cmocka_unit_test(milters_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

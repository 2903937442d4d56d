/* POP3 after the login, as a client sees it: one script of commands, all pipelined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../pop3d/session.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "store/deliver.h"

static struct {
	char path[64];
	struct store *store;
	const char *commands;
	struct str answer;
} fixture;

static int setup(void **state)
{
	(void)state;
	snprintf(fixture.path, sizeof(fixture.path), "%s/posta-pop3-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(fixture.path));
	assert_int_equal(store_open(fixture.path, &STORE_DEFAULTS, &fixture.store, NULL), 0);
	param.pop3_timeout = 2000;
	param.pop3_bad_commands_max = 20;
	param.pop3_uidl_format = "%08Xu%08Xv";
	param.pop3_no_flag_updates = false;
	param.pop3_lock_session = false;
	param.mail_name = "Posta";
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	store_close(fixture.store);
	str_free(&fixture.answer);
	snprintf(command, sizeof(command), "rm -rf %s", fixture.path);
	return system(command);
}

static void deliver(const char *text)
{
	struct mail_source source = { .content = { -1, 0, strlen(text), text } };

	assert_int_equal(maildir_deliver(fixture.path, VIEW(""), false, &source, NULL, NULL), 0);
}

static void serve(void *argument)
{
	struct stream *io = argument;
	struct session_user user = { "alice@example.test", fixture.path, "", "" };
	struct session_client client = { .user = &user, .address = VIEW("192.0.2.1") };

	pop3_session_serve(io, &client, fixture.store);
	stream_close(io);
}

static void talk(void *unused)
{
	struct stream *client;
	struct view bytes;
	int pair[2];

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	task_spawn("server", serve, stream_new(pair[0]));
	client = stream_new(pair[1]);
	stream_set_timeout(client, 5000);
	assert_int_equal(stream_write(client, view_of(fixture.commands)), 0);
	assert_int_equal(stream_flush(client), 0);
	shutdown(pair[1], SHUT_WR);
	while (stream_peek(client, &bytes) >= 0) {
		str_append(&fixture.answer, bytes);
		stream_consume(client, bytes.len);
	}
	stream_free(client);
}

static void assert_talk(const char *commands, const char *expected)
{
	fixture.commands = commands;
	str_clear(&fixture.answer);
	task_run(talk, NULL);
	assert_string_equal(str_cstr(&fixture.answer), expected);
}

static unsigned count_messages(void)
{
	struct folder_status status;

	assert_int_equal(store_status(fixture.store, VIEW("INBOX"), &status), 0);
	return status.messages;
}

static void the_empty_maildrop(void **state)
{
	(void)state;
	assert_talk("STAT\r\nLIST\r\nUIDL\r\nLIST 1\r\nRETR\r\nnoop\r\nXYZ\r\nQUIT\r\nNOOP\r\n",
		    "+OK Logged in, 0 messages.\r\n+OK 0 0\r\n+OK 0 messages:\r\n.\r\n+OK\r\n.\r\n"
		    "-ERR There is no such message; there are 0.\r\n"
		    "-ERR A message number is needed.\r\n+OK\r\n-ERR Unknown command.\r\n"
		    "+OK Logging out.\r\n");
}

static void sizes_dots_and_tops(void **state)
{
	(void)state;
	deliver("Subject: 1\r\n\r\n.dot\r\n..\r\nlast");
	deliver("Subject: 2\r\n\r\n1\r\n2\r\n3\r\n");
	assert_talk(
		"STAT\r\nLIST\r\nLIST 2\r\nRETR 1\r\nTOP 2 0\r\nTOP 2 2\r\n"
		"TOP 2 9223372036854775808\r\nTOP 2 99999999999999999999\r\nTOP 2\r\nTOP 3 1\r\n"
		"LIST 0\r\nLIST 4294967297\r\nQUIT\r\n",
		"+OK Logged in, 2 messages.\r\n+OK 2 51\r\n+OK 2 messages:\r\n1 28\r\n2 23\r\n.\r\n"
		"+OK 2 23\r\n"
		"+OK 28 octets\r\nSubject: 1\r\n\r\n..dot\r\n...\r\nlast\r\n.\r\n"
		"+OK\r\nSubject: 2\r\n\r\n.\r\n"
		"+OK\r\nSubject: 2\r\n\r\n1\r\n2\r\n.\r\n"
		"+OK\r\nSubject: 2\r\n\r\n1\r\n2\r\n3\r\n.\r\n"
		"-ERR TOP needs a message number and a number of lines.\r\n"
		"-ERR TOP needs a message number and a number of lines.\r\n"
		"-ERR There is no such message; there are 2.\r\n"
		"-ERR There is no such message; there are 2.\r\n"
		"-ERR There is no such message; there are 2.\r\n"
		"+OK Logging out.\r\n");
}

/* What clients know from the server before this one. */
static void unique_ids_of_another_server(void **state)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, list = STR_EMPTY, name = STR_EMPTY;
	struct mailbox *box;

	(void)state;
	deliver("x\r\n");
	assert_int_equal(mailbox_open(fixture.store, VIEW("INBOX"), MAILBOX_READ_ONLY, &box), 0);
	assert_int_equal(mailbox_file_name(box, 1, &name), 0);
	mailbox_close(box);
	str_printf(&path, "%s/dovecot-uidlist", fixture.path);
	str_printf(&list, "3 V1 N2 Gx\n1 Pold.id-1 :%s\n", str_cstr(&name));
	assert_int_equal(io_replace_file(str_cstr(&path), str_view(&list), 0600, NULL), 0);
	assert_talk("UIDL\r\nQUIT\r\n",
		    "+OK Logged in, 1 messages.\r\n+OK\r\n1 old.id-1\r\n.\r\n+OK Logging out.\r\n");
}

static void unique_ids(void **state)
{
	_cleanup_(str_free) struct str expected = STR_EMPTY;
	struct folder_status status;

	(void)state;
	deliver("x\r\n");
	deliver("y\r\n");
	assert_int_equal(store_status(fixture.store, VIEW("INBOX"), &status), 0);
	str_printf(&expected,
		   "+OK Logged in, 2 messages.\r\n+OK\r\n1 00000001%08x\r\n2 00000002%08x\r\n.\r\n"
		   "+OK 2 00000002%08x\r\n+OK Logging out.\r\n",
		   status.uidvalidity, status.uidvalidity, status.uidvalidity);
	assert_talk("UIDL\r\nUIDL 2\r\nQUIT\r\n", str_cstr(&expected));

	/* Cyrus's. */
	param.pop3_uidl_format = "%v.%u";
	str_clear(&expected);
	str_printf(&expected, "+OK Logged in, 2 messages.\r\n+OK 2 %u.2\r\n+OK Logging out.\r\n",
		   status.uidvalidity);
	assert_talk("UIDL 2\r\nQUIT\r\n", str_cstr(&expected));

	/* Courier's; the MD5 of no field at all; what has no letter, and what is too long: UID and UIDVALIDITY. */
	static const struct {
		const char *format, *uidl;
	} rows[] = {
		{ "UID%u-%v", "UID2-%u" }, { "%m", "d41d8cd98f00b204e9800998ecf8427e" },
		{ "", "00000002%08x" },	   { "%080u%080u", "00000002%08x" },
		{ "a %u\x7f", "a_2_" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char uidl[64];

		param.pop3_uidl_format = rows[i].format;
		snprintf(uidl, sizeof(uidl), rows[i].uidl, status.uidvalidity);
		str_clear(&expected);
		str_printf(&expected,
			   "+OK Logged in, 2 messages.\r\n+OK 2 %s\r\n+OK Logging out.\r\n", uidl);
		assert_talk("UIDL 2\r\nQUIT\r\n", str_cstr(&expected));
	}
}

/* What Dovecot 2.3 tells of the same messages in an mbox. */
static void digests_of_headers(void **state)
{
	static const char *const rows[][2] = {
		{ "Return-Path: <x@y.test>\r\nDelivered-To: bob@example.test\r\n"
		  "Received: from a.test (a.test [1.2.3.4])\r\n\tby b.test with ESMTP\r\n"
		  "\tfor <bob@example.test>; Mon, 1 Jan 2026 00:00:00 +0000\r\n"
		  "Received: from z.test by a.test; Mon, 1 Jan 2026 00:00:00 +0000\r\n"
		  "Date: Mon, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@client.test>\r\n"
		  "X-Delivery-ID:   7\r\nFrom: a@b.test\r\nSubject: one\r\n",
		  "48d81008dbbd70a5a86077faca0b43d2" },
		{ "Date: Mon, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <2@client.test>\n"
		  "From: a@b.test\nSubject: two\n",
		  "e783921d764b97b747a558f776088beb" },
		{ "From: a@b.test\r\nno field\r\n", "d41d8cd98f00b204e9800998ecf8427e" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		header_digest(view_of(rows[i][0]), &out);
		assert_string_equal(str_cstr(&out), rows[i][1]);
	}
}

static void deleted_by_quit_only(void **state)
{
	struct mailbox *box;

	(void)state;
	deliver("one\r\n");
	deliver("two\r\n");
	deliver("three\r\n");
	/* The connection ends without QUIT. */
	assert_talk("DELE 1\r\nDELE 1\r\nRETR 1\r\nSTAT\r\nLIST\r\n",
		    "+OK Logged in, 3 messages.\r\n+OK Marked to be deleted.\r\n"
		    "-ERR That message is deleted.\r\n-ERR That message is deleted.\r\n+OK 2 12\r\n"
		    "+OK 2 messages:\r\n2 5\r\n3 7\r\n.\r\n");
	assert_int_equal(count_messages(), 3);
	assert_talk("DELE 1\r\nRSET\r\nDELE 2\r\nDELE 3\r\nSTAT\r\nQUIT\r\n",
		    "+OK Logged in, 3 messages.\r\n+OK Marked to be deleted.\r\n+OK\r\n"
		    "+OK Marked to be deleted.\r\n+OK Marked to be deleted.\r\n+OK 1 5\r\n"
		    "+OK Logging out, messages deleted.\r\n");
	assert_int_equal(count_messages(), 1);
	/* What was retrieved is seen; numbers begin anew. */
	assert_talk(
		"RETR 1\r\nQUIT\r\n",
		"+OK Logged in, 1 messages.\r\n+OK 5 octets\r\none\r\n.\r\n+OK Logging out.\r\n");
	assert_int_equal(mailbox_open(fixture.store, VIEW("INBOX"), MAILBOX_READ_ONLY, &box), 0);
	assert_int_equal(mailbox_flags(box, 1) & FLAG_SEEN, FLAG_SEEN);
	mailbox_close(box);
}

static void bare_line_ends_of_other_programs(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/new/1.other", fixture.path);

	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("Subject: x\n\n.\nlast\n", file);
	fclose(file);
	assert_talk("STAT\r\nRETR 1\r\nQUIT\r\n",
		    "+OK Logged in, 1 messages.\r\n+OK 1 23\r\n+OK 23 octets\r\n"
		    "Subject: x\r\n\r\n..\r\nlast\r\n.\r\n+OK Logging out.\r\n");
}

static void long_lines_and_many_errors(void **state)
{
	_cleanup_(str_free) struct str commands = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 5000; i++)
		str_append_byte(&commands, 'x');
	str_append_cstr(&commands, "\r\nNOOP\r\nA\r\nB\r\nNOOP\r\n");
	param.pop3_bad_commands_max = 3;
	assert_talk(str_cstr(&commands),
		    "+OK Logged in, 0 messages.\r\n-ERR Line is longer than 1024 octets.\r\n+OK\r\n"
		    "-ERR Unknown command.\r\n-ERR Unknown command.\r\n"
		    "-ERR Too many invalid commands.\r\n");
}

static void a_big_message_keeps_every_byte(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, expected = STR_EMPTY;

	(void)state;
	str_append_cstr(&text, "Subject: big\r\n\r\n");
	/* Lines of every length cross the blocks of the transfer at every place. */
	for (unsigned i = 0; i < 3000; i++) {
		if (i % 3 == 0)
			str_append_byte(&text, '.');
		for (unsigned k = 0; k < i % 131; k++)
			str_append_byte(&text, (char)('a' + k % 26));
		str_append_cstr(&text, "\r\n");
	}
	deliver(str_cstr(&text));
	str_printf(&expected, "+OK Logged in, 1 messages.\r\n+OK %zu octets\r\n", text.len);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '.' && text.data[i - 1] == '\n')
			str_append_byte(&expected, '.');
		str_append_byte(&expected, text.data[i]);
	}
	str_append_cstr(&expected, ".\r\n+OK Logging out.\r\n");
	assert_talk("RETR 1\r\nQUIT\r\n", str_cstr(&expected));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_empty_maildrop),
		TEST(sizes_dots_and_tops),
		TEST(unique_ids),
		TEST(digests_of_headers),
		TEST(unique_ids_of_another_server),
		TEST(deleted_by_quit_only),
		TEST(bare_line_ends_of_other_programs),
		TEST(long_lines_and_many_errors),
		TEST(a_big_message_keeps_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

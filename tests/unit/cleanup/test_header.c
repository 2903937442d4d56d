/* What cleanup makes of content: its own fields, dropped fields, line ends, where the body begins. */
#include "helper.h"

struct sample {
	const char *input;
	size_t piece;	      /* sent in pieces of this size; 0: at once */
	const char *expected; /* after the Received field */
};

static const struct sample strangers[] = {
	/* Nothing is added to a stranger's mail. */
	{ "Subject: x\r\n\r\nbody\r\n", 0, "Subject: x\r\n\r\nbody\r\n" },
	{ "Subject: x\r\n\r\nbody\r\n", 1, "Subject: x\r\n\r\nbody\r\n" },
	/* These go. */
	{ "Return-Path: <a@b>\r\nBCC: x@y,\r\n z@y\r\nContent-Length: 5\r\nTo: a\r\n\r\n", 0,
	  "To: a\r\n\r\n" },
	/* Bare LF and CR are never passed on. */
	{ "A: b\nC: d\n\nx\n.\ny\n", 0, "A: b\r\nC: d\r\n\r\nx\r\n.\r\ny\r\n" },
	{ "A: b\r\n\r\nx\r.\ry\r\n", 0, "A: b\r\n\r\nx . y\r\n" },
	{ "A: b\r\n\r\nx\n.\r\nMAIL FROM:<x>\r\n", 3, "A: b\r\n\r\nx\r\n.\r\nMAIL FROM:<x>\r\n" },
	{ "A: b\r\n\r\nx\r\r\n\r\n.\r\r\n", 1, "A: b\r\n\r\nx \r\n\r\n. \r\n" },
	{ "A: b\r\n\r\nx\r", 0, "A: b\r\n\r\nx\r\n" },
	/* The end of the last line is added. */
	{ "A: b\r\n\r\nx", 0, "A: b\r\n\r\nx\r\n" },
	{ "", 0, "\r\n" },
	{ "A: b", 0, "A: b\r\n\r\n" },
	{ "A: b\r\n c: d", 2, "A: b\r\n c: d\r\n\r\n" },
	/* What is no field begins the body. */
	{ "A: b\r\nno field\r\nC: d\r\n", 0, "A: b\r\n\r\nno field\r\nC: d\r\n" },
	{ " folded first\r\nC: d\r\n", 0, "\r\n folded first\r\nC: d\r\n" },
	{ "no field", 1, "\r\nno field\r\n" },
	/* Lines of a mailbox file in front of a message. */
	{ "From x Mon Sep 17 1:2:3 2026\r\nA: b\r\n\r\nFrom y\r\n", 3,
	  "X-Mailbox-Line: From x Mon Sep 17 1:2:3 2026\r\nA: b\r\n\r\nFrom y\r\n" },
	{ ">From a\nFrom b\nA: b\nFrom c\n", 0,
	  "X-Mailbox-Line: >From a\r\nX-Mailbox-Line: From b\r\nA: b\r\n\r\nFrom c\r\n" },
	{ "From a\r\n folded\r\n", 0, "X-Mailbox-Line: From a\r\n\r\n folded\r\n" },
	{ ": empty name\r\n\r\n", 0, "\r\n: empty name\r\n\r\n" },
};

static void send_sample(struct ipc *client, const struct sample *s, struct str *content)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	struct view rest = view_of(s->input);

	test_begin(client, &(struct msg_mail){ .sender = VIEW("s@example.com"),
					       .flags = MAIL_FLAG_REMOTE,
					       .client_address = VIEW("2001:db8::1"),
					       .client_name = VIEW("mail.example.com"),
					       .helo = VIEW("evil (name)\r\nX"),
					       .protocol = VIEW("ESMTPS"),
					       .tls = VIEW("TLSv1.3 with cipher X") });
	test_rcpt(client, "u@example.test");
	while (rest.len > 0) {
		struct view piece = view_first(rest, s->piece ? s->piece : rest.len);

		assert_int_equal(ipc_send(client, data, .bytes = piece), 0);
		rest = view_from(rest, piece.len);
	}
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), content);
}

/* Takes the Received field, whose folded lines begin with a tab, off the front. */
static struct view without_received(struct view content)
{
	struct header_field field;

	assert_int_equal(header_next(&content, &field), 1);
	assert_true(view_is(field.name, "Received"));
	return content;
}

static void strangers_mail(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		send_sample(client, &strangers[i], &content);
		struct view rest = without_received(str_view(&content));

		if (!view_is(rest, strangers[i].expected))
			fail_msg("%zu: got %.*s", i, VIEW_ARG(rest));
	}
}

static void received_field(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;

	send_sample(client, &strangers[0], &content);
	assert_true(view_starts(
		str_view(&content),
		VIEW("Received: from evil??name???X (mail.example.com [IPv6:2001:db8::1])\r\n"
		     "\tby mx.example.test (Posta) with ESMTPS id ")));
	assert_true(view_find(str_view(&content), VIEW("\r\n\t(using TLSv1.3 with cipher X)")) !=
		    VIEW_NOT_FOUND);
	assert_true(view_find(str_view(&content), VIEW("\r\n\tfor <u@example.test>; ")) !=
		    VIEW_NOT_FOUND);
}

static bool has(const struct str *content, const char *text)
{
	return view_find(str_view(content), view_of(text)) != VIEW_NOT_FOUND;
}

/* sendmail's mail is completed, and addresses in its header get their domain. */
static void local_mail(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY, id = STR_EMPTY, uid = STR_EMPTY;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("alice") });
	test_rcpt(client, "bob");
	test_rcpt(client, "carol@example.com");
	ipc_send(client, data,
		 .bytes = VIEW("Subject: x\r\nTo: bob, Carol <carol@example.com>,\r\n "
			       "\"d e\"@host (comment)\r\nBcc: eve\r\n\r\n"));
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), &content);
	str_printf(&uid, "(Posta, from userid %u) id ", (unsigned)getuid());
	assert_true(has(&content, "Received: by mx.example.test "));
	assert_true(has(&content, str_cstr(&uid)));
	assert_false(has(&content, "for <"));
	assert_true(has(&content, "\r\nFrom: alice@example.test\r\n"));
	assert_true(has(&content, "\r\nDate: "));
	assert_true(has(&content, "\r\nMessage-Id: <"));
	assert_true(has(&content, "To: bob@example.test, Carol <carol@example.com>,\r\n "
				  "\"d e\"@host (comment)\r\n"));
	assert_false(has(&content, "Bcc"));
	test_read_recipients(str_view(&id), &id);
	assert_string_equal(str_cstr(&id),
			    "bob@example.test<bob carol@example.com<carol@example.com ");
}

static uint8_t body_of(struct ipc *client, const char *sent, uint8_t said, uint8_t flags)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;

	test_begin(client,
		   &(struct msg_mail){ .sender = VIEW("alice"), .flags = flags, .body = said });
	test_rcpt(client, "bob");
	ipc_send(client, data, .bytes = view_of(sent));
	assert_int_equal(test_end(client, &id), 250);
	if (queue_file_open(cleanup.queue, str_view(&id), NULL, QUEUE_OPEN_VERIFY, &f, &err) < 0)
		fail_msg("%s", err.text);
	return queue_file_envelope(f)->body;
}

/* The label follows the content, and where nothing is said, it is not made up. */
static void local_label(struct ipc *client)
{
	assert_int_equal(body_of(client, "A: b\r\n\r\nx\r\n", BODY_8BITMIME, 0), BODY_7BIT);
	assert_int_equal(body_of(client, "A: b\r\n\r\n\xc3\xa4\r\n", BODY_7BIT, 0), BODY_8BITMIME);
	assert_int_equal(body_of(client, "A: \xc3\xa4\r\n\r\nx\r\n", BODY_7BIT, 0), BODY_8BITMIME);
}
static void remote_label(struct ipc *client)
{
	assert_int_equal(body_of(client, "A: b\r\n\r\nx\r\n", BODY_8BITMIME, MAIL_FLAG_REMOTE),
			 BODY_8BITMIME);
	assert_int_equal(body_of(client, "A: b\r\n\r\nx\r\n", BODY_7BIT, MAIL_FLAG_REMOTE),
			 BODY_7BIT);
	assert_int_equal(body_of(client, "A: b\r\n\r\n\xe4\r\n", BODY_7BIT, MAIL_FLAG_REMOTE),
			 BODY_8BITMIME);
}

static void local_mailbox_line(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY, id = STR_EMPTY;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("alice") });
	test_rcpt(client, "bob");
	ipc_send(client, data, .bytes = VIEW("From alice Mon\nSubject: x\n\ny\n"));
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), &content);
	assert_false(has(&content, "From alice Mon"));
	assert_true(has(&content, "Subject: x\r\n"));
}

/* What only differs in case is left as it was written; what is mapped is not. */
static void header_case(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY, id = STR_EMPTY;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("alice") });
	test_rcpt(client, "bob");
	ipc_send(client, data,
		 .bytes = VIEW("From: Alice <A@Example.TEST>\r\nTo: B@Example.COM, "
			       "old@Example.TEST\r\n\r\n"));
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), &content);
	assert_true(has(&content, "From: Alice <A@Example.TEST>\r\n"));
	assert_true(has(&content, "To: B@Example.COM, new@example.test\r\n"));
}

static void resent_mail(struct ipc *client)
{
	_cleanup_(str_free) struct str content = STR_EMPTY, id = STR_EMPTY;

	test_begin(client, &(struct msg_mail){ .sender = VIEW("alice") });
	test_rcpt(client, "bob");
	ipc_send(client, data, .bytes = VIEW("From: x@y\r\nResent-To: bob\r\n\r\n"));
	assert_int_equal(test_end(client, &id), 250);
	test_read_content(str_view(&id), &content);
	assert_true(has(&content, "\r\nResent-From: alice@example.test\r\n"));
	assert_true(has(&content, "\r\nResent-Date: "));
	assert_true(has(&content, "\r\nResent-Message-Id: <"));
	assert_true(has(&content, "\r\nResent-To: bob@example.test\r\n"));
}

static void strangers_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", strangers_mail);
}
static void received_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", received_field);
}
static void local_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit", "", local_mail);
}
static void resent_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit", "", resent_mail);
}

static void local_label_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit", "", local_label);
}
static void remote_label_test(void **state)
{
	(void)state;
	test_with_cleanup("private/cleanup", "", remote_label);
}
static void local_mailbox_line_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit", "", local_mailbox_line);
}

static void header_case_test(void **state)
{
	(void)state;
	test_with_cleanup("public/submit",
			  "canonical_maps = inline:{ old@example.test=new@example.test }\n",
			  header_case);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_test),    cmocka_unit_test(received_test),
		cmocka_unit_test(local_test),	     cmocka_unit_test(header_case_test),
		cmocka_unit_test(resent_test),	     cmocka_unit_test(local_label_test),
		cmocka_unit_test(remote_label_test), cmocka_unit_test(local_mailbox_line_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

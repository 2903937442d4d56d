/* What a script has others told: answers (vacation) and notifications. */
#include "script.h"

#include <string.h>

#include "base/mem.h"
#include "sieve/sieve.h"

/* To whom there is no answer, and what one looks like (RFC 5230, RFC 3834). */
static void answers(void **unused)
{
	static const struct {
		const char *sender, *fields, *why;
	} cases[] = {
		{ "a@x.test", "To: Ken <ken@example.org>\r\n", NULL },
		{ "a@x.test", "Cc: x@y, KEN+other@Example.org\r\nAuto-Submitted: no\r\n", NULL },
		{ "a@x.test", "Bcc: list:me@else.test;\r\n", NULL },
		{ "", "To: ken@example.org\r\n", "the sender is nobody to answer to" },
		{ "a@x.test", "To: b@example.org\r\n", "the message does not name the user" },
		{ "ken@example.org", "To: ken@example.org\r\n", "the sender is the user" },
		{ "owner-x@x.test", "To: ken@example.org\r\n",
		  "the sender is a list or a program" },
		{ "x-request@x.test", "To: ken@example.org\r\n",
		  "the sender is a list or a program" },
		{ "MAILER-DAEMON@x", "To: ken@example.org\r\n",
		  "the sender is a list or a program" },
		{ "a@x.test", "To: ken@example.org\r\nList-Post: <x>\r\n",
		  "the message is of a list" },
		{ "a@x.test", "To: ken@example.org\r\nPrecedence: Bulk\r\n",
		  "the message is of a list" },
		{ "a@x.test", "To: ken@example.org\r\nAuto-Submitted: auto-generated (x)\r\n",
		  "the message was sent by a program" },
		{ "a@x.test", "To: ken@example.org\r\nX-Auto-Response-Suppress: DR, OOF\r\n",
		  "the message wants no answer" },
	};
	struct sieve_action action = { .kind = SIEVE_VACATION };
	struct sieve_message message = { .recipient = VIEW("ken+new@example.org"),
					 .delimiters = "+",
					 .now = 1795949890 };
	_cleanup_(str_free) struct str key = STR_EMPTY, other = STR_EMPTY, text = STR_EMPTY;

	(void)unused;
	str_append_cstr(&action.addresses, "me@else.test\n");
	str_append_cstr(&action.text, "Away.\n.\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why;

		message.sender = view_of(cases[i].sender);
		message.content = view_of(cases[i].fields);
		why = sieve_vacation_refusal(&message, &action);
		if ((why == NULL) != (cases[i].why == NULL) ||
		    (why != NULL && strcmp(why, cases[i].why) != 0))
			fail_msg("%s: %s", cases[i].fields, why != NULL ? why : "answered");
	}
	message.content = VIEW("Subject: a\r\n =?utf-8?q?=C3=A9?=\r\nMessage-ID: <1@x>\r\n"
			       "References: <0@x>\r\n\r\n");
	message.sender = VIEW("A@x.test");
	sieve_vacation_key(&message, &action, &key);
	assert_int_equal(key.len, SIEVE_KEY_LENGTH);
	message.sender = VIEW("a@X.test");
	sieve_vacation_key(&message, &action, &other);
	assert_string_equal(str_cstr(&key), str_cstr(&other));
	str_append_cstr(&action.text, "More.");
	str_clear(&other);
	sieve_vacation_key(&message, &action, &other);
	assert_string_not_equal(str_cstr(&key), str_cstr(&other));
	sieve_vacation_compose(&message, &action, &text);
	assert_string_equal(str_cstr(&text),
			    "From: ken+new@example.org\r\nTo: a@X.test\r\n"
			    "Subject: =?utf-8?B?QXV0bzogYSDDqQ==?=\r\n"
			    "Date: Sun, 29 Nov 2026 10:58:10 +0000 (UTC)\r\n"
			    "In-Reply-To: <1@x>\r\nReferences: <0@x>\r\n <1@x>\r\n"
			    "Auto-Submitted: auto-replied (vacation)\r\nMIME-Version: 1.0\r\n"
			    "Content-Type: text/plain; charset=utf-8\r\n"
			    "Content-Transfer-Encoding: 7bit\r\n\r\nAway.\r\n.\r\nMore.\r\n");
	str_clear(&text);
	action.mime = true;
	str_set(&action.text,
		VIEW("Content-Type: text/html\nContent-X: a\rBcc: x@y\r\nBcc: x@y\n\n<p>\xc3\xa9"));
	sieve_vacation_compose(&message, &action, &text);
	assert_true(view_find(str_view(&text), VIEW("Content-Type: text/html\r\nContent-X: a "
						    "Bcc: x@y\r\n\r\n<p>")) != VIEW_NOT_FOUND);
	str_free(&action.addresses);
	str_free(&action.text);
}

/* RFC 5230. */
static void vacations(void **unused)
{
	(void)unused;
	check("\"vacation\"", "vacation \"I am away\";", message_c,
	      "vacation I am away (604800 s, , ); keep");
	check("\"vacation\"",
	      "vacation :days 23 :subject \"Gone\" :from \"me@x.test\" :addresses [\"a@b\", "
	      "\"c@d\"] "
	      "\"Away\";",
	      message_c, "vacation Away (1987200 s, Gone, me@x.test); keep");
	check("\"vacation\",\"vacation-seconds\"", "vacation :seconds 60 \"x\"; discard;",
	      message_c, "vacation x (60 s, , )");
	check("\"vacation\"", "vacation :days 1000 \"x\";", message_c,
	      "vacation x (7776000 s, , ); keep");
	check("\"vacation\"", "vacation \"a\"; vacation \"b\";", message_c,
	      "line 2: vacation a second time: keep");
}

/* RFC 5435 and 5436, with their examples. */
static void notifications(void **unused)
{
	(void)unused;
	check("\"enotify\"",
	      "if header :contains \"from\" \"coyote@\" { notify :importance \"3\" "
	      ":message \"This is probably very important\" \"mailto:alm@example.com\"; stop; }",
	      message_a, "notify alm@example.com (3, This is probably very important, , ); keep");
	check("\"enotify\",\"variables\"",
	      "set :encodeurl \"b\" \"Safe body & evil?\"; "
	      "notify :from \"me@x.test\" "
	      "\"MAILTO:a@b.test,c%40d.test?Subject=x%20y&body=${b}&cc=e@f.test"
	      "&From=evil@x&Auto-Submitted=no\"; discard;",
	      message_a,
	      "notify a@b.test (2, x y, me@x.test, Safe body & evil?); "
	      "notify c@d.test (2, x y, me@x.test, Safe body & evil?); "
	      "notify e@f.test (2, x y, me@x.test, Safe body & evil?)");
	/* Beside a rejection: the message goes back, and somebody hears of it. */
	check("\"enotify\",\"reject\"", "notify \"mailto:a@b.test\"; reject \"no\";", message_a,
	      "notify a@b.test (2, , , ); reject no");
	check("\"enotify\"",
	      "redirect \"1@x.test\"; redirect \"2@x.test\"; "
	      "notify \"mailto:3@x.test,4@x.test,5@x.test\";",
	      message_a, "line 2: more than 4 addresses that something is sent to: keep");
	check_test("\"enotify\"",
		   "valid_notify_method [\"mailto:\", \"http://gw.example.net/notify?tim\"]",
		   message_a, false);
	check_test("\"enotify\"",
		   "valid_notify_method [\"mailto:tim@example.com\", \"mailto:?to=a@b.c\"]",
		   message_a, true);
	check_test("\"enotify\"",
		   "notify_method_capability \"mailto:tim@example.com\" \"Online\" [\"yes\", "
		   "\"maybe\"]",
		   message_a, true);
	check_test("\"enotify\"",
		   "notify_method_capability \"xmpp:tim@example.com\" \"Online\" [\"maybe\"]",
		   message_a, false);
	static const char *const wrong[] = {
		"tel:+14085551212",
		"mailto:",
		"mailto:a",
		"mailto:a@b.test%",
		"mailto:a@b.test%0",
		"mailto:a@b.test%0d%0aBcc:x@y.test",
		"mailto:a@b.test?",
		"mailto:a@b.test?subject=x%0aBcc:%20x@y.test",
		"mailto:a@b.test?x",
		"mailto:a@b.test?body=%00",
		"mailto:a@b.test?body=%ff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		str_printf(&text, "notify \"%s\"; keep;", wrong[i]);
		check("\"enotify\"", str_cstr(&text), message_a,
		      strcmp(wrong[i], "mailto:a@b.test?") == 0
			      ? "notify a@b.test (2, , , ); keep"
			      : "line 2: notify: nobody can be told");
	}
	check("\"enotify\"", "notify :importance \"4\" \"mailto:a@b.c\";", message_a,
	      "line 2: notify: :importance");
	check("\"enotify\"", "notify :from \"x\r\nBcc: a@b\" \"mailto:a@b.c\";", message_a,
	      "line 2: notify: \"x");
}

static void notification_text(void **unused)
{
	const struct sieve_message message = { .content = view_of(message_c),
					       .recipient = VIEW("ken@example.org"),
					       .now = 1795949890 };
	struct sieve_message other = message;
	struct sieve_action action = { .kind = SIEVE_NOTIFY, .importance = 1 };
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)unused;
	str_append_cstr(&action.text, "a@b.test");
	assert_null(sieve_notify_refusal(&message));
	sieve_notify_compose(&message, &action, &text);
	assert_string_equal(
		str_cstr(&text),
		"From: ken@example.org\r\nTo: a@b.test\r\n"
		"Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n"
		"Date: Sun, 29 Nov 2026 10:58:10 +0000 (UTC)\r\n"
		"Auto-Submitted: auto-notified; owner-email=\"ken@example.org\"\r\n"
		"Importance: high\r\nX-Priority: 1 (Highest)\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"
		"WW91IGhhdmUgYSBtZXNzYWdlLg0KDQpGcm9tOiBKw7ZyZyA8am9lcmcrbmV3c0BleGFtcGxlLm9y\r\n"
		"Zz4sICJiLCBjIiA8YmNAeC50ZXN0Pg0KU3ViamVjdDogR3LDvMOfZSBhdXMgS8O2bG4NCg==\r\n");
	str_clear(&text);
	str_append_cstr(&action.subject, "s");
	str_append_cstr(&action.body, "one\ntwo");
	action.importance = 2;
	sieve_notify_compose(&message, &action, &text);
	assert_non_null(strstr(str_cstr(&text), "\r\nSubject: s\r\n"));
	assert_non_null(strstr(str_cstr(&text), "7bit\r\n\r\none\r\ntwo\r\n"));
	assert_null(strstr(str_cstr(&text), "Importance"));
	other.content = VIEW("Auto-Submitted: auto-notified; x=y\r\n\r\n");
	assert_non_null(sieve_notify_refusal(&other));
	other.content = VIEW("Auto-Submitted: auto-generated\r\n\r\n");
	assert_null(sieve_notify_refusal(&other));
	str_free(&action.text);
	str_free(&action.subject);
	str_free(&action.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(vacations),
		cmocka_unit_test(notifications),
		cmocka_unit_test(notification_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "checks.h"
#include "conf/conf.h"
#include "conversation.h"
#include "generic.h"
#include "ipc/ipc.h"
#include "reply.h"
#include "settings.h"

#define SAID	 "host mx.one.test[192.0.2.1] said: "
#define HELLO	 "220 mx|<EHLO mx.us.test|250-mx.one.test|"
#define PIPELINE HELLO "250-PIPELINING|250 8BITMIME|"

static const char *const one[] = { "a@one.test", NULL };
static const char *const two[] = { "a@one.test", "b@one.test", NULL };
static const char *const three[] = { "a@one.test", "b@one.test", "c@one.test", NULL };

static void check_with(struct conversation *c, const char *results)
{
	converse(c);
	if (!view_is(str_view(&c->results), results))
		fail_msg("results: %s\nexpected: %s\nheard: %s", str_cstr(&c->results), results,
			 str_cstr(&c->heard));
}

static void check(struct conversation *c, const char *results)
{
	conversation_defaults();
	check_with(c, results);
}

static void test_plain(void **state)
{
	struct conversation c = {
		.recipients = two,
		.script = HELLO
		"250 HELP|<MAIL FROM:<s@us.test>|250 ok|<RCPT TO:<a@one.test>|250 ok|"
		"<RCPT TO:<b@one.test>|250 ok|<DATA|354 go|<<.|250 2.6.0 Queued|<QUIT",
	};

	check(&c, "a@one.test sent 2.6.0 250 2.6.0 Queued|b@one.test sent 2.6.0 250 2.6.0 Queued|");
	assert_string_equal(str_cstr(&c.heard),
			    "EHLO mx.us.test|MAIL FROM:<s@us.test>|RCPT TO:<a@one.test>|"
			    "RCPT TO:<b@one.test>|DATA|Subject: x||hello|.|QUIT|");
	conversation_free(&c);
	(void)state;
}

/* All commands are there before the first is answered. */
static void test_pipelined(void **state)
{
	struct conversation c = {
		.recipients = three,
		.body = BODY_8BITMIME,
		.script = PIPELINE
		"<MAIL FROM:<s@us.test> BODY=8BITMIME|<RCPT|<RCPT|<RCPT|<DATA|"
		"250 ok|550 5.1.1 no a|450 4.2.1 not b|250 ok c|354 go|<<.|250 done",
	};

	check(&c,
	      "a@one.test failed 5.1.1 " SAID "550 5.1.1 no a (in reply to RCPT TO command)|"
	      "c@one.test sent 2.0.0 250 done|"
	      "b@one.test pending 4.2.1 " SAID "450 4.2.1 not b (in reply to RCPT TO command)|");
	conversation_free(&c);
	(void)state;
}

/* Content of 8 bits to a server that did not say that it takes them. */
static void test_conversion(void **state)
{
	struct conversation c = {
		.recipients = one,
		.body = BODY_8BITMIME,
		.content = "Content-Transfer-Encoding: 8bit\r\n\r\n\303\274\r\n",
		.script = HELLO "250 HELP|<MAIL FROM:<s@us.test>|250 ok|<RCPT|250 ok|<DATA|354 go|"
				"<<.|250 done|<QUIT",
	};

	check(&c, "a@one.test sent 2.0.0 250 done|");
	assert_non_null(strstr(str_cstr(&c.heard),
			       "DATA|Content-Transfer-Encoding: quoted-printable||=C3=BC|.|"));
	assert_null(strstr(str_cstr(&c.heard), "BODY="));
	conversation_free(&c);
	(void)state;
}

/* What a content filter is told of the client; one that refuses gets no mail. */
static void test_xforward(void **state)
{
	struct conversation told = {
		.recipients = one,
		.flags = MAIL_FLAG_REMOTE,
		.script =
			HELLO "250 XFORWARD NAME ADDR PROTO HELO SOURCE|<XFORWARD|250 ok|<XFORWARD|"
			      "250 ok|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|250 done|<QUIT",
	};
	struct conversation refused = {
		.recipients = one,
		.script = HELLO "250 XFORWARD NAME ADDR|<XFORWARD|550 5.7.0 no|",
	};
	/* One that takes little is not sent a command without attributes. */
	struct conversation little = {
		.recipients = one,
		.script = HELLO "250 XFORWARD ADDR|<XFORWARD ADDR|250 ok|<MAIL|250 ok|<RCPT|250 ok|"
				"<DATA|354 go|<<.|250 done|<QUIT",
	};
	struct conversation plain = {
		.recipients = one,
		.script = HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|250 done|<QUIT",
	};

	conversation_defaults();
	param.smtp_send_xforward_command = true;
	param.smtp_xforward_timeout = 8000;
	converse(&told);
	assert_string_equal(str_cstr(&told.results), "a@one.test sent 2.0.0 250 done|");
	assert_non_null(strstr(str_cstr(&told.heard),
			       "|XFORWARD NAME=a+2Bb ADDR=IPV6:2001:db8::1|XFORWARD PROTO=ESMTP "
			       "SOURCE=REMOTE|MAIL FROM:"));
	converse(&refused);
	assert_string_equal(str_cstr(&refused.results),
			    "a@one.test failed 5.7.0 " SAID "550 5.7.0 no (in reply to XFORWARD "
			    "command)|");
	converse(&little);
	assert_string_equal(str_cstr(&little.results), "a@one.test sent 2.0.0 250 done|");
	converse(&plain);
	assert_string_equal(str_cstr(&plain.results), "a@one.test sent 2.0.0 250 done|");
	conversation_free(&told);
	conversation_free(&little);
	conversation_free(&refused);
	conversation_free(&plain);
	(void)state;
}

/* Own addresses become those of the world, in envelope and header. */
static void test_generic(void **state)
{
	struct conversation c = {
		.recipients = two,
		.content =
			"From: Me <s@us.test>\r\nTo: b@one.test, x@else.test\r\n\r\ns@us.test\r\n",
		.script = HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|250 "
				"done|<QUIT",
	};
	struct error err = ERROR_NONE;

	conversation_defaults();
	param.smtp_generic_maps = "inline:{ s@us.test=public@world.test, @one.test=@far.test }";
	param.mydestination = param.proxy_interfaces = param.propagate_unmatched_extensions = "";
	param.inet_interfaces = "127.0.0.1";
	param.myorigin = "us.test";
	param.recipient_delimiter = "";
	param.virtual_alias_expansion_limit = 10;
	settings_choose(false);
	assert_int_equal(generic_prepare(&err), 0);
	converse(&c);
	assert_string_equal(str_cstr(&c.results), "a@one.test sent 2.0.0 250 done|b@one.test sent "
						  "2.0.0 250 done|");
	assert_string_equal(
		str_cstr(&c.heard),
		"EHLO mx.us.test|MAIL FROM:<public@world.test>|RCPT TO:<a@far.test>|"
		"RCPT TO:<b@far.test>|DATA|From: Me <public@world.test>|To: b@far.test, "
		"x@else.test||s@us.test|.|QUIT|");
	conversation_free(&c);
	(void)state;
}

static void test_nobody_is_accepted(void **state)
{
	struct conversation pipelined = {
		.recipients = one,
		.script = PIPELINE "<MAIL|<RCPT|<DATA|250 ok|550 no|354 go|<.|554 nobody|<QUIT",
	};
	struct conversation refused = {
		.recipients = one,
		.script = PIPELINE "<MAIL|<RCPT|<DATA|250 ok|550 no|503 nobody|<QUIT",
	};
	struct conversation plain = {
		.recipients = one,
		.script = HELLO "250 HELP|<MAIL|250 ok|<RCPT|550 no|<QUIT",
	};
	const char *expected =
		"a@one.test failed 5.0.0 " SAID "550 no (in reply to RCPT TO command)|";

	check(&pipelined, expected);
	assert_non_null(strstr(str_cstr(&pipelined.heard), "DATA|.|QUIT|"));
	check(&refused, expected);
	check(&plain, expected);
	assert_non_null(strstr(str_cstr(&plain.heard), "RCPT TO:<a@one.test>|QUIT|"));
	conversation_free(&pipelined);
	conversation_free(&refused);
	conversation_free(&plain);
	(void)state;
}

static void test_refusals(void **state)
{
	static const struct {
		const char *script, *expected;
	} rows[] = {
		{ "554 5.7.1 go away", "a@one.test pending 4.7.1 host mx.one.test[192.0.2.1] "
				       "refused to talk to me: 554 5.7.1 go away|" },
		{ "421 4.3.2 busy", "a@one.test pending 4.3.2 host mx.one.test[192.0.2.1] refused "
				    "to talk to me: 421 4.3.2 busy|" },
		{ "220 mx|<EHLO|500 what|<HELO|550 5.7.1 no|",
		  "a@one.test permanent 5.7.1 " SAID "550 5.7.1 no (in reply to EHLO command)|" },
		{ "220 mx|<EHLO|421 later",
		  "a@one.test pending 4.0.0 " SAID "421 later (in reply to EHLO command)|" },
		{ "220 mx|<EHLO|250 MX.us.test",
		  "a@one.test permanent 5.4.6 mail for one.test loops back to myself|" },
		{ HELLO "250 X|<MAIL|550 5.1.8 no sender|",
		  "a@one.test failed 5.1.8 " SAID
		  "550 5.1.8 no sender (in reply to MAIL FROM command)|" },
		{ HELLO "250 X|<MAIL|451 later|",
		  "a@one.test pending 4.0.0 " SAID "451 later (in reply to MAIL FROM command)|" },
		{ PIPELINE "<MAIL|<RCPT|<DATA|550 no sender|503 x|503 x|",
		  "a@one.test failed 5.0.0 " SAID
		  "550 no sender (in reply to MAIL FROM command)|" },
		{ HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|554 5.3.0 no|",
		  "a@one.test failed 5.3.0 " SAID "554 5.3.0 no (in reply to DATA command)|" },
		{ HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|250 what|",
		  "a@one.test pending 4.5.0 " SAID "250 what (in reply to DATA "
		  "command)|" },
		{ HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|552 5.2.2 full|",
		  "a@one.test failed 5.2.2 " SAID
		  "552 5.2.2 full (in reply to end of DATA command)|" },
		{ HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|451 4.3.0 later|",
		  "a@one.test pending 4.3.0 " SAID
		  "451 4.3.0 later (in reply to end of DATA command)|" },
		{ PIPELINE "<MAIL|<RCPT|<DATA|250 ok|421 4.3.2 going down|",
		  "a@one.test pending 4.3.2 " SAID
		  "421 4.3.2 going down (in reply to RCPT TO command)|" },
		{ HELLO "250 SIZE 5|",
		  "a@one.test failed 5.3.4 message size 21 exceeds size limit 5 of server "
		  "mx.one.test[192.0.2.1]|" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conversation c = { .recipients = one, .script = rows[i].script };

		check(&c, rows[i].expected);
		conversation_free(&c);
	}
	(void)state;
}

/* Lost after the dot: put off for good, and not for the next host to try at once. */
static void test_loss_after_the_dot(void **state)
{
	struct conversation c = {
		.recipients = one,
		.script = HELLO "250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.",
	};

	check(&c, "a@one.test deferred 4.4.2 lost connection with mx.one.test[192.0.2.1] while "
		  "sending end of data -- message may be sent more than once|");
	conversation_free(&c);
	(void)state;
}

static void test_kept_session(void **state)
{
	struct conversation good = {
		.recipients = one,
		.uses = 1,
		.script = PIPELINE
		"<RSET|<MAIL|<RCPT|<DATA|250 reset|250 ok|250 ok|354 go|<<.|250 done",
	};
	struct conversation closed = { .recipients = one,
				       .uses = 1,
				       .script = HELLO "250 X|<RSET" };
	struct conversation tired = {
		.recipients = one,
		.uses = 1,
		.script = PIPELINE "<RSET|<MAIL|<RCPT|<DATA|421 4.4.2 idle too long",
	};

	check(&good, "a@one.test sent 2.0.0 250 done|");
	assert_false(good.stale);
	check(&closed, "a@one.test pending - |");
	assert_true(closed.stale);
	check(&tired, "a@one.test pending - |");
	assert_true(tired.stale);
	conversation_free(&good);
	conversation_free(&closed);
	conversation_free(&tired);
	(void)state;
}

static void test_lmtp(void **state)
{
	struct conversation c = {
		.lmtp = true,
		.recipients = three,
		.script = "220 mx|<LHLO mx.us.test|250 mx|<MAIL|250 ok|<RCPT|250 ok|<RCPT|550 no b|"
			  "<RCPT|250 ok|<DATA|354 go|<<.|250 2.1.5 a|452 4.2.2 c full|<QUIT",
	};
	struct conversation fewer = {
		.lmtp = true,
		.recipients = two,
		.script = "220 mx|<LHLO|250 mx|<MAIL|250 ok|<RCPT|250 ok|<RCPT|250 ok|<DATA|354 go|"
			  "<<.|250 2.1.5 a",
	};

	check(&c, "b@one.test failed 5.0.0 " SAID "550 no b (in reply to RCPT TO command)|"
		  "a@one.test sent 2.1.5 250 2.1.5 a|"
		  "c@one.test pending 4.2.2 " SAID
		  "452 4.2.2 c full (in reply to end of DATA command)|");
	check(&fewer,
	      "a@one.test sent 2.1.5 250 2.1.5 a|b@one.test deferred 4.4.2 lost connection "
	      "with mx.one.test[192.0.2.1] while sending end of data -- message may be sent "
	      "more than once|");
	conversation_free(&c);
	conversation_free(&fewer);
	(void)state;
}

/* Greetings and introductions that parameters ask for. */
static void test_introductions(void **state)
{
	struct conversation never = {
		.recipients = one,
		.script =
			"220 mx ESMTP|<HELO mx.us.test|250 mx|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 "
			"go|<<.|250 done|<QUIT",
	};
	struct conversation plain = never, extended = {
		.recipients = one,
		.script = "220 mx Esmtp x|<EHLO mx.us.test|250-mx.one.test|250 AUTH PLAIN|<MAIL "
			  "FROM:<s@us.test> AUTH=<>|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|250 "
			  "done|<QUIT",
	};
	struct conversation success = {
		.recipients = one,
		.lmtp = true,
		.notify = NOTIFY_SUCCESS,
		.script = "220 mx|<LHLO|250 mx|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|250 "
			  "2.1.5 a|"
			  "<QUIT",
	};
	struct conversation assumed = success;

	plain.script =
		"220 mx SMTP|<HELO mx.us.test|250 mx|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|"
		"250 done|<QUIT";
	conversation_defaults();
	param.smtp_never_send_ehlo = true;
	check_with(&never, "a@one.test sent 2.0.0 250 done|");
	conversation_defaults();
	param.smtp_always_send_ehlo = false;
	param.smtp_send_dummy_mail_auth = true;
	check_with(&plain, "a@one.test sent 2.0.0 250 done|");
	check_with(&extended, "a@one.test sent 2.0.0 250 done|");
	conversation_defaults();
	check_with(&success, "a@one.test relayed 2.1.5 250 2.1.5 a|");
	param.lmtp_assume_final = true;
	check_with(&assumed, "a@one.test sent 2.1.5 250 2.1.5 a|");
	conversation_free(&never);
	conversation_free(&plain);
	conversation_free(&extended);
	conversation_free(&success);
	conversation_free(&assumed);
	(void)state;
}

static void test_smtputf8_and_dsn(void **state)
{
	static const char *const utf8[] = { "\303\274@one.test", NULL };
	struct conversation no = { .recipients = utf8, .script = HELLO "250 X|" };
	struct conversation unneeded = {
		.recipients = one,
		.flags = MAIL_FLAG_SMTPUTF8,
		.script = HELLO
		"250 X|<MAIL FROM:<s@us.test>|250 ok|<RCPT|250 ok|<DATA|354|<<.|250 k",
	};
	struct conversation yes = {
		.recipients = utf8,
		.notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
		.script = HELLO
		"250-DSN|250 SMTPUTF8|<MAIL FROM:<s@us.test> SMTPUTF8|250 ok|"
		"<RCPT TO:<\303\274@one.test> NOTIFY=SUCCESS,DELAY|250 ok|<DATA|354|<<.|250 k",
	};
	struct conversation relayed = {
		.recipients = one,
		.notify = NOTIFY_SUCCESS,
		.script =
			HELLO "250 X|<MAIL|250 ok|<RCPT TO:<a@one.test>|250 ok|<DATA|354|<<.|250 k",
	};

	check(&no, "\303\274@one.test failed 5.6.7 SMTPUTF8 is required, but was not offered by "
		   "host mx.one.test[192.0.2.1]|");
	check(&unneeded, "a@one.test sent 2.0.0 250 k|");
	check(&yes, "\303\274@one.test sent 2.0.0 250 k|");
	check(&relayed, "a@one.test relayed 2.0.0 250 k|");
	conversation_free(&no);
	conversation_free(&unneeded);
	conversation_free(&yes);
	conversation_free(&relayed);
	(void)state;
}

/* The whole conversation cut off after each byte: never a result but by the last byte. */
static void test_end_after_each_byte(void **state)
{
	static const char all[] = "220 a\r\n250-mx\r\n250 PIPELINING\r\n250 k\r\n250 k\r\n250 k\r\n"
				  "354 go\r\n250 2.0.0 done\r\n";

	for (size_t len = 0; len < sizeof(all); len++) {
		struct conversation c = { .recipients = two, .raw = view_make(all, len) };

		conversation_defaults();
		converse(&c);
		if (len == sizeof(all) - 1)
			assert_string_equal(str_cstr(&c.results),
					    "a@one.test sent 2.0.0 250 2.0.0 done|"
					    "b@one.test sent 2.0.0 250 2.0.0 done|");
		else
			assert_non_null(strstr(str_cstr(&c.results), "4.4.2 lost connection"));
		if (len < sizeof(all) - 1)
			assert_null(strstr(str_cstr(&c.results), "test sent "));
		conversation_free(&c);
	}
	(void)state;
}

static void test_hostile_replies(void **state)
{
	static const char *const bad[] = {
		"220mx\r\n",
		"22\r\n",
		"\r\n",
		"120 x\r\n",
		"220-a\r\n550 b\r\n",
		"hello\r\n",
		"999 x\r\n",
		"220_x\r\n",
		"220-x\r\ngarbage\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct conversation c = { .recipients = one, .raw = view_of(bad[i]) };

		check(&c, "a@one.test pending 4.5.0 malformed reply from mx.one.test[192.0.2.1] "
			  "while receiving the initial server greeting|");
		conversation_free(&c);
	}
	(void)state;
}

static void test_endless_replies(void **state)
{
	static const char *const pieces[] = { "220-x\r\n", "220 xxxxxxxxxxxxxxxxxxxxxxxx", "220-" };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_(str_free) struct str bytes = STR_EMPTY;
		struct conversation c = { .recipients = one };

		while (bytes.len < (size_t)1024 * 1024)
			str_append_cstr(&bytes, pieces[i]);
		c.raw = str_view(&bytes);
		check(&c, "a@one.test pending 4.5.0 malformed reply from mx.one.test[192.0.2.1] "
			  "while receiving the initial server greeting|");
		conversation_free(&c);
	}
	(void)state;
}

/* Nothing that the server said in the clear after its reply to STARTTLS is believed. */
static void test_starttls_injection(void **state)
{
	struct conversation c = {
		.recipients = one,
		.level = TLS_MAY,
		.raw = VIEW("220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n"),
	};

	conversation_defaults();
	param.smtp_tls_security_level = "may";
	param.smtp_tls_CAfile = param.smtp_tls_CApath = param.smtp_tls_cert_file =
		param.smtp_tls_key_file = param.smtp_tls_chain_files = "";
	param.smtp_tls_eccert_file = param.smtp_tls_eckey_file = "";
	param.smtp_tls_protocols = ">=TLSv1.2";
	param.smtp_tls_ciphers = param.smtp_tls_mandatory_ciphers = "high";
	param.smtp_tls_mandatory_exclude_ciphers = "";
	param.tls_high_cipherlist = "HIGH";
	param.tls_eecdh_auto_curves = "X25519";
	param.smtp_tls_exclude_ciphers = param.tls_ssl_options = "";
	param.smtp_tls_servername = param.smtp_tls_verify_cert_match = "";
	conversation_prepare_tls();
	converse(&c);
	assert_string_equal(
		str_cstr(&c.results),
		"a@one.test pending 4.7.0 mx.one.test[192.0.2.1] sent bytes in the clear "
		"after its reply to STARTTLS|");
	conversation_free(&c);
	(void)state;
}

/* Tables about what leaves, and about what servers say. */
static void test_checks(void **state)
{
	struct conversation c = {
		.recipients = one,
		.content = "Subject: secret\r\nReceived: from inside\r\nX-Keep: 1\r\nContent-Type: "
			   "text/plain\r\n\r\nline one\r\nbye\r\n",
		.script = HELLO
		"250 X|<MAIL|250 ok|<RCPT|250 ok|<DATA|354 go|<<.|450 4.2.0 taken|<QUIT",
	};
	struct error err = ERROR_NONE;

	conversation_defaults();
	param.smtp_header_checks = "regexp:{ {/^Subject: s(.*)/ REPLACE Subject: S$1} "
				   "{/^Received:/ IGNORE} {/^X-Keep:/ PREPEND X-New: 2} "
				   "{/^X-Keep:/ REJECT} {/^Content-/ IGNORE} }";
	param.smtp_mime_header_checks = "regexp:{ {/^Content-Type: (.*)/ REPLACE Content-Type: $1; "
					"x=y} }";
	param.smtp_nested_header_checks = "";
	param.smtp_body_checks = "regexp:{ {/one/ REPLACE line two} }";
	settings_choose(false);
	assert_int_equal(checks_prepare(&err), 0);
	assert_int_equal(reply_filter_prepare("regexp:{ {/^450 (.*taken)/ 250 $1} }", &err), 0);
	converse(&c);
	assert_string_equal(str_cstr(&c.results), "a@one.test sent 2.0.0 250 4.2.0 taken|");
	assert_non_null(strstr(str_cstr(&c.heard),
			       "DATA|Subject: Secret|X-New: 2|X-Keep: 1|Content-Type: text/plain; "
			       "x=y||line two|bye|.|"));
	conversation_free(&c);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_conversion),
		cmocka_unit_test(test_xforward),
		cmocka_unit_test(test_nobody_is_accepted),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_loss_after_the_dot),
		cmocka_unit_test(test_kept_session),
		cmocka_unit_test(test_lmtp),
		cmocka_unit_test(test_introductions),
		cmocka_unit_test(test_smtputf8_and_dsn),
		cmocka_unit_test(test_end_after_each_byte),
		cmocka_unit_test(test_hostile_replies),
		cmocka_unit_test(test_endless_replies),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_generic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

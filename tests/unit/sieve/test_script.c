/* Scripts on messages: the examples of the RFCs, and what they leave open, as a table. */
#include "script.h"

#include <string.h>

#include "base/mem.h"
#include "sieve/sieve.h"

/* RFC 5228, 9: the extended example. */
static const char extended[] =
	"if header :is \"Sender\" \"owner-ietf-mta-filters@imc.org\" { fileinto \"filter\"; }\r\n"
	"elsif address :DOMAIN :is [\"From\", \"To\"] \"example.com\" { keep; }\r\n"
	"elsif anyof (NOT address :all :contains [\"To\", \"Cc\", \"Bcc\"] \"me@example.com\",\r\n"
	" header :matches \"subject\" [\"*make*money*fast*\", \"*university*dipl*mas*\"])\r\n"
	"{ fileinto \"spam\"; }\r\n"
	"else { fileinto \"personal\"; }\r\n";

static void of_rfc_5228(void **unused)
{
	(void)unused;
	check("\"fileinto\"", extended, message_a, "fileinto spam");
	check("\"fileinto\"", extended, message_b, "fileinto spam");
	check(NULL, "", message_a, "keep");
}

static void basics(void **unused)
{
	(void)unused;
	check(NULL, "", message_a, "keep");
	check(NULL, "/* nothing */ # at all", message_a, "keep");
	check(NULL, "discard;", message_a, "");
	check(NULL, "discard; keep; keep;", message_a, "keep");
	check(NULL, "stop; discard;", message_a, "keep");
	check(NULL, "redirect \"a@b.test\"; redirect \"a@b.test\";", message_a,
	      "redirect a@b.test");
	check("\"fileinto\"", "fileinto \"INBOX\"; fileinto \"x\"; fileinto \"x\";", message_a,
	      "keep; fileinto x");
	check("\"fileinto\",\"copy\"", "fileinto :copy \"x\"; redirect :copy \"a@b\";", message_a,
	      "fileinto x; redirect a@b; keep");
	/* To oneself. */
	check(NULL, "redirect \"KEN+frobnitz@example.org\";", message_a, "keep");
	check("\"reject\"", "reject text:\r\nGo\r\n..away\r\n.\r\n;", message_a,
	      "reject Go\r\n.away\r\n");
	check("\"ereject\"", "ereject \"no\";", message_a, "reject no");
	check("\"fileinto\",\"mailbox\"", "fileinto :create \"New\";", message_a,
	      "fileinto New create");
	check("\"reject\"", "keep; reject \"x\";", message_a, "line 2: reject cannot stand");
	check(NULL, "redirect \"nobody\";", message_a,
	      "line 1: redirect: \"nobody\" is no address");
	check(NULL,
	      "redirect \"a@x1.test\"; redirect \"a@x2.test\"; redirect \"a@x3.test\"; redirect "
	      "\"a@x4.test\"; "
	      "redirect \"a@x5.test\";",
	      message_a, "line 1: more than 4 redirects: keep");
}

static void tests_of_header(void **unused)
{
	static const struct {
		const char *require, *test;
		bool holds;
	} cases[] = {
		{ NULL,
		  "header :is \"subject\" \"Gr\xc3\xbc\xc3\x9f"
		  "e aus K\xc3\xb6ln\"",
		  true },
		{ NULL, "header :contains \"SUBJECT\" \"AUS\"", true },
		{ NULL, "header :comparator \"i;octet\" :contains \"subject\" \"AUS\"", false },
		{ NULL, "header :contains \"empty\" \"\"", true },
		{ NULL, "header :is \"empty\" \"\"", true },
		{ NULL, "header :contains \"absent\" \"\"", false },
		{ NULL, "header :matches \"subject\" \"Gr*K?ln\"", true },
		{ NULL, "header :matches \"subject\" \"Gr*K??ln\"", false },
		{ NULL, "header :matches \"x-priority\" \"\\\\10\"", true },
		{ NULL, "header :matches \"x-priority\" \"*\\\\*\"", false },
		{ NULL, "exists [\"from\", \"date\"]", true },
		{ NULL, "exists [\"from\", \"absent\"]", false },
		{ NULL, "address :is \"from\" \"joerg+news@example.org\"", true },
		{ NULL, "address :is \"from\" \"bc@x.test\"", true },
		{ NULL, "address :localpart \"from\" \"bc\"", true },
		{ NULL, "address :domain \"cc\" \"two.test\"", true },
		{ NULL, "address :is :all \"from\" \"J\xc3\xb6rg\"", false },
		{ "\"subaddress\"", "address :user \"to\" \"ken\"", true },
		{ "\"subaddress\"", "address :detail \"to\" \"frobnitz\"", true },
		{ "\"subaddress\"", "address :detail \"from\" \"*\"", false },
		{ "\"envelope\"", "envelope :is \"from\" \"tim@sender.example\"", true },
		{ "\"envelope\",\"subaddress\"", "envelope :detail \"to\" \"frobnitz\"", true },
		{ "\"envelope\"", "envelope :domain \"to\" \"example.com\"", false },
		{ "\"relational\",\"comparator-i;ascii-numeric\"",
		  "header :value \"gt\" :comparator \"i;ascii-numeric\" \"x-priority\" \"9\"",
		  true },
		{ "\"relational\"", "header :value \"gt\" \"x-priority\" \"9\"", false },
		{ "\"relational\"", "header :count \"eq\" \"received\" \"2\"", true },
		{ "\"relational\"", "address :count \"ge\" [\"to\", \"cc\", \"from\"] \"5\"",
		  true },
		{ "\"relational\"", "address :count \"gt\" [\"to\", \"cc\", \"from\"] \"5\"",
		  false },
		{ "\"index\"", "header :index 1 :contains \"received\" \"from a\"", true },
		{ "\"index\"", "header :index 1 :last :contains \"received\" \"from a\"", false },
		{ "\"index\"", "header :index 3 :contains \"received\" \"\"", false },
		{ NULL, "size :over 100", true },
		{ NULL, "size :under 1K", true },
		{ NULL, "allof (true, not false, anyof (false, true))", true },
		{ NULL, "allof (true, false)", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_test(cases[i].require, cases[i].test, message_c, cases[i].holds);
}

static void other_tests(void **unused)
{
	static const struct {
		const char *require, *test;
		bool holds;
	} cases[] = {
		{ "\"body\"", "body :contains \"hidden word\"", true },
		{ "\"body\"", "body :contains \"opaque\"", false },
		{ "\"body\"", "body :raw :contains \"hidden word\"", false },
		{ "\"body\"", "body :raw :contains \"preamble\"", true },
		{ "\"body\"", "body :content \"application\" :contains \"opaque\"", true },
		{ "\"body\"", "body :content \"text/html\" :contains \"\"", false },
		{ "\"date\",\"index\"", "date :index 1 \"received\" \"date\" \"2026-11-25\"",
		  true },
		{ "\"date\"", "date :originalzone \"date\" \"hour\" \"23\"", true },
		{ "\"date\"", "date \"date\" \"hour\" \"21\"", true },
		{ "\"date\"",
		  "date :zone \"+0300\" \"date\" \"iso8601\" \"2026-11-26T00:29:00+03:00\"", true },
		{ "\"date\"",
		  "date :originalzone \"date\" \"std11\" \"Wed, 25 Nov 2026 23:29:00 +0200\"",
		  true },
		{ "\"date\"", "date :originalzone \"date\" \"zone\" \"+0200\"", true },
		{ "\"date\"", "date \"date\" \"weekday\" \"3\"", true },
		{ "\"date\"", "date \"date\" \"julian\" \"61369\"", true },
		{ "\"date\",\"relational\"",
		  "allof (currentdate :value \"ge\" \"date\" \"2026-11-29\", "
		  "currentdate :value \"lt\" \"date\" \"2026-11-30\")",
		  true },
		{ "\"date\"", "currentdate :zone \"+0000\" \"time\" \"10:58:10\"", true },
		{ "\"environment\"", "environment \"host\" \"mx.example.org\"", true },
		{ "\"environment\"", "environment \"domain\" \"example.org\"", true },
		{ "\"environment\"", "environment :contains \"absent\" \"\"", false },
		{ "\"mailbox\"", "mailboxexists [\"INBOX\", \"Work\"]", true },
		{ "\"mailbox\"", "mailboxexists [\"INBOX\", \"Other\"]", false },
		{ "\"encoded-character\"", "header :is \"x-priority\" \"${hex:31 30}\"", true },
		{ "\"encoded-character\"", "header :contains \"subject\" \"${unicode:00f6}\"",
		  true },
		{ "\"encoded-character\"", "header :contains \"subject\" \"${unicode:d800}\"",
		  false },
		{ NULL, "header :is \"x-priority\" \"${hex:31 30}\"", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_test(cases[i].require, cases[i].test, message_c, cases[i].holds);
}

/* RFC 5229 and RFC 5232. */
static void variables_and_flags(void **unused)
{
	const char *all = "\"variables\",\"fileinto\",\"imap4flags\",\"encoded-character\","
			  "\"relational\",\"comparator-i;ascii-numeric\"";

	(void)unused;
	check(all, "if header :matches \"List-Id\" \"<*.lists.*>\" { fileinto \"l/${1}/${2}\"; }",
	      message_c, "fileinto l/dev/example.org");
	check(all, "if header :matches \"List-Id\" \"<?*\" { fileinto \"${1}|${0}\"; }", message_c,
	      "fileinto d|<dev.lists.example.org>");
	check(all,
	      "set \"a\" \"JuMBlEd lETteRS\"; set :length \"b\" \"${a}\"; set :lower \"c\" "
	      "\"${a}\"; "
	      "set :upperfirst :lower \"d\" \"${A}\"; fileinto \"${b} ${c} ${d}\";",
	      message_c, "fileinto 15 jumbled letters Jumbled letters");
	check(all, "set :quotewildcard \"b\" \"Rock*\"; fileinto \"${b}\";", message_c,
	      "fileinto Rock\\*");
	check(all, "set \"company\" \"ACME\"; fileinto \"${${company} ${unknown}!${COMPANY}\";",
	      message_c, "fileinto ${ACME !ACME");
	/* What encoded characters give is no variable. */
	check(all, "set \"x\" \"1\"; fileinto \"${hex:24}{x}\";", message_c, "fileinto ${x}");
	check(all, "set \"x\" \"${1}\"; if string :is \"${x}\" \"\" { fileinto \"empty\"; }",
	      message_c, "fileinto empty");
	check(all,
	      "if string :count \"eq\" :comparator \"i;ascii-numeric\" [\"a\", \"\"] \"1\" "
	      "{ fileinto \"one\"; }",
	      message_c, "fileinto one");
	check(all, "set \"1a\" \"x\";", message_c, "line 2: \"1a\" cannot be");
	check(all,
	      "setflag \"\\\\Deleted\"; addflag [\"\\\\Seen\", \"$Junk\"]; "
	      "removeflag \"\\\\deleted\"; keep;",
	      message_c, "keep [\\Seen $Junk]");
	check(all, "addflag \"\\\\Flagged\";", message_c, "keep [\\Flagged]");
	check(all, "fileinto :flags \"\\\\Seen \\\\seen $a\" \"x\";", message_c,
	      "fileinto x [\\Seen $a]");
	check(all, "addflag \"v\" \"A B\"; if hasflag :contains \"v\" \"b\" { fileinto \"${v}\"; }",
	      message_c, "fileinto A B");
	check(all, "setflag \"$x\"; if hasflag :is \"$X\" { discard; }", message_c, "");
}

/* RFC 6609, with its examples' turns. */
static void includes(void **unused)
{
	const char *all = "\"include\",\"fileinto\",\"variables\",\"copy\"";

	(void)unused;
	check(all, "include :personal \"spam\"; discard;", message_a, "fileinto Spam");
	check(all, "include :global \"spam\"; fileinto \"b\";", message_a,
	      "fileinto Junk; fileinto b");
	check(all, "include \"return\"; fileinto \"after\";", message_a, "fileinto after");
	check(all, "include \"absent\";", message_a, "line 2: include: there is no script");
	check(all, "include :optional \"absent\"; discard;", message_a, "");
	check(all, "include \"bad\";", message_a, "line 2: include \"bad\", line 1: ");
	check(all, "include \"self\";", message_a, "line 1: scripts include each other");
	check(all, "include \"copy\"; include :once \"copy\";", message_a, "fileinto x; keep");
	check(all, "global \"a\"; include \"set\"; fileinto \"[${a}${b}${global.c}]\";", message_a,
	      "fileinto [AC]");
	check(all, "return; discard;", message_a, "keep");
	included_free();
}

/* RFC 7352, 5463, 5235, 5293 and regex. */
static void newer(void **unused)
{
	static const struct {
		const char *require, *text, *content, *expected;
	} cases[] = {
		{ "\"ihave\"", "if ihave [\"nosuch\"] { nosuch \"x\" [\"y\"]; } else { discard; }",
		  message_a, "" },
		{ "\"ihave\"", "if ihave \"fileinto\" { fileinto \"x\"; }", message_a,
		  "fileinto x" },
		{ "\"ihave\"", "if allof (ihave \"fileinto\", true) { fileinto \"x\"; }", message_a,
		  "fileinto x" },
		{ "\"ihave\"", "if not ihave \"nosuch\" { error \"no nosuch\"; }", message_a,
		  "line 2: no nosuch: keep" },
		{ "\"regex\",\"variables\",\"fileinto\"",
		  "if header :regex \"subject\" \"(present) for (y.*)\" { fileinto \"${1}-${2}\"; "
		  "}",
		  message_a, "fileinto present-you" },
		{ "\"regex\"", "if header :regex \"subject\" \"^PRESENT\" { discard; }", message_a,
		  "keep" },
		{ "\"regex\"",
		  "if header :regex :comparator \"i;octet\" \"subject\" \"^I HAVE\" "
		  "{ discard; }",
		  message_a, "keep" },
		{ "\"regex\"", "if header :regex \"subject\" \"(\" { discard; }", message_a,
		  "line 2: regular expression: " },
		{ "\"regex\"", "if header :regex \"x\" \"^(a+)+$\" { discard; }",
		  "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\r\n\r\n",
		  "line 2: a regular expression takes too much to match: keep" },
		{ "\"editheader\",\"fileinto\"",
		  "addheader \"X-A\" \"one\"; if header \"x-a\" \"one\" { fileinto \"a\"; }",
		  message_a, "fileinto a" },
		{ "\"editheader\",\"fileinto\"",
		  "deleteheader \"subject\"; if exists \"subject\" { fileinto \"still\"; }",
		  message_a, "keep" },
		{ "\"editheader\"", "addheader \"A b\" \"x\";", message_a,
		  "line 2: addheader: that" },
	};
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(cases[i].require, cases[i].text, cases[i].content, cases[i].expected);
	/* Little at each place, but there are many. */
	char places[2048] = "X: ";

	memset(places + 3, 'a', 2000);
	memcpy(places + 2003, "\r\n\r\n", sizeof("\r\n\r\n"));
	check("\"regex\"", "if header :regex \"x\" \"(?:a?){13}(?:b|x)\" { discard; }", places,
	      "line 2: more than");
	seen = false;
	check("\"duplicate\"", "if duplicate { discard; }", "Message-ID: <1@x>\r\n\r\n",
	      "remember; keep");
	seen = true;
	check("\"duplicate\"", "if duplicate { discard; }", "Message-ID: <1@x>\r\n\r\n", "");
	check("\"duplicate\"", "if duplicate :last :handle \"h\" { discard; }",
	      "Message-ID: <1@x>\r\n\r\n", "remember");
	check("\"duplicate\"", "if duplicate { discard; }", message_a, "keep");
	check("\"duplicate\"", "if duplicate :uniqueid \"u\" { discard; }", message_a, "");
	check("\"duplicate\"", "if duplicate :header \"subject\" { discard; }", message_a, "");
}

/* The message as it is after edits. */
static void edits(void **unused)
{
	static const struct {
		const char *text, *content, *expected;
	} cases[] = {
		{ "addheader \"X\" \"1\";", "A: b\r\n\r\nbody\r\n",
		  "X: 1\r\nA: b\r\n\r\nbody\r\n" },
		{ "addheader :last \"X\" \"1\";", "A: b\r\n\r\nbody\r\n",
		  "A: b\r\nX: 1\r\n\r\nbody\r\n" },
		{ "addheader :last \"X\" \"1\";", "A: b\r\n", "A: b\r\nX: 1\r\n" },
		{ "addheader \"X\" \"a\r\nBcc: y\";", "\r\nbody", "X: a  Bcc: y\r\n\r\nbody" },
		{ "deleteheader \"a\";", "A: 1\r\nB: 2\r\nA: 3\r\n\r\nx", "B: 2\r\n\r\nx" },
		{ "deleteheader :index 1 :last \"a\";", "A: 1\r\nA: 2\r\n 2\r\nB: 3\r\n\r\nx",
		  "A: 1\r\nB: 3\r\n\r\nx" },
		{ "deleteheader :contains \"a\" \"2\";", "A: 1\r\nA: 2\r\n\r\nx", "A: 1\r\n\r\nx" },
		{ "deleteheader :index 2 :is \"a\" \"1\";", "A: 1\r\nA: 2\r\n\r\nx", "" },
		{ "addheader \"X\" \"1\"; addheader \"X\" \"2\"; deleteheader :index 2 \"x\";",
		  "\r\nx", "X: 2\r\n\r\nx" },
		{ "deleteheader \"Received\"; addheader \"Return-Path\" \"x\";",
		  "Received: x\r\n\r\nx", "" },
		{ "addheader \"X\" \"1\"; error \"no\";", "A: b\r\n\r\n", "" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		const struct sieve_message message = { .content = view_of(cases[i].content),
						       .recipient = VIEW("a@b.test"),
						       .delimiters = "" };
		struct sieve_script *script;
		struct sieve_problem problem;
		struct sieve_result result;

		str_printf(&text, "require [\"editheader\",\"ihave\"];%s", cases[i].text);
		if (sieve_compile(str_view(&text), &script, &problem) < 0)
			fail_msg("%s: %s", cases[i].text, problem.text);
		sieve_run(script, &message, &result);
		assert_string_equal(str_cstr(&result.content), cases[i].expected);
		sieve_result_free(&result);
		sieve_free(script);
	}
}

/* RFC 5235. */
static void filters(void **unused)
{
	static const struct {
		const char *spam, *virus, *test;
		bool holds;
	} cases[] = {
		{ "", "", "spamtest :value \"eq\" :comparator \"i;ascii-numeric\" \"0\"", true },
		{ "Spam: 3.5 / 10\r\n", "",
		  "spamtest :value \"eq\" :comparator \"i;ascii-numeric\" \"4\"", true },
		{ "Spam: Yes, score=12.1 required=5.0\r\n", "",
		  "spamtest :value \"ge\" :comparator \"i;ascii-numeric\" \"10\"", true },
		{ "Spam: -2\r\n", "", "spamtest :is \"1\"", true },
		{ "Spam: ****\r\n", "", "spamtest :percent :is \"40\"", true },
		{ "Spam: nan\r\n", "", "spamtest :is \"0\"", true },
		{ "", "Virus: No\r\n", "virustest :is \"1\"", true },
		{ "", "Virus: Yes (Eicar)\r\n", "virustest :is \"5\"", true },
		{ "", "", "virustest :is \"0\"", true },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str content = STR_EMPTY;

		str_printf(&content, "%s%s\r\n", cases[i].spam, cases[i].virus);
		check_test("\"spamtest\",\"spamtestplus\",\"virustest\",\"relational\","
			   "\"comparator-i;ascii-numeric\"",
			   cases[i].test, str_cstr(&content), cases[i].holds);
	}
}

/* Each script runs only if the one before it keeps the message. */
static void several(void **unused)
{
	static const struct {
		const char *scripts[3];
		const char *expected;
	} cases[] = {
		{ { "", "", "" }, "keep" },
		{ { "fileinto \"a\";", "fileinto \"b\";" }, "fileinto a" },
		{ { "fileinto :copy \"a\";", "fileinto \"b\";", "fileinto \"c\";" },
		  "fileinto a; fileinto b" },
		{ { "fileinto \"a\"; keep;", "", "discard;" }, "fileinto a" },
		{ { "setflag \"x\";", "addflag \"y\"; keep;", "addflag \"z\";" }, "keep [x y z]" },
		{ { "set \"v\" \"1\";", "if string \"${v}\" \"1\" { discard; }" }, "keep" },
		{ { "fileinto :copy \"a\";", "fileinto \"b\"; redirect \"nobody\";", "discard;" },
		  "line 2: redirect: \"nobody\" is no address: fileinto a; keep" },
		{ { "fileinto :copy \"a\";", "reject \"no\";" }, "fileinto a; reject no" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str got = STR_EMPTY;
		const struct sieve_message message = { .content = view_of(message_a),
						       .recipient = VIEW("a@b.test"),
						       .delimiters = "" };
		struct sieve_script *scripts[3] = { NULL };
		struct sieve_problem problem;
		struct sieve_result result;
		size_t count = 0;

		for (; count < 3 && cases[i].scripts[count] != NULL; count++) {
			_cleanup_(str_free) struct str text = STR_EMPTY;

			str_printf(&text,
				   "require [\"fileinto\",\"copy\",\"variables\",\"reject\","
				   "\"imap4flags\"];\n%s",
				   cases[i].scripts[count]);
			if (sieve_compile(str_view(&text), &scripts[count], &problem) < 0)
				fail_msg("%s: %s", cases[i].scripts[count], problem.text);
		}
		sieve_run_several((const struct sieve_script *const *)scripts, count, &message,
				  &result);
		describe(&result, &got);
		assert_string_equal(str_cstr(&got), cases[i].expected);
		sieve_result_free(&result);
		for (size_t n = 0; n < count; n++)
			sieve_free(scripts[n]);
	}
}

/* RFC 5490, 9042, 8579. */
static void mailboxes(void **unused)
{
	static const struct {
		const char *test;
		bool holds;
	} cases[] = {
		{ "mailboxexists [\"INBOX\", \"Work\"]", true },
		{ "mailboxexists [\"INBOX\", \"Other\"]", false },
		{ "mailboxidexists [\"F1\"]", true },
		{ "mailboxidexists [\"F1\", \"F2\"]", false },
		{ "specialuse_exists \"\\\\Junk\"", true },
		{ "specialuse_exists [\"\\\\Junk\", \"\\\\Sent\"]", false },
		{ "specialuse_exists \"Spam\" \"\\\\Junk\"", true },
		{ "specialuse_exists \"Work\" \"\\\\Junk\"", false },
	};
	const char *all = "\"mailbox\",\"mailboxid\",\"special-use\",\"fileinto\"";

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_test(all, cases[i].test, message_a, cases[i].holds);
	check(all, "fileinto :mailboxid \"F1\" \"Other\";", message_a, "fileinto Work");
	check(all, "fileinto :mailboxid \"F2\" \"Other\";", message_a, "fileinto Other");
	check(all, "fileinto :specialuse \"\\\\Junk\" :create \"x\";", message_a,
	      "fileinto Spam create");
	check(all, "fileinto :specialuse \"\\\\Sent\" \"x\";", message_a, "fileinto x");
	/* Each looks through all of the user's folders. */
	for (int i = 0; i < 3; i++) {
		static const char *const commands[] = {
			"if mailboxidexists \"F1\" { keep; }",
			"if specialuse_exists \"\\\\Junk\" { keep; }",
			"fileinto :mailboxid \"F1\" \"x\";",
		};
		_cleanup_(str_free) struct str text = STR_EMPTY;

		for (int n = 0; n < 21; n++)
			str_append_cstr(&text, commands[i]);
		check(all, str_cstr(&text), message_a, "line 2: more than 200000 steps: keep");
	}
}

/* Bounded: a script cannot run for ever, or ask for all there is. */
static void hostile(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	(void)unused;
	str_append_cstr(&text, "set \"a\" \"aaaaaaaaaaaaaaaa\";");
	for (int i = 0; i < 40; i++)
		str_append_cstr(&text, "set \"a\" \"${a}${a}${a}${a}\";");
	str_append_cstr(&text, "if string :matches \"${a}\" \"*b*b*b*b\" { discard; }");
	check("\"variables\"", str_cstr(&text), message_a, "keep");
	str_clear(&text);
	str_append_cstr(&text, "set \"a\" \"aaaaaaaaaaaaaaaa\";");
	for (int i = 0; i < 10; i++)
		str_append_cstr(&text, "set \"a\" \"${a}${a}\";");
	str_append_cstr(&text, "set \"b\" \"${a}\";");
	for (int i = 0; i < 30; i++)
		str_append_cstr(&text, "if string :matches \"${a}\" \"*${b}b\" { discard; }");
	check("\"variables\"", str_cstr(&text), message_a, "line 2: more than 200000 steps: keep");
	str_clear(&text);
	for (int i = 0; i < 40; i++)
		str_printf(&text, "fileinto \"f%d\";", i);
	check("\"fileinto\"", str_cstr(&text), message_a, "line 2: more than 32 actions: keep");
	str_clear(&text);
	for (int i = 0; i < 300; i++)
		str_printf(&text, "set \"v%d\" \"x\";", i);
	check("\"variables\"", str_cstr(&text), message_a, "line 2: more than 256 variables: keep");
	/* An encoded word of any length is not looked through for its end. */
	str_clear(&text);
	str_append_cstr(&text, "Subject: =?utf-8?q?");
	for (int i = 0; i < 3000; i++)
		str_append_byte(&text, 'a');
	str_append_cstr(&text, "?=\r\n\r\n");
	check("\"fileinto\"", "if header :contains \"Subject\" \"=?utf-8\" { fileinto \"long\"; }",
	      str_cstr(&text), "fileinto long");
	/* Each "${" looks for its end. */
	str_clear(&text);
	str_append_cstr(&text, "if header \"Subject\" \"");
	for (int i = 0; i < 60000; i++)
		str_append_cstr(&text, "${");
	str_append_cstr(&text, "\" { discard; }");
	check("\"variables\"", str_cstr(&text), message_a, "line 2: more than 200000 steps: keep");
	check("\"fileinto\"", "fileinto \"a\nb\";", message_a, "line 2: fileinto");
	check("\"vacation\"", "vacation :subject \"a\r\nBcc: x@y\" \"t\";", message_a,
	      "line 2: vacation: a text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_rfc_5228),
		cmocka_unit_test(basics),
		cmocka_unit_test(tests_of_header),
		cmocka_unit_test(other_tests),
		cmocka_unit_test(variables_and_flags),
		cmocka_unit_test(includes),
		cmocka_unit_test(newer),
		cmocka_unit_test(edits),
		cmocka_unit_test(filters),
		cmocka_unit_test(several),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

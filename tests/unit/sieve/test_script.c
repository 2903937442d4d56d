/* Scripts on messages: the examples of the RFCs, and what they leave open, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "sieve/sieve.h"

/* RFC 5228, 2.7.5 and 9 have these two. */
static const char message_a[] = "Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\r\n"
				"From: coyote@desert.example.org\r\n"
				"To: roadrunner@acme.example.com\r\n"
				"Subject: I have a present for you\r\n"
				"\r\n"
				"Look, I'm sorry about the whole anvil thing, and I really\r\n"
				"didn't mean to try and drop it on you from the top of the\r\n"
				"cliff.  I want to try to make it up to you.  I've got some\r\n"
				"great birdseed over here at my place--top of the line\r\n"
				"stuff--and if you come by, I'll have it all wrapped up\r\n"
				"for you.  I'm really sorry for all the problems I've caused\r\n"
				"for you over the years, but I know we can work this out.\r\n"
				"--\r\n"
				"Wile E. Coyote   \"Super Genius\"   coyote@desert.example.org\r\n";

static const char message_b[] = "From: youcouldberich!@reply-by-postal-mail.invalid\r\n"
				"Sender: b1ff@de.res.example.com\r\n"
				"To: rube@landru.example.com\r\n"
				"Date:  Mon, 31 Mar 1997 18:26:10 -0800\r\n"
				"Subject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$\r\n"
				"\r\n"
				"YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS, BUT I DOUBT\r\n"
				"IT!  SO JUST POST THIS TO SIX HUNDRED NEWSGROUPS!  IT WILL\r\n"
				"GUARANTEE THAT YOU GET AT LEAST FIVE RESPONSES WITH MONEY!\r\n";

static const char message_c[] =
	"From: =?utf-8?q?J=C3=B6rg?= <joerg+news@example.org>, \"b, c\" <bc@x.test>\r\n"
	"To: ken+frobnitz@example.org\r\n"
	"Cc: Group: a@one.test, b@two.test;\r\n"
	"Subject: =?iso-8859-1?B?R3L832U=?= =?utf-8?q?_aus_K=C3=B6ln?=\r\n"
	"X-Priority: 10\r\n"
	"Received: from a by b; Wed, 25 Nov 2026 23:30:00 +0200\r\n"
	"Received: from c by d; Tue, 24 Nov 2026 10:00:00 +0000\r\n"
	"Date: Wed, 25 Nov 2026 23:29:00 +0200\r\n"
	"List-Id: <dev.lists.example.org>\r\n"
	"Empty:\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=xx\r\n"
	"\r\n"
	"preamble\r\n"
	"--xx\r\n"
	"Content-Type: text/plain; charset=utf-8\r\n"
	"Content-Transfer-Encoding: base64\r\n"
	"\r\n"
	"aGlkZGVu\r\nIHdvcmQ=\r\n"
	"--xx\r\n"
	"Content-Type: application/pdf\r\n"
	"\r\n"
	"opaque\r\n"
	"--xx--\r\n";

static bool exists(void *unused, struct view name)
{
	(void)unused;
	return view_is(name, "INBOX") || view_is(name, "Work");
}

static bool by_id(void *unused, struct view id, struct str *name, size_t *looked)
{
	(void)unused;
	*looked += 10000;
	if (view_is(id, "F1"))
		str_append_cstr(name, "Work");
	return view_is(id, "F1");
}

static bool by_use(void *unused, struct view use, struct str *name, size_t *looked)
{
	(void)unused;
	*looked += 10000;
	if (view_is(use, "\\Junk"))
		str_append_cstr(name, "Spam");
	return view_is(use, "\\Junk");
}

static bool has_use(void *unused, struct view name, struct view use)
{
	(void)unused;
	return view_is(name, "Spam") && view_is(use, "\\Junk");
}

static bool seen; /* what was_seen says */

static bool was_seen(void *unused, struct view key)
{
	(void)unused;
	assert_int_equal(key.len, SIEVE_KEY_LENGTH);
	return seen;
}

/* The scripts that others include; compiled when first asked for. */
static struct {
	const char *name, *text;
	struct sieve_script *script;
} library[] = {
	{ "pspam", "require [\"fileinto\"]; fileinto \"Spam\"; stop;", NULL },
	{ "preturn", "require [\"include\",\"fileinto\"]; return; fileinto \"never\";", NULL },
	{ "pself", "require [\"include\"]; include \"self\";", NULL },
	{ "pset",
	  "require [\"include\",\"variables\"]; global \"a\"; set \"a\" \"A\"; set \"b\" \"B\";"
	  "set \"global.c\" \"C\";",
	  NULL },
	{ "pcopy", "require [\"fileinto\",\"copy\",\"include\"]; fileinto :copy \"x\";", NULL },
	{ "gspam", "require [\"fileinto\"]; fileinto \"Junk\";", NULL },
	{ "pparts",
	  "require [\"foreverypart\",\"variables\",\"fileinto\"]; set \"n\" \"\"; foreverypart "
	  "{ set \"n\" \"${n}x\"; } set :length \"n\" \"${n}\"; fileinto \"${n}x\";",
	  NULL },
	{ "pbad", "keep", NULL },
};

static const struct sieve_script *included(void *unused, bool global, struct view name,
					   struct sieve_problem *problem)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(library); i++) {
		if (library[i].name[0] != (global ? 'g' : 'p') ||
		    !view_is(name, library[i].name + 1))
			continue;
		if (library[i].script == NULL)
			(void)sieve_compile(view_of(library[i].text), &library[i].script, problem);
		return library[i].script;
	}
	return NULL;
}

static const struct sieve_host host = { exists, by_id, by_use, has_use, was_seen, included };

/* "keep", "fileinto Work [\\Seen]", "redirect a@b" with "; " between them. */
static void describe(const struct sieve_result *result, struct str *out)
{
	if (result->problem.line > 0)
		str_printf(out, "line %u: %s: ", result->problem.line, result->problem.text);
	for (size_t i = 0; i < result->count; i++) {
		const struct sieve_action *a = &result->actions[i];

		str_printf(out, "%s%s", i > 0 ? "; " : "", sieve_action_name(a->kind));
		if (a->text.len > 0 && a->kind != SIEVE_REMEMBER)
			str_printf(out, " %s", str_cstr(&a->text));
		if (a->create)
			str_append_cstr(out, " create");
		if (a->flags.len > 0)
			str_printf(out, " [%s]", str_cstr(&a->flags));
		if (a->kind == SIEVE_VACATION)
			str_printf(out, " (%llu s, %s, %s)", (unsigned long long)a->seconds,
				   str_cstr(&a->subject), str_cstr(&a->from));
		if (a->kind == SIEVE_NOTIFY)
			str_printf(out, " (%u, %s, %s, %s)", a->importance, str_cstr(&a->subject),
				   str_cstr(&a->from), str_cstr(&a->body));
	}
}

static void check(const char *require, const char *text, const char *content, const char *expected)
{
	_cleanup_(str_free) struct str script_text = STR_EMPTY, got = STR_EMPTY;
	const struct sieve_message message = {
		.content = view_of(content),
		.sender = VIEW("Tim@Sender.example"),
		.recipient = VIEW("ken+frobnitz@example.org"),
		.delimiters = "+",
		.now = 1795949890, /* Sun, 29 Nov 2026 10:58:10 +0000 */
		.host_name = VIEW("mx.example.org"),
		.host = &host,
		.spam_field = VIEW("Spam"),
		.virus_field = VIEW("Virus"),
	};
	struct sieve_script *script;
	struct sieve_problem problem;
	struct sieve_result result;

	if (require != NULL)
		str_printf(&script_text, "require [%s];\r\n", require);
	str_append_cstr(&script_text, text);
	if (sieve_compile(str_view(&script_text), &script, &problem) < 0)
		fail_msg("%s: line %u, column %u: %s", text, problem.line, problem.column,
			 problem.text);
	/* A script is not changed by running. */
	for (int i = 0; i < 2; i++) {
		sieve_run(script, &message, &result);
		str_clear(&got);
		describe(&result, &got);
		sieve_result_free(&result);
		if (strncmp(str_cstr(&got), expected, strlen(expected)) != 0 ||
		    (result.problem.line == 0 && expected[0] != 'l' &&
		     strcmp(str_cstr(&got), expected) != 0))
			fail_msg("%s\n\t%s\n\tnot %s", text, str_cstr(&got), expected);
	}
	sieve_free(script);
}

/* True: kept; false: discarded. */
static void check_test(const char *require, const char *test, const char *content, bool holds)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "if %s { keep; } else { discard; }", test);
	check(require, str_cstr(&text), content, holds ? "keep" : "");
}

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
	for (size_t i = 0; i < ARRAY_SIZE(library); i++)
		sieve_free(library[i].script);
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

/* Parts within parts: two texts of one, a message, a file. */
static const char message_m[] = "From: a@outer.test\r\n"
				"Subject: outer\r\n"
				"MIME-Version: 1.0\r\n"
				"Content-Type: multipart/mixed; boundary=one\r\n"
				"\r\n"
				"--one\r\n"
				"Content-Type: multipart/alternative; boundary=two\r\n"
				"\r\n"
				"--two\r\n"
				"Content-Type: text/plain; charset=iso-8859-1\r\n"
				"Content-Transfer-Encoding: quoted-printable\r\n"
				"\r\n"
				"gr=FC=DFe aus K=F6ln\r\n"
				"--two\r\n"
				"Content-Type: TEXT/html\r\n"
				"\r\n"
				"<p>x\x80</p>\r\n"
				"--two--\r\n"
				"--one\r\n"
				"Content-Type: message/rfc822\r\n"
				"\r\n"
				"From: b@inner.test\r\n"
				"Subject: inner\r\n"
				"\r\n"
				"inner text\r\n"
				"--one\r\n"
				"Content-Type: application/zip\r\n"
				"Content-Disposition: attachment; filename=\"evil.exe.zip\"\r\n"
				"X-Part: 1\r\n"
				"\r\n"
				"PK\r\n"
				"--one--\r\n";

/* RFC 5703. */
static void parts(void **unused)
{
#define ALL "\"foreverypart\",\"mime\",\"variables\",\"fileinto\",\"extracttext\""
	(void)unused;
	check(ALL,
	      "foreverypart { if header :mime :contenttype :matches \"Content-Type\" \"*\" "
	      "{ set \"t\" \"${t} ${1}\"; } } fileinto \"${t}\";",
	      message_m,
	      "fileinto  multipart/mixed multipart/alternative text/plain text/html message/rfc822 "
	      "application/zip");
	/* A message without parts is one part. */
	check(ALL,
	      "foreverypart { set \"t\" \"${t}x\"; extracttext :first 4 \"b\"; } fileinto "
	      "\"${t}${b}\";",
	      message_a, "fileinto xLook");
	/* Within a part, those within it. */
	check(ALL,
	      "foreverypart { if header :mime :subtype \"Content-Type\" \"alternative\" { "
	      "foreverypart { "
	      "if header :mime :subtype :matches \"Content-Type\" \"*\" { set \"t\" \"${t} ${1}\"; "
	      "} } } } "
	      "fileinto \"${t}\";",
	      message_m, "fileinto  plain html");
	check(ALL,
	      "foreverypart :name \"a\" { set \"n\" \"${n}a\"; foreverypart { set \"n\" \"${n}b\"; "
	      "if header :mime :type \"Content-Type\" \"text\" { break :name \"a\"; } break; } } "
	      "fileinto \"${n}\";",
	      message_m, "fileinto abab");
	check(ALL, "foreverypart { foreverypart { stop; } } discard;", message_m, "keep");
	/* Without :mime it is the message's field, in a loop too. */
	check(ALL,
	      "foreverypart { if header :mime \"Subject\" \"inner\" { if header \"Subject\" "
	      "\"outer\" "
	      "{ set \"t\" \"both\"; } } } fileinto \"x${t}\";",
	      message_m, "fileinto xboth");
	check_test(ALL, "header :mime \"X-Part\" \"1\"", message_m, false);
	check_test(ALL, "header :mime :anychild \"X-Part\" \"1\"", message_m, true);
	check_test(ALL, "exists :mime :anychild [\"X-Part\", \"From\"]", message_m, true);
	check_test(ALL, "exists :mime [\"X-Part\", \"From\"]", message_m, false);
	check_test(ALL, "address :mime :anychild :domain \"From\" \"inner.test\"", message_m, true);
	check_test(ALL, "address :domain \"From\" \"inner.test\"", message_m, false);
	check_test(ALL,
		   "header :mime :anychild :param [\"name\", \"filename\"] :matches "
		   "\"Content-Disposition\" \"*.exe.*\"",
		   message_m, true);
	check_test(ALL, "header :mime :anychild :type \"Content-Disposition\" \"attachment\"",
		   message_m, true);
	check_test(ALL, "header :mime :type \"Content-Type\" \"text\"", message_m, false);
	check_test(ALL, "header :mime :type :matches \"Empty\" \"*\"", message_c, false);
	check_test("\"mime\",\"relational\",\"comparator-i;ascii-numeric\"",
		   "header :mime :anychild :type :count \"eq\" :comparator \"i;ascii-numeric\" "
		   "\"Content-Type\" \"6\"",
		   message_m, true);
	check(ALL,
	      "foreverypart { if header :mime :type \"Content-Type\" \"text\" "
	      "{ extracttext :upperfirst :first 9 \"b\"; set \"t\" \"${t}|${b}\"; } } fileinto "
	      "\"${t}\";",
	      message_m,
	      "fileinto |Gr\xc3\xbc\xc3\x9f"
	      "e aus|<p>x?</p>");
	check(ALL,
	      "foreverypart { extracttext \"b\"; if header :mime :type \"Content-Type\" "
	      "\"application\" "
	      "{ break; } } fileinto \"x${b}\";",
	      message_m, "fileinto x");
	/* What a script has added meanwhile is in the message's own header. */
	check("\"foreverypart\",\"mime\",\"editheader\",\"fileinto\",\"variables\"",
	      "foreverypart { addheader \"X-N\" \"1\"; if header :mime \"X-N\" \"1\" { set \"t\" "
	      "\"${t}y\"; } "
	      "else { set \"t\" \"${t}n\"; } } fileinto \"${t}\";",
	      message_m, "fileinto ynnnnnn");
	check("\"foreverypart\",\"mime\",\"editheader\",\"fileinto\",\"variables\"",
	      "addheader \"X-N\" \"1\"; foreverypart { addheader \"X-M\" \"1\"; "
	      "if header :mime :subtype :matches \"Content-Type\" \"*\" { set \"t\" \"${t} ${1}\"; "
	      "} } "
	      "fileinto \"${t}\";",
	      message_m, "fileinto  mixed alternative plain html rfc822 zip");
	/* A script within another has its own loops. */
	check("\"foreverypart\",\"include\",\"fileinto\"",
	      "foreverypart { include \"parts\"; } fileinto \"y\";", message_m,
	      "fileinto 7x; fileinto y");
	check("\"foreverypart\"", "foreverypart { foreverypart { discard; } }", message_a, "keep");
#undef ALL
}

/* Loops within loops, over as many parts as a message may have: the steps count. */
static void many_parts(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, loops = STR_EMPTY;

	(void)unused;
	str_append_cstr(&text, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
	for (int i = 0; i < 500; i++)
		str_append_cstr(&text,
				"--x\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nc\r\n");
	str_append_cstr(&text, "--x--\r\n");
	for (int i = 0; i < 20; i++)
		str_append_cstr(&loops, "foreverypart {");
	str_append_cstr(&loops, "if exists :mime :anychild \"none\" { discard; }");
	for (int i = 0; i < 20; i++)
		str_append_cstr(&loops, "}");
	check("\"foreverypart\",\"mime\"", str_cstr(&loops), str_cstr(&text), "keep");
	str_clear(&loops);
	str_append_cstr(&loops,
			"foreverypart { if exists :mime :anychild \"none\" { discard; } "
			"if header :mime :anychild \"none\" \"x\" { discard; } "
			"foreverypart { if exists :mime :anychild [\"a\",\"b\"] { discard; } } }");
	check("\"foreverypart\",\"mime\"", str_cstr(&loops), str_cstr(&text), "keep");
	str_clear(&loops);
	for (int i = 0; i < 300; i++)
		str_append_cstr(&loops, "if exists :mime :anychild \"none\" { discard; }");
	check("\"mime\"", str_cstr(&loops), str_cstr(&text),
	      "line 2: more than 200000 steps: keep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several),	 cmocka_unit_test(includes),
		cmocka_unit_test(newer),	 cmocka_unit_test(edits),
		cmocka_unit_test(filters),	 cmocka_unit_test(mailboxes),
		cmocka_unit_test(answers),	 cmocka_unit_test(of_rfc_5228),
		cmocka_unit_test(basics),	 cmocka_unit_test(tests_of_header),
		cmocka_unit_test(other_tests),	 cmocka_unit_test(variables_and_flags),
		cmocka_unit_test(vacations),	 cmocka_unit_test(hostile),
		cmocka_unit_test(notifications), cmocka_unit_test(parts),
		cmocka_unit_test(many_parts),	 cmocka_unit_test(notification_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

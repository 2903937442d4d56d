/* What scripts of tests run in: messages, a host, and what comes of it as text. */
#include "script.h"

#include <string.h>

#include "base/mem.h"
#include "sieve/sieve.h"

/* RFC 5228, 2.7.5 and 9 have these two. */
const char message_a[] = "Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\r\n"
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

const char message_b[] = "From: youcouldberich!@reply-by-postal-mail.invalid\r\n"
			 "Sender: b1ff@de.res.example.com\r\n"
			 "To: rube@landru.example.com\r\n"
			 "Date:  Mon, 31 Mar 1997 18:26:10 -0800\r\n"
			 "Subject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$\r\n"
			 "\r\n"
			 "YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS, BUT I DOUBT\r\n"
			 "IT!  SO JUST POST THIS TO SIX HUNDRED NEWSGROUPS!  IT WILL\r\n"
			 "GUARANTEE THAT YOU GET AT LEAST FIVE RESPONSES WITH MONEY!\r\n";

const char message_c[] =
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

bool seen;

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

void included_free(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(library); i++) {
		sieve_free(library[i].script);
		library[i].script = NULL;
	}
}

static const struct sieve_host host = { exists, by_id, by_use, has_use, was_seen, included };

void describe(const struct sieve_result *result, struct str *out)
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

void check(const char *require, const char *text, const char *content, const char *expected)
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

void check_test(const char *require, const char *test, const char *content, bool holds)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "if %s { keep; } else { discard; }", test);
	check(require, str_cstr(&text), content, holds ? "keep" : "");
}

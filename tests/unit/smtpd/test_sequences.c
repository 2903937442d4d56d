/*
 * Every sequence of verbs up to a length, against a model of RFC 5321 4.1.4 in a few lines, with
 * steps that fail for each reason they can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fakes.h"

#define LENGTH_MAX 5

enum verb {
	V_EHLO,
	V_HELO,
	V_MAIL,
	V_MAIL_BAD,
	V_RCPT,
	V_RCPT_BAD,
	V_DATA,
	V_RSET,
	V_VRFY,
	V_BAD,
	VERBS
};

static const char *const texts[VERBS] = {
	[V_EHLO] = "EHLO x\r\n",
	[V_HELO] = "HELO x\r\n",
	[V_MAIL] = "MAIL FROM:<a@b.test>\r\n",
	[V_MAIL_BAD] = "MAIL FROM:<a@b.test> SIZE=x\r\n",
	[V_RCPT] = "RCPT TO:<bob@local.test>\r\n",
	[V_RCPT_BAD] = "RCPT TO:<nobody@local.test>\r\n",
	[V_DATA] = "DATA\r\n",
	[V_RSET] = "RSET\r\n",
	[V_VRFY] = "VRFY bob@local.test\r\n",
	[V_BAD] = "XYZZY\r\n",
};

/* The model: a transaction is none, begun, or has recipients. */
struct model {
	bool mail;
	size_t recipients;
};

static int expected_code(struct model *m, enum verb verb)
{
	switch (verb) {
	case V_EHLO:
	case V_HELO:
	case V_RSET:
		*m = (struct model){ 0 };
		return 250;
	case V_MAIL:
	case V_MAIL_BAD:
		if (m->mail)
			return 503;
		m->mail = verb == V_MAIL;
		return m->mail ? 250 : verb == V_MAIL_BAD ? 501 : 250;
	case V_RCPT:
	case V_RCPT_BAD:
		if (!m->mail)
			return 503;
		m->recipients += verb == V_RCPT;
		return verb == V_RCPT ? 250 : 550;
	case V_DATA:
		return !m->mail ? 503 : m->recipients == 0 ? 554 : 354;
	case V_VRFY:
		return 252;
	default:
		return 502;
	}
}

static void command(struct stream *io, const char *text, int expected, const char *history)
{
	struct str got = STR_EMPTY;

	stream_write(io, view_of(text));

	int code = fakes_read_reply(io, &got);

	/* 501 needs EHLO before it: a parameter without it is refused otherwise. */
	if (code != expected && !(expected == 501 && code == 555)) {
		print_error("%s%s: %s not %d\n", history, text, str_cstr(&got), expected);
		abort();
	}
	str_free(&got);
}

static void run_sequence(struct stream *io, unsigned number, unsigned length)
{
	struct str history = STR_EMPTY;
	struct model m = { 0 };

	command(io, "RSET\r\n", 250, "");
	command(io, "EHLO x\r\n", 250, "");
	for (unsigned i = 0; i < length; i++, number /= VERBS) {
		enum verb verb = (enum verb)(number % VERBS);
		int code = expected_code(&m, verb);

		command(io, texts[verb], code, str_cstr(&history));
		str_append_cstr(&history, texts[verb]);
		if (code != 354)
			continue;

		size_t committed = fakes.committed;
		bool good = !fakes.dies_at_data && !fakes.dies_at_end && !fakes.refuses_end;

		command(io, "x\r\n.\r\n",
			good		    ? 250
			: fakes.refuses_end ? 550
					    : 451,
			str_cstr(&history));
		if (fakes.committed != committed + good)
			abort();
		m = (struct model){ 0 };
	}
	str_free(&history);
}

static void run_all(struct stream *io, void *argument)
{
	struct str greeting = STR_EMPTY;

	(void)argument;
	fakes_read_reply(io, &greeting);
	str_free(&greeting);
	for (unsigned length = 1, count = VERBS; length <= LENGTH_MAX; length++, count *= VERBS) {
		for (unsigned number = 0; number < count; number++) {
			/* Each way to fail in turn, the good way most of the time. */
			fakes.dies_at_data = number % 7 == 1;
			fakes.dies_at_end = number % 7 == 2;
			fakes.refuses_end = number % 7 == 3;
			run_sequence(io, number, length);
		}
	}
	command(io, "QUIT\r\n", 221, "");
}

static void every_sequence(void **state)
{
	(void)state;
	fakes_open("");
	fakes_converse(run_all, NULL);
	/* Whatever was begun has come to an end, this way or that. */
	assert_true(fakes.committed > 0);
	assert_true(fakes.begun >= fakes.committed + fakes.aborted);
	fakes_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_sequence) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which answers of a policy server count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "policy.h"

struct answer {
	const char *bytes;
	int expected;
	const char *action;
};

static const struct answer answers[] = {
	{ "action=DUNNO\n\n", 1, "DUNNO" },
	{ "action=PREPEND X: y=z\n\n", 1, "PREPEND X: y=z" },
	{ "action=DUNNO\n", 0, "" },
	{ "", 0, "" },
	{ "\n", -EBADMSG, "" },
	{ "action=\n\n", -EBADMSG, "" },
	{ "action=DUNNO\naction=REJECT\n\n", -EBADMSG, "" },
	{ "action=DUNNO\nx=y\n\n", -EBADMSG, "" },
	{ "x=y\naction=DUNNO\n\n", -EBADMSG, "" },
	{ "DUNNO\n\n", -EBADMSG, "" },
	{ "Action=DUNNO\n\n", -EBADMSG, "" },
	{ "action=550 a\rb\n\n", -EBADMSG, "" },
	{ "action=550 \xff\n\n", -EBADMSG, "" },
	{ "220 mail.example.org ESMTP\r\n", -EBADMSG, "" },
};

static void check_answer(const struct answer *a, size_t piece)
{
	struct policy_reply reply = { 0 };
	struct view rest = view_of(a->bytes);
	int r = 0;

	while (r == 0 && rest.len > 0) {
		size_t used;

		r = policy_reply_feed(&reply, view_first(rest, piece), &used);
		rest = view_from(rest, used);
	}
	if (r != a->expected || (r > 0 && !view_is(str_view(&reply.action), a->action)))
		fail_msg("%s: %d, %s", a->bytes, r, str_cstr(&reply.action));
	policy_reply_free(&reply);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		check_answer(&answers[i], 1);
		check_answer(&answers[i], 1000);
	}
}

/* What comes after the answer is left: it belongs to nobody, and the connection is closed. */
static void test_rest(void **state)
{
	struct policy_reply reply = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(policy_reply_feed(&reply, VIEW("action=OK\n\naction=REJECT\n\n"), &used),
			 1);
	assert_int_equal(used, 11);
	policy_reply_free(&reply);
}

static void test_endless(void **state)
{
	struct policy_reply reply = { 0 };
	size_t used;
	int r = 0;

	(void)state;
	for (int i = 0; r == 0 && i < 10000; i++)
		r = policy_reply_feed(&reply, VIEW("action=xxxxxxxxxxxxxxxx"), &used);
	assert_int_equal(r, -EBADMSG);
	assert_true(reply.line.len <= POLICY_ACTION_MAX);
	policy_reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

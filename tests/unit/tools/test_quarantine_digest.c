/* Who is told what is held of theirs, when one of them cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/quarantine.h"
#include "tools/send_outlet.h"
#include "tools/tool.h"

static struct {
	const char *refused; /* nothing can be sent to this one */
	struct str told;     /* "bob:2 " */
	int complaints;
} outside;

/* ---- where messages go ---- */

struct outlet {
	struct str to;
	size_t held;
};

struct outlet *outlet_open(void)
{
	return mem_new(struct outlet);
}

int outlet_mail(struct outlet *outlet, const struct msg_mail *mail)
{
	(void)outlet, (void)mail;
	return 0;
}

int outlet_rcpt(struct outlet *outlet, struct view address, uint8_t notify)
{
	(void)notify;
	str_append(&outlet->to, address);
	return 0;
}

int outlet_data(struct outlet *outlet, struct view bytes)
{
	struct view line;

	while (view_next(&bytes, '\n', &line))
		outlet->held += view_starts(line, VIEW("  from "));
	return 0;
}

void outlet_abort(struct outlet *outlet)
{
	str_free(&outlet->to);
	free(outlet);
}

int outlet_commit(struct outlet *outlet, struct submission_verdict *verdict)
{
	bool refused = outside.refused != NULL && view_is(str_view(&outlet->to), outside.refused);

	verdict->code = refused ? 451 : 250;
	if (!refused)
		str_printf(&outside.told, "%s:%zu ", str_cstr(&outlet->to), outlet->held);
	outlet_abort(outlet);
	return 0;
}

void submission_verdict_free(struct submission_verdict *verdict)
{
	(void)verdict;
}

int tool_fail(const char *verb, const char *format, ...)
{
	(void)verb, (void)format;
	outside.complaints++;
	return TOOL_NO;
}

/* ---- what is held ---- */

static void hold(struct quarantined *q, int64_t arrival, const char *recipients)
{
	*q = (struct quarantined){ .id = "1", .arrival = arrival };
	str_append_cstr(&q->recipients, recipients);
}

static void expect(const struct quarantined *items, size_t count, struct quarantine_times *times,
		   int told, const char *whom, const char *untold)
{
	outside.complaints = 0;
	str_clear(&outside.told);
	assert_int_equal(quarantine_digest(items, count, times), told);
	assert_string_equal(str_cstr(&outside.told), whom);
	assert_string_equal(str_cstr(&times->untold), untold);
	assert_int_equal(outside.complaints, untold[0] != '\0');
	/* As a timer has it. */
	times->since = times->until;
	times->until += 100;
}

static void one_cannot_be_told(void **unused)
{
	struct quarantine_times times = { .since = 100, .until = 200 };
	struct quarantined items[4];

	(void)unused;
	param.mydestination = "two.test";
	param.virtual_mailbox_domains = "";
	param.mydomain = "two.test";
	hold(&items[0], 150, "a b@two.test\nbob@two.test\nx@other.test");
	hold(&items[1], 160, "carol@two.test");
	hold(&items[2], 250, "a b@two.test\ncarol@two.test");
	hold(&items[3], 50, "a b@two.test");
	outside.refused = "a b@two.test";
	expect(items, 2, &times, 2, "bob@two.test:1 carol@two.test:1 ", "100 a b@two.test\n");
	/* The others hear nothing again, and of him it is not forgotten since when. */
	expect(items, 4, &times, 1, "carol@two.test:1 ", "100 a b@two.test\n");
	outside.refused = NULL;
	expect(items, 4, &times, 1, "a b@two.test:2 ", "");
	expect(items, 4, &times, 0, "", "");
	/* Of whom nothing is held any more. */
	str_set(&times.untold, VIEW("100 gone@two.test\nnonsense\n"));
	expect(items, 4, &times, 0, "", "");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		str_free(&items[i].recipients);
	str_free(&times.untold);
	str_free(&outside.told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_cannot_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

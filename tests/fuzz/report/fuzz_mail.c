/* Mails with reports, as strangers send them. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "report/feedback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int aggregate_note(void *argument, const struct aggregate_report *report)
{
	if (report->domain.len == 0)
		abort();
	++*(int *)argument;
	return 0;
}

static int feedback_note(void *argument, const struct feedback_report *report)
{
	const struct str *texts[] = { &report->type, &report->mail_from, &report->recipient,
				      &report->author, &report->login };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i]->len > FEEDBACK_TEXT_MAX || view_has_control(str_view(texts[i])))
			abort();
	++*(int *)argument;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int count = 0, r;
	const struct report_reader reader = { aggregate_note, feedback_note, &count,
					      VIEW("mx.two.test") };

	r = report_mail_read(view_make(data, size), &reader, NULL);
	if (r >= 0 && r != count)
		abort();
	return 0;
}

/* What goes wrong with the queue, in the words of the command that was called. */
#include "tools/queue_failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/tool.h"

static const char *called = "queue";
static bool is_quiet;

void queue_failure_set_command(const char *command)
{
	called = command;
}

bool queue_failure_as_postfix(void)
{
	return strncmp(called, "post", 4) == 0;
}

bool queue_failure_is_postqueue(void)
{
	return strcmp(called, "postqueue") == 0;
}

void queue_failure_be_quiet(bool quiet)
{
	is_quiet = quiet;
}

static void queue_say(const char *kind, const char *format, va_list args)
{
	if (is_quiet)
		return;
	if (queue_failure_as_postfix())
		fprintf(stderr, "%s: %s: ", called, kind);
	else
		fprintf(stderr, "posta %s: ", called);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int queue_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	queue_say("fatal", format, args);
	va_end(args);
	return TOOL_NO;
}

void queue_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	queue_say("warning", format, args);
	va_end(args);
}

int queue_failure(int r, const struct message *m)
{
	if (r < 0)
		return queue_fail("the queue manager does not answer: %s", strerror(-r));
	if (m->type == MSG_verdict) {
		queue_fail("%.*s", VIEW_ARG(m->verdict.text));
		return m->verdict.code / 100 == 4 ? TOOL_LATER : TOOL_NO;
	}
	return queue_fail("unexpected answer of the queue manager");
}

/* What posta verify reads and prints, whatever is verified. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "mail/header.h"
#include "mail/lineends.h"
#include "tools/verify.h"

static int verify_take(void *argument, struct view bytes)
{
	str_append(argument, bytes);
	return 0;
}

int verify_read_message(struct str *message, bool *bare_lf, struct error *err)
{
	struct lineends ends = LINEENDS_START;
	char buffer[2048];
	ssize_t n;

	/* It is judged as it came. */
	ends.keep_bare_cr = true;
	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		if (message->len + (size_t)n > VERIFY_MESSAGE_MAX)
			return error_set(err, -EFBIG, "the message is too large");
		if (bare_lf != NULL && message->len == 0) {
			const char *lf = memchr(buffer, '\n', (size_t)n);

			*bare_lf = lf != NULL && (lf == buffer || lf[-1] != '\r');
		}
		lineends_feed(&ends, view_make(buffer, (size_t)n), verify_take, message);
	}
	if (n < 0)
		return error_errno(err, "read standard input");
	return lineends_finish(&ends, verify_take, message);
}

/* The first empty line ends the header; without one there is no body. */
static size_t message_body_start(struct view message)
{
	size_t end = header_find_end(message, 0);

	return end == VIEW_NOT_FOUND ? message.len : end;
}

struct view verify_message_header(struct view message)
{
	return view_first(message, message_body_start(message));
}

struct view verify_message_body(struct view message)
{
	return view_from(message, message_body_start(message));
}

struct view verify_sender(const struct verify *v)
{
	struct view from = view_of(v->options.from);

	if (view_starts(from, VIEW("<")) && view_ends(from, VIEW(">")))
		from = view_make(from.data + 1, from.len - 2);
	return from;
}

void verify_print_steps(struct view lines)
{
	struct view line;

	while (view_next(&lines, '\n', &line))
		if (line.len > 0)
			printf("  %.*s\n", VIEW_ARG(line));
}

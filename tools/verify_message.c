/* What posta verify reads and prints, whatever is verified. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "mail/lineends.h"
#include "tools/verify.h"

static int message_take(void *argument, struct view bytes)
{
	str_append(argument, bytes);
	return 0;
}

int verify_read_message(struct str *message, struct error *err)
{
	struct lineends ends = LINEENDS_START;
	char buffer[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		if (message->len + (size_t)n > VERIFY_MESSAGE_MAX)
			return error_set(err, -EFBIG, "the message is too large");
		lineends_feed(&ends, view_make(buffer, (size_t)n), message_take, message);
	}
	if (n < 0)
		return error_errno(err, "read standard input");
	return lineends_finish(&ends, message_take, message);
}

void verify_print_steps(struct view lines)
{
	struct view line;

	while (view_next(&lines, '\n', &line))
		if (line.len > 0)
			printf("  %.*s\n", VIEW_ARG(line));
}

/* What a policy server says. Reads one answer and nothing of what it could mean. */
#include <errno.h>

#include "policy.h"

/* One line without its end. */
static int reply_take_line(struct policy_reply *reply)
{
	struct view line = str_view(&reply->line);

	if (line.len == 0)
		return reply->has_action ? 1 : -EBADMSG;
	/* Exactly one attribute: with two of them nobody knows which was meant. */
	if (reply->has_action || !view_starts(line, VIEW("action=")))
		return -EBADMSG;
	line = view_from(line, strlen("action="));
	if (line.len == 0 || view_has_control(line) || !view_is_utf8(line))
		return -EBADMSG;
	str_append(&reply->action, line);
	reply->has_action = true;
	return 0;
}

int policy_reply_feed(struct policy_reply *reply, struct view bytes, size_t *used)
{
	int r = 0;

	*used = 0;
	while (r == 0 && *used < bytes.len) {
		struct view rest = view_from(bytes, *used);
		size_t lf = view_find_byte(rest, '\n');
		struct view piece = view_first(rest, lf);

		if (reply->line.len + piece.len > POLICY_ACTION_MAX)
			return -EBADMSG;
		str_append(&reply->line, piece);
		*used += piece.len + (lf != VIEW_NOT_FOUND);
		if (lf == VIEW_NOT_FOUND)
			break;
		r = reply_take_line(reply);
		str_clear(&reply->line);
	}
	return r;
}

void policy_reply_free(struct policy_reply *reply)
{
	str_free(&reply->line);
	str_free(&reply->action);
}

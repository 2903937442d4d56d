/* What memcached says: a value between two lines, or one line. */
#include <errno.h>

#include "base/mem.h"
#include "reply.h"

#define MEMCACHE_REASON_MAX 200

/* "VALUE key flags bytes", and perhaps a number after it. */
static int memcache_take_head(struct table_reply *reply, struct view rest)
{
	struct view word;
	uint32_t length;

	for (int i = 0; i < 3; i++)
		if (!view_next_word(&rest, " ", &word))
			return -EBADMSG;
	if (view_parse_u32(word, SOCKETMAP_REPLY_MAX, &length) < 0)
		return -EBADMSG;
	reply->length = length;
	reply->has_length = true;
	return 0;
}

static int memcache_take_failure(struct table_reply *reply, struct view line)
{
	str_append_printable(&reply->text, view_first(line, MEMCACHE_REASON_MAX));
	reply->outcome = TABLE_FAILED;
	return 1;
}

static int memcache_take_line(struct table_reply *reply, struct view line)
{
	struct view rest = line, word = VIEW_NONE;

	(void)view_next_word(&rest, " ", &word);
	if (reply->has_value)
		return view_is(line, "END") ? 1 : -EBADMSG;
	if (view_is(word, "VALUE"))
		return memcache_take_head(reply, rest);
	if (view_is(word, "ERROR") || view_is(word, "CLIENT_ERROR") ||
	    view_is(word, "SERVER_ERROR"))
		return memcache_take_failure(reply, line);
	reply->outcome = view_is(line, "STORED") ? TABLE_FOUND : TABLE_NOT_FOUND;
	return reply->outcome == TABLE_FOUND || view_is(line, "END") || view_is(line, "NOT_STORED")
		       ? 1
		       : -EBADMSG;
}

/* The data and the line's end after it. */
static int memcache_take_data(struct table_reply *reply)
{
	struct view all = str_view(&reply->bytes), value = view_first(all, reply->length);

	if (!view_ends(all, VIEW("\r\n")) || view_has_control(value))
		return -EBADMSG;
	str_append(&reply->value, value);
	reply->outcome = TABLE_FOUND;
	reply->has_value = true;
	reply->has_length = false;
	str_clear(&reply->bytes);
	return 0;
}

static int memcache_feed_line(struct table_reply *reply, struct view bytes, size_t *used)
{
	size_t lf = view_find_byte(bytes, '\n');
	struct view piece = view_first(bytes, lf), line;
	int r;

	if (reply->bytes.len + piece.len >= TCP_TABLE_LINE_MAX)
		return -EBADMSG;
	str_append(&reply->bytes, piece);
	*used += piece.len + (lf != VIEW_NOT_FOUND);
	if (lf == VIEW_NOT_FOUND)
		return 0;
	line = str_view(&reply->bytes);
	if (!view_ends(line, VIEW("\r")))
		return -EBADMSG;
	r = memcache_take_line(reply, view_first(line, line.len - 1));
	str_clear(&reply->bytes);
	return r;
}

int memcache_reply_feed(struct table_reply *reply, struct view bytes, size_t *used)
{
	int r = 0;

	while (r == 0 && *used < bytes.len) {
		struct view rest = view_from(bytes, *used);

		if (!reply->has_length) {
			r = memcache_feed_line(reply, rest, used);
			continue;
		}
		rest = view_first(rest, reply->length + 2 - reply->bytes.len);
		str_append(&reply->bytes, rest);
		*used += rest.len;
		if (reply->bytes.len == reply->length + 2)
			r = memcache_take_data(reply);
	}
	return r;
}

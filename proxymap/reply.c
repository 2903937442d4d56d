/* Questions and answers of socketmap and tcp. Knows nothing of connections. */
#include "reply.h"

#include <errno.h>

#include "base/mem.h"

#define REASON_MAX 200 /* of a stranger's words, in the log */

static int reply_set_value(struct table_reply *reply, struct view value)
{
	if (view_has_control(value))
		return -EBADMSG;
	str_append(&reply->value, value);
	reply->outcome = TABLE_FOUND;
	return 1;
}

static int reply_set_failed(struct table_reply *reply, struct view text)
{
	text = view_first(text, REASON_MAX);
	for (size_t i = 0; i < text.len; i++)
		str_append_byte(&reply->text,
				text.data[i] >= ' ' && text.data[i] < 127 ? text.data[i] : '?');
	reply->outcome = TABLE_FAILED;
	return 1;
}

/* ---- socketmap ---- */

static int socketmap_take(struct table_reply *reply)
{
	static const char *const failures[] = { "TEMP", "TIMEOUT", "PERM" };
	struct view all = str_view(&reply->bytes);
	size_t space = view_find_byte(all, ' ');
	struct view word = view_first(all, space);

	if (view_is(word, "NOTFOUND")) {
		reply->outcome = TABLE_NOT_FOUND;
		return 1;
	}
	if (space == VIEW_NOT_FOUND)
		return -EBADMSG;
	if (view_is(word, "OK"))
		return reply_set_value(reply, view_from(all, space + 1));
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (view_is(word, failures[i]))
			return reply_set_failed(reply, all);
	return -EBADMSG;
}

/* The digits and the colon, a byte at a time. */
static int netstring_take_length(struct table_reply *reply, char byte)
{
	if (byte == ':' && reply->bytes.len > 0) {
		reply->has_length = true;
		str_clear(&reply->bytes);
		return 0;
	}
	/* "01:x" is none: what is written twice is understood twice. */
	if (!ascii_is_digit(byte) || (reply->bytes.len > 0 && reply->length == 0))
		return -EBADMSG;
	str_append_byte(&reply->bytes, byte);
	reply->length = reply->length * 10 + (size_t)(byte - '0');
	return reply->length > SOCKETMAP_REPLY_MAX ? -EBADMSG : 0;
}

static int netstring_feed(struct table_reply *reply, struct view bytes, size_t *used)
{
	int r = 0;

	while (r == 0 && *used < bytes.len) {
		struct view rest = view_from(bytes, *used);
		size_t missing = reply->length - reply->bytes.len;

		if (!reply->has_length) {
			r = netstring_take_length(reply, rest.data[0]);
			*used += 1;
		} else if (missing > 0) {
			rest = view_first(rest, missing);
			str_append(&reply->bytes, rest);
			*used += rest.len;
		} else {
			*used += 1;
			r = rest.data[0] == ',' ? socketmap_take(reply) : -EBADMSG;
		}
	}
	return r;
}

/* ---- tcp ---- */

static int reply_hex_digit(char c)
{
	return ascii_is_digit(c)      ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "%20" is a space. -EBADMSG for a percent sign with anything else after it. */
static int percent_decode(struct view text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			str_append_byte(out, text.data[i]);
			continue;
		}
		if (text.len - i < 3)
			return -EBADMSG;
		high = reply_hex_digit(text.data[i + 1]);
		low = reply_hex_digit(text.data[i + 2]);
		if (high < 0 || low < 0)
			return -EBADMSG;
		str_append_byte(out, (char)(high * 16 + low));
		i += 2;
	}
	return 0;
}

static int tcp_take(struct table_reply *reply)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view line = str_view(&reply->bytes);

	if (line.len < 4 || line.data[3] != ' ' || percent_decode(view_from(line, 4), &text) < 0)
		return -EBADMSG;
	line = view_first(line, 3);
	if (view_is(line, "200"))
		return reply_set_value(reply, str_view(&text));
	if (view_is(line, "400"))
		return reply_set_failed(reply, str_view(&text));
	reply->outcome = TABLE_NOT_FOUND;
	return view_is(line, "500") ? 1 : -EBADMSG;
}

static int line_feed(struct table_reply *reply, struct view bytes, size_t *used)
{
	size_t lf = view_find_byte(bytes, '\n');
	struct view piece = view_first(bytes, lf);

	if (reply->bytes.len + piece.len >= TCP_TABLE_LINE_MAX)
		return -EBADMSG;
	str_append(&reply->bytes, piece);
	*used = piece.len + (lf != VIEW_NOT_FOUND);
	return lf != VIEW_NOT_FOUND ? tcp_take(reply) : 0;
}

/* ---- both ---- */

int table_reply_feed(struct table_reply *reply, enum table_protocol protocol, struct view bytes,
		     size_t *used)
{
	*used = 0;
	if (protocol == TABLE_SERVER_MEMCACHE)
		return memcache_reply_feed(reply, bytes, used);
	return protocol == TABLE_SERVER_TCP ? line_feed(reply, bytes, used)
					    : netstring_feed(reply, bytes, used);
}

void table_reply_free(struct table_reply *reply)
{
	str_free(&reply->bytes);
	str_free(&reply->value);
	str_free(&reply->text);
}

int table_question_append(struct str *out, const struct table_server *server, struct view key)
{
	size_t begin = out->len;

	if (server->protocol == TABLE_SERVER_SOCKETMAP) {
		str_printf(out, "%zu:%.*s ", server->map.len + 1 + key.len, VIEW_ARG(server->map));
		str_append(out, key);
		str_append_byte(out, ',');
		return 0;
	}
	str_append_cstr(out, "get ");
	for (size_t i = 0; i < key.len; i++) {
		unsigned char byte = (unsigned char)key.data[i];

		if (byte <= ' ' || byte >= 127 || byte == '%')
			str_printf(out, "%%%02X", byte);
		else
			str_append_byte(out, (char)byte);
	}
	str_append_byte(out, '\n');
	return out->len - begin <= TCP_TABLE_LINE_MAX ? 0 : -EMSGSIZE;
}

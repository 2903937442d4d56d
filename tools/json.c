/* JSON for what the tools print. It writes and does not read. */
#include "tools/json.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The code point of a two-byte control character (U+0080 to U+009F) or of a line separator (U+2028,
 * U+2029), which many readers of lines take for the end of one; 0: none. *len is its length.
 */
static unsigned separator_at(struct view text, size_t *len)
{
	const unsigned char *c = (const unsigned char *)text.data;

	*len = 2;
	if (text.len >= 2 && c[0] == 0xc2 && c[1] < 0xa0)
		return c[1];
	*len = 3;
	if (text.len >= 3 && c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
		return 0x2028u + (c[2] & 1u);
	return 0;
}

static void json_quote(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	if (!view_is_utf8(text)) {
		str_append_printable(&clean, text);
		text = str_view(&clean);
	}
	str_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		size_t len;
		unsigned separator = separator_at(view_from(text, i), &len);

		if (separator != 0) {
			str_printf(out, "\\u%04x", separator);
			i += len - 1;
		} else if (c == '"' || c == '\\')
			str_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			str_printf(out, "\\u%04x", c);
		else
			str_append_byte(out, (char)c);
	}
	str_append_byte(out, '"');
}

static void json_begin(struct json *json, const char *name)
{
	if (json->more[json->depth])
		str_append_byte(&json->text, ',');
	json->more[json->depth] = true;
	if (name != NULL) {
		json_quote(&json->text, view_of(name));
		str_append_byte(&json->text, ':');
	}
}

static void json_open_one(struct json *json, const char *name, char opening, char closing)
{
	json_begin(json, name);
	if (json->depth == JSON_DEPTH_MAX)
		abort(); /* a mistake in the program: the depth never depends on data */
	str_append_byte(&json->text, opening);
	json->closing[json->depth++] = closing;
	json->more[json->depth] = false;
}

void json_object(struct json *json, const char *name)
{
	json_open_one(json, name, '{', '}');
}

void json_array(struct json *json, const char *name)
{
	json_open_one(json, name, '[', ']');
}

void json_end(struct json *json)
{
	str_append_byte(&json->text, json->closing[--json->depth]);
}

void json_string(struct json *json, const char *name, struct view value)
{
	json_begin(json, name);
	json_quote(&json->text, value);
}

void json_number(struct json *json, const char *name, int64_t value)
{
	json_begin(json, name);
	str_printf(&json->text, "%lld", (long long)value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	json_begin(json, name);
	str_append_cstr(&json->text, value ? "true" : "false");
}

void json_print(struct json *json)
{
	printf("%s\n", str_cstr(&json->text));
	str_free(&json->text);
	*json = JSON_START;
}

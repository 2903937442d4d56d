#include "tools/json.h"

#include <stdio.h>
#include <stdlib.h>

static void quote(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	if (!view_is_utf8(text)) {
		str_append_printable(&clean, text);
		text = str_view(&clean);
	}
	str_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '"' || c == '\\')
			str_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			str_printf(out, "\\u%04x", c);
		else
			str_append_byte(out, (char)c);
	}
	str_append_byte(out, '"');
}

static void begin(struct json *json, const char *name)
{
	if (json->more[json->depth])
		str_append_byte(&json->text, ',');
	json->more[json->depth] = true;
	if (name != NULL) {
		quote(&json->text, view_of(name));
		str_append_byte(&json->text, ':');
	}
}

static void open_one(struct json *json, const char *name, char opening, char closing)
{
	begin(json, name);
	if (json->depth == JSON_DEPTH_MAX)
		abort(); /* a mistake in the program: the depth never depends on data */
	str_append_byte(&json->text, opening);
	json->closing[json->depth++] = closing;
	json->more[json->depth] = false;
}

void json_object(struct json *json, const char *name)
{
	open_one(json, name, '{', '}');
}

void json_array(struct json *json, const char *name)
{
	open_one(json, name, '[', ']');
}

void json_end(struct json *json)
{
	str_append_byte(&json->text, json->closing[--json->depth]);
}

void json_string(struct json *json, const char *name, struct view value)
{
	begin(json, name);
	quote(&json->text, value);
}

void json_number(struct json *json, const char *name, int64_t value)
{
	begin(json, name);
	str_printf(&json->text, "%lld", (long long)value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	begin(json, name);
	str_append_cstr(&json->text, value ? "true" : "false");
}

void json_print(struct json *json)
{
	printf("%s\n", str_cstr(&json->text));
	str_free(&json->text);
	*json = JSON_START;
}

/*
 * Writing JSON, for --json. Names and strings are escaped; bytes that are not UTF-8 become "?".
 *
 *	struct json json = JSON_START;
 *	json_array(&json, NULL);
 *	json_object(&json, NULL);
 *	json_string(&json, "queue_id", view_of(id));
 *	json_end(&json);			the object
 *	json_end(&json);			the array
 *	json_print(&json);			to standard output, with a line end
 *
 * `name` is NULL within an array and for the outermost value.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include "base/mem.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 16 };

struct json {
	struct str text;
	size_t depth;
	char closing[JSON_DEPTH_MAX];
	bool more[JSON_DEPTH_MAX + 1];
};

#define JSON_START ((struct json){ .text = STR_EMPTY })

void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_end(struct json *json);
void json_string(struct json *json, const char *name, struct view value);
void json_number(struct json *json, const char *name, int64_t value);
void json_bool(struct json *json, const char *name, bool value);
/* Prints and frees; the next value is a new line. */
void json_print(struct json *json);

#endif

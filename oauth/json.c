/* JSON of strangers, with a bound on its depth before the parser sees it. Keeps nothing. */
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "oauth.h"

/* jansson goes down with each level, and a task's stack is small. */
static bool json_is_shallow(struct view text)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
			return false;
		else if (!quoted && (c == ']' || c == '}'))
			depth--;
	}
	return true;
}

json_t *oauth_json_object(struct view text, struct error *err)
{
	json_error_t problem;
	json_t *json;

	if (!json_is_shallow(text)) {
		error_set(err, -EINVAL, "JSON nested too deeply");
		return NULL;
	}
	json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &problem);
	if (json != NULL && json_is_object(json))
		return json;
	error_set(err, -EINVAL, "no JSON object%s%s", json == NULL ? ": " : "",
		  json == NULL ? problem.text : "");
	json_decref(json);
	return NULL;
}

int base64url_decode(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str usual = STR_EMPTY;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_')
			return -EINVAL;
		str_append_byte(&usual, c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (usual.len % 4 != 0)
		str_append_byte(&usual, '=');
	return base64_decode(out, str_view(&usual)) < 0 ? -EINVAL : 0;
}

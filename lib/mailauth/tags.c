/* Tag lists (RFC 6376 section 3.2). What the tags mean is for others. */
#include "mailauth/tags.h"

#include <errno.h>

#include "base/mem.h"

static bool tag_name_is_valid(struct view name)
{
	if (name.len == 0 || !ascii_is_alpha(name.data[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && name.data[i] != '_')
			return false;
	return true;
}

/* Printable, and folding. Bytes beyond ASCII are those of RFC 8616. */
static bool tag_value_is_valid(struct view value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if ((c < 32 || c == 127) && !ascii_is_space((char)c))
			return false;
	}
	return true;
}

static int tag_parse(struct view piece, struct tag_list *list, const char **problem)
{
	size_t equals = view_find_byte(piece, '=');
	struct tag tag = { 0 };

	if (equals == VIEW_NOT_FOUND) {
		*problem = "a tag without \"=\"";
		return -EINVAL;
	}
	tag.name = view_trim(view_first(piece, equals));
	tag.raw = view_from(piece, equals + 1);
	tag.value = view_trim(tag.raw);
	if (!tag_name_is_valid(tag.name) || !tag_value_is_valid(tag.value)) {
		*problem = "a tag with bytes that do not belong there";
		return -EINVAL;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (view_eq(list->tags[i].name, tag.name)) {
			*problem = "a tag that comes twice";
			return -EINVAL;
		}
	}
	if (list->count == TAGS_MAX) {
		*problem = "too many tags";
		return -EINVAL;
	}
	list->tags[list->count++] = tag;
	return 0;
}

int tag_list_parse(struct view text, enum tag_rigour rigour, struct tag_list *list,
		   const char **problem)
{
	struct view rest = text, piece;

	list->count = 0;
	if (text.len > TAGS_TEXT_MAX) {
		*problem = "too long";
		return -EINVAL;
	}
	while (view_next(&rest, ';', &piece)) {
		bool last = rest.data == NULL;

		/* A semicolon at the end ends the last tag. */
		if (view_trim(piece).len == 0 && (last || rigour != TAGS_STRICT))
			continue;
		if (tag_parse(piece, list, problem) < 0 && rigour != TAGS_FORGIVING)
			return -EINVAL;
	}
	if (list->count == 0) {
		*problem = "no tags";
		return -EINVAL;
	}
	return 0;
}

const struct tag *tag_list_find(const struct tag_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (view_is(list->tags[i].name, name))
			return &list->tags[i];
	return NULL;
}

struct view tag_list_get(const struct tag_list *list, const char *name)
{
	const struct tag *tag = tag_list_find(list, name);

	return tag != NULL ? tag->value : VIEW_NONE;
}

void tag_squeeze(struct str *out, struct view text)
{
	for (size_t at = 0; at < text.len;) {
		size_t from = at;

		while (at < text.len && !ascii_is_space(text.data[at]))
			at++;
		str_append(out, view_make(text.data + from, at - from));
		while (at < text.len && ascii_is_space(text.data[at]))
			at++;
	}
}

bool tag_next_element(struct view *rest, char separator, struct view *element)
{
	if (!view_next(rest, separator, element))
		return false;
	*element = view_trim(*element);
	return true;
}

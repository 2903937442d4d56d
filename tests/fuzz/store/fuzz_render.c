/* ENVELOPE and BODYSTRUCTURE of anything: lists that are closed, strings that end. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads one string or literal; where it ends. */
static size_t skip_string(struct view text, size_t at)
{
	if (text.data[at] == '"') {
		for (at++; at < text.len && text.data[at] != '"'; at++) {
			if (text.data[at] == '\\')
				at++;
			if (at >= text.len || text.data[at] == '\r' || text.data[at] == '\n')
				abort();
		}
		return at + 1;
	}

	size_t end = view_find_byte(view_from(text, at), '}');
	uint64_t len;

	if (end == VIEW_NOT_FOUND ||
	    view_parse_u64(view_make(text.data + at + 1, end - 1), SIZE_MAX, &len) < 0)
		abort();
	return at + end + 3 + len;
}

static void check(struct view text)
{
	size_t depth = 0, at = 0;

	while (at < text.len) {
		char c = text.data[at];

		if (c == '"' || c == '{') {
			at = skip_string(text, at);
			continue;
		}
		if (c == '(')
			depth++;
		if (c == ')' && depth-- == 0)
			abort();
		/* Nothing but numbers, NIL and spaces is left. */
		if (c != '(' && c != ')' && c != ' ' && !ascii_is_digit(c) && c != 'N' &&
		    c != 'I' && c != 'L')
			abort();
		at++;
		if (depth == 0 && at != text.len)
			abort();
	}
	if (depth != 0 || at != text.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view content = view_make(data, size);
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct mime_tree tree;

	render_envelope(&out, content);
	check(str_view(&out));
	mime_tree_parse(content, &tree);
	for (int extended = 0; extended < 2; extended++) {
		str_clear(&out);
		render_body(&out, content, &tree, extended != 0);
		check(str_view(&out));
	}
	mime_tree_free(&tree);
	return 0;
}

/*
 * The smallest pieces of a structured header field (RFC 5322, 3.2). What they make up is known
 * elsewhere.
 */
#include "mail/lex.h"

bool lex_is_atext(char c)
{
	if (ascii_is_alnum(c) || (unsigned char)c >= 0x80)
		return true;
	return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* After the comment that begins at `at`; depth is counted, so nothing recurses. */
static size_t lex_skip_comment(struct view text, size_t at)
{
	size_t depth = 0;

	for (; at < text.len; at++) {
		char c = text.data[at];

		if (c == '\\' && at + 1 < text.len)
			at++;
		else if (c == '(' && depth < LEX_COMMENT_DEPTH_MAX)
			depth++;
		else if (c == ')' && --depth == 0)
			return at + 1;
	}
	return text.len;
}

void lex_skip_space(struct view text, size_t *at, struct view *comment)
{
	while (*at < text.len) {
		if (ascii_is_space(text.data[*at])) {
			(*at)++;
		} else if (text.data[*at] == '(') {
			size_t end = lex_skip_comment(text, *at);

			if (comment != NULL) {
				size_t inside = end - *at - 1;

				if (inside > 0 && text.data[end - 1] == ')')
					inside--;
				*comment = view_make(text.data + *at + 1, inside);
			}
			*at = end;
		} else {
			return;
		}
	}
}

bool lex_quoted_string(struct view text, size_t *at, struct str *out)
{
	for (size_t i = *at + 1; i < text.len; i++) {
		char c = text.data[i];

		if (c == '"') {
			*at = i + 1;
			return true;
		}
		if (c == '\\' && i + 1 < text.len)
			c = text.data[++i];
		if (c != '\r' && c != '\n' && out != NULL)
			str_append_byte(out, c);
	}
	*at = text.len;
	return false;
}

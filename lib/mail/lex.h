/* Lexical pieces of structured header fields (RFC 5322 3.2), shared by the parsers of this room. */
#ifndef MAIL_LEX_H
#define MAIL_LEX_H

#include "base/str.h"

#define LEX_COMMENT_DEPTH_MAX 64 /* parentheses nested deeper are counted no further */

/* RFC 5322 3.2.3 atext, and bytes beyond ASCII. */
bool lex_is_atext(char c);
/*
 * Skips white space, folding and comments at *at. The inside of the last comment goes to *comment
 * (NULL allowed, untouched if there is none). A comment without end reaches to the end.
 */
void lex_skip_space(struct view text, size_t *at, struct view *comment);
/*
 * The quoted string whose opening quote is at *at: appends its content without quotes, backslashes
 * and folding to *out (NULL: skipped). False when it does not end; *at is then the end.
 */
bool lex_quoted_string(struct view text, size_t *at, struct str *out);

#endif

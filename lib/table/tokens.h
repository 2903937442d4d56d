/*
 * The right side of an alias (aliases(5)), an :include: file and a .forward: a list of addresses,
 * commands, files, with commas or line ends between them.
 *
 *	alice, "bob smith"@example.org, Carol <carol@example.org> (comments)
 *	\alice				alice's mailbox, whatever her alias or .forward says
 *	|command, "|command with, commas", |"the same"
 *	/file/name, "/file/name/"	an mbox file; a Maildir
 *	:include:/file/name
 *	# a comment			from a line's beginning
 *
 * A pull parser: nothing recurses, one pass, each piece bounded.
 */
#ifndef TABLE_TOKENS_H
#define TABLE_TOKENS_H

#include "base/error.h"
#include "base/str.h"

#define TOKEN_TEXT_MAX 4096

enum token_kind {
	TOKEN_ADDRESS, /* internal form, with or without a domain */
	TOKEN_MAILBOX, /* \user, without the backslash */
	TOKEN_COMMAND, /* without the bar */
	TOKEN_FILE,    /* begins with a slash */
	TOKEN_INCLUDE, /* the path */
};

/*
 * Takes the next piece off *rest into *text (replaced). 1 with *kind; 0 at the end; -EINVAL for a
 * piece that makes no sense, which was taken off too, so that the caller may go on.
 */
int token_next(struct view *rest, struct str *text, enum token_kind *kind, struct error *err);

/*
 * Reads such a file from an open descriptor, from its beginning. -EFBIG beyond TOKEN_SOURCE_MAX,
 * -EINVAL if it is no regular file.
 */
#define TOKEN_SOURCE_MAX ((size_t)16 * 1024 * 1024)
int token_source_read(int fd, struct str *text, struct error *err);
/* 1 if a piece of that kind with just that text stands in the source. */
bool token_stands_in(struct view source, enum token_kind kind, struct view text);
/* "alias, forward" has `word`. */
bool token_list_has(const char *list, const char *word);

#endif

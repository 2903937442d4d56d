/*
 * Careful changes of main.cf and master.cf: a logical line is replaced where it stands, comments
 * and everything else stay as they are, and the file is replaced as a whole.
 */
#ifndef TOOLS_CONF_EDIT_H
#define TOOLS_CONF_EDIT_H

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

/* What to do with the logical line that begins in `line`; 0: there is none, add it at the end. */
struct conf_edit {
	int line;
	bool comment_out; /* else it is replaced */
	struct str text;  /* without a line end; empty: removed */
};

/* Applies the edits to a file's text. */
void conf_edit_text(struct view text, const struct conf_edit *edits, size_t count, struct str *out);
/* Puts the new text in place of the file; its mode and owner stay. */
int conf_edit_replace(const char *path, struct view text, struct error *err);

#endif

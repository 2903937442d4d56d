/*
 * Changing main.cf's text in place, with its comments kept. The file is replaced at once or not at
 * all.
 */
#include "tools/conf_edit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static const struct conf_edit *edit_of(const struct conf_edit *edits, size_t count, int line)
{
	for (size_t i = 0; i < count; i++)
		if (line > 0 && edits[i].line == line)
			return &edits[i];
	return NULL;
}

static bool edit_is_nothing(struct view line)
{
	struct view text = view_trim(line);

	return text.len == 0 || text.data[0] == '#';
}

void conf_edit_text(struct view text, const struct conf_edit *edits, size_t count, struct str *out)
{
	const struct conf_edit *current = NULL;
	struct view line;
	int number = 0;

	if (text.len == 0)
		text = VIEW_NONE; /* no line at all */
	else if (view_ends(text, VIEW("\n")))
		text.len--;
	while (view_next(&text, '\n', &line)) {
		number++;
		/* A line that belongs to no logical line stays, even amid one. */
		if (!edit_is_nothing(line)) {
			bool continues = ascii_is_space(line.data[0]);

			if (!continues)
				current = edit_of(edits, count, number);
			if (current != NULL && current->comment_out) {
				str_append_byte(out, '#');
			} else if (current != NULL) {
				if (!continues && current->text.len > 0) {
					str_append(out, str_view(&current->text));
					str_append_byte(out, '\n');
				}
				continue;
			}
		}
		str_append(out, line);
		str_append_byte(out, '\n');
	}
	for (size_t i = 0; i < count; i++) {
		if (edits[i].line > 0 || edits[i].text.len == 0)
			continue;
		str_append(out, str_view(&edits[i].text));
		str_append_byte(out, '\n');
	}
}

int conf_edit_replace(const char *path, struct view text, struct error *err)
{
	_cleanup_free_ char *real = realpath(path, NULL); /* a link stays a link */
	struct stat st;
	int r;

	if (real == NULL || stat(real, &st) < 0)
		return error_errno(err, "open %s", path);
	r = io_replace_file(real, text, st.st_mode & 0777, err);
	if (r < 0)
		return r;
	if (chmod(real, st.st_mode & 07777) < 0 ||
	    (geteuid() == 0 && chown(real, st.st_uid, st.st_gid) < 0))
		return error_errno(err, "keep mode and owner of %s", path);
	return 0;
}

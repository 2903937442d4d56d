/*
 * Logical lines of a Postfix-style file: comments out, continuations joined. What a line means is
 * not known here.
 */
#include "conf/lines.h"

struct lines lines_of(struct view text)
{
	return (struct lines){ .rest = text };
}

void lines_free(struct lines *lines)
{
	str_free(&lines->joined);
}

static bool begins_with_space(struct view line)
{
	return line.len > 0 && ascii_is_space(line.data[0]);
}

/* Empty, or a comment, wherever it begins. */
static bool line_is_nothing(struct view line)
{
	struct view text = view_trim(line);

	return text.len == 0 || text.data[0] == '#';
}

static struct view without_end(struct view line)
{
	while (line.len > 0 && ascii_is_space(line.data[line.len - 1]))
		line.len--;
	return line;
}

bool lines_next(struct lines *lines, struct view *line)
{
	struct view first;

	do {
		if (!view_next(&lines->rest, '\n', &first))
			return false;
		lines->read++;
	} while (line_is_nothing(first));
	lines->number = lines->read;
	*line = without_end(first);
	str_clear(&lines->joined);

	for (;;) {
		struct view after = lines->rest, next;

		if (!view_next(&after, '\n', &next))
			break;
		if (!line_is_nothing(next)) {
			if (!begins_with_space(next))
				break;
			if (lines->joined.len == 0)
				str_append(&lines->joined, *line);
			str_append(&lines->joined, without_end(next));
		}
		lines->rest = after;
		lines->read++;
	}
	if (lines->joined.len > 0)
		*line = str_view(&lines->joined);
	return true;
}

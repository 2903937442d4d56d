/* Where long lines are broken. What is done about it stands elsewhere. */
#include "mail/linefold.h"

#include "base/mem.h"

size_t linefold_fits(struct linefold *fold, struct view block)
{
	for (size_t at = 0; at < block.len;) {
		const char *end = memchr(block.data + at, '\n', block.len - at);
		size_t next = end != NULL ? (size_t)(end - block.data) : block.len;
		size_t len = next - at;
		size_t room = fold->limit - fold->line;

		if (len > room && !(len == room + 1 && block.data[next - 1] == '\r')) {
			fold->line = 1; /* the blank */
			return at + room;
		}
		fold->line = end != NULL ? 0 : MIN(fold->line + len, fold->limit);
		at = next + (end != NULL);
	}
	return block.len;
}

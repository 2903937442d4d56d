/* The tree of MIME parts: bounded, nested properly, in the order of the content. */
#include "base/mem.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_tree tree;

	mime_tree_parse(view_make(data, size), &tree);
	if (tree.count < 1 || tree.count > MIME_PARTS_MAX)
		abort();
	for (size_t i = 0; i < tree.count; i++) {
		const struct mime_part *p = &tree.parts[i];

		if (p->header_start > p->body_start || p->body_start > p->body_end ||
		    p->body_end > size || p->parent >= (int)i || p->depth > MIME_DEPTH_MAX)
			abort();
		if (p->body_lines > p->body_end - p->body_start)
			abort();
		if (p->parent >= 0) {
			const struct mime_part *up = &tree.parts[p->parent];

			if (p->header_start < up->body_start || p->body_end > up->body_end ||
			    p->number > up->children || p->depth != up->depth + 1)
				abort();
		}
	}
	mime_tree_free(&tree);
	return 0;
}

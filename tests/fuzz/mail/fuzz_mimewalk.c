/* MIME structure line by line: whatever comes, its depth is bounded and its states are known. */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/mimewalk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = view_make(data, size), line;
	struct mime_walk walk = { .state = WALK_NESTED_HEADER };

	while (view_next(&rest, '\n', &line)) {
		struct view whole = line;
		struct header_field field;

		if (mime_walk_is_boundary(&walk, line))
			continue;
		if (walk.state == WALK_BODY)
			continue;
		if (line.len > 0 && header_next(&whole, &field) > 0)
			mime_walk_field(&walk, field.name, field.body);
		else
			mime_walk_header_end(&walk);
		if (walk.depth > MIME_WALK_DEPTH_MAX || walk.boundary.len > MIME_WALK_BOUNDARY_MAX)
			abort();
	}
	mime_walk_free(&walk);
	return 0;
}

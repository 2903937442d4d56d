/*
 * The MIME structure of a message as it passes, line by line (mail/mime.h has the tree of a whole
 * one): where headers of parts and of enclosed messages begin and end, and which line is a boundary.
 *
 *	mime_walk_field(&walk, name, body) for each field of a header, mime_walk_header_end(&walk);
 *	then for each line of the body mime_walk_is_boundary(&walk, line)
 */
#ifndef MAIL_MIMEWALK_H
#define MAIL_MIMEWALK_H

#include "base/str.h"

#define MIME_WALK_DEPTH_MAX    100 /* multiparts one in the other; what is deeper is text */
#define MIME_WALK_BOUNDARY_MAX 998

enum mime_walk_state {
	WALK_BODY,
	WALK_PART_HEADER,   /* of a part of a multipart */
	WALK_NESTED_HEADER, /* of an enclosed message */
};
struct mime_walk {
	enum mime_walk_state state;
	struct str boundaries[MIME_WALK_DEPTH_MAX];
	size_t depth;
	/* What the header under way says about its body. */
	struct str boundary; /* empty: no multipart */
	bool is_message, is_encoded;
};

void mime_walk_field(struct mime_walk *walk, struct view name, struct view body);
void mime_walk_header_end(struct mime_walk *walk);
/* A whole line with its end. True: it ends a part, and the state may have changed. */
bool mime_walk_is_boundary(struct mime_walk *walk, struct view line);
void mime_walk_free(struct mime_walk *walk);

#endif

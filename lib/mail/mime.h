/*
 * The tree of a message's MIME parts as a flat array in the order of the message, found in one
 * pass, with an explicit stack: parts and depth are bounded, what lies deeper is one leaf.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "mail/header.h"

#define MIME_PARTS_MAX 1000
#define MIME_DEPTH_MAX 50

struct mime_part {
	int parent; /* index, -1: the message itself */
	int number; /* place among its siblings, from 1 */
	int children;
	int depth;
	bool is_multipart;
	bool is_message; /* message/rfc822: its one child is the enclosed message */
	size_t header_start, body_start, body_end; /* offsets in the content */
	size_t body_lines;			   /* line ends in the body */
};
struct mime_tree {
	struct mime_part *parts; /* parts[0] is the message */
	size_t count;
	bool truncated; /* a limit was met */
};
/* Always succeeds; mime_tree_free. `content` has CRLF (or LF) line ends. */
void mime_tree_parse(struct view content, struct mime_tree *tree);
void mime_tree_free(struct mime_tree *tree);

#endif

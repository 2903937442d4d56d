/*
 * Tag lists, "v=1; a=rsa-sha256; d=example.org" (RFC 6376 section 3.2), as DKIM, its keys, ARC and
 * DMARC have them. Views of the text; nothing is copied.
 */
#ifndef MAILAUTH_TAGS_H
#define MAILAUTH_TAGS_H

#include "base/str.h"

#define TAGS_MAX      32
#define TAGS_TEXT_MAX 16384 /* bytes; what is longer is wrong */

struct tag {
	struct view name;
	struct view value; /* without white space at its ends */
	struct view raw;   /* all of it between '=' and ';' */
};
struct tag_list {
	struct tag tags[TAGS_MAX];
	size_t count;
};
enum tag_rigour {
	TAGS_STRICT,	/* anything wrong, or a tag that comes twice: all of it is wrong */
	TAGS_RECORD,	/* the same, but empty pieces are passed over: key records of the wild */
	TAGS_FORGIVING, /* what is wrong, or comes again, is passed over: DMARC */
};
/* 0, or -EINVAL with *problem a literal text. */
int tag_list_parse(struct view text, enum tag_rigour rigour, struct tag_list *list,
		   const char **problem);
/* NULL: it is not there. Names are case-sensitive. */
const struct tag *tag_list_find(const struct tag_list *list, const char *name);
/* Its value, or VIEW_NONE. */
struct view tag_list_get(const struct tag_list *list, const char *name);
/* Appends the text without any white space: base64 and lists may be folded anywhere. */
void tag_squeeze(struct str *out, struct view text);
/*
 * The elements of "a:b:c" and the like, without white space round them. For each: *rest begins as
 * the value.
 */
bool tag_next_element(struct view *rest, char separator, struct view *element);

#endif

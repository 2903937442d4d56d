/*
 * What a reader sees of HTML, for PREVIEW and SEARCH: no tags, comments, scripts and styles; entities as what they
 * stand for, white space in runs as one blank. No parser of HTML: what no browser shows may come through. In pieces, in bounded
 * memory, and in time that is linear in the text.
 *
 *	struct html_text h = { .values = true };
 *	html_text_feed(&h, piece, &out);		as often as there are pieces, of UTF-8
 *	html_text_finish(&h, &out);
 */
#ifndef IMAPD_HTML_H
#define IMAPD_HTML_H

#include "base/str.h"

enum html_state { HTML_TEXT, HTML_LESS, HTML_TAG, HTML_COMMENT, HTML_HIDDEN, HTML_ENTITY };

/* Zeroed before, but for the first two. */
struct html_text {
	bool values; /* where links go and what images are said to be (href, alt, title) is text too */
	bool body_only; /* the document's head is none */

	enum html_state state;
	char quote;	    /* in a tag: what ends the value, or 0 */
	const char *hidden; /* the element whose end ends what is not shown */
	size_t matched;	    /* characters of that end, or of a comment's, which were seen last */
	bool after_blank;   /* the last thing shown was white space */
	struct str tag, entity; /* what there is of it */
	struct str kept;	/* values, until there is a place for them between words */
};

/* Appends to *out. */
void html_text_feed(struct html_text *html, struct view piece, struct str *out);
/* And frees what it has. */
void html_text_finish(struct html_text *html, struct str *out);

#endif

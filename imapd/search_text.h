/*
 * Looking for strings in what messages say: character sets and case, encoded words (RFC 2047),
 * transfer encodings (RFC 2045), in pieces and in bounded memory.
 *
 *	struct text_search t;
 *	text_search_begin(&t, needles, found, count);
 *	text_part(&t, VIEW("base64"), VIEW("utf-8"), bytes);
 *	text_search_end(&t);				found[i]: needles[i] was there
 *
 * Everything is compared as UTF-8 after case folding, character by character: composed and decomposed
 * forms of a letter differ. Text whose character set is not known (charset.h) is taken as UTF-8, and
 * bytes that are no UTF-8 as windows-1252.
 */
#ifndef IMAPD_SEARCH_TEXT_H
#define IMAPD_SEARCH_TEXT_H

#include "base/mem.h"
#include "base/str.h"
#include "charset.h"
#include "html.h"
#include "text_filter.h"

/* Unicode simple case folding, of a character beyond ASCII. */
uint32_t text_fold_character(uint32_t c);

/* As UTF-8. */
void text_append_character(struct str *out, uint32_t c);
/* The character at the front; bytes that are no UTF-8 are windows-1252. Returns its length. */
size_t text_take_character(struct view text, uint32_t *character);
/* Appends what the comparator i;unicode-casemap compares (RFC 5051): title case, decomposed. */
void text_casemap(struct str *out, struct view text);

/* Appends the folded form: of needles, and of a whole text at once. */
void text_fold(struct str *out, struct view text);
bool text_charset_is_known(struct view name);
/* The same of text in a character set; false where that is not known, and then nothing is appended. */
bool text_fold_charset(struct str *out, struct view charset, struct view text);
/* Text in a character set as UTF-8, appended; as it is where the set is not known. */
void text_to_utf8(struct str *out, struct view charset, struct view text);
/*
 * The body of a part without its Content-Transfer-Encoding (which may have remarks), appended. False: that
 * is not known.
 */
bool text_decode_transfer(struct str *out, struct view transfer_encoding, struct view body);
/* The body of a header field, unfolded, encoded words decoded, as UTF-8 (case kept). Appended. */
void text_decode_header(struct str *out, struct view field_body);
/* The addresses of a header field, decoded: "Name <local@domain>, ..." Appended. */
void text_decode_addresses(struct str *out, struct view field_body);

#define TEXT_WINDOW 32768 /* bytes of folded text that are looked through at once */

struct text_search {
	const struct view *needles; /* folded */
	bool *found;
	size_t count, left; /* how many are not found yet */
	size_t overlap;	    /* what a needle may need of the text before */
	struct str window, converted, shown;
	struct charset *charset; /* NULL: UTF-8 */
	bool is_html;
	struct html_text html;
	char pending[4]; /* the begin of a character that the last piece ended in */
	size_t pending_len;
	/* NULL, or what all of the text is told to: then it is read to its end, whatever is found. */
	struct text_filter *filter;
};

void text_search_begin(struct text_search *t, const struct view *needles, bool *found, size_t count,
		       struct text_filter *filter);
/* Is there any use in more text? */
static inline bool text_search_goes_on(const struct text_search *t)
{
	return t->left > 0 || t->filter != NULL;
}
void text_search_end(struct text_search *t);
/* A text in pieces. text_finish is its end: no needle reaches into the next text. */
void text_start(struct text_search *t, struct view charset);
void text_feed(struct text_search *t, struct view piece);
void text_finish(struct text_search *t);
/* One header field, "Name: body" decoded. */
void text_field(struct text_search *t, struct view name, struct view field_body);
/* The body of a part. Of HTML what a reader sees of it, and where its links go. */
void text_part(struct text_search *t, struct view transfer_encoding, struct view charset,
	       bool is_html, struct view body);

#endif

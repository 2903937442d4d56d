/*
 * What a message's text cannot have in it, in few bytes: a Bloom filter of its trigrams, three bytes of
 * folded text each, with one hash. A string that has a trigram which is not there is not in the text; of
 * all others the text itself has to be read. So the filter saves work and never changes a result.
 *
 *	text_filter_add(f, folded);			the text, in pieces that overlap by two bytes
 *	text_filter_encode(f, &record);			as small as it may be: about half a byte for each trigram
 *	text_filter_ask(record, needle)			later
 */
#ifndef IMAPD_TEXT_FILTER_H
#define IMAPD_TEXT_FILTER_H

#include "base/str.h"

#define TEXT_FILTER_BITS 65536 /* before it is made smaller */

struct text_filter {
	uint64_t words[TEXT_FILTER_BITS / 64];
};

/* Zeroed before. */
void text_filter_add(struct text_filter *filter, struct view folded);
/* Appended. The filter is of no use afterwards. */
void text_filter_encode(struct text_filter *filter, struct str *record);
/* Is it a record of this version? Others know nothing. */
bool text_filter_is_valid(struct view record);
/* False: the text surely does not have it. `needle` is folded. */
bool text_filter_ask(struct view record, struct view needle);

#endif

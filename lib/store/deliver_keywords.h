/* Keywords that a message is delivered with. Of lib/store only. */
#ifndef STORE_DELIVER_KEYWORDS_H
#define STORE_DELIVER_KEYWORDS_H

#include "base/str.h"

/*
 * Bits of the letters that the folder's names have for these words; one that has none yet is made
 * known to the index. What cannot be had is left out: a message without its keyword is better
 * than none.
 */
uint64_t delivery_letters(const char *maildir, struct view folder, struct view words);

#endif

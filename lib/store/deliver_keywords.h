/* The index where a delivery needs it, and keywords that a message is delivered with. Of lib/store only. */
#ifndef STORE_DELIVER_KEYWORDS_H
#define STORE_DELIVER_KEYWORDS_H

#include "store/deliver.h"
#include "store/store.h"

/* The index, as the source says. */
int delivery_open_index(const struct mail_source *source, const char *maildir, struct store **store,
			struct error *err);
/*
 * Bits of the letters that the folder's names have for the source's keywords; one that has none yet is made
 * known to the index. What cannot be had is left out: a message without its keyword is better
 * than none.
 */
uint64_t delivery_letters(const struct mail_source *source, const char *maildir,
			  struct view folder);

#endif

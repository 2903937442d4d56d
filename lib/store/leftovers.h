/* What crashed programs left in tmp/. Of lib/store only. */
#ifndef STORE_LEFTOVERS_H
#define STORE_LEFTOVERS_H

#include "store/index.h"

void folder_clean_tmp(struct tx *tx, const struct folder *folder);

#endif

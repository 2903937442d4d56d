/* Settling what is owed, from outside of transactions; the rest of it is in store.h. Of lib/store only. */
#ifndef STORE_SETTLE_H
#define STORE_SETTLE_H

#include "store/handle.h"

/* The claims of \Recent alone. */
int store_settle_recent(struct store *store);

#endif

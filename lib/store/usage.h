/* Whether there is room, asked inside a transaction. Of lib/store only. */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "store/index.h"
#include "store/quota.h"

/*
 * Before a transaction that adds something: numbers what was delivered, in all folders, so that it
 * counts. Nothing where there is no quota. -EAGAIN: as everywhere.
 */
int usage_refresh(struct store *store);
/*
 * The same for a delivery, which is over in a moment: little that is new is counted, and left to a session. *used: of all; *here: of that
 * folder, zero if there is none.
 */
int usage_look(struct store *store, struct view folder, struct quota_size *used,
	       struct quota_size *here);
/* Of the folders' counters, as this transaction has them. */
int usage_sum(struct tx *tx, struct quota_size *used);
/*
 * 0 or -EDQUOT: may this folder get `more`, when `less` of what counts goes in the same transaction? Before
 * any of it was done. `moved`: it comes from another folder of the user, which counts already.
 */
int usage_check(struct tx *tx, const struct folder *folder, const struct quota_size *more,
		const struct quota_size *less, bool moved);

#endif

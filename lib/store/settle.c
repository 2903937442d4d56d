/* Rounds of the work that is owed (owed.c), each a transaction of its own. */
#include "store/settle.h"

#include <errno.h>

#include "store/follow.h"
#include "store/owed.h"
#include "store/recent.h"

/* The longest that a session is kept from its clients by one round of store_settle. */
#define SETTLE_TIME ((msec_t)100)

struct settle_work {
	size_t max;
	int failure;
};

static int settle_work(struct tx *tx, void *argument)
{
	struct settle_work *work = argument;
	int r = recent_settle(tx);

	return r < 0 ? r : owed_settle(tx, work->max, clock_after(SETTLE_TIME), &work->failure);
}

static int is_anything_owed(struct store *store)
{
	static const enum db owed[] = { DB_TIDY, DB_GONE };
	struct tx tx;
	int r;

	if (recent_is_owed(store))
		return 1;
	r = store_read(store, &tx);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(owed) && r == 0; i++) {
		struct walk walk;

		r = walk_begin(&walk, &tx, owed[i], VIEW_NONE, VIEW_NONE);
		walk_end(&walk);
	}
	tx_end(&tx);
	return r;
}

bool store_owes(struct store *store)
{
	return is_anything_owed(store) > 0;
}

/* What was owed in an index that is followed by another was done when it was left. */
static int settle_write(struct store *store, store_work *work, void *argument)
{
	int r = store_write(store, WRITE_LAZY, work, argument);

	return r == -EAGAIN ? store_write(store, WRITE_LAZY, work, argument) : r;
}

int store_settle(struct store *store, size_t max)
{
	struct settle_work work = { .max = max };
	int r = is_anything_owed(store);

	if (r <= 0)
		return r;
	r = settle_write(store, settle_work, &work);
	if (r >= 0)
		recent_settled(store);
	return r >= 0 && work.failure < 0 ? work.failure : r;
}

static int settle_recent_work(struct tx *tx, void *argument)
{
	(void)argument;
	return recent_settle(tx);
}

int store_settle_recent(struct store *store)
{
	int r = settle_write(store, settle_recent_work, NULL);

	if (r >= 0)
		recent_settled(store);
	return r;
}

/*
 * Cache records between rendering and the index: gathered, and written many at a time. What is in them is
 * cache.c's matter.
 */
#include "store/pending.h"

#include <errno.h>

#include "base/mem.h"
#include "store/follow.h"

#define PENDING_BYTES_MAX ((size_t)4 << 20)
#define PENDING_COUNT_MAX 2000

struct pending {
	enum db db;
	struct key key;
	size_t len;
	char data[];
};

/* In the map: which database, and the key there. */
struct pending_name {
	char bytes[1 + sizeof(((struct key *)0)->bytes)];
	size_t len;
};

static struct pending_name pending_name(enum db db, const struct key *key)
{
	struct view view = key_view(key);
	struct pending_name name = { .bytes = { (char)db }, .len = 1 + view.len };

	memcpy(name.bytes + 1, view.data, view.len);
	return name;
}

static int flush_work(struct tx *tx, void *argument)
{
	/* Not what it was before another index was followed to: the numbers are of this one. */
	const struct map *pending = tx->store->pending;
	int r = 0;

	(void)argument;

	map_for_each (pending, i) {
		const struct pending *p = map_value_at(pending, i);

		r = tx_put(tx, p->db, key_view(&p->key), view_make(p->data, p->len));
		if (r < 0)
			break;
	}
	return r;
}

int cache_flush(struct store *store)
{
	int r = 0;

	if (map_count(store->pending) == 0)
		return 0;
	/* If there is another index by now, they were forgotten with the numbers that they have. */
	r = store_write(store, WRITE_LAZY, flush_work, NULL);
	if (r == -EAGAIN)
		r = 0;
	map_for_each (store->pending, i)
		free(map_value_at(store->pending, i));
	map_free(store->pending);
	store->pending = map_new();
	store->pending_bytes = 0;
	return r;
}

void cache_put(struct store *store, enum db db, uint64_t content, struct view record)
{
	struct pending *p = mem_new_bytes(sizeof(*p) + record.len);
	struct pending_name name;

	p->db = db;
	p->key = key_serial(content);
	p->len = record.len;
	memcpy(p->data, record.data, record.len);
	name = pending_name(db, &p->key);
	free(map_put(store->pending, view_make(name.bytes, name.len), p));
	store->pending_bytes += record.len;
	/* A cache that cannot be written is only slower. */
	if (store->pending_bytes > PENDING_BYTES_MAX ||
	    map_count(store->pending) > PENDING_COUNT_MAX)
		(void)cache_flush(store);
}

bool cache_get_pending(const struct store *store, enum db db, uint64_t content, struct view *record)
{
	struct key key = key_serial(content);
	struct pending_name name = pending_name(db, &key);
	const struct pending *p =
		map_count(store->pending) == 0
			? NULL
			: map_get(store->pending, view_make(name.bytes, name.len));

	if (p != NULL)
		*record = view_make(p->data, p->len);
	return p != NULL;
}

/*
 * A hash map from byte strings to pointers. Keys are copied; values belong to the caller. The
 * hash is keyed with random bytes (SipHash-1-3), so strangers who choose keys cannot make it slow.
 *
 *	struct map *users = map_new();
 *	map_put(users, name, user);
 *	map_for_each(users, i) use(map_key_at(users, i), map_value_at(users, i));
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/view.h"

struct map;

struct map *map_new(void);
/* Frees the map, not the values. */
void map_free(struct map *map);
void map_freep(struct map **map);

/* The value, or NULL. */
void *map_get(const struct map *map, struct view key);
/* Stores `value` (not NULL) under a copy of the key; returns the value that was there, or NULL. */
void *map_put(struct map *map, struct view key, void *value);
/*
 * The same, but the key is not copied: its bytes must stay until the value is removed (in the value
 * itself, mostly). A map has keys of one kind only.
 */
void *map_put_borrowed(struct map *map, struct view key, void *value);
/* Removes the key; returns its value, or NULL if there was none. Views of the map's copy end. */
void *map_remove(struct map *map, struct view key);
size_t map_count(const struct map *map);

/* Iteration in no order. During it nothing may be put; the current key may be removed. */
size_t map_next_index(const struct map *map, size_t from);
struct view map_key_at(const struct map *map, size_t index);
void *map_value_at(const struct map *map, size_t index);
#define map_for_each(map, i)                                                                       \
	for (size_t i = map_next_index((map), 0); i != SIZE_MAX; i = map_next_index((map), i + 1))

/* The keyed hash, for other containers. */
uint64_t map_hash(struct view key);

#endif

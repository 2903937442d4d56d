/*
 * A hash map from bytes to pointers, with a secret seed against chosen keys. It keeps its own copy
 * of each key unless asked to borrow.
 */
#include "base/map.h"

#include <stdbool.h>

#include "base/mem.h"
#include "base/random.h"

/* Open addressing with linear probing; a removed slot stays marked until the next growth. */
struct slot {
	char *key;   /* NULL: never used */
	void *value; /* NULL: removed, and the key means nothing */
	uint32_t key_len;
	uint32_t hash; /* its lower half */
};

struct map {
	struct slot *slots;
	size_t size; /* a power of two */
	size_t used; /* slots with a key, removed ones too */
	size_t count;
	bool borrowed; /* the keys are not ours */
};

static char removed[1];

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein). */
uint64_t map_hash(struct view key)
{
	static uint64_t secret[2];
	static bool seeded;

	if (!seeded) {
		random_bytes(secret, sizeof(secret));
		seeded = true;
	}

	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
			  secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573 };
	size_t left = key.len;
	const char *at = key.data;
	uint64_t word;

	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)key.len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)(unsigned char)at[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
	struct map *map = mem_new(struct map);

	map->size = 8;
	map->slots = mem_new_array(struct slot, map->size);
	return map;
}

void map_free(struct map *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->size; i++)
		if (map->slots[i].value != NULL && !map->borrowed)
			free(map->slots[i].key);
	free(map->slots);
	free(map);
}

void map_freep(struct map **map)
{
	map_free(*map);
}

/* The slot of the key, or the first that was never used where it would go. */
static struct slot *find_slot(const struct map *map, struct view key, uint64_t hash)
{
	size_t i = hash & (map->size - 1);

	for (;; i = (i + 1) & (map->size - 1)) {
		struct slot *slot = &map->slots[i];

		if (slot->key == NULL)
			return slot;
		if (slot->value != NULL && slot->hash == (uint32_t)hash &&
		    view_eq(view_make(slot->key, slot->key_len), key))
			return slot;
	}
}

void *map_get(const struct map *map, struct view key)
{
	return find_slot(map, key, map_hash(key))->value;
}

static void rebuild(struct map *map)
{
	struct slot *old = map->slots;
	size_t old_size = map->size;

	while (map->size < map->count * 2 + 8)
		map->size *= 2;
	map->slots = mem_new_array(struct slot, map->size);
	map->used = map->count;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].value == NULL)
			continue;

		struct view key = view_make(old[i].key, old[i].key_len);

		*find_slot(map, key, map_hash(key)) = old[i];
	}
	free(old);
}

static void *map_put_entry(struct map *map, struct view key, void *value)
{
	uint64_t hash = map_hash(key);
	struct slot *slot = find_slot(map, key, hash);
	void *before = slot->value;

	if (before == NULL) {
		if ((map->used + 1) * 4 > map->size * 3) {
			rebuild(map);
			slot = find_slot(map, key, hash);
		}
		slot->key = map->borrowed ? (char *)(uintptr_t)key.data
					  : mem_strndup(key.data, key.len);
		slot->key_len = (uint32_t)key.len;
		slot->hash = (uint32_t)hash;
		map->used++;
		map->count++;
	} else if (map->borrowed) {
		slot->key = (char *)(uintptr_t)key.data;
	}
	slot->value = value;
	return before;
}

void *map_put(struct map *map, struct view key, void *value)
{
	return map_put_entry(map, key, value);
}

void *map_put_borrowed(struct map *map, struct view key, void *value)
{
	map->borrowed = true;
	return map_put_entry(map, key, value);
}

void *map_remove(struct map *map, struct view key)
{
	struct slot *slot = find_slot(map, key, map_hash(key));
	void *before = slot->value;

	if (before != NULL) {
		if (!map->borrowed)
			free(slot->key);
		slot->key = removed;
		slot->value = NULL;
		map->count--;
	}
	return before;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

size_t map_next_index(const struct map *map, size_t from)
{
	for (size_t i = from; i < map->size; i++)
		if (map->slots[i].value != NULL)
			return i;
	return SIZE_MAX;
}

struct view map_key_at(const struct map *map, size_t index)
{
	return view_make(map->slots[index].key, map->slots[index].key_len);
}

void *map_value_at(const struct map *map, size_t index)
{
	return map->slots[index].value;
}

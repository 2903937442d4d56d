/* Maps, heaps and lists, each against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/slab.h"

/* A fixed sequence, so that a failure comes again. */
static uint32_t next_number(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

#define KEYS 500

/* With keys that the map copies, or (borrowed) with those of an array. */
static void check_map(bool borrowed)
{
	_cleanup_(map_freep) struct map *map = map_new();
	static uint32_t keys[KEYS];
	static int values[KEYS], others[KEYS];
	int *model[KEYS] = { NULL };
	size_t count = 0;
	uint32_t seed = 1;

	for (int i = 0; i < 100000; i++) {
		uint32_t k = next_number(&seed) % KEYS;
		struct view key = view_make(&k, k % 2 ? 2 : sizeof(k));
		struct view kept = view_make(&keys[k], key.len);

		keys[k] = k;
		uint32_t action = next_number(&seed) % 3;
		int *value = next_number(&seed) % 2 ? &values[k] : &others[k];

		assert_ptr_equal(map_get(map, key), model[k]);
		if (action == 0) {
			assert_ptr_equal(borrowed ? map_put_borrowed(map, kept, value)
						  : map_put(map, key, value),
					 model[k]);
			count += model[k] == NULL;
			model[k] = value;
		} else if (action == 1) {
			assert_ptr_equal(map_remove(map, key), model[k]);
			count -= model[k] != NULL;
			model[k] = NULL;
			keys[k] = UINT32_MAX; /* nobody looks at it any more */
		}
		assert_int_equal(map_count(map), count);
	}

	size_t seen = 0;

	map_for_each (map, i) {
		uint32_t k = 0;
		struct view key = map_key_at(map, i);

		memcpy(&k, key.data, key.len);
		assert_ptr_equal(map_value_at(map, i), model[k]);
		seen++;
		/* The current one may go. */
		assert_ptr_equal(map_remove(map, key), model[k]);
	}
	assert_int_equal(seen, count);
	assert_int_equal(map_count(map), 0);
}

static void test_map(void **state)
{
	(void)state;
	check_map(false);
	check_map(true);
}

static void test_map_keys(void **state)
{
	_cleanup_(map_freep) struct map *map = map_new();
	char key[] = "key";

	(void)state;
	map_free(NULL);
	assert_null(map_get(map, VIEW_NONE));
	map_put(map, VIEW_NONE, key);
	assert_ptr_equal(map_get(map, VIEW("")), key);
	/* Keys are copied, and bytes. */
	map_put(map, view_of(key), key);
	key[0] = 'x';
	assert_ptr_equal(map_get(map, VIEW("key")), key);
	assert_null(map_get(map, VIEW("key\0")));
	assert_int_equal(map_hash(VIEW("a")), map_hash(VIEW("a")));
	assert_int_not_equal(map_hash(VIEW("a")), map_hash(VIEW("b")));
}

#define NODES 200

static void expect_heap(const struct heap *heap, const struct heap_node *nodes, size_t count)
{
	int64_t smallest = INT64_MAX;

	assert_int_equal(heap->count, count);
	for (size_t i = 0; i < NODES; i++)
		if (nodes[i].place != 0 && nodes[i].key < smallest)
			smallest = nodes[i].key;
	if (count == 0)
		assert_null(heap_first(heap));
	else
		assert_int_equal(heap_first(heap)->key, smallest);
}

static void test_heap(void **state)
{
	struct heap heap = { NULL, 0, 0 };
	struct heap_node nodes[NODES] = { { 0, 0 } };
	size_t count = 0;
	uint32_t seed = 2;
	int64_t last = INT64_MIN;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct heap_node *node = &nodes[next_number(&seed) % NODES];
		bool inside = node->place != 0;

		if (next_number(&seed) % 3 != 0) {
			heap_set(&heap, node, (int64_t)(next_number(&seed) % 1000) - 500);
			count += !inside;
		} else {
			heap_remove(&heap, node);
			count -= inside;
		}
		expect_heap(&heap, nodes, count);
	}
	for (struct heap_node *node; (node = heap_first(&heap)) != NULL;) {
		assert_true(node->key >= last);
		last = node->key;
		heap_remove(&heap, node);
	}
	heap_free(&heap);
}

struct item {
	int number;
	struct list link;
};

static void expect_list(struct list *list, const char *expected)
{
	char seen[16] = "";

	list_for_each (list, struct item, link, item)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d", item->number);
	assert_string_equal(seen, expected);
}

static void test_list(void **state)
{
	struct item items[4] = {
		{ .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 }
	};
	struct list list;

	(void)state;
	list_init(&list);
	assert_true(list_is_empty(&list));
	assert_null(LIST_FIRST(&list, struct item, link));
	expect_list(&list, "");
	list_push_back(&list, &items[1].link);
	list_push_back(&list, &items[2].link);
	list_push_front(&list, &items[0].link);
	list_insert_after(&items[1].link, &items[3].link);
	expect_list(&list, "0132");
	assert_ptr_equal(LIST_FIRST(&list, struct item, link), &items[0]);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	expect_list(&list, "032");
	list_remove(&items[0].link);
	list_remove(&items[2].link);
	list_remove(&items[3].link);
	assert_true(list_is_empty(&list));
}

#define OBJECTS 2000

static void test_slab(void **state)
{
	struct slab slab;
	unsigned char *objects[OBJECTS] = { NULL };
	uint32_t seed = 3;

	(void)state;
	slab_init(&slab, 100);
	slab_free(&slab, NULL);
	for (int i = 0; i < 50000; i++) {
		uint32_t k = next_number(&seed) % OBJECTS;

		/* Full now and then, and empty: blocks come and go. */
		if (objects[k] == NULL && i / 5000 % 2 == 0) {
			objects[k] = slab_new(&slab);
			assert_int_equal((uintptr_t)objects[k] % sizeof(void *), 0);
			for (int at = 0; at < 100; at++)
				assert_int_equal(objects[k][at], 0);
			memset(objects[k], (int)(k % 255) + 1, 100);
		} else if (objects[k] != NULL) {
			/* Nobody else has written there. */
			for (int at = 0; at < 100; at++)
				assert_int_equal(objects[k][at], k % 255 + 1);
			slab_free(&slab, objects[k]);
			objects[k] = NULL;
		}
	}
	for (size_t k = 0; k < OBJECTS; k++)
		slab_free(&slab, objects[k]);
	assert_true(list_is_empty(&slab.open)); /* every block is freed */
}

static void test_random(void **state)
{
	unsigned seen[10] = { 0 };

	(void)state;
	assert_int_not_equal(random_u64(), random_u64());
	assert_int_equal(random_below(1), 0);
	for (int i = 0; i < 10000; i++)
		seen[random_below(10)]++;
	/* Expected 1000 each; fifteen standard deviations away is no accident. */
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 550, 1450);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),    cmocka_unit_test(test_map_keys),
		cmocka_unit_test(test_heap),   cmocka_unit_test(test_list),
		cmocka_unit_test(test_random), cmocka_unit_test(test_slab),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

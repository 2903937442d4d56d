/* Queue ids: syntax, order, no repetition. */
#include "helper.h"

#include "base/map.h"

static void ids_are_valid_and_differ(void **state)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	char id[QUEUE_ID_LENGTH_MAX];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		queue_id_new(id);
		assert_true(queue_id_is_valid(view_of(id)));
		assert_null(map_put(seen, view_of(id), seen));
	}
}

static void later_ids_sort_behind(void **state)
{
	char first[QUEUE_ID_LENGTH_MAX], second[QUEUE_ID_LENGTH_MAX];

	(void)state;
	queue_id_new(first);
	for (int64_t start = clock_wall_usec(); clock_wall_usec() < start + 2;)
		;
	queue_id_new(second);
	assert_true(view_compare(view_of(first), view_of(second)) < 0);
}

static void the_time_is_in_the_id(void **state)
{
	char id[QUEUE_ID_LENGTH_MAX];
	int64_t before = clock_wall_usec();

	(void)state;
	queue_id_new(id);
	int64_t made = queue_id_time(view_of(id));

	assert_true(made >= before && made <= clock_wall_usec());
	/* A digit for each value, in the order of their bytes. */
	char text[] = "000000000000";

	for (int64_t value = 0; value < 52; value++) {
		while (!queue_id_is_valid(view_of(text)))
			text[9]++;
		assert_int_equal(queue_id_time(view_of(text)), value);
		text[9]++;
	}
	while (text[9] > 0) {
		assert_false(queue_id_is_valid(view_of(text)));
		text[9]++;
	}
}

static void what_is_no_id(void **state)
{
	static const char *const bad[] = {
		"",
		"short",
		"../../../etc/passwd",
		"4XyZbcdfgz/BCDFGHJK",
		"4XyZbcdfgz.BCDFGHJK",
		"4XyZbcdfgzABCDFGHJK", /* a vowel */
		"4XyZbcdfgzBCDFGHJKBCDFGHJKBCDFGHJK",
		"4XyZbcdfgz BCDFGHJK",
		"4XyZbcdfgz\nBCDFGHJK",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(queue_id_is_valid(view_of(bad[i])));
	assert_false(queue_id_is_valid(view_make("4XyZbcdfgz\0BCDFGHJ", 18)));
	assert_true(queue_id_is_valid(VIEW("4XyZbcdfgzBCDFGHJK")));
}

static void paths_stay_below_incoming(void **state)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	unsigned folder;
	char rest[64];

	(void)state;
	queue_path(&path, VIEW("4XyZbcdfgzBCDFGHJK"));
	assert_int_equal(sscanf(str_cstr(&path), "incoming/%2u/%63s", &folder, rest), 2);
	assert_true(folder < QUEUE_HASH_FOLDERS);
	assert_string_equal(rest, "4XyZbcdfgzBCDFGHJK");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_valid_and_differ),
		cmocka_unit_test(later_ids_sort_behind),
		cmocka_unit_test(the_time_is_in_the_id),
		cmocka_unit_test(what_is_no_id),
		cmocka_unit_test(paths_stay_below_incoming),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

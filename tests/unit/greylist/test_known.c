/* Who has to come again, and who is known. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "greylist.h"

#define NOW ((int64_t)1700000000)
#define DAY ((int64_t)86400)

static struct cache_file *cache;

static int cache_begin(void **state)
{
	(void)state;
	return cache_file_open(NULL, 1000, &cache, NULL);
}

static int cache_end(void **state)
{
	(void)state;
	cache_file_close(TAKE(cache));
	return 0;
}

static int64_t look(const char *client, const char *sender, const char *recipient, int64_t now)
{
	const struct greylist_question question = {
		.client = view_of(client),
		.sender = view_of(sender),
		.recipient = view_of(recipient),
	};

	return greylist_look(cache, &question, now);
}

static void test_comes_again(void **state)
{
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW), 300);
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 100), 200);
	/* Another host of the network, another case of letters. */
	assert_int_equal(look("192.0.2.77", "A@One.test", "B@two.test", NOW + 299), 1);
	assert_int_equal(look("192.0.2.77", "a@one.test", "b@two.test", NOW + 300), 0);
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 301), 0);
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 35 * DAY), 0);
	/* Each time counts anew, and then it is over. */
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 70 * DAY), 0);
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 107 * DAY), 300);
	(void)state;
}

static void test_others_wait(void **state)
{
	look("192.0.2.1", "a@one.test", "b@two.test", NOW);
	assert_int_equal(look("192.0.3.1", "a@one.test", "b@two.test", NOW + 300), 300);
	assert_int_equal(look("192.0.2.1", "x@one.test", "b@two.test", NOW + 300), 300);
	assert_int_equal(look("192.0.2.1", "a@one.test", "x@two.test", NOW + 300), 300);
	assert_int_equal(look("2001:db8:1:2::1", "a@one.test", "b@two.test", NOW), 300);
	assert_int_equal(look("2001:db8:1:2:ffff::9", "a@one.test", "b@two.test", NOW + 300), 0);
	assert_int_equal(look("2001:db8:1:3::1", "a@one.test", "b@two.test", NOW + 300), 300);
	assert_int_equal(look("not an address", "", "b@two.test", NOW), 300);
	(void)state;
}

/* Who comes too late begins again. */
static void test_window(void **state)
{
	look("192.0.2.1", "a@one.test", "b@two.test", NOW);
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 2 * DAY + 301), 300);
	/* The clock was set back: nobody waits for longer because of that. */
	assert_int_equal(look("192.0.2.1", "a@one.test", "b@two.test", NOW + 2 * DAY - 3000), 0);
	(void)state;
}

static void test_known_network(void **state)
{
	static const char *const senders[] = { "a@one.test", "b@one.test", "c@one.test" };

	for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
		assert_int_equal(look("192.0.2.1", senders[i], "b@two.test", NOW), 300);
	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		assert_int_equal(look("192.0.2.1", "new@one.test", "b@two.test", NOW + 299), 300);
		/* The same three count once, however often they come. */
		assert_int_equal(look("192.0.2.1", senders[i], "b@two.test", NOW + 300), 0);
		assert_int_equal(look("192.0.2.1", senders[i], "b@two.test", NOW + 300), 0);
	}
	assert_int_equal(look("192.0.2.9", "other@one.test", "x@two.test", NOW + 301), 0);
	assert_int_equal(look("192.0.3.9", "other@one.test", "x@two.test", NOW + 301), 300);
	assert_int_equal(look("192.0.2.9", "more@one.test", "x@two.test", NOW + 36 * DAY), 0);
	assert_int_equal(look("192.0.2.9", "last@one.test", "x@two.test", NOW + 73 * DAY), 300);
	param.greylist_allow_after = 0;
	assert_int_equal(look("192.0.2.9", "none@one.test", "x@two.test", NOW + 302), 300);
	param.greylist_allow_after = 3;
	(void)state;
}

static void test_correspondents(void **state)
{
	greylist_note_correspondent(cache, VIEW("Friend@one.test"), NOW);
	assert_int_equal(look("192.0.2.1", "friend@ONE.test", "b@two.test", NOW + 1), 0);
	assert_int_equal(look("192.0.2.1", "enemy@one.test", "b@two.test", NOW + 1), 300);
	assert_int_equal(look("192.0.2.1", "", "b@two.test", NOW + 1), 300);
	assert_int_equal(look("192.0.2.1", "friend@one.test", "b@two.test", NOW + 181 * DAY), 300);
	(void)state;
}

int main(void)
{
	param.greylist_delay = 300 * 1000;
	param.greylist_retry_window = 2 * DAY * 1000;
	param.greylist_lifetime = 36 * DAY * 1000;
	param.greylist_correspondent_lifetime = 180 * DAY * 1000;
	param.greylist_allow_after = 3;

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_again, cache_begin, cache_end),
		cmocka_unit_test_setup_teardown(test_others_wait, cache_begin, cache_end),
		cmocka_unit_test_setup_teardown(test_window, cache_begin, cache_end),
		cmocka_unit_test_setup_teardown(test_known_network, cache_begin, cache_end),
		cmocka_unit_test_setup_teardown(test_correspondents, cache_begin, cache_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

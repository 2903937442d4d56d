/* Who gives way: of the network that has most, the oldest; never one that is busy, or twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/spare.h"

static struct client {
	struct spare spare;
	int peer;
} clients[6];

/* Which client has been ended since it was asked last; -1: none. */
static int ended(void)
{
	static bool known[ARRAY_SIZE(clients)];
	int found = -1;

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		char byte;
		bool gone = recv(clients[i].spare.fd, &byte, 1, MSG_DONTWAIT) == 0;

		assert_int_equal(gone, clients[i].spare.gives_way);
		if (gone && !known[i]) {
			assert_int_equal(found, -1);
			found = (int)i;
		}
		known[i] = gone;
	}
	return found;
}

static void the_largest_network_gives_way(void **state)
{
	static const char *const networks[] = { "a", "b", "b", "b", "c", "c" };

	(void)state;
	assert_false(spare_end_one());
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		clients[i].peer = pair[1];
		spare_add(&clients[i].spare, pair[0], view_of(networks[i]));
	}
	assert_int_equal(ended(), -1);
	assert_true(spare_end_one());
	assert_int_equal(ended(), 1);
	/* Now b and c have two each: the oldest of both. */
	assert_true(spare_end_one());
	assert_int_equal(ended(), 2);
	/* Of c, which has most again, the older is being served. */
	spare_set_busy(&clients[4].spare, true);
	spare_set_busy(&clients[0].spare, true);
	spare_remove(&clients[3].spare);
	assert_true(spare_end_one());
	assert_int_equal(ended(), 5);
	assert_false(spare_end_one());
	spare_set_busy(&clients[4].spare, false);
	assert_false(spare_end_of(VIEW("b")));
	assert_false(spare_end_of(VIEW("nobody")));
	assert_true(spare_end_of(VIEW("c")));
	assert_int_equal(ended(), 4);
	spare_set_busy(&clients[0].spare, false);
	spare_remove(&clients[0].spare);
	spare_remove(&clients[0].spare);
	assert_false(spare_end_one());
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		spare_remove(&clients[i].spare);
		close(clients[i].spare.fd);
		close(clients[i].peer);
	}
	assert_false(spare_end_one());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_network_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

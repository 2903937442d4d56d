#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/place.h"

#define NOBODY 65534

static bool place_is_for_good(void)
{
	const struct place place = { NOBODY, NOBODY };
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	return place_become(&place) == 0 && getresuid(&real, &effective, &saved) == 0 &&
	       getresgid(&real_group, &effective_group, &saved_group) == 0 && real == NOBODY &&
	       effective == NOBODY && saved == NOBODY && real_group == NOBODY &&
	       effective_group == NOBODY && saved_group == NOBODY && setuid(0) < 0 &&
	       seteuid(0) < 0 && setgid(0) < 0;
}

/* What a user has put into a file of theirs must not find root's rights in the process that reads it. */
static void test_no_way_back(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(place_is_for_good() ? 0 : 1);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_entering_can_be_left(void **state)
{
	const struct place place = { NOBODY, NOBODY };

	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(place_enter(&place), 0);
	assert_int_equal(geteuid(), NOBODY);
	assert_int_equal(place_leave(), 0);
	assert_int_equal(geteuid(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_way_back),
		cmocka_unit_test(test_entering_can_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

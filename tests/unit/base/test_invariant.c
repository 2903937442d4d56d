/* A broken invariant ends the program, in every build, and says which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/mem.h"

static int status_of(int value, int log)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		log_open("test", log, LOG_SINK_FILE, false);
		invariant(value == 1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_ends_with_its_name(void **state)
{
	char text[1000] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(status_of(1, ends[1]), 0);
	int status = status_of(2, ends[1]);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "broken invariant in status_of: value == 1"));
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ends_with_its_name) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

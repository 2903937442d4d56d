/* Entries of the system's users, where a directory and not a file has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pwd.h>

#include "base/mem.h"
#include "table/system.h"

static struct passwd entry;

/* In place of the C library's. */
int getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t size,
	       struct passwd **found)
{
	(void)name;
	(void)buffer;
	(void)size;
	*user = entry;
	*found = user;
	return 0;
}

static void expect_line(const char *gecos, const char *wanted)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	entry = (struct passwd){ .pw_name = (char *)"bob",
				 .pw_uid = 1000,
				 .pw_gid = 100,
				 .pw_gecos = (char *)gecos,
				 .pw_dir = (char *)"/home/bob",
				 .pw_shell = (char *)"/bin/sh" };
	assert_int_equal(system_find_user(VIEW("bob"), &line), 1);
	assert_string_equal(str_cstr(&line), wanted);
}

/* Users of a directory may change it: it is not to give them another home. */
static void a_full_name_shifts_no_field(void **state)
{
	(void)state;
	expect_line("Bob,,,", "bob:x:1000:100:Bob,,,:/home/bob:/bin/sh");
	expect_line(NULL, "bob:x:1000:100::/home/bob:/bin/sh");
	expect_line("Bob:/home/alice", "bob:x:1000:100:Bob /home/alice:/home/bob:/bin/sh");
	expect_line("Bob\neve:x:0:0", "bob:x:1000:100:Bob eve x 0 0:/home/bob:/bin/sh");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_name_shifts_no_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

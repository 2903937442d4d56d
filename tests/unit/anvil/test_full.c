/* Whose mailbox is full: for a while, in any case of the name, and not without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "anvil.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

static void who_is_full(void **state)
{
	(void)state;
	param.mailbox_quota_notice_time = 60000;
	full_open();
	assert_false(full_any());
	full_note(VIEW("Alice@example.test"));
	full_note(VIEW("alice@example.test"));
	assert_true(full_any());
	assert_true(full_is(VIEW("ALICE@example.test")));
	assert_false(full_is(VIEW("bob@example.test")));
	assert_false(full_is(VIEW("")));
	full_forget(VIEW("bob@example.test"));
	full_forget(VIEW("alice@Example.test"));
	assert_false(full_is(VIEW("alice@example.test")));
	assert_false(full_any());
}

static void it_ends(void **state)
{
	(void)state;
	param.mailbox_quota_notice_time = 0;
	full_open();
	full_note(VIEW("alice@example.test"));
	assert_false(full_is(VIEW("alice@example.test")));
	assert_false(full_any());
	/* Also where nobody asks for that one. */
	full_note(VIEW("alice@example.test"));
	assert_false(full_any());
}

static void the_oldest_make_room(void **state)
{
	(void)state;
	param.mailbox_quota_notice_time = 60000;
	full_open();
	for (size_t i = 0; i <= FULL_USERS_MAX; i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;

		str_printf(&name, "%zu@example.test", i);
		full_note(str_view(&name));
	}
	assert_false(full_is(VIEW("0@example.test")));
	assert_true(full_is(VIEW("1@example.test")));
	assert_true(full_is(VIEW("100000@example.test")));
}

/* One name in two forms is one entry, of the time that was told last. */
static void a_name_ends_with_its_nul(void **state)
{
	(void)state;
	param.mailbox_quota_notice_time = 60000;
	full_open();
	full_note(VIEW("alice@example.test"));
	full_note(VIEW("0@example.test"));
	full_note(VIEW("alice@example.test\0x"));
	for (size_t i = 1; i < FULL_USERS_MAX; i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;

		str_printf(&name, "%zu@example.test", i);
		full_note(str_view(&name));
	}
	assert_false(full_is(VIEW("0@example.test")));
	assert_true(full_is(VIEW("alice@example.test")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_full),
		cmocka_unit_test(it_ends),
		cmocka_unit_test(the_oldest_make_room),
		cmocka_unit_test(a_name_ends_with_its_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

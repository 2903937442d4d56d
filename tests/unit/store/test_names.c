/* Names of folders and of message files. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>

#include "store/names.h"

static void names_in_utf8(void **state)
{
	static const char *const rows[][2] = {
		{ "plain", "plain" },
		{ "A & B", "A &- B" },
		{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
		{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		  "~peter/mail/&U,BTFw-/&ZeVnLIqe-" }, /* RFC 3501 5.1.3 */
		{ "\xf0\x9f\x98\x80x", "&2D3eAA-x" },
		{ "\xc3\xa4\xc3\xb6", "&AOQA9g-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY, text = STR_EMPTY;

		assert_int_equal(store_name_from_utf8(view_of(rows[i][0]), &name), 0);
		assert_string_equal(str_cstr(&name), rows[i][1]);
		if (strchr(rows[i][1], '/') != NULL)
			continue;
		assert_int_equal(store_name_to_utf8(str_view(&name), &text), 0);
		assert_string_equal(str_cstr(&text), rows[i][0]);
	}
	_cleanup_(str_free) struct str out = STR_EMPTY;

	assert_int_equal(store_name_from_utf8(VIEW("\xff"), &out), -EINVAL);
	assert_int_equal(store_name_to_utf8(VIEW("&AOk"), &out), -EINVAL);
}

static void folder_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} table[] = {
		{ "INBOX", true },	 { "Sent", true },	   { "Archive.2026", true },
		{ "a b", true },	 { "&-", true },	   { "R&AOk-sum&AOk-", true },
		{ "&ZeVnLIqe-", true },	 { "&2D3cKQ-", true }, /* a surrogate pair */
		{ "", false },		 { ".", false },	   { "a.", false },
		{ ".a", false },	 { "a..b", false },	   { "..", false },
		{ "a/b", false },	 { "a*", true },	   { "a%", true },
		{ "a\tb", false },	 { "caf\xc3\xa9", false }, { "&", false },
		{ "&AOk", false },	 /* no end */
		{ "&AA-", false },	 /* not a whole unit */
		{ "&AGE-", false },	 /* 'a' has a shorter form */
		{ "&AOkAA-", false },	 /* bits left over */
		{ "&AOl-", false },	 /* bits set after the last unit */
		{ "&AOk-&AOk-", false }, /* would be one run */
		{ "&2D0-", false },	 /* half a pair */
		{ "&3Ck-", false },	 { "&A,k-", true },	   { "&A/k-", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error err = ERROR_NONE;
		int r = store_name_check(view_of(table[i].name), &err);

		if ((r == 0) != table[i].valid)
			fail_msg("%s: %d %s", table[i].name, r, err.text);
		assert_true(r == 0 || err.text[0] != '\0');
	}
	/* What others have made is seen; nobody makes it here. */
	assert_int_equal(store_name_may_be_made(VIEW("a.b"), NULL), 0);
	assert_int_equal(store_name_may_be_made(VIEW("a*"), NULL), -EINVAL);
	assert_int_equal(store_name_may_be_made(VIEW("100%"), NULL), -EINVAL);
}

static void long_and_deep_names(void **state)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	(void)state;
	for (int i = 0; i < STORE_NAME_MAX; i++)
		str_append_byte(&name, 'x');
	assert_int_equal(store_name_check(str_view(&name), NULL), 0);
	str_append_byte(&name, 'x');
	assert_true(store_name_check(str_view(&name), NULL) < 0);
	str_clear(&name);
	str_append_byte(&name, 'a');
	for (int i = 1; i < STORE_DEPTH_MAX; i++)
		str_append_cstr(&name, ".a");
	assert_int_equal(store_name_check(str_view(&name), NULL), 0);
	str_append_cstr(&name, ".a");
	assert_true(store_name_check(str_view(&name), NULL) < 0);
	assert_true(store_name_check(VIEW("a\0b"), NULL) < 0);
}

static void inbox_in_any_case(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "inbox", "INBOX" },
		{ "InBoX.Sub", "INBOX.Sub" },
		{ "inboxes", "inboxes" },
		{ "a.inbox", "a.inbox" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		assert_int_equal(store_name_normalize(view_of(table[i].in), &out, NULL), 0);
		assert_string_equal(str_cstr(&out), table[i].out);
	}
	assert_int_equal(store_name_special_use(VIEW("sent items")), USE_SENT);
	assert_int_equal(store_name_special_use(VIEW("Sent.2025")), 0);
}

static void file_names(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		const char *base;
		uint32_t uid;
		unsigned flags;
		uint32_t letters;
		uint64_t size, wire_size;
	} table[] = {
		{ "1.M2P3.h", true, "1.M2P3.h", 0, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ "1.M2P3.h,S=5,W=6:2,FS", true, "1.M2P3.h,S=5,W=6", 0, FLAG_FLAGGED | FLAG_SEEN, 0,
		  5, 6 },
		{ "1.h,S=5,U=17:2,DRTab", true, "1.h,S=5", 17,
		  FLAG_DRAFT | FLAG_ANSWERED | FLAG_DELETED, 3, 5, SIZE_UNKNOWN },
		{ "1.h,U=17", true, "1.h", 17, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		/* Only as the last field it is ours. */
		{ "1.h,U=17,S=5", true, "1.h,U=17,S=5", 0, 0, 0, 5, SIZE_UNKNOWN },
		{ "1.h,U=0", true, "1.h,U=0", 0, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ "1.h,U=4294967295", true, "1.h,U=4294967295", 0, 0, 0, SIZE_UNKNOWN,
		  SIZE_UNKNOWN },
		{ "1.h,U=99999999999", true, "1.h,U=99999999999", 0, 0, 0, SIZE_UNKNOWN,
		  SIZE_UNKNOWN },
		{ "1.h:2,", true, "1.h", 0, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ "1.h:1,S", true, "1.h", 0, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ "1.h,S=x,W=-1", true, "1.h,S=x,W=-1", 0, 0, 0, SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ "1.h,S=99999999999999999999", true, "1.h,S=99999999999999999999", 0, 0, 0,
		  SIZE_UNKNOWN, SIZE_UNKNOWN },
		{ ".hidden", false, NULL, 0, 0, 0, 0, 0 },
		{ ":2,S", false, NULL, 0, 0, 0, 0, 0 },
		{ "", false, NULL, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct file_name name;

		print_message("%s\n", table[i].text);
		assert_int_equal(file_name_parse(view_of(table[i].text), &name), table[i].valid);
		if (!table[i].valid)
			continue;
		assert_true(view_is(name.base, table[i].base));
		assert_int_equal(name.uid, table[i].uid);
		assert_int_equal(name.flags, table[i].flags);
		assert_int_equal(name.letters, table[i].letters);
		assert_true(name.size == table[i].size);
		assert_true(name.wire_size == table[i].wire_size);
	}
}

static void built_names_are_read_back(void **state)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct file_name name;

	(void)state;
	file_name_build(&text, VIEW("1.h,S=5"), 4294967294U, FLAGS_STORED, ~0ULL);
	assert_string_equal(str_cstr(&text),
			    "1.h,S=5,U=4294967294:2,DFPRSTabcdefghijklmnopqrstuvwxyz");
	assert_true(file_name_parse(str_view(&text), &name));
	assert_int_equal(name.flags, FLAGS_STORED);
	assert_int_equal(name.letters, (1U << 26) - 1);
	assert_int_equal(name.uid, 4294967294U);
}

static void arrival(void **state)
{
	(void)state;
	assert_true(file_name_compare_arrival(VIEW("9.x"), VIEW("10.x")) < 0);
	assert_true(file_name_compare_arrival(VIEW("10.M9P1"), VIEW("10.M10P1")) < 0);
	assert_true(file_name_compare_arrival(VIEW("10.M9P1"), VIEW("10.M9P2")) < 0);
	assert_int_equal(file_name_compare_arrival(VIEW("10.M9P1"), VIEW("10.M9P1")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folder_names),
		cmocka_unit_test(names_in_utf8),
		cmocka_unit_test(long_and_deep_names),
		cmocka_unit_test(inbox_in_any_case),
		cmocka_unit_test(file_names),
		cmocka_unit_test(built_names_are_read_back),
		cmocka_unit_test(arrival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

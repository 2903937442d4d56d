/* Which keys sign for whom: OpenDKIM's tables, read as it reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "mailauth/signing_table.h"

static char path[] = "/tmp/posta-signing-XXXXXX";

static void write_table(const char *text)
{
	struct error err = ERROR_NONE;

	if (io_replace_file(path, view_of(text), 0600, &err) < 0)
		fail_msg("%s", err.text);
}

static int table_setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int table_teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void expect_keys(const struct signing_table *table, const char *address, const char *keys)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;
	const struct signing_row *rows[SIGNING_KEYS_MAX];
	size_t count = signing_table_find(table, view_of(address), rows);

	for (size_t i = 0; i < count; i++)
		str_printf(&found, "%s%s%s%s", i > 0 ? " " : "", rows[i]->key,
			   rows[i]->identity ? "/" : "",
			   rows[i]->identity ? rows[i]->identity : "");
	assert_string_equal(str_cstr(&found), keys);
}

static void test_patterns(void **state)
{
	_cleanup_(str_free) struct str source = STR_EMPTY;
	struct signing_table table;

	write_table("# comment\n"
		    "boss@example.org boss\n"
		    "*@example.org rsa:%@example.org\n"
		    "*@other.* x\n"
		    "*@example.org ed\n"
		    "*sub*@*.deep.test y\n");
	str_printf(&source, "refile:%s", path);
	assert_int_equal(signing_table_read(str_cstr(&source), &table, NULL), 0);
	expect_keys(&table, "boss@example.org", "boss");
	expect_keys(&table, "Joe@EXAMPLE.org", "rsa/%@example.org ed");
	expect_keys(&table, "joe@sub.example.org", "");
	expect_keys(&table, "joe@other.test", "x");
	expect_keys(&table, "a.sub.b@x.deep.test", "y");
	expect_keys(&table, "", "");
	signing_table_free(&table);
	(void)state;
}

static void test_order(void **state)
{
	_cleanup_(str_free) struct str source = STR_EMPTY;
	struct signing_table table;

	write_table("* all\nexample.org domain\n.example.org below\nboss@example.org boss\n"
		    "root@* root\nroot@.example.org rootbelow\n");
	str_printf(&source, "file:%s", path);
	assert_int_equal(signing_table_read(str_cstr(&source), &table, NULL), 0);
	expect_keys(&table, "boss@example.org", "boss");
	expect_keys(&table, "joe@example.org", "domain");
	expect_keys(&table, "joe@a.b.example.org", "below");
	expect_keys(&table, "root@a.example.org", "rootbelow");
	expect_keys(&table, "root@else.test", "root");
	expect_keys(&table, "joe@else.test", "all");
	signing_table_free(&table);
	/* A path alone is such a file. */
	assert_int_equal(signing_table_read(path, &table, NULL), 0);
	assert_false(table.has_patterns);
	signing_table_free(&table);
	(void)state;
}

static void test_keys(void **state)
{
	static const char *const wrong[] = {
		"name example.org:sel\n",
		"name example.org::/key\n",
		"name example.org:sel:relative\n",
		"name\n",
		"a x:y:/z\na x:y:/z\n",
	};
	struct key_table table;
	const struct key_row *row;
	struct error err = ERROR_NONE;

	write_table("a example.org:s1:/etc/keys/a.pem\nb %:s2:/etc/keys/b.pem:ed25519-sha256\n");
	assert_int_equal(key_table_read(path, &table, &err), 0);
	row = key_table_find(&table, VIEW("b"));
	assert_non_null(row);
	assert_string_equal(row->domain, "%");
	assert_string_equal(row->selector, "s2");
	assert_string_equal(row->path, "/etc/keys/b.pem");
	assert_null(key_table_find(&table, VIEW("c")));
	key_table_free(&table);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		write_table(wrong[i]);
		assert_true(key_table_read(path, &table, &err) < 0);
		assert_non_null(strstr(err.text, ", line "));
		key_table_free(&table);
	}
	assert_true(key_table_read("hash:/etc/x", &table, &err) < 0);
	key_table_free(&table);
	assert_int_equal(key_table_read("", &table, &err), 0);
	assert_int_equal(table.count, 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, table_setup, table_teardown);
}

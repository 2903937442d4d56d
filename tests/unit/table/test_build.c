#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <db.h>
#include <dirent.h>

#include "base/mem.h"
#include "folder.h"
#include "table/table.h"

static const char *const types[] = { "hash", "btree", "lmdb", "cdb" };

static const char *spec_of(const char *type, const char *name)
{
	static char spec[300];

	snprintf(spec, sizeof(spec), "%s:%s", type, in_folder(name));
	return spec;
}

static void expect(const char *type, const char *name, const char *key, const char *value)
{
	struct error err = ERROR_NONE;
	struct str found = STR_EMPTY;
	struct table *table = table_open(view_of(spec_of(type, name)), 0, &err);
	int r;

	if (table == NULL)
		fail_msg("%s", err.text);
	r = table_lookup(table, view_of(key), &found, &err);
	assert_int_equal(r, value != NULL);
	if (value != NULL)
		assert_string_equal(str_cstr(&found), value);
	table_close(table);
	str_free(&found);
}

static int count_files(void)
{
	DIR *dir = opendir(folder);
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static int count_rows(void *argument, struct view key, struct view value)
{
	assert_true(key.len > 0 && value.len > 0);
	(*(int *)argument)++;
	return 0;
}

static void test_build(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct str report = STR_EMPTY;
		int rows = 0;

		write_file("map", "Alice one\nbob two\n");
		assert_int_equal(table_build(types[i], in_folder("map"), SOURCE_MAP, &report), 0);
		assert_string_equal(str_cstr(&report), "");
		expect(types[i], "map", "ALICE", "one");
		expect(types[i], "map", "bob", "two");
		expect(types[i], "map", "carol", NULL);
		assert_int_equal(table_dump(spec_of(types[i], "map"), count_rows, &rows, NULL), 0);
		assert_int_equal(rows, 2);

		/* A bad line: named, and the others make the index. */
		int files = count_files();

		write_file("map", "alice three\nbad\n");
		assert_int_equal(table_build(types[i], in_folder("map"), SOURCE_MAP, &report), 0);
		assert_non_null(strstr(str_cstr(&report), "map, line 2: expected a key"));
		expect(types[i], "map", "alice", "three");
		expect(types[i], "map", "bob", NULL);
		/* But with one in a users' file the old index stays. */
		write_file("map", "alice:x\nbad\n");
		assert_int_equal(table_build(types[i], in_folder("map"), SOURCE_USERS, &report),
				 -EINVAL);
		expect(types[i], "map", "alice", "three");
		assert_int_equal(count_files(), files);

		/* The first of two is in force. */
		str_clear(&report);
		write_file("map", "alice three\nalice four\n");
		assert_int_equal(table_build(types[i], in_folder("map"), SOURCE_MAP, &report), 0);
		assert_non_null(strstr(str_cstr(&report),
				       "line 2: duplicate entry \"alice\": the one in "
				       "line 1"));
		expect(types[i], "map", "alice", "three");
		expect(types[i], "map", "bob", NULL);
		str_free(&report);
	}
}

static void test_missing_source(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	assert_int_equal(table_build("hash", in_folder("absent"), SOURCE_MAP, &report), -ENOENT);
	assert_non_null(strstr(str_cstr(&report), "absent"));
	str_clear(&report);
	assert_int_equal(table_build("cidr", in_folder("map"), SOURCE_MAP, &report), -EINVAL);
	assert_non_null(strstr(str_cstr(&report), "have no index"));
	str_free(&report);
}

static void test_edit(void **state)
{
	const struct view keys[] = { VIEW("New"), VIEW("alice") };
	const struct view values[] = { VIEW("n"), VIEW("changed") };
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)state;
	/* The last one is constant. */
	for (size_t i = 0; i + 1 < ARRAY_SIZE(types); i++) {
		int files;

		write_file("map", "alice one\nbob two\n");
		table_build(types[i], in_folder("map"), SOURCE_MAP, &report);
		files = count_files();
		/* Without `replace` an entry that is there stops all of it. */
		assert_int_equal(
			table_edit(types[i], in_folder("map"), keys, values, 2, false, &err),
			-EEXIST);
		expect(types[i], "map", "new", NULL);
		assert_int_equal(
			table_edit(types[i], in_folder("map"), keys, values, 2, true, &err), 2);
		expect(types[i], "map", "new", "n");
		expect(types[i], "map", "alice", "changed");
		expect(types[i], "map", "bob", "two");
		assert_int_equal(table_edit(types[i], in_folder("map"), keys, NULL, 2, true, &err),
				 2);
		assert_int_equal(table_edit(types[i], in_folder("map"), keys, NULL, 2, true, &err),
				 0);
		expect(types[i], "map", "alice", NULL);
		expect(types[i], "map", "bob", "two");
		assert_int_equal(count_files(), files);
	}
	table_build("cdb", in_folder("map"), SOURCE_MAP, &report);
	assert_int_equal(table_edit("cdb", in_folder("map"), keys, NULL, 1, true, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "made anew"));
	expect("cdb", "map", "bob", "two");
	assert_true(table_edit("hash", in_folder("absent"), keys, NULL, 1, true, NULL) < 0);
}

static void test_mode_is_kept(void **state)
{
	struct str report = STR_EMPTY;
	struct stat st;

	(void)state;
	unlink(in_folder("map.db"));
	write_file("map", "a b\n");
	chmod(in_folder("map"), 0604);
	table_build("hash", in_folder("map"), SOURCE_MAP, &report);
	assert_int_equal(stat(in_folder("map.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	chmod(in_folder("map.db"), 0640);
	table_build("hash", in_folder("map"), SOURCE_MAP, &report);
	stat(in_folder("map.db"), &st);
	assert_int_equal(st.st_mode & 0777, 0640);
	str_free(&report);
}

/* Files whose keys and values do not end in NUL, as other programs make them. */
static void test_plain_keys(void **state)
{
	DB *db;
	DBT key = { .data = (char[]){ "plain" }, .size = 5 };
	DBT value = { .data = (char[]){ "yes" }, .size = 3 };

	(void)state;
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->open(db, NULL, in_folder("plain.db"), NULL, DB_HASH, DB_CREATE, 0600),
			 0);
	assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
	db->close(db, 0);
	expect("hash", "plain", "plain", "yes");
	expect("hash", "plain", "absent", NULL);
}

/* What a rebuild does to a table that is open: it answers as before, and says that it changed. */
static void test_change_is_noticed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct str report = STR_EMPTY, value = STR_EMPTY;
		struct table *table;

		write_file("map", "a old\n");
		table_build(types[i], in_folder("map"), SOURCE_MAP, &report);
		table = table_open(view_of(spec_of(types[i], "map")), 0, NULL);
		assert_false(table_any_changed());
		write_file("map", "a new\n");
		table_build(types[i], in_folder("map"), SOURCE_MAP, &report);
		assert_true(table_any_changed());
		assert_int_equal(table_lookup(table, VIEW("a"), &value, NULL), 1);
		assert_string_equal(str_cstr(&value), "old");
		table_close(table);
		expect(types[i], "map", "a", "new");
		str_free(&report);
		str_free(&value);
	}
}

/* Looking up works where no file can be opened any more. */
static void test_after_chroot(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_file("map", "a b\n");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		table_build(types[i], in_folder("map"), SOURCE_MAP, &report);

		pid_t child = fork();

		if (child == 0) {
			struct str value = STR_EMPTY;
			struct table *table =
				table_open(view_of(spec_of(types[i], "map")), 0, NULL);

			if (table == NULL || chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0)
				_exit(2);
			_exit(table_lookup(table, VIEW("a"), &value, NULL) == 1 &&
					      table_lookup(table, VIEW("x"), &value, NULL) == 0 &&
					      !table_any_changed()
				      ? 0
				      : 1);
		}
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	str_free(&report);
}

static void test_many_entries(void **state)
{
	struct str text = STR_EMPTY, report = STR_EMPTY;

	(void)state;
	for (int i = 0; i < 20000; i++)
		str_printf(&text, "user%d@example.test mailbox-of-user-number-%d\n", i, i);
	write_file("many", str_cstr(&text));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int rows = 0;

		assert_int_equal(table_build(types[i], in_folder("many"), SOURCE_MAP, &report), 0);
		expect(types[i], "many", "user19999@example.test", "mailbox-of-user-number-19999");
		table_dump(spec_of(types[i], "many"), count_rows, &rows, NULL);
		assert_int_equal(rows, 20000);
	}
	str_free(&text);
	str_free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),	     cmocka_unit_test(test_missing_source),
		cmocka_unit_test(test_edit),	     cmocka_unit_test(test_mode_is_kept),
		cmocka_unit_test(test_plain_keys),   cmocka_unit_test(test_change_is_noticed),
		cmocka_unit_test(test_after_chroot), cmocka_unit_test(test_many_entries),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "folder.h"
#include "table/table.h"

/* NULL: not found; "!": an error. */
static const struct {
	const char *table, *key, *value;
} cases[] = {
	{ "inline:{ a=b, { c = d e, f } }", "a", "b" },
	{ "inline:{ a=b, { c = d e, f } }", "C", "d e, f" },
	{ "inline:{ a=b }", "b", NULL },
	{ "inline:{a=b=c}", "a", "b=c" },
	{ "inline:{ Mixed=Case }", "mixed", "Case" },
	{ "static:ok", "anything", "ok" },
	{ "static:{two words}", "x", "two words" },
	{ "proxy:static:ok", "x", "ok" },
	{ "fail:nothing", "x", "!" },
	{ "unionmap:{inline:{a=1}, inline:{b=2}, inline:{a=3}}", "a", "1,3" },
	{ "unionmap:{inline:{a=1},fail:x}", "a", "!" },
	{ "unionmap:{ static:a }", "a", "a" },
	{ "pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c" },
	{ "pipemap:{inline:{a=b}, inline:{c=d}}", "a", NULL },
	{ "pipemap:{inline:{a=b}, pipemap:{inline:{b=c},inline:{c=d}}}", "a", "d" },
	{ "unix:passwd.byname", "no-such-user-here", NULL },
	{ "randmap:{one}", "x", "one" },
	{ "static:x", "", NULL },
};

static void test_lookups(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_NONE;
		struct table *table = table_open(view_of(cases[i].table), 0, &err);
		struct str value = STR_EMPTY;
		int r;

		if (table == NULL)
			fail_msg("%s: %s", cases[i].table, err.text);
		r = table_lookup(table, view_of(cases[i].key), &value, &err);
		if (cases[i].value == NULL) {
			assert_int_equal(r, 0);
		} else if (strcmp(cases[i].value, "!") == 0) {
			assert_true(r < 0);
			assert_true(err.text[0] != '\0');
		} else {
			assert_int_equal(r, 1);
			assert_string_equal(str_cstr(&value), cases[i].value);
		}
		str_free(&value);
		table_close(table);
	}
}

static const struct {
	const char *table, *reason;
} bad[] = {
	{ "", "expected a table like" },
	{ "noname", "expected a table like" },
	{ "mongodb:/etc/x", "no such type" },
	{ "nis:mail.aliases", "of this type of Postfix are not there" },
	{ "nis:passwd", "of this type of Postfix are not there" },
	{ "cdb:/nonexistent/file", "/nonexistent/file.cdb" },
	{ "randmap:x", "expected {" },
	{ "randmap:{}", "no values" },
	{ "inline:a=b", "expected {" },
	{ "inline:{}", "nothing in it" },
	{ "inline:{ novalue }", "expected key=value" },
	{ "hash:/nonexistent/file", "/nonexistent/file.db" },
	{ "lmdb:/nonexistent/file", "/nonexistent/file.lmdb" },
	{ "texthash:/nonexistent/file", "/nonexistent/file" },
	{ "cidr:/nonexistent/file", "/nonexistent/file" },
	{ "pcre:/tmp", "not a regular file" },
	{ "unix:shadow.byname", "expected passwd.byname" },
	{ "unionmap:{ nothing }", "expected a table like" },
	{ "unionmap:{}", "no tables" },
	{ "pipemap:{unionmap:{pipemap:{unionmap:{pipemap:{unionmap:{pipemap:{static:x}}}}}}}",
	  "tables within tables" },
	{ "regexp:{ {/a/ x} {/b} }", "at the end of the pattern" },
	{ "cidr:{ {if 10.0.0.0/8} }", "if without endif" },
};

static void test_bad_specifications(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_NONE;

		assert_null(table_open(view_of(bad[i].table), 0, &err));
		if (strstr(err.text, bad[i].reason) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].table, err.text,
				 bad[i].reason);
	}
}

static void test_case_sensitive(void **state)
{
	struct str value = STR_EMPTY;
	struct table *table = table_open(VIEW("inline:{ Key=x }"), TABLE_CASE_SENSITIVE, NULL);

	(void)state;
	assert_int_equal(table_lookup(table, VIEW("Key"), &value, NULL), 1);
	assert_int_equal(table_lookup(table, VIEW("key"), &value, NULL), 0);
	table_close(table);
	str_free(&value);
}

/* Each value comes, and nothing else; the key does not matter. */
static void test_randmap(void **state)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct table *table = table_open(VIEW("randmap:{ {a, b}, c }"), 0, NULL);
	bool first = false, second = false;

	(void)state;
	assert_non_null(table);
	for (int i = 0; i < 10000 && !(first && second); i++) {
		assert_int_equal(table_lookup(table, VIEW("key"), &value, NULL), 1);
		first = first || view_is(str_view(&value), "a, b");
		second = second || view_is(str_view(&value), "c");
		assert_true(view_is(str_view(&value), "a, b") || view_is(str_view(&value), "c"));
	}
	assert_true(first && second);
	table_close(table);
}

static void damaged_look_up(const char *bytes, size_t len, bool only_cut)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, spec = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct table *table;
	FILE *file;
	int r;

	/* To shorten it in its place would be a wait for the disk. */
	unlink(in_folder("damaged.cdb"));
	file = fopen(in_folder("damaged.cdb"), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
	str_printf(&spec, "cdb:%s", in_folder("damaged"));
	table = table_open(str_view(&spec), 0, &err);
	r = table != NULL ? table_lookup(table, VIEW("alice"), &value, &err) : -1;
	if (r > 0 && only_cut)
		assert_string_equal(str_cstr(&value), "one");
	table_close(table);
}

/* A file that is cut off or has nonsense in it finds nothing or fails; it is not read past its end. */
static void test_damaged_cdb(void **state)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	char whole[4096], bytes[4096];
	size_t len;
	FILE *file;

	(void)state;
	write_file("damaged", "alice one\nbob two\n");
	assert_int_equal(table_build("cdb", in_folder("damaged"), SOURCE_MAP, &report), 0);
	file = fopen(in_folder("damaged.cdb"), "r");
	assert_non_null(file);
	len = fread(whole, 1, sizeof(whole), file);
	fclose(file);
	assert_true(len > 2048 && len < sizeof(whole));
	for (size_t size = 0; size < len; size++)
		damaged_look_up(whole, size, true);
	for (unsigned seed = 1; seed < 2000; seed++) {
		memcpy(bytes, whole, len);
		srand(seed);
		for (int i = 0; i < 40; i++)
			bytes[(size_t)rand() % len] = (char)rand();
		damaged_look_up(bytes, len, false);
	}
}

static void test_root_is_a_user(void **state)
{
	struct str value = STR_EMPTY;
	struct table *table = table_open(VIEW("unix:passwd.byname"), 0, NULL);

	(void)state;
	assert_int_equal(table_lookup(table, VIEW("root"), &value, NULL), 1);
	assert_true(view_starts(str_view(&value), VIEW("root:x:0:0:")));
	table_close(table);
	table = table_open(VIEW("unix:group.byname"), 0, NULL);
	assert_int_equal(table_lookup(table, VIEW("root"), &value, NULL), 1);
	assert_true(view_starts(str_view(&value), VIEW("root:x:0:")));
	table_close(table);
	str_free(&value);
}

static void test_texthash_and_changes(void **state)
{
	struct str value = STR_EMPTY, spec = STR_EMPTY;
	struct table *table;

	(void)state;
	write_file("text", "# comment\nKey one\n  two\n\"a b\" c\n\"q q\"@a.test d\nbad\n");
	str_printf(&spec, "texthash:%s", in_folder("text"));
	table = table_open(str_view(&spec), 0, NULL);
	assert_int_equal(table_lookup(table, VIEW("KEY"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "one  two");
	assert_int_equal(table_lookup(table, VIEW("a b"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "c");
	assert_int_equal(table_lookup(table, VIEW("\"q q\"@a.test"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "d");
	assert_false(table_any_changed());

	/* Replaced by rename: the old file's descriptor tells. */
	write_file("text.new", "key three\n");
	assert_int_equal(rename(in_folder("text.new"), in_folder("text")), 0);
	usleep(2 * TABLE_LOOK_PAUSE * 1000);
	assert_true(table_any_changed());
	assert_int_equal(table_lookup(table, VIEW("key"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "one  two");
	table_close(table);
	assert_false(table_any_changed());

	/* Changed in place. */
	table = table_open(str_view(&spec), 0, NULL);
	assert_int_equal(table_lookup(table, VIEW("key"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "three");
	write_file("text", "key four and more\n");
	usleep(2 * TABLE_LOOK_PAUSE * 1000);
	assert_true(table_any_changed());
	table_close(table);
	str_free(&value);
	str_free(&spec);
}

static void test_lists(void **state)
{
	struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct tables *tables =
		tables_open("inline:{ a=1, b=2 }, inline:{ {b = 3}, {c = 4} }\n fail:x", 0, &err);

	(void)state;
	assert_non_null(tables);
	assert_false(tables_are_empty(tables));
	assert_int_equal(tables_lookup(tables, VIEW("b"), &value, &err), 1);
	assert_string_equal(str_cstr(&value), "2");
	assert_string_equal(tables_answered(tables), "inline:{ a=1, b=2 }");
	assert_int_equal(tables_lookup(tables, VIEW("c"), &value, &err), 1);
	assert_string_equal(str_cstr(&value), "4");
	assert_true(tables_lookup(tables, VIEW("d"), &value, &err) < 0);
	assert_string_equal(err.text, "fail:x: this table always fails");
	tables_close(tables);

	tables = tables_open(" ,  ", 0, &err);
	assert_true(tables_are_empty(tables));
	assert_int_equal(tables_lookup(tables, VIEW("x"), &value, &err), 0);
	tables_close(tables);
	assert_null(tables_open("inline:{ a=1 }, wrong", 0, &err));
	str_free(&value);
}

static void test_key_limits(void **state)
{
	struct str key = STR_EMPTY, value = STR_EMPTY;
	struct table *table = table_open(VIEW("static:x"), 0, NULL);

	(void)state;
	for (size_t i = 0; i < TABLE_KEY_MAX; i++)
		str_append_byte(&key, 'k');
	assert_int_equal(table_lookup(table, str_view(&key), &value, NULL), 1);
	str_append_byte(&key, 'k');
	assert_int_equal(table_lookup(table, str_view(&key), &value, NULL), 0);
	assert_int_equal(table_lookup(table, VIEW("a\0b"), &value, NULL), 0);
	table_close(table);
	str_free(&key);
	str_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_bad_specifications),
		cmocka_unit_test(test_case_sensitive),
		cmocka_unit_test(test_randmap),
		cmocka_unit_test(test_damaged_cdb),
		cmocka_unit_test(test_root_is_a_user),
		cmocka_unit_test(test_texthash_and_changes),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_key_limits),
	};

	log_set_level(LOG_ERROR_LEVEL); /* the bad lines are meant */
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

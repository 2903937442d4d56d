#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "folder.h"
#include "table/table.h"

static const char cidr_text[] = "# comment\n"
				"192.0.2.1/32 host\n"
				"192.0.2.0/24 net\n"
				"192.0.2.1/24 bits after the prefix\n"
				"2001:db8::/32 six\n"
				"[2001:db9::]/32 bracketed\n"
				"::ffff:198.51.100.0/120 mapped\n"
				"if 10.0.0.0/8\n"
				"if !10.1.0.0/16\n"
				"10.2.0.0/16 ten two\n"
				"0.0.0.0/0 ten other\n"
				"endif\n"
				"10.1.1.1 one\n"
				"endif\n"
				"!172.16.0.0/12 elsewhere\n";

static const char regexp_text[] = "/^postmaster@/ OK\n"
				  "/^(.*)@(.*)\\.example$/ $2/$1 costs $$5\n"
				  "/^Case$/i exact\n"
				  "!/@/ no-at\n"
				  "if /^list-/\n"
				  "if !/-request@/\n"
				  "/^list-([a-z]+)@/\n"
				  "   members-${1}\n"
				  "endif\n"
				  "/./ request\n"
				  "endif\n"
				  "/unbalanced(/ bad\n"
				  "/x/q bad flag\n"
				  "/no value/\n"
				  "/a(b)/ $2\n"
				  "!/a(b)/ $1\n"
				  "if /bad(/\n"
				  "/./ must never answer\n"
				  "endif\n"
				  "|^path/(.*)@|  slash $(1)\n"
				  "/^with\\/slash@/ quoted\n"
				  "/yes/!/no/ both\n";

static const char pcre_text[] = "/^(?<user>\\w+)\\+(\\w+)@/ $1 plus $2\n"
				"/^(a+)+$/ slow\n"
				"/Exact/i case\n"
				"/^ spaced \\. out $/x extended\n"
				"if /@/\n"
				"/^b/ bee\n"
				"endif\n"
				"/(x)|(y)/ <$1$2>\n";

/* NULL: not found; "!": cannot be said. */
static const struct {
	const char *type, *key, *value;
} cases[] = {
	{ "cidr", "192.0.2.1", "host" },
	{ "cidr", "192.0.2.200", "net" },
	{ "cidr", "2001:db8::1", "six" },
	{ "cidr", "2001:DB9:1::", "bracketed" },
	{ "cidr", "198.51.100.7", "mapped" },
	{ "cidr", "::ffff:192.0.2.1", "host" },
	{ "cidr", "10.1.1.1", "one" },
	{ "cidr", "10.2.3.4", "ten two" },
	{ "cidr", "10.9.9.9", "ten other" },
	{ "cidr", "10.1.9.9", "elsewhere" },
	{ "cidr", "172.20.0.1", NULL },
	{ "cidr", "mail.example.test", "elsewhere" },
	{ "regexp", "POSTMASTER@example.test", "OK" },
	{ "regexp", "alice@a.example", "a/alice costs $5" },
	{ "regexp", "Case", "exact" },
	{ "regexp", "case", "no-at" },
	{ "regexp", "list-news@x.test", "members-news" },
	{ "regexp", "list-news-request@x.test", "request" },
	{ "regexp", "path/to@x", "slash to" },
	{ "regexp", "with/slash@x", "quoted" },
	{ "regexp", "yes@x", "both" },
	{ "regexp", "yes-no@x", NULL },
	{ "regexp", "zebra@x", NULL },
	{ "pcre", "joe+lists@x", "joe plus lists" },
	{ "pcre", "Exact", "case" },
	{ "pcre", "exact", "<x>" },
	{ "pcre", "spaced.out", "extended" },
	{ "pcre", "bob@z", "bee" },
	{ "pcre", "1y2", "<y>" },
	{ "pcre", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "!" },
};

static struct table *open_file(const char *type)
{
	struct str spec = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct table *table;

	str_printf(&spec, "%s:%s", type, in_folder(type));
	table = table_open(str_view(&spec), 0, &err);
	if (table == NULL)
		fail_msg("%s", err.text);
	str_free(&spec);
	return table;
}

static void test_patterns(void **state)
{
	(void)state;
	write_file("cidr", cidr_text);
	write_file("regexp", regexp_text);
	write_file("pcre", pcre_text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct table *table = open_file(cases[i].type);
		struct str value = STR_EMPTY;
		struct error err = ERROR_NONE;
		int r = table_lookup(table, view_of(cases[i].key), &value, &err);
		const char *expected = cases[i].value;

		if (expected == NULL	 ? r != 0
		    : expected[0] == '!' ? r >= 0
					 : r != 1 || strcmp(str_cstr(&value), expected) != 0)
			fail_msg("%s %s: %d \"%s\" instead of %s", cases[i].type, cases[i].key, r,
				 str_cstr(&value), expected ? expected : "nothing");
		str_free(&value);
		table_close(table);
	}
}

/* Bad lines are named in the log, and the others are in force. */
static void test_bad_lines(void **state)
{
	static const char *const expected[] = {
		"line 12: ",
		"line 13: unknown flag \"q\"",
		"line 14: no value",
		"line 15: the pattern has no group 2",
		"line 16: a pattern that must not match has no groups",
		"line 17: ",
	};
	char text[8192];
	int log = open(in_folder("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t len;

	(void)state;
	log_open("test", log, LOG_SINK_FILE, false);
	log_set_level(LOG_WARNING_LEVEL);
	write_file("regexp", regexp_text);
	table_close(open_file("regexp"));
	len = pread(log, text, sizeof(text) - 1, 0);
	assert_true(len > 0);
	text[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (strstr(text, expected[i]) == NULL)
			fail_msg("missing: %s\nin:\n%s", expected[i], text);
	log_open("test", 2, LOG_SINK_FILE, false);
	log_set_level(LOG_ERROR_LEVEL);
	close(log);
}

static void test_inline(void **state)
{
	struct str value = STR_EMPTY;
	struct table *table =
		table_open(VIEW("regexp:{{/^[^A-Z]/ Bogus}, {/^(G)ET/ $1}}"), 0, NULL);

	(void)state;
	assert_non_null(table);
	assert_int_equal(table_lookup(table, VIEW("\x16\x03"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "Bogus");
	assert_int_equal(table_lookup(table, VIEW("GET"), &value, NULL), 1);
	assert_string_equal(str_cstr(&value), "G");
	table_close(table);
	table = table_open(VIEW("cidr:{ {10.0.0.0/8 yes} }"), 0, NULL);
	assert_int_equal(table_lookup(table, VIEW("10.3.2.1"), &value, NULL), 1);
	table_close(table);
	str_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_inline),
	};

	log_set_level(LOG_ERROR_LEVEL); /* the bad lines are meant */
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

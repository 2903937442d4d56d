#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "tools/conf_edit.h"

static const char before[] = "# head\n"
			     "a = 1\n"
			     "\n"
			     "b = x,\n"
			     "  y,\n"
			     "# comment inside\n"
			     "\tz\n"
			     "# comment of c\n"
			     "c = 3";

static const struct {
	int line;
	bool comment_out;
	const char *text, *after;
} cases[] = {
	{ 2, false, "a = 9",
	  "# head\na = 9\n\nb = x,\n  y,\n# comment inside\n\tz\n# comment of c\nc = 3\n" },
	/* A value of several lines becomes one; the comment amid it stays. */
	{ 4, false, "b = new",
	  "# head\na = 1\n\nb = new\n# comment inside\n# comment of c\nc = 3\n" },
	{ 4, false, "", "# head\na = 1\n\n# comment inside\n# comment of c\nc = 3\n" },
	{ 4, true, "",
	  "# head\na = 1\n\n#b = x,\n#  y,\n# comment inside\n#\tz\n# comment of c\nc = 3\n" },
	{ 9, false,
	  "c =", "# head\na = 1\n\nb = x,\n  y,\n# comment inside\n\tz\n# comment of c\nc =\n" },
	{ 0, false, "d = 4",
	  "# head\na = 1\n\nb = x,\n  y,\n# comment inside\n\tz\n# comment of c\nc = 3\nd = 4\n" },
};

static void test_edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_edit edit = { .line = cases[i].line,
					  .comment_out = cases[i].comment_out };
		struct str out = STR_EMPTY;

		str_append_cstr(&edit.text, cases[i].text);
		conf_edit_text(view_of(before), &edit, 1, &out);
		assert_string_equal(str_cstr(&out), cases[i].after);
		str_free(&edit.text);
		str_free(&out);
	}
}

static void test_nothing_to_edit(void **state)
{
	struct str out = STR_EMPTY;

	(void)state;
	conf_edit_text(VIEW("x = 1\n"), NULL, 0, &out);
	assert_string_equal(str_cstr(&out), "x = 1\n");
	str_clear(&out);
	conf_edit_text(VIEW(""), NULL, 0, &out);
	assert_int_equal(out.len, 0);
	str_free(&out);
}

/* A link stays a link, and the file's mode stays. */
static void test_replace(void **state)
{
	char folder[] = "/tmp/posta-test-edit-XXXXXX", file[100], link[100];
	struct str text = STR_EMPTY;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(io_replace_file(file, VIEW("old\n"), 0600, NULL), 0);
	chmod(file, 0664);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(conf_edit_replace(link, VIEW("new\n"), NULL), 0);
	assert_int_equal(io_read_file(file, 100, &text, NULL), 0);
	assert_string_equal(str_cstr(&text), "new\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
	str_free(&text);
	unlink(link);
	unlink(file);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_nothing_to_edit),
		cmocka_unit_test(test_replace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

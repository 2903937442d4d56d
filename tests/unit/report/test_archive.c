/* What is unpacked, and archives that lie: bombs, nesting, sizes and places that are not so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/archive.h"
#include "report/compress.h"

static int text_note(void *argument, struct view text)
{
	str_append(argument, text);
	str_append_byte(argument, '|');
	return 0;
}

/* What came out, or a part of the reason. */
static void expect(struct view bytes, int result, const char *expected)
{
	_cleanup_(str_free) struct str texts = STR_EMPTY;
	struct error err = ERROR_NONE;

	assert_int_equal(archive_read(bytes, text_note, &texts, &err), result);
	if (result == 0)
		assert_string_equal(str_cstr(&texts), expected);
	else if (strstr(err.text, expected) == NULL)
		fail_msg("%s is not: %s", err.text, expected);
}

static void gzip(struct str *out, struct view text)
{
	struct gzip_writer *writer = gzip_writer_new();

	gzip_writer_put(writer, text);
	gzip_writer_end(writer, out);
}

/* ---- zip files, made by hand ---- */

static void number(struct str *out, uint32_t n, int size)
{
	for (; size-- > 0; n >>= 8)
		str_append_byte(out, (char)(n & 0xff));
}

struct zip {
	struct str files, directory;
	uint32_t count;
};

static void zip_add(struct zip *zip, const char *name, struct view packed, uint32_t method,
		    struct view text, uint32_t flags)
{
	uint32_t sum = (uint32_t)crc32(0, (const Bytef *)text.data, (uInt)text.len);
	uint32_t at = (uint32_t)zip->files.len;

	str_append(&zip->files, VIEW("PK\3\4"));
	number(&zip->files, 20, 2);
	number(&zip->files, flags, 2);
	number(&zip->files, method, 2);
	number(&zip->files, 0, 4);
	number(&zip->files, sum, 4);
	number(&zip->files, (uint32_t)packed.len, 4);
	number(&zip->files, (uint32_t)text.len, 4);
	number(&zip->files, (uint32_t)strlen(name), 2);
	number(&zip->files, 0, 2);
	str_append_cstr(&zip->files, name);
	str_append(&zip->files, packed);
	str_append(&zip->directory, VIEW("PK\1\2"));
	number(&zip->directory, 20, 2);
	number(&zip->directory, 20, 2);
	number(&zip->directory, flags, 2);
	number(&zip->directory, method, 2);
	number(&zip->directory, 0, 4);
	number(&zip->directory, sum, 4);
	number(&zip->directory, (uint32_t)packed.len, 4);
	number(&zip->directory, (uint32_t)text.len, 4);
	number(&zip->directory, (uint32_t)strlen(name), 2);
	number(&zip->directory, 0, 2);
	number(&zip->directory, 0, 2);
	number(&zip->directory, 0, 4);
	number(&zip->directory, 0, 4);
	number(&zip->directory, at, 4);
	str_append_cstr(&zip->directory, name);
	zip->count++;
}

static void zip_end(struct zip *zip, struct str *out)
{
	uint32_t at = (uint32_t)zip->files.len;

	str_append(out, str_view(&zip->files));
	str_append(out, str_view(&zip->directory));
	str_append(out, VIEW("PK\5\6"));
	number(out, 0, 4);
	number(out, zip->count, 2);
	number(out, zip->count, 2);
	number(out, (uint32_t)zip->directory.len, 4);
	number(out, at, 4);
	number(out, 0, 2);
	str_free(&zip->files);
	str_free(&zip->directory);
}

/* Without gzip's head (10 bytes) and end (8). */
static void deflated(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;

	gzip(&whole, text);
	str_append(out, view_make(whole.data + 10, whole.len - 18));
}

static void test_unpacked(void **state)
{
	_cleanup_(str_free) struct str gz = STR_EMPTY, packed = STR_EMPTY, file = STR_EMPTY;
	struct zip zip = { .count = 0 };

	expect(VIEW("<xml>"), 0, "<xml>|");
	gzip(&gz, VIEW("<report>"));
	expect(str_view(&gz), 0, "<report>|");
	deflated(&packed, VIEW("<report>"));
	zip_add(&zip, "../../etc/passwd", str_view(&packed), 8, VIEW("<report>"), 0);
	zip_add(&zip, "folder/", VIEW_NONE, 0, VIEW_NONE, 0);
	zip_add(&zip, "b.xml", VIEW("<stored>"), 0, VIEW("<stored>"), 0);
	zip_end(&zip, &file);
	expect(str_view(&file), 0, "<report>|<stored>|");
	(void)state;
}

/* Each byte of a good one is changed, and each end cut off: nothing is read beyond it (sanitizers see that). */
static void test_damaged(void **state)
{
	_cleanup_(str_free) struct str gz = STR_EMPTY, packed = STR_EMPTY, file = STR_EMPTY;
	struct zip zip = { .count = 0 };

	gzip(&gz, VIEW("<report>"));
	deflated(&packed, VIEW("<report>"));
	zip_add(&zip, "a.xml", str_view(&packed), 8, VIEW("<report>"), 0);
	zip_end(&zip, &file);
	for (size_t i = 0; i < file.len; i++) {
		_cleanup_free_ char *copy = mem_strndup(file.data, file.len);
		_cleanup_(str_free) struct str texts = STR_EMPTY;

		copy[i] = (char)~copy[i];
		(void)archive_read(view_make(copy, file.len), text_note, &texts, NULL);
		if (i > 4)
			assert_true(archive_read(view_make(copy, i), text_note, &texts, NULL) < 0);
	}
	for (size_t i = 3; i < gz.len; i++)
		expect(view_first(str_view(&gz), i), -EBADMSG, "damaged");
	(void)state;
}

static void test_bombs(void **state)
{
	_cleanup_(str_free) struct str zeros = STR_EMPTY, bomb = STR_EMPTY, twice = STR_EMPTY;
	_cleanup_(str_free) struct str half = STR_EMPTY, file = STR_EMPTY, many = STR_EMPTY;
	_cleanup_(str_free) struct str inner = STR_EMPTY;
	struct zip zip = { .count = 0 }, members = { .count = 0 };

	memset(str_reserve(&zeros, ARCHIVE_TEXT_MAX + 1), 0, ARCHIVE_TEXT_MAX + 1);
	str_grow(&zeros, ARCHIVE_TEXT_MAX + 1);
	gzip(&bomb, str_view(&zeros));
	assert_true(bomb.len < 100000);
	expect(str_view(&bomb), -EFBIG, "more than");
	/* What is unpacked is not unpacked again. */
	gzip(&twice, str_view(&bomb));
	assert_int_equal(archive_read(str_view(&twice), text_note, &inner, NULL), 0);
	assert_int_equal(inner.len, bomb.len + 1);
	/* Members together. */
	str_truncate(&zeros, ARCHIVE_TEXT_MAX / 2 + 1);
	deflated(&half, str_view(&zeros));
	zip_add(&zip, "a", str_view(&half), 8, str_view(&zeros), 0);
	zip_add(&zip, "b", str_view(&half), 8, str_view(&zeros), 0);
	zip_end(&zip, &file);
	{
		_cleanup_(str_free) struct str texts = STR_EMPTY;

		assert_int_equal(archive_read(str_view(&file), text_note, &texts, NULL), -EFBIG);
	}
	for (int i = 0; i <= ARCHIVE_MEMBERS_MAX; i++)
		zip_add(&members, "a", VIEW("x"), 0, VIEW("x"), 0);
	zip_end(&members, &many);
	expect(str_view(&many), -EFBIG, "more than 10 files");
	(void)state;
}

static void test_other_kinds(void **state)
{
	_cleanup_(str_free) struct str file = STR_EMPTY, other = STR_EMPTY;
	struct zip zip = { .count = 0 }, kind = { .count = 0 };

	zip_add(&zip, "a", VIEW("x"), 0, VIEW("x"), 1);
	zip_end(&zip, &file);
	expect(str_view(&file), -EBADMSG, "encrypted");
	zip_add(&kind, "a", VIEW("x"), 12, VIEW("x"), 0);
	zip_end(&kind, &other);
	expect(str_view(&other), -EBADMSG, "a way that is not read");
	expect(VIEW("PK\3\4"), -EBADMSG, "damaged");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpacked),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_other_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

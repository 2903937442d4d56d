/* Delivered-To: what counts as having had the message already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/delivery.h"

static int was_delivered(struct view content, const char *address)
{
	struct delivery d = { .content = { .offset = 7, .size = content.len } };
	FILE *file = tmpfile();
	int r;

	assert_non_null(file);
	fputs("prefix.", file);
	assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
	fflush(file);
	d.content.file = fileno(file);
	r = delivery_is_loop(&d, view_of(address));
	fclose(file);
	/* The same where the content came along. */
	d.content = (struct io_source){ .file = -1, .size = content.len, .bytes = content.data };
	assert_int_equal(delivery_is_loop(&d, view_of(address)), r);
	return r;
}

static void headers(void **unused)
{
	static const struct {
		struct view content;
		const char *address;
		int r;
	} cases[] = {
		{ VIEW("Subject: x\r\n\r\nDelivered-To: a@b.test\r\n"), "a@b.test", 0 },
		{ VIEW("Delivered-To: a@b.test\r\nSubject: x\r\n\r\n"), "a@b.test", 1 },
		{ VIEW("Delivered-To: x@b.test\r\nDELIVERED-to:\r\n\tA@B.test \r\n\r\n"),
		  "a@b.test", 1 },
		{ VIEW("Delivered-To: xa@b.test\r\n\r\n"), "a@b.test", 0 },
		{ VIEW("Delivered-To: a@b.test.example\r\n\r\n"), "a@b.test", 0 },
		{ VIEW("Delivered-To: \"a b\"@b.test\r\n\r\n"), "a b@b.test", 1 },
		{ VIEW("Delivered-To: a@b.test"), "a@b.test", 1 },
		{ VIEW(""), "a@b.test", 0 },
		{ VIEW("\r\nDelivered-To: a@b.test\r\n"), "a@b.test", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (was_delivered(cases[i].content, cases[i].address) != cases[i].r)
			fail_msg("case %zu", i);
}

static void long_header(void **unused)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;

	(void)unused;
	for (int i = 0; i < 2000; i++)
		str_printf(&content, "X-Field-%d: some text that fills the line\r\n", i);
	str_append_cstr(&content, "Delivered-To: a@b.test\r\n\r\nbody\r\n");
	assert_int_equal(was_delivered(str_view(&content), "a@b.test"), 1);
	assert_int_equal(was_delivered(str_view(&content), "b@b.test"), 0);
}

static void short_file(void **unused)
{
	struct delivery d = { .content.size = 100 };
	FILE *file = tmpfile();

	(void)unused;
	assert_non_null(file);
	d.content.file = fileno(file);
	assert_true(delivery_is_loop(&d, VIEW("a@b.test")) < 0);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(long_header),
		cmocka_unit_test(short_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

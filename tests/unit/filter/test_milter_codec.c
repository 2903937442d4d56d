/* What milters say, taken apart: which frames are frames, and which texts may go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "milter_codec.h"

/* A string literal with NULs inside. */
#define BYTES(literal) view_make(literal, sizeof(literal) - 1)

static void test_frames(void **state)
{
	struct view bytes, data;
	char what;

	(void)state;
	bytes = BYTES("\0\0\0\1c\0\0\0\4hab");
	assert_int_equal(milter_frame_next(&bytes, &what, &data), 1);
	assert_int_equal(what, 'c');
	assert_int_equal(data.len, 0);
	assert_int_equal(milter_frame_next(&bytes, &what, &data), 0);
	bytes = BYTES("\0\0\0\0c");
	assert_int_equal(milter_frame_next(&bytes, &what, &data), -EBADMSG);
	bytes = BYTES("\0\1\0\1b");
	assert_int_equal(milter_frame_next(&bytes, &what, &data), -EBADMSG);
	bytes = BYTES("\0\1\0\0b");
	assert_int_equal(milter_frame_next(&bytes, &what, &data), 0);
	bytes = BYTES("\x80\0\0\1b");
	assert_int_equal(milter_frame_next(&bytes, &what, &data), -EBADMSG);
}

static void test_long_frame_is_cut(void **state)
{
	_cleanup_(str_free) struct str frame = STR_EMPTY, text = STR_EMPTY;
	size_t begin = milter_frame_begin(&frame, 'L');
	struct view bytes, data;
	char what;

	(void)state;
	for (int i = 0; i < 70000; i++)
		str_append_byte(&text, 'x');
	milter_frame_string(&frame, str_view(&text));
	milter_frame_end(&frame, begin);
	bytes = str_view(&frame);
	assert_int_equal(milter_frame_next(&bytes, &what, &data), 1);
	assert_int_equal(data.len, MILTER_DATA_MAX);
	assert_int_equal(data.data[data.len - 1], '\0');
	assert_int_equal(bytes.len, 0);
}

static const struct {
	char what;
	const char *data;
	size_t len;
	int expected;
	uint32_t index;
	const char *text, *value;
} replies[] = {
#define DATA(literal) literal, sizeof(literal) - 1
	{ 'c', DATA(""), 0, 0, "", "" },
	{ 'c', DATA("\0"), -EBADMSG, 0, "", "" },
	{ 'h', DATA("X\0y\0"), 0, 0, "X", "y" },
	{ 'h', DATA("X\0y"), -EBADMSG, 0, "", "" },
	{ 'h', DATA("X\0"), -EBADMSG, 0, "", "" },
	{ 'h', DATA("X\0y\0z\0"), -EBADMSG, 0, "", "" },
	{ 'i', DATA("\0\0\1\0X\0y\0"), 0, 256, "X", "y" },
	{ 'm', DATA("\0\0\0\1X\0\0"), 0, 1, "X", "" },
	{ 'm', DATA("\0\0\1"), -EBADMSG, 0, "", "" },
	{ 'e', DATA("<a@b>\0"), 0, 0, "<a@b>", "" },
	{ 'e', DATA("<a@b>\0RET=HDRS\0"), 0, 0, "<a@b>", "RET=HDRS" },
	{ 'e', DATA("<a@b>\0RET=HDRS"), -EBADMSG, 0, "", "" },
	{ '+', DATA("<a@b>\0x\0"), -EBADMSG, 0, "", "" },
	{ 'q', DATA("odd\0"), 0, 0, "odd", "" },
	{ 'q', DATA(""), -EBADMSG, 0, "", "" },
	{ 'b', DATA(""), 0, 0, "", "" },
	{ 'Z', DATA(""), -EBADMSG, 0, "", "" },
	{ 'O', DATA(""), -EBADMSG, 0, "", "" },
#undef DATA
};

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct milter_reply reply;
		int r = milter_reply_parse(replies[i].what,
					   view_make(replies[i].data, replies[i].len), &reply);

		if (r != replies[i].expected)
			fail_msg("%zu: %d", i, r);
		if (r < 0)
			continue;
		assert_int_equal(reply.index, replies[i].index);
		assert_true(view_is(reply.text, replies[i].text));
		assert_true(view_is(reply.value, replies[i].value));
	}
}

static void test_options(void **state)
{
	struct milter_options options;

	(void)state;
	assert_int_equal(
		milter_options_parse(BYTES("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), 6, &options), 0);
	assert_int_equal(options.actions, 0x1ff);
	assert_int_equal(
		milter_options_parse(BYTES("\0\0\0\6\0\0\1\xff\0\0\0\0\0\0\0\3i j\0"), 6, &options),
		0);
	assert_true(options.has_macros[STAGE_RCPT]);
	assert_true(view_is(options.macros[STAGE_RCPT], "i j"));
	assert_false(options.has_macros[STAGE_CONNECT]);
	/* Of a version or with actions that were not offered; short. */
	assert_int_equal(milter_options_parse(BYTES("\0\0\0\6\0\0\0\0\0\0\0\0"), 4, &options),
			 -EPROTO);
	assert_int_equal(milter_options_parse(BYTES("\0\0\0\1\0\0\0\0\0\0\0\0"), 6, &options),
			 -EPROTO);
	assert_int_equal(milter_options_parse(BYTES("\0\0\0\6\0\0\2\0\0\0\0\0"), 6, &options),
			 -EPROTO);
	assert_int_equal(milter_options_parse(BYTES("\0\0\0\2\0\0\0\x40\0\0\0\0"), 2, &options),
			 -EPROTO);
	assert_int_equal(milter_options_parse(BYTES("\0\0\0\6\0\0\0\0\0\0\0"), 6, &options),
			 -EBADMSG);
	assert_int_equal(
		milter_options_parse(BYTES("\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\1i"), 6, &options),
		-EBADMSG);
}

static const struct {
	const char *text;
	size_t len;
	const char *reply; /* NULL: none */
} texts[] = {
#define TEXT(literal) literal, sizeof(literal)
	{ TEXT("550 5.7.1 no"), "550 5.7.1 no" },
	{ TEXT("450 4.7.1 100%% %sure"), "450 4.7.1 100% sure" },
	{ TEXT("550-5.7.1 one\r\n550 5.7.1 two"), "550-5.7.1 one\r\n550 5.7.1 two" },
	{ TEXT("550-5.7.1 one\n550 5.7.1 two\r\n"), "550-5.7.1 one\r\n550 5.7.1 two" },
	{ TEXT("550 5.7.1 \xff"), "550 5.7.1 ?" },
	{ TEXT("550"), NULL },
	{ TEXT("550 no status"), NULL },
	{ TEXT("550 4.7.1 other class"), NULL },
	{ TEXT("250 2.0.0 ok"), NULL },
	{ TEXT("350 3.0.0 more"), NULL },
	{ TEXT("5505.7.1 x"), NULL },
	{ TEXT("550-5.7.1 no last line"), NULL },
	{ TEXT("550 5.7.1 one\r\n550 5.7.1 two"), NULL },
	{ TEXT("550-5.7.1 one\r\n551 5.7.1 two"), NULL },
	{ TEXT("550 5.7.1 a\rb"), NULL },
	{ TEXT("550 5.7.1 a\0b"), NULL },
	{ TEXT(""), NULL },
	{ "550 5.7.1 no NUL", 16, NULL },
#undef TEXT
};

static void test_reply_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;
		int r = milter_reply_text(view_make(texts[i].text, texts[i].len), &out);

		if (r != (texts[i].reply == NULL ? -EINVAL : 0))
			fail_msg("%s: %d", texts[i].text, r);
		if (r == 0)
			assert_string_equal(str_cstr(&out), texts[i].reply);
	}
}

static void check_value(struct view value, const char *expected)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	milter_field_value(value, &out);
	assert_string_equal(str_cstr(&out), expected);
}

static void test_values(void **state)
{
	(void)state;
	check_value(VIEW("a"), "a");
	check_value(VIEW("a\n b\n\tc"), "a\r\n b\r\n\tc");
	check_value(VIEW("a\r\n b"), "a\r\n b");
	check_value(VIEW("a\nb"), "a\r\n\tb");
	check_value(VIEW("a\r\n\r\nb\n \nSubject: c"), "a\r\n\tb\r\n\tSubject: c");
	check_value(VIEW("a\n\n"), "a");
	check_value(VIEW("a\rb"), "ab");
	check_value(VIEW(""), "");
	check_value(BYTES("a\0b"), "a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),	    cmocka_unit_test(test_long_frame_is_cut),
		cmocka_unit_test(test_replies),	    cmocka_unit_test(test_options),
		cmocka_unit_test(test_reply_texts), cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

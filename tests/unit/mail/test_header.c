#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/header.h"

static void fields(void **state)
{
	struct view rest = VIEW("Subject: one\r\n two\r\nTo : x\r\nEmpty:\r\nLF: a\n\tb\n\r\nbody");
	struct header_field f;

	(void)state;
	assert_int_equal(header_next(&rest, &f), 1);
	assert_true(view_is(f.name, "Subject"));
	assert_true(view_is(f.body, " one\r\n two"));
	assert_true(view_is(f.whole, "Subject: one\r\n two\r\n"));
	assert_int_equal(header_next(&rest, &f), 1);
	assert_true(view_is(f.name, "To"));
	assert_true(view_is(f.body, " x"));
	assert_int_equal(header_next(&rest, &f), 1);
	assert_true(view_is(f.body, ""));
	assert_int_equal(header_next(&rest, &f), 1);
	assert_true(view_is(f.body, " a\n\tb"));
	assert_int_equal(header_next(&rest, &f), 0);
	assert_true(view_is(rest, "body"));
}

static void what_is_no_field_is_passed_over(void **state)
{
	static const char *const lines[] = { "From alice Sat Nov 21\r\n",
					     ": x\r\n",
					     "no colon\r\n",
					     "a b: c\r\n folded\r\n",
					     "gr\xc3\xbc\xc3\x9f: x\r\n",
					     "\xef\xbb\xbfX: y\r\n",
					     "\x01:x\r\n",
					     "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct header_field f;

		str_printf(&text, "%sA: b\r\n%sC: d\n%s\r\nE: f\r\n", lines[i], lines[i], lines[i]);

		struct view rest = str_view(&text);

		assert_int_equal(header_next(&rest, &f), 1);
		assert_true(view_is(f.name, "A"));
		assert_true(view_is(f.whole, "A: b\r\n"));
		assert_int_equal(header_next(&rest, &f), 1);
		assert_true(view_is(f.name, "C"));
		assert_int_equal(header_next(&rest, &f), 0);
		assert_true(view_is(rest, "E: f\r\n"));
		assert_int_equal(header_find_end(str_view(&text), 0),
				 text.len - strlen("E: f\r\n"));
	}
	assert_int_equal(header_find_end(VIEW("\r\nA: b"), 0), 2);
	assert_true(header_find_end(VIEW("A: b\r\nno end"), 0) == VIEW_NOT_FOUND);
	assert_true(header_find_end(VIEW(""), 0) == VIEW_NOT_FOUND);
}

static void finding_and_unfolding(void **state)
{
	struct header_field f;
	struct view header = VIEW("A: 1\r\nsubject:  x\r\n\ty \r\nA: 2\r\n\r\nB: 3\r\n");
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	assert_true(header_find(header, "Subject", &f));
	header_unfold(&out, f.body);
	assert_string_equal(str_cstr(&out), "x\ty");
	assert_true(header_find(header, "a", &f));
	assert_true(view_is(f.body, " 1"));
	assert_false(header_find(header, "B", &f));
}

static const struct {
	const char *in, *out; /* NULL: refused */
} value_cases[] = {
	/* RFC 2045 5.1, RFC 2046 */
	{ " text/plain; charset=us-ascii (Plain text)", "text/plain charset=us-ascii" },
	{ "text/plain; charset=\"us-ascii\"", "text/plain charset=us-ascii" },
	{ "TEXT / HTML ; Charset = UTF-8", "text/html charset=UTF-8" },
	{ "multipart/mixed; boundary=gc0pJq0M:08jU534c0p",
	  "multipart/mixed boundary=gc0pJq0M:08jU534c0p" },
	{ "multipart/mixed; boundary=----=_Part/1", "multipart/mixed boundary=----=_Part/1" },
	{ "attachment; filename=genome.jpeg;\r\n modification-date=\"Wed, 12 Feb 1997 16:29:51\"",
	  "attachment/ filename=genome.jpeg modification-date=Wed, 12 Feb 1997 16:29:51" },
	{ "a/b; x=\"q\\\"\\\\; y=1\"; z", "a/b x=q\"\\; y=1" },
	{ "a/b;;; x=1;", "a/b x=1" },
	{ "a/b x=1", "a/b" },
	{ "text", "text/" },
	/* RFC 2231 3 and 4 */
	{ "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n"
	  " URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
	  "message/external-body access-type=URL "
	  "url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
	{ "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
	  "application/x-stuff title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A" },
	{ "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
	  " title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
	  "application/x-stuff "
	  "title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!" },
	{ "a/b; n*1=y; n*0=x; n*3=z", "a/b n=xy" },
	{ "a/b; n*1=y", "a/b" },
	{ "", NULL },
	{ "/x", NULL },
	{ "(comment", NULL },
};

static void values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(value_cases); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;
		struct mime_value v;
		int r = mime_value_parse(view_of(value_cases[i].in), &v);

		str_printf(&out, "%s/%s", str_cstr(&v.type), str_cstr(&v.subtype));
		for (size_t n = 0; n < v.count; n++)
			str_printf(&out, " %s=%s", str_cstr(&v.parameters[n].name),
				   str_cstr(&v.parameters[n].value));
		if (value_cases[i].out == NULL)
			assert_true(r < 0);
		else if (r < 0 || strcmp(str_cstr(&out), value_cases[i].out) != 0)
			fail_msg("%s: %s", value_cases[i].in, str_cstr(&out));
		if (v.count > 0)
			assert_non_null(mime_parameter_get(&v, str_cstr(&v.parameters[0].name)));
		assert_null(mime_parameter_get(&v, "missing"));
		mime_value_free(&v);
	}
}

static void parameters_are_bounded(void **state)
{
	_cleanup_(str_free) struct str in = STR_EMPTY;
	struct mime_value v;

	(void)state;
	str_append_cstr(&in, "a/b");
	for (int i = 0; i < 10000; i++)
		str_printf(&in, ";n*%d=x", i);
	assert_int_equal(mime_value_parse(str_view(&in), &v), 0);
	assert_int_equal(v.count, 1);
	assert_int_equal(v.parameters[0].value.len, MIME_PARAMETERS_MAX);
	mime_value_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(what_is_no_field_is_passed_over),
		cmocka_unit_test(finding_and_unfolding),
		cmocka_unit_test(values),
		cmocka_unit_test(parameters_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

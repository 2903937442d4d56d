#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "mail/dotstream.h"

static void append(void *argument, struct view bytes)
{
	str_append(argument, bytes);
}

/* Decodes in pieces of `step` bytes; what is after the end stays in *rest. */
static struct dotstream decode(struct view in, size_t step, struct str *out, struct view *rest)
{
	struct dotstream ds = DOTSTREAM_START;

	str_clear(out);
	while (in.len > 0 && !ds.ended) {
		struct view piece = view_first(in, step);
		size_t used = dotstream_feed(&ds, piece, append, out);

		assert_true(used == piece.len || ds.ended);
		in = view_from(in, used);
	}
	*rest = in;
	assert_int_equal(ds.size, out->len);
	return ds;
}

enum { ENDS = 1, LF = 2, CR = 4 };

static const struct {
	const char *in, *out, *rest;
	int flags;
} cases[] = {
	{ ".\r\nQUIT\r\n", "", "QUIT\r\n", ENDS },
	{ "a\r\n.\r\n", "a\r\n", "", ENDS },
	{ "a\r\n..\r\n...b\r\n.c\r\n.\r\n", "a\r\n.\r\n..b\r\nc\r\n", "", ENDS },
	{ "a\r\n\r\n.\r\n.\r\n", "a\r\n\r\n", ".\r\n", ENDS },
	/* smuggling: none of these is an end */
	{ "a\n.\nb", "a\r\n.\r\nb", "", LF },
	{ "a\n.\r\nb\r\n.\r\nX", "a\r\n.\r\nb\r\n", "X", ENDS | LF },
	{ "a\r\n.\nb", "a\r\n.\r\nb", "", LF },
	{ "a\r.\rb", "a . b", "", CR },
	{ "a\r\n.\rb", "a\r\n b", "", CR },
	{ "a\r.\r\nb", "a .\r\nb", "", CR },
	{ "a\r\n\0.\r\n", "a\r\n", "", 0 }, /* replaced below: holds a NUL */
	{ "a\r\r\n.\r\n", "a \r\n", "", ENDS | CR },
	{ "a\r\n.\r\r\nb", "a\r\n \r\nb", "", CR },
	{ "a\n\n.b\n", "a\r\n\r\nb\r\n", "", LF },
	{ "a\r\n.\n.\r\nb", "a\r\n.\r\n.\r\nb", "", LF },
	{ "a\n.\r\n.\r\nX", "a\r\n.\r\n", "X", ENDS | LF },
	{ "\n.\r\nb", "\r\n.\r\nb", "", LF },
	{ "a\r\n. \r\n", "a\r\n \r\n", "", 0 },
	{ "\r", "", "", 0 },
	{ ".\r", "", "", 0 },
};

static void ends_and_line_ends(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t step = 1; step < 9; step++) {
			struct view rest;
			struct dotstream ds = decode(view_of(cases[i].in), step, &out, &rest);

			if (strcmp(str_cstr(&out), cases[i].out) != 0)
				fail_msg("case %zu, step %zu: %s", i, step, str_cstr(&out));
			assert_true(view_is(rest, cases[i].rest));
			assert_int_equal(ds.ended, (cases[i].flags & ENDS) != 0);
			assert_int_equal(ds.has_bare_lf, (cases[i].flags & LF) != 0);
			assert_int_equal(ds.has_bare_cr, (cases[i].flags & CR) != 0);
		}
	}
}

static void a_nul_hides_no_dot(void **state)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct view rest;

	(void)state;
	assert_false(decode(VIEW("a\r\n\0.\r\nb\r\n"), 100, &out, &rest).ended);
	assert_int_equal(out.len, 10);
}

static void bare_cr_can_be_kept(void **state)
{
	struct dotstream ds = { .keep_bare_cr = true };
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)state;
	dotstream_feed(&ds, VIEW("a\rb\r\n"), append, &out);
	assert_string_equal(str_cstr(&out), "a\rb\r\n");
}

/*
 * All texts of a small alphabet up to 7 bytes, decoded at once and byte by byte: the same; and no
 * content without its last line end holds what another server could take for the end.
 */
static void every_short_text(void **state)
{
	static const char alphabet[] = "\r\n.a";
	_cleanup_(str_free) struct str whole = STR_EMPTY, pieces = STR_EMPTY;

	(void)state;
	for (unsigned length = 1; length <= 7; length++) {
		for (unsigned n = 0; n < 1U << (2 * length); n++) {
			char text[8];
			struct view rest_whole, rest_pieces;

			for (unsigned i = 0; i < length; i++)
				text[i] = alphabet[n >> (2 * i) & 3];

			struct view in = view_make(text, length);
			struct dotstream a = decode(in, 100, &whole, &rest_whole);
			struct dotstream b = decode(in, 1, &pieces, &rest_pieces);

			assert_true(view_eq(str_view(&whole), str_view(&pieces)));
			assert_int_equal(rest_whole.len, rest_pieces.len);
			assert_int_equal(a.ended, b.ended);
			/* The reference: the first place of CR LF . CR LF, the start counting too. */
			size_t found = view_find(in, VIEW("\r\n.\r\n"));
			size_t end = view_starts(in, VIEW(".\r\n")) ? 3
				     : found == VIEW_NOT_FOUND	    ? SIZE_MAX
								    : found + 5;

			assert_int_equal(a.ended, end <= length);
			if (a.ended)
				assert_int_equal(rest_whole.len, length - end);
			for (size_t i = 0; i < whole.len; i++) {
				if (whole.data[i] == '\n')
					assert_true(i > 0 && whole.data[i - 1] == '\r');
				if (whole.data[i] == '\r')
					assert_true(i + 1 < whole.len && whole.data[i + 1] == '\n');
			}
		}
	}
}

static void hostile_input_is_linear(void **state)
{
	static const char *const pieces[] = { "\r", "\n", ".", "\n.", "\r\n.", "\ra", ".\r" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_(str_free) struct str in = STR_EMPTY, out = STR_EMPTY;
		struct view rest;

		while (in.len < 500000)
			str_append_cstr(&in, pieces[i]);
		decode(str_view(&in), 16384, &out, &rest);
		decode(str_view(&in), SIZE_MAX, &out, &rest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_and_line_ends),	   cmocka_unit_test(a_nul_hides_no_dot),
		cmocka_unit_test(bare_cr_can_be_kept),	   cmocka_unit_test(every_short_text),
		cmocka_unit_test(hostile_input_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The right side of aliases and .forward files, piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/tokens.h"

/* "A<x> M<y> ..." of all pieces; "!" for one that makes no sense. */
static void describe(struct view source, struct str *out)
{
	static const char letters[] = { 'A', 'M', 'C', 'F', 'I' };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	enum token_kind kind;
	int r;

	while ((r = token_next(&source, &text, &kind, NULL)) != 0) {
		if (out->len > 0)
			str_append_byte(out, ' ');
		if (r == 1)
			str_printf(out, "%c<%s>", letters[kind], str_cstr(&text));
		else
			str_append_byte(out, '!');
	}
}

static void pieces(void **unused)
{
	static const struct {
		const char *source, *pieces;
	} cases[] = {
		{ "", "" },
		{ " , ,\n\n , ", "" },
		{ "alice", "A<alice>" },
		{ "alice, bob@example.org", "A<alice> A<bob@example.org>" },
		{ "alice\r\nbob\ncarol", "A<alice> A<bob> A<carol>" },
		{ "\\alice, \"|/usr/bin/vacation alice\"", "M<alice> C</usr/bin/vacation alice>" },
		{ "|/bin/a b c, d", "C</bin/a b c> A<d>" },
		{ "| /bin/a ", "C</bin/a>" },
		{ "|\"/bin/a 'x, y' \\\"z\\\"\", d", "C</bin/a 'x, y' \"z\"> A<d>" },
		{ "\"|exec /bin/a || exit 75\"", "C<exec /bin/a || exit 75>" },
		{ "/dev/null", "F</dev/null>" },
		{ "\"/var/mail/some file\", /x/y/", "F</var/mail/some file> F</x/y/>" },
		{ ":include:/etc/lists/a", "I</etc/lists/a>" },
		{ ":Include: /etc/lists/a , x", "I</etc/lists/a> A<x>" },
		{ "\":include:/etc/lists/a b\"", "I</etc/lists/a b>" },
		{ ":include:lists", "!" },
		{ ":fail:no", "!" },
		{ "# comment, not, a, list\nalice", "A<alice>" },
		{ "alice # a remark", "A<alice>" },
		{ "alice #r, x\nbob", "A<alice> A<bob>" },
		{ "# x\n  # y\nalice\n#z", "A<alice>" },
		{ "alice,#b", "A<alice> A<#b>" },
		{ "Carol Smith <carol@example.org>, x", "A<carol@example.org> A<x>" },
		{ "\"Smith, Carol\" <carol@example.org>", "A<carol@example.org>" },
		{ "carol@example.org (Carol (the) Smith), x", "A<carol@example.org> A<x>" },
		{ "(only a comment), x", "A<x>" },
		{ "\"john doe\"@example.org", "A<john doe@example.org>" },
		{ "\"|x\"@example.org", "A<|x@example.org>" },
		{ "\"/x\"@example.org, </x@example.org>", "A</x@example.org> A</x@example.org>" },
		{ "alice bob", "A<alice> A<bob>" },
		{ "a@d2.test b@d2.test, c@d2.test", "A<a@d2.test> A<b@d2.test> A<c@d2.test>" },
		{ "alice (one) bob (two) , carol", "A<alice> A<bob> A<carol>" },
		{ "\\alice bob@d2.test /file", "M<alice> A<bob@d2.test> F</file>" },
		{ "alice |/bin/a b, c", "A<alice> C</bin/a b> A<c>" },
		{ "x \"|/bin/a b\" y", "A<x> C</bin/a b> A<y>" },
		{ "alice @ example.org bob", "A<alice@example.org> A<bob>" },
		{ "alice bob <carol@example.org> dan", "A<carol@example.org> A<dan>" },
		{ "alice :include:/etc/x", "A<alice> I</etc/x>" },
		{ "\"open, x", "!" },
		{ "\"open\nx", "! A<x>" },
		{ "(open, x", "!" },
		{ "<a@b, x", "! A<x>" },
		{ "<>", "!" },
		{ "\"\"", "!" },
		{ "a@b> , x", "! A<x>" },
		{ "<a@b> c", "A<a@b> A<c>" },
		{ "<a@b>c", "!" },
		{ "\\", "!" },
		{ "|", "!" },
		{ "a\\,b", "A<a,b>" },
		{ "ali\x01"
		  "ce, x",
		  "! A<x>" },
		{ "b\xc3\xbc@example.org", "A<b\xc3\xbc@example.org>" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str found = STR_EMPTY;

		describe(view_of(cases[i].source), &found);
		if (strcmp(str_cstr(&found), cases[i].pieces) != 0)
			fail_msg("%s: %s instead of %s", cases[i].source, str_cstr(&found),
				 cases[i].pieces);
	}
}

static void too_long(void **unused)
{
	_cleanup_(str_free) struct str source = STR_EMPTY, found = STR_EMPTY;

	(void)unused;
	for (int i = 0; i <= TOKEN_TEXT_MAX; i++)
		str_append_byte(&source, 'a');
	str_append_cstr(&source, ", x");
	describe(str_view(&source), &found);
	assert_string_equal(str_cstr(&found), "! A<x>");
}

static void nul_is_refused(void **unused)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;

	(void)unused;
	describe(VIEW("|/bin/a\0b, x"), &found);
	assert_string_equal(str_cstr(&found), "! A<x>");
}

static void stands_in(void **unused)
{
	struct view source = VIEW("alice, \"|/bin/a b\", /file, :include:/etc/x");

	(void)unused;
	assert_true(token_stands_in(source, TOKEN_COMMAND, VIEW("/bin/a b")));
	assert_false(token_stands_in(source, TOKEN_COMMAND, VIEW("/bin/a")));
	assert_false(token_stands_in(source, TOKEN_COMMAND, VIEW("/file")));
	assert_true(token_stands_in(source, TOKEN_FILE, VIEW("/file")));
	assert_true(token_stands_in(source, TOKEN_INCLUDE, VIEW("/etc/x")));
	assert_false(token_stands_in(source, TOKEN_FILE, VIEW("/etc/x")));
}

static void sources(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int ends[2];
	FILE *file = tmpfile();

	(void)unused;
	assert_non_null(file);
	fputs("alice\nbob\n", file);
	fflush(file);
	assert_int_equal(token_source_read(fileno(file), &text, NULL), 0);
	assert_string_equal(str_cstr(&text), "alice\nbob\n");
	str_clear(&text);
	assert_int_equal(ftruncate(fileno(file), (off_t)TOKEN_SOURCE_MAX + 1), 0);
	assert_int_equal(token_source_read(fileno(file), &text, NULL), -EFBIG);
	fclose(file);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(token_source_read(ends[0], &text, NULL), -EINVAL);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),	  cmocka_unit_test(too_long),
		cmocka_unit_test(nul_is_refused), cmocka_unit_test(stands_in),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

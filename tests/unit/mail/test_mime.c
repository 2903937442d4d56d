#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mail/mime.h"

/* One line a part: depth, kind, number, body in brackets with its line count. */
static void describe(struct str *out, struct view content)
{
	struct mime_tree tree;

	mime_tree_parse(content, &tree);
	for (size_t i = 0; i < tree.count; i++) {
		const struct mime_part *p = &tree.parts[i];

		assert_true(p->header_start <= p->body_start && p->body_start <= p->body_end &&
			    p->body_end <= content.len);
		str_printf(out, "%d.%d%s%s", p->depth, p->number, p->is_multipart ? "M" : "",
			   p->is_message ? "R" : "");
		if (p->children == 0)
			str_printf(out, "[%.*s]%zu", (int)(p->body_end - p->body_start),
				   content.data + p->body_start, p->body_lines);
		str_append_byte(out, ' ');
	}
	if (tree.truncated)
		str_append_cstr(out, "truncated");
	mime_tree_free(&tree);
}

#define MP(b) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"

static const struct {
	const char *in, *out;
} cases[] = {
	{ "A: b\r\n\r\nbody\r\n", "0.1[body\r\n]1 " },
	{ "A: b\r\n\r\nbody", "0.1[body]0 " },
	{ "A: b\r\n", "0.1[]0 " },
	{ "", "0.1[]0 " },
	/* A header ends with its empty line; what is no field in it is passed over. */
	{ "no header", "0.1[]0 " },
	{ "no header\r\n\r\nbody", "0.1[body]0 " },
	{ "From x Mon Sep 17\r\nBroken Name: y\r\n" MP(
		  "b") "--b\r\njunk\r\nContent-Type: "
		       "message/rfc822\r\n\r\n>From z\r\n" MP(
			       "i") "--i\r\n\r\nx\r\n--i--\r\n--b--\r\n",
	  "0.1M 1.1R 2.1M 3.1[x]0 " },
	{ MP("b") "--b\r\njunk\r\n--b\r\n\r\nx\r\n--b--", "0.1M 1.1[]0 1.2[x]0 " },
	{ "A: b\n\nx\ny\n", "0.1[x\ny\n]2 " },
	{ MP("b") "pre\r\n--b\r\n\r\none\r\n--b\r\nX: "
		  "y\r\n\r\ntwo\r\nlines\r\n\r\n--b--\r\nepi\r\n--b\r\n",
	  "0.1M 1.1[one]0 1.2[two\r\nlines\r\n]2 " },
	/* RFC 2046 5.1.1: an empty part; white space after a boundary */
	{ MP("b") "--b  \r\n\r\n--b\t\r\n\r\nx\r\n--b--", "0.1M 1.1[]0 1.2[x]0 " },
	/* no closing delimiter; a header without its empty line */
	{ MP("b") "--b\r\nA: b\r\n--b\r\n\r\nx\r\n", "0.1M 1.1[]0 1.2[x\r\n]1 " },
	/* a boundary that begins like the outer one, one that looks like a field */
	{ MP("b") "--b\r\n" MP("bb") "--bb\r\n\r\nx\r\n--bb--\r\n--b\r\n\r\ny\r\n--b--\r\n",
	  "0.1M 1.1M 2.1[x]0 1.2[y]0 " },
	{ MP("\"b:c\"") "--b:c\r\nA: x\r\n--b:c\r\n\r\ny\r\n--b:c--\r\n", "0.1M 1.1[]0 1.2[y]0 " },
	/* the outer boundary ends inner parts that lack theirs */
	{ MP("o") "--o\r\n" MP("i") "--i\r\n\r\nx\r\n--o\r\n\r\ny\r\n--o--\r\n",
	  "0.1M 1.1M 2.1[x]0 1.2[y]0 " },
	/* message/rfc822, alone, in a multipart, in a digest, encoded */
	{ "Content-Type: message/rfc822\r\n\r\nS: x\r\n\r\nbody\r\n", "0.1R 1.1[body\r\n]1 " },
	{ MP("b") "--b\r\nContent-Type: message/rfc822\r\n\r\n" MP(
		  "i") "--i\r\n\r\nx\r\n--i--\r\n--b--\r\n",
	  "0.1M 1.1R 2.1M 3.1[x]0 " },
	{ "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nS: "
	  "1\r\n\r\none\r\n--b--\r\n",
	  "0.1M 1.1R 2.1[one]0 " },
	{ "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nUzogeA==\r\n",
	  "0.1[UzogeA==\r\n]1 " },
	{ "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\n", "0.1[--x\r\n\r\n]2 " },
	{ MP("b") "--b\nA: x\nC", "0.1M 1.1[]0 " },
	{ MP("b") "--b\nA: x\nC:", "0.1M 1.1[]0 " },
	/* without a part there is an empty one */
	{ MP("b") "nothing\r\n", "0.1M 1.1[]0 " },
	{ MP("b") "--b--\r\n", "0.1M 1.1[]0 " },
	/* RFC 2046 5.1.1: a line that begins with the boundary; of two the longer one */
	{ MP("b") "--b junk\r\n\r\nx\r\n--bjunk\r\n\r\ny\r\n--b-- z\r\nend\r\n",
	  "0.1M 1.1[x]0 1.2[y]0 " },
	{ MP("b") "--b\r\n" MP("bc") "--bc junk\r\n\r\nx\r\n--bc--\r\n--b--\r\n",
	  "0.1M 1.1M 2.1[x]0 " },
};

static void trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;

		describe(&out, view_of(cases[i].in));
		if (strcmp(str_cstr(&out), cases[i].out) != 0)
			fail_msg("%s\n--> %s", cases[i].in, str_cstr(&out));
	}
}

static void parts_and_depth_are_bounded(void **state)
{
	_cleanup_(str_free) struct str in = STR_EMPTY;
	struct mime_tree tree;

	(void)state;
	str_append_cstr(&in, MP("b"));
	for (int i = 0; i < 100000; i++)
		str_append_cstr(&in, "--b\r\n\r\n");
	mime_tree_parse(str_view(&in), &tree);
	assert_true(tree.truncated);
	assert_int_equal(tree.count, MIME_PARTS_MAX);
	mime_tree_free(&tree);

	str_clear(&in);
	for (int i = 0; i < 10000; i++)
		str_append_cstr(&in, "Content-Type: message/rfc822\r\n\r\n");
	mime_tree_parse(str_view(&in), &tree);
	assert_true(tree.truncated);
	assert_int_equal(tree.count, MIME_DEPTH_MAX + 1);
	mime_tree_free(&tree);

	str_clear(&in);
	for (int i = 0; i < 10000; i++)
		str_printf(&in, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i,
			   i);
	mime_tree_parse(str_view(&in), &tree);
	assert_true(tree.truncated);
	mime_tree_free(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),
		cmocka_unit_test(parts_and_depth_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

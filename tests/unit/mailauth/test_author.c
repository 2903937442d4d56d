/* Who wrote a message: forgers' From fields (espoofer, Composition Kills) beside honest ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mailauth/author.h"

static void expect_author(struct view header, enum author_state state, const char *domains)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;
	struct author author;

	author_read(header, &author);
	for (size_t i = 0; i < author.count; i++)
		str_printf(&found, "%s%s", i > 0 ? " " : "", str_cstr(&author.domains[i]));
	if (author.state != state || strcmp(str_cstr(&found), domains) != 0)
		fail_msg("%.*s: state %d, \"%s\"", VIEW_ARG(header), (int)author.state,
			 str_cstr(&found));
	assert_true((author.problem == NULL) == (state == AUTHOR_CLEAR));
	assert_true(author.is_nobody || author.count > 0);
	author_free(&author);
}

/* Whether mail by such an author is refused whatever its domain says. */
static bool nobody_of(struct view header)
{
	struct author author;
	bool nobody;

	author_read(header, &author);
	nobody = author.is_nobody;
	author_free(&author);
	return nobody;
}

static void expect_from(const char *body, enum author_state state, const char *domains)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;

	str_printf(&header, "To: x@other.test\r\nFrom: %s\r\nSubject: y\r\n", body);
	expect_author(str_view(&header), state, domains);
}

static void test_honest(void **state)
{
	static const struct {
		const char *body, *domains;
	} fields[] = {
		{ "a@legit.test", "legit.test" },
		{ "<a@LEGIT.Test>", "legit.test" },
		{ "Joe Q. Public <a.b@legit.test>", "legit.test" },
		{ "\"Public, Joe @home\" <a@legit.test>", "legit.test" },
		{ "=?utf-8?q?J=C3=B6rg?= <a@legit.test> (comment <x@y>)", "legit.test" },
		{ "J\303\266rg <a@legit.test>", "legit.test" },
		{ "J\366rg <a@legit.test>", "legit.test" },
		{ "\"a b\"@legit.test", "legit.test" },
		{ "a@b\303\274cher.test", "xn--bcher-kva.test" },
		{ "a @ legit.test", "legit.test" },
		{ "long name\r\n <a@legit.test>", "legit.test" },
		{ "a@legit.test, b@LEGIT.test", "legit.test" },
		{ "<a@attack.test>, <b@legit.test>", "attack.test legit.test" },
		{ "Group: a@legit.test, B <b@other.test>;", "legit.test other.test" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		expect_from(fields[i].body, AUTHOR_CLEAR, fields[i].domains);
	(void)state;
}

static void test_nobody(void **state)
{
	expect_author(VIEW("Sender: a@legit.test\r\nResent-From: b@legit.test\r\n"), AUTHOR_NONE,
		      "");
	expect_author(VIEW(""), AUTHOR_NONE, "");
	expect_from("", AUTHOR_NONE, "");
	expect_from("Group:;", AUTHOR_NONE, "");
	expect_from("a@[192.0.2.1]", AUTHOR_NONE, "");
	assert_true(nobody_of(VIEW("Subject: x\r\n")));
	assert_true(nobody_of(VIEW("From: Joe\r\n")));
	assert_true(nobody_of(VIEW("From: a\0@legit.test\r\n")));
	assert_false(nobody_of(VIEW("From: a@legit.test\r\n")));
	assert_false(nobody_of(VIEW("From: a.b c@legit.test\r\n")));
	(void)state;
}

/* What two programs read in two ways: whatever could be the author is one, and none is proven. */
static void test_forged(void **state)
{
	static const struct {
		const char *body, *domains;
	} fields[] = {
		{ "=?utf-8?b?PGJAbGVnaXQ+?=,<a@attack.test>", "attack.test" },
		{ "<@a.test,@b.test:x@legit.test>", "a.test b.test legit.test" },
		{ "<x@legit.test>\\,<a@attack.test>", "legit.test attack.test" },
		{ "<a@attack.test>x@legit.test", "attack.test legit.test" },
		{ "x@legit.test <a@attack.test>", "legit.test attack.test" },
		{ "<any@legit.test(a.attack.test>", "legit.test" },
		{ "a@legit.test b@attack.test", "legit.test attack.test" },
		{ "\"unterminated <a@legit.test>", "legit.test" },
		{ "a.b c@legit.test", "legit.test" },
		{ "a@legit..test", "" },
		{ "Joe", "" },
		{ "G: H: a@legit.test;;", "legit.test" },
		{ "a@b@legit.test", "b legit.test" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		expect_from(fields[i].body, AUTHOR_MALFORMED, fields[i].domains);
	expect_author(VIEW("From: a\0@legit.test\r\n"), AUTHOR_MALFORMED, "legit.test");
	expect_from("a@1.test,a@2.test,a@3.test,a@4.test,a@5.test,a@6.test", AUTHOR_MALFORMED,
		    "1.test 2.test 3.test 4.test 5.test");
	(void)state;
}

static void test_several_fields(void **state)
{
	static const char *const headers[] = {
		"From: a@attack.test\r\nFrom: b@legit.test\r\n",
		"From: a@attack.test\r\nFROM : b@legit.test\r\n",
		" From: a@attack.test\r\nFrom: b@legit.test\r\n",
		"From\r\n : a@attack.test\r\nFrom: b@legit.test\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct author author;

		author_read(view_of(headers[i]), &author);
		assert_int_equal(author.state, AUTHOR_MALFORMED);
		assert_true(author.count > 0 && author.is_nobody);
		assert_string_equal(str_cstr(&author.domains[author.count - 1]), "legit.test");
		author_free(&author);
	}
	/* A folded line is no field. */
	expect_author(VIEW("Subject: x\r\n From: a@attack.test\r\nFrom: b@legit.test\r\n"),
		      AUTHOR_CLEAR, "legit.test");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_several_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lines of Dovecot's authentication servers, and kinds of mechanisms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "dovecot_reply.h"

static const struct {
	const char *line;
	int result;
	struct dovecot_reply wanted;
	const char *name, *data, *reason;
} cases[] = {
	{ "VERSION\t1\t2", 0, { .word = DOVECOT_VERSION, .major = 1, .minor = 2 }, "", "", "" },
	{ "VERSION\t1\t2\tmore",
	  0,
	  { .word = DOVECOT_VERSION, .major = 1, .minor = 2 },
	  "",
	  "",
	  "" },
	{ "VERSION\t1", -EBADMSG, { .word = DOVECOT_VERSION }, NULL, NULL, NULL },
	{ "VERSION\tone\t2", -EBADMSG, { .word = DOVECOT_VERSION }, NULL, NULL, NULL },
	{ "MECH\tPLAIN\tplaintext",
	  0,
	  { .word = DOVECOT_MECH, .kinds = MECHANISM_PLAINTEXT },
	  "PLAIN",
	  "",
	  "" },
	{ "MECH\tSCRAM-SHA-256\tmutual-auth\tforward-secrecy\tsomething-new",
	  0,
	  { .word = DOVECOT_MECH, .kinds = MECHANISM_MUTUAL | MECHANISM_FORWARD_SECRECY },
	  "SCRAM-SHA-256",
	  "",
	  "" },
	{ "MECH\tPL AIN", -EBADMSG, { .word = DOVECOT_MECH }, NULL, NULL, NULL },
	{ "MECH", -EBADMSG, { .word = DOVECOT_MECH }, NULL, NULL, NULL },
	{ "CONT\t7\tVXNlcm5hbWU6", 0, { .word = DOVECOT_CONT, .id = 7 }, "", "Username:", "" },
	{ "CONT\t7\t", 0, { .word = DOVECOT_CONT, .id = 7 }, "", "", "" },
	{ "CONT\t7", 0, { .word = DOVECOT_CONT, .id = 7 }, "", "", "" },
	{ "CONT\t7\tno base64!", -EBADMSG, { .word = DOVECOT_CONT }, NULL, NULL, NULL },
	{ "CONT\t-7\t", -EBADMSG, { .word = DOVECOT_CONT }, NULL, NULL, NULL },
	{ "CONT\t4294967296\t", -EBADMSG, { .word = DOVECOT_CONT }, NULL, NULL, NULL },
	{ "OK\t3\tuser=alice@example.test\tresp=dj1Y",
	  0,
	  { .word = DOVECOT_OK, .id = 3 },
	  "alice@example.test",
	  "v=X",
	  "" },
	{ "OK\t3", -EBADMSG, { .word = DOVECOT_OK }, NULL, NULL, NULL },
	{ "OK\t3\tuser=", -EBADMSG, { .word = DOVECOT_OK }, NULL, NULL, NULL },
	{ "OK\t3\tuser=a\001lb", -EBADMSG, { .word = DOVECOT_OK }, NULL, NULL, NULL },
	{ "OK", -EBADMSG, { .word = DOVECOT_OK }, NULL, NULL, NULL },
	{ "FAIL\t3\tuser=bob\treason=go\001taway",
	  0,
	  { .word = DOVECOT_FAIL, .id = 3 },
	  "bob",
	  "",
	  "go?away" },
	{ "FAIL\t3\ttemp", 0, { .word = DOVECOT_FAIL, .id = 3, .temporary = true }, "", "", "" },
	{ "FAIL\t3\tcode=temp_fail",
	  0,
	  { .word = DOVECOT_FAIL, .id = 3, .temporary = true },
	  "",
	  "",
	  "" },
	{ "FAIL\t3\tuser_disabled",
	  0,
	  { .word = DOVECOT_FAIL, .id = 3, .disabled = true },
	  "",
	  "",
	  "" },
	{ "FAIL\t3\tcode=pass_expired",
	  0,
	  { .word = DOVECOT_FAIL, .id = 3, .disabled = true },
	  "",
	  "",
	  "" },
	{ "COOKIE\t00", 0, { .word = DOVECOT_OTHER }, "", "", "" },
	{ "", 0, { .word = DOVECOT_OTHER }, "", "", "" },
	{ "220 mail.example.test ESMTP", 0, { .word = DOVECOT_OTHER }, "", "", "" },
};

static void lines(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dovecot_reply reply = { .word = DOVECOT_OTHER };

		print_message("%s\n", cases[i].line);
		assert_int_equal(dovecot_reply_parse(view_of(cases[i].line), &reply),
				 cases[i].result);
		if (cases[i].result == 0) {
			assert_int_equal(reply.word, cases[i].wanted.word);
			assert_int_equal(reply.id, cases[i].wanted.id);
			assert_int_equal(reply.major, cases[i].wanted.major);
			assert_int_equal(reply.minor, cases[i].wanted.minor);
			assert_int_equal(reply.kinds, cases[i].wanted.kinds);
			assert_int_equal(reply.temporary, cases[i].wanted.temporary);
			assert_int_equal(reply.disabled, cases[i].wanted.disabled);
			assert_string_equal(str_cstr(&reply.name), cases[i].name);
			assert_string_equal(str_cstr(&reply.data), cases[i].data);
			assert_string_equal(str_cstr(&reply.reason), cases[i].reason);
		}
		dovecot_reply_free(&reply);
	}
}

static void fields(void **unused)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	(void)unused;
	tab_escape(&out, view_make("a\tb\nc\rd\0e\001f", 11));
	assert_string_equal(str_cstr(&out), "a\001tb\001lc\001rd\0010e\0011f");
}

static void options(void **unused)
{
	const unsigned plain = MECHANISM_PLAINTEXT, mutual = MECHANISM_MUTUAL;

	(void)unused;
	assert_true(mechanism_suits(plain, VIEW("")));
	assert_true(mechanism_suits(plain, VIEW("noanonymous")));
	assert_false(mechanism_suits(plain, VIEW("noanonymous, noplaintext")));
	assert_false(mechanism_suits(MECHANISM_ANONYMOUS, VIEW("noanonymous")));
	assert_false(mechanism_suits(plain, VIEW("mutual_auth")));
	assert_true(mechanism_suits(mutual, VIEW("mutual_auth noplaintext")));
	assert_false(mechanism_suits(mutual, VIEW("forward_secrecy")));
	/* Whoever cannot tell what is wanted does not take less. */
	assert_false(mechanism_suits(mutual, VIEW("something_new")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(fields),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

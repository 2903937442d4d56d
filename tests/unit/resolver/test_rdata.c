#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "base/mem.h"
#include "rdata.h"
#include "services/clients.h"

#define BYTES(literal) view_make((literal), sizeof(literal) - 1)

static void check(uint32_t type, struct view bytes, const char *expected)
{
	_cleanup_(rdata_free) struct rdata record;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = rdata_parse(type, bytes, &record);

	if (expected == NULL) {
		assert_int_equal(r, -EBADMSG);
		return;
	}
	assert_int_equal(r, 0);
	str_printf(&text, "%u %u %u %s ", record.preference, record.weight, record.port,
		   str_cstr(&record.name));
	str_append(&text, str_view(&record.data));
	assert_string_equal(str_cstr(&text), expected);
}

static void test_records(void **state)
{
	check(DNS_A, BYTES("\300\0\2\1"), "0 0 0 192.0.2.1 ");
	check(DNS_AAAA, BYTES("\40\1\r\270\0\0\0\0\0\0\0\0\0\0\0\1"), "0 0 0 2001:db8::1 ");
	check(DNS_MX, BYTES("\0\12\2mx\4test\0"), "10 0 0 mx.test ");
	check(DNS_MX, BYTES("\377\377\0"), "65535 0 0 . ");
	check(DNS_PTR, BYTES("\1a\1b\0"), "0 0 0 a.b ");
	check(DNS_SRV, BYTES("\0\1\0\2\0\31\1a\0"), "1 2 25 a ");
	check(DNS_TXT, BYTES("\5hello"), "0 0 0  hello");
	check(DNS_TXT, BYTES("\2he\0\3llo"), "0 0 0  hello");
	check(DNS_TXT, BYTES("\0"), "0 0 0  ");
	check(DNS_TLSA, BYTES("\3\1\1x"), "0 0 0  \3\1\1x");
	(void)state;
}

/* What could not be printed safely comes escaped. */
static void test_odd_names(void **state)
{
	check(DNS_PTR, BYTES("\3a.b\1\n\0"), "0 0 0 a\\046b.\\010 ");
	check(DNS_PTR, BYTES("\4\\\"\0\377\0"), "0 0 0 \\092\\034\\000\\255 ");
	check(DNS_PTR, BYTES("\2_x\3a-b\0"), "0 0 0 _x.a-b ");
	(void)state;
}

/* Every good record, cut short at each byte and with bytes added, is refused. */
static void test_lengths(void **state)
{
	static const struct {
		uint32_t type;
		const char *bytes;
		size_t len, min; /* shorter ones may be good too, for TXT and TLSA */
	} rows[] = {
		{ DNS_A, "\300\0\2\1", 4, 4 },
		{ DNS_AAAA, "\40\1\r\270\0\0\0\0\0\0\0\0\0\0\0\1", 16, 16 },
		{ DNS_MX, "\0\12\2mx\4test\0", 11, 11 },
		{ DNS_SRV, "\0\1\0\2\0\31\1a\0", 9, 9 },
		{ DNS_PTR, "\1a\1b\0", 5, 5 },
		{ DNS_TXT, "\5hello", 6, 6 },
		{ DNS_TLSA, "\3\1\1x", 4, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t len = 0; len < rows[i].min; len++) {
			/* A copy of just that length, for the sanitizers. */
			_cleanup_free_ char *copy = mem_strndup(rows[i].bytes, len);

			check(rows[i].type, view_make(copy, len), NULL);
		}
		if (rows[i].type != DNS_TLSA) {
			_cleanup_free_ char *longer = mem_new_bytes(rows[i].len + 1);

			memcpy(longer, rows[i].bytes, rows[i].len);
			longer[rows[i].len] = 1;
			check(rows[i].type, view_make(longer, rows[i].len + 1), NULL);
		}
	}
	(void)state;
}

static void test_bad_names(void **state)
{
	char label64[66] = { 64 };
	char longest[260];

	memset(label64 + 1, 'a', 64);
	check(DNS_PTR, view_make(label64, sizeof(label64)), NULL);
	check(DNS_PTR, BYTES("\1a\300\0"), NULL);      /* compression */
	check(DNS_PTR, BYTES("\1a\300\14\0\0"), NULL); /* pointing forward */
	/* 254 labels' bytes without an end in the 255 that a name has. */
	for (size_t i = 0; i + 1 < sizeof(longest); i += 2) {
		longest[i] = 1;
		longest[i + 1] = 'a';
	}
	longest[sizeof(longest) - 1] = 0;
	check(DNS_PTR, view_make(longest, sizeof(longest)), NULL);
	longest[254] = 0;
	assert_int_equal(rdata_parse(99, BYTES("\0"), &(struct rdata){ 0 }), -EBADMSG);

	_cleanup_(str_free) struct str text = STR_EMPTY;

	assert_int_equal(rdata_name(view_make(longest, 255), &text), 255);
	(void)state;
}

static void check_question(const char *name, uint32_t type, const char *expected)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;
	int r = rdata_question(view_of(name), type, &question);

	if (expected == NULL) {
		assert_int_equal(r, -EINVAL);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(str_cstr(&question), expected);
}

static void test_questions(void **state)
{
	static const char *const bad[] = { "",	   ".",	  "a..b", ".a",	 "a b",	 "a\\b", "a\nb",
					   "a\"b", "a;b", "a(b",  "a@b", "\xff", "$a",	 "a*" };

	check_question("Example.test", DNS_MX, "Example.test.");
	check_question("example.test.", DNS_MX, "example.test.");
	check_question("_25._tcp.mx.test", DNS_TLSA, "_25._tcp.mx.test.");
	check_question("192.0.2.1", DNS_PTR, "1.2.0.192.in-addr.arpa.");
	check_question("192.0.2.1", DNS_A, "192.0.2.1.");
	check_question("2001:db8::1", DNS_PTR,
		       "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
	check_question("m\303\274nchen.test", DNS_MX, "xn--mnchen-3ya.test.");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_question(bad[i], DNS_MX, NULL);

	char name[300];

	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	check_question(name, DNS_MX, NULL);
	name[63] = '\0';
	check_question(name, DNS_MX,
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.");
	memset(name, 'a', sizeof(name));
	for (size_t i = 1; i < sizeof(name); i += 2)
		name[i] = '.';
	name[255] = '\0';
	check_question(name, DNS_MX, NULL);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),	  cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_lengths),	  cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

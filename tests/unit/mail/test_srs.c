/* Return paths: made, read, and what is none. */
#include "mail/srs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define TODAY INT64_C(20000) /* "RA": 544 = 17 * 32 + 0 */
#define DAYS  21
#define MAC   view_make((const char *)mac, SRS_MAC_SIZE)

static const unsigned char mac[SRS_MAC_SIZE] = { 0xfb, 0xff, 0xbf, 0x01, 0x02, 0x03 };

static void make(const char *sender, char separator, struct str *out, struct str *hashed)
{
	_cleanup_(srs_free) struct srs srs = SRS_NONE;

	assert_int_equal(srs_make(view_of(sender), separator, TODAY, &srs), 0);
	srs_write(&srs, MAC, 4, VIEW("srs.test"), out);
	str_set(hashed, str_view(&srs.hashed));
}

static int read_hashed(const char *address, int64_t day, struct str *original, struct str *hashed)
{
	_cleanup_(srs_free) struct srs srs = SRS_NONE;
	int r = srs_read(view_of(address), day, DAYS, &srs);

	if (r < 0)
		return r;
	str_set(original, str_view(&srs.original));
	str_set(hashed, str_view(&srs.hashed));
	return srs_hash_is(&srs, MAC, 4) ? 1 : 0;
}

static const struct {
	const char *sender;
	char separator;
	const char *address, *hashed;
} rows[] = {
	{ "User@Host.test", '=', "SRS0=-_-_=RA=Host.test=User@srs.test", "rahost.testuser" },
	{ "a=b+c@host.test", '+', "SRS0+-_-_=RA=host.test=a=b+c@srs.test", "rahost.testa=b+c" },
	{ "SRS0=AbCd=ZZ=host.test=user@first.test", '=',
	  "SRS1=-_-_=first.test==AbCd=ZZ=host.test=user@srs.test",
	  "first.test=abcd=zz=host.test=user" },
	{ "srs0+AbCd=ZZ=host.test=user@first.test", '-',
	  "SRS1--_-_=first.test=+AbCd=ZZ=host.test=user@srs.test",
	  "first.test+abcd=zz=host.test=user" },
	{ "SRS1=WxYz=first.test==AbCd=ZZ=host.test=user@second.test", '=',
	  "SRS1=-_-_=first.test==AbCd=ZZ=host.test=user@srs.test",
	  "first.test=abcd=zz=host.test=user" },
	/* Only looks like one: it is taken as it is. */
	{ "SRS1=foreign@other.test", '=', "SRS0=-_-_=RA=other.test=SRS1=foreign@srs.test",
	  "raother.testsrs1=foreign" },
	{ "srs0@other.test", '=', "SRS0=-_-_=RA=other.test=srs0@srs.test", "raother.testsrs0" },
};

static void there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY, hashed = STR_EMPTY;
		_cleanup_(str_free) struct str original = STR_EMPTY, again = STR_EMPTY;

		make(rows[i].sender, rows[i].separator, &out, &hashed);
		assert_string_equal(str_cstr(&out), rows[i].address);
		assert_string_equal(str_cstr(&hashed), rows[i].hashed);
		assert_true(srs_is_at(str_view(&out), VIEW("SRS.test")));
		assert_false(srs_is_at(str_view(&out), VIEW("test")));
		assert_int_equal(read_hashed(str_cstr(&out), TODAY, &original, &again), 1);
		assert_string_equal(str_cstr(&again), rows[i].hashed);
		/* Of SRS1 it goes to the host that began it. */
		if (strncmp(rows[i].address, "SRS0", 4) == 0)
			assert_string_equal(str_cstr(&original), rows[i].sender);
		else
			assert_memory_equal(str_cstr(&original), "SRS0", 4);
	}
}

/* Addresses come back in small letters, and PostSRSd writes + and / in a hash. */
static void folded(void **state)
{
	_cleanup_(str_free) struct str original = STR_EMPTY, hashed = STR_EMPTY;

	(void)state;
	assert_int_equal(
		read_hashed("srs0=+/-_=ra=host.test=user@srs.test", TODAY, &original, &hashed), 1);
	assert_string_equal(str_cstr(&original), "user@host.test");
	assert_string_equal(str_cstr(&hashed), "rahost.testuser");
}

static void expiry(void **state)
{
	_cleanup_(str_free) struct str original = STR_EMPTY, hashed = STR_EMPTY;
	const char *address = "SRS0=-_-_=RA=host.test=user@srs.test";

	(void)state;
	assert_int_equal(read_hashed(address, TODAY + DAYS, &original, &hashed), 1);
	assert_int_equal(read_hashed(address, TODAY + DAYS + 1, &original, &hashed), -ETIME);
	assert_int_equal(read_hashed(address, TODAY - 1, &original, &hashed), -ETIME);
	/* Days have the same names every 1024 days. */
	assert_int_equal(read_hashed(address, TODAY + SRS_DAYS + 1, &original, &hashed), 1);
}

static void hashes(void **state)
{
	static const char *const wrong[] = {
		"SRS0=-_-A=RA=host.test=user@srs.test",
		"SRS0=-_-=RA=host.test=user@srs.test",
		"SRS0==RA=host.test=user@srs.test",
		"SRS0=-_-_AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAA=RA=host.test=user@srs.test",
	};
	_cleanup_(str_free) struct str original = STR_EMPTY, hashed = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(read_hashed(wrong[i], TODAY, &original, &hashed), 0);
	assert_int_equal(
		read_hashed("SRS0=-_-_AQID=RA=host.test=user@srs.test", TODAY, &original, &hashed),
		1);
}

static void no_return_paths(void **state)
{
	static const char *const none[] = {
		"user@srs.test",
		"SRS0@srs.test",
		"SRS0=@srs.test",
		"SRS2=a=b=c=d@srs.test",
		"SRS0_abcd=RA=host.test=user@srs.test",
		"SRS0=abcd=RA=host.test=@srs.test",
		"SRS0=abcd=RA==user@srs.test",
		"SRS0=abcd=RA=ho st=user@srs.test",
		"SRS0=abcd=R1=host.test=user@srs.test",
		"SRS0=abcd=RAA=host.test=user@srs.test",
		"SRS0=abcd=RA=host.test@srs.test",
		"SRS1=abcd=first.test@srs.test",
		"SRS1=abcd=first.test=@srs.test",
		"SRS1=abcd=first.test=abcd=RA=host.test=user@srs.test",
		"SRS1=abcd=fir st==abcd=RA=host.test=user@srs.test",
	};
	_cleanup_(str_free) struct str original = STR_EMPTY, hashed = STR_EMPTY;
	_cleanup_(srs_free) struct srs srs = SRS_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (read_hashed(none[i], TODAY, &original, &hashed) != -EINVAL)
			fail_msg("%s", none[i]);
	assert_false(srs_is_at(VIEW("SRS0=x=y@srs.test"), VIEW_NONE));
	assert_int_equal(srs_make(VIEW_NONE, '=', TODAY, &srs), -EINVAL);
	assert_int_equal(srs_make(VIEW("user"), '=', TODAY, &srs), -EINVAL);
	/* What would be read as =user@host. */
	assert_int_equal(srs_make(VIEW("user@host="), '=', TODAY, &srs), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),  cmocka_unit_test(folded),
		cmocka_unit_test(expiry),	   cmocka_unit_test(hashes),
		cmocka_unit_test(no_return_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

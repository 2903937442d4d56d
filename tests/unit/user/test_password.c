/* Password schemes: those that are taken, those that are refused, and what never matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "user/user.h"

/* Hashes of "secret" made with Python's crypt and hashlib. */
static const char *const hashes_of_secret[] = {
	"{PLAIN}secret",
	"{plain}secret",
	"{CLEARTEXT}secret",
	"{SHA512-CRYPT}$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/"
	"Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
	"$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
	"{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"{CRYPT}$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
	"{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
	"{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0",
	/* As long as a digest in hexadecimal. */
	"{SSHA256}AAztJD1mCljEDl2sgjDF/mJZo8ne8aW9Ya1MgeYWBAYAAQIDBAUGBwgJCgsMDQ4P",
	"{SSHA512}E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/"
	"Zpe9zMVvLix4S2FiQSJ99RIkNvhHomNO9uL3NhbHQ=",
	"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
	"{SHA512}"
	"vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
};

static void known_schemes(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(hashes_of_secret); i++) {
		struct error err = ERROR_NONE;
		int right = password_check(VIEW("secret"), hashes_of_secret[i], &err);
		int wrong = password_check(VIEW("Secret"), hashes_of_secret[i], &err);

		if (right != 1 || wrong != 0)
			fail_msg("%s: %d %d %s", hashes_of_secret[i], right, wrong, err.text);
	}
}

/* Made with argon2(1) and Python's hashlib. */
static void costly_schemes(void **unused)
{
	static const char *const hashes[] = {
		"{ARGON2ID}$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0$RGrC2kghhmdFPTu+"
		"VWYImMCAKqufCVt9PjEVxccoErs",
		"{ARGON2I}$argon2i$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0$Sco+PyWo9EHG/"
		"q2z71SS5BbVLkBzuEAHkIvicdoQX+A",
		"{PBKDF2}$1$saltsalt$5000$9d0487892cf650c51cd61d0b11d60b9c5114b27e",
	};
	static const char *const bad[] = {
		"{ARGON2ID}$argon2id$v=19$m=1000000,t=3,p=1$c2FsdHNhbHQ$AAAA",
		"{ARGON2ID}$argon2id$v=19$m=64,t=1000,p=1$c2FsdHNhbHQ$AAAA",
		"{ARGON2ID}$argon2id$v=19$t=1,p=1$c2FsdHNhbHQ$AAAA",
		"{ARGON2ID}nonsense",
		"{PBKDF2}$1$salt$99999999$00",
		"{PBKDF2}$1$salt$0$0000000000000000000000000000000000000000",
		"{PBKDF2}$2$salt$1$0000000000000000000000000000000000000000",
		"{PBKDF2}$1$salt",
	};
	struct error err = ERROR_NONE;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		assert_int_equal(password_check(VIEW("secret"), hashes[i], &err), 1);
		assert_int_equal(password_check(VIEW("Secret"), hashes[i], &err), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(password_check(VIEW("secret"), bad[i], &err), -EINVAL);
}

/* What old sites have is taken where the administrator says so, and only there. */
static void old_schemes(void **unused)
{
	static const char *const hashes[] = {
		"{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
		"{MD5}$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
		"{MD5-CRYPT}$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
		"$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
		"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
		"{CRYPT}saHW9GdxihkGQ",
		"{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
		"{SHA1}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
	};
	struct error err = ERROR_NONE;

	(void)unused;
	param.auth_weak_schemes = true;
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		print_message("%s\n", hashes[i]);
		assert_int_equal(password_check(VIEW("secret"), hashes[i], &err), 1);
		assert_int_equal(password_check(VIEW("Secret"), hashes[i], &err), 0);
	}
	assert_int_equal(password_check(VIEW("secret"), "{NTLM}x", &err), -EINVAL);
	param.auth_weak_schemes = false;
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		assert_int_equal(password_check(VIEW("secret"), hashes[i], &err), -EINVAL);
}

static void weak_schemes(void **unused)
{
	static const struct {
		const char *hash, *reason;
	} weak[] = {
		{ "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "too quick to guess" },
		{ "{MD5}$1$salt$X1eLxrx0ViZFMXkqNFgPz1", "too quick to guess" },
		{ "$1$salt$X1eLxrx0ViZFMXkqNFgPz1", "MD5 hash" },
		{ "{CRYPT}$1$salt$X1eLxrx0ViZFMXkqNFgPz1", "MD5 hash" },
		{ "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "too quick to guess" },
		{ "saRoGXU9Ff8oc", "DES hash" },
		{ "{DES-CRYPT}saRoGXU9Ff8oc", "too quick to guess" },
		{ "{NTLM}x", "too quick to guess" },
		{ "{ROT13}frperg", "not known" },
		{ "{PLAIN", "without" },
		{ "$9$x$y", "unknown" },
		{ "{SSHA}not base64!", "no base64" },
		{ "{SSHA256}c2hvcnQ=", "wrong length" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
		struct error err = ERROR_NONE;

		assert_int_equal(password_check(VIEW("secret"), weak[i].hash, &err), -EINVAL);
		if (strstr(err.text, weak[i].reason) == NULL)
			fail_msg("%s: %s", weak[i].hash, err.text);
	}
}

static void never_matches(void **unused)
{
	static const char *const locked[] = { "",	 "*",	     "!",	  "!$6$x$y",
					      "{CRYPT}", "{CRYPT}*", "{SSHA256}*" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(locked); i++) {
		assert_int_equal(password_check(VIEW("secret"), locked[i], NULL), 0);
		assert_int_equal(password_check(VIEW(""), locked[i], NULL), 0);
		assert_int_equal(password_check(VIEW("*"), locked[i], NULL), 0);
	}
	/* An empty or NUL-holding password, which C functions would cut. */
	assert_int_equal(password_check(VIEW(""), "{PLAIN}", NULL), 0);
	assert_int_equal(password_check(VIEW("secret\0x"), "{PLAIN}secret", NULL), 0);
	assert_int_equal(password_check(VIEW("secret\0x"), hashes_of_secret[3], NULL), 0);
}

static void too_long_password(void **unused)
{
	_cleanup_(str_free) struct str password = STR_EMPTY, hash = STR_EMPTY;

	(void)unused;
	for (int i = 0; i <= PASSWORD_MAX; i++)
		str_append_byte(&password, 'x');
	assert_int_equal(password_check(str_view(&password), hashes_of_secret[3], NULL), 0);
	assert_int_equal(password_hash(str_view(&password), NULL, &hash, NULL), -EINVAL);
}

static void made_hashes(void **unused)
{
	static const struct {
		const char *scheme, *prefix;
	} made[] = {
		{ NULL, "{CRYPT}$y$" },
		{ "CRYPT", "{CRYPT}$y$" },
		{ "sha512-crypt", "{SHA512-CRYPT}$6$rounds=" },
		{ "BLF-CRYPT", "{BLF-CRYPT}$2b$" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		_cleanup_(str_free) struct str hash = STR_EMPTY;
		struct error err = ERROR_NONE;

		if (password_hash(VIEW("p\xc3\xa4ss"), made[i].scheme, &hash, &err) != 0)
			fail_msg("%s", err.text);
		assert_true(view_starts(str_view(&hash), view_of(made[i].prefix)));
		assert_int_equal(password_check(VIEW("p\xc3\xa4ss"), str_cstr(&hash), &err), 1);
		assert_int_equal(password_check(VIEW("pass"), str_cstr(&hash), &err), 0);
	}
}

static void two_hashes_differ(void **unused)
{
	_cleanup_(str_free) struct str one = STR_EMPTY, two = STR_EMPTY;

	(void)unused;
	assert_int_equal(password_hash(VIEW("secret"), NULL, &one, NULL), 0);
	assert_int_equal(password_hash(VIEW("secret"), NULL, &two, NULL), 0);
	assert_false(view_eq(str_view(&one), str_view(&two)));
}

static void not_made(void **unused)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY;

	(void)unused;
	assert_int_equal(password_hash(VIEW(""), NULL, &hash, NULL), -EINVAL);
	assert_int_equal(password_hash(VIEW("a\0b"), NULL, &hash, NULL), -EINVAL);
	assert_int_equal(password_hash(VIEW("secret"), "PLAIN-MD5", &hash, NULL), -EINVAL);
	assert_int_equal(hash.len, 0);
}

/* RFC 7677 3, as Dovecot writes it. */
#define PENCIL                                                                                     \
	"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"                                            \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"                                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void scram(void **unused)
{
	static const char *const bad[] = { "{SCRAM-SHA-256}", "{SCRAM-SHA-256}4096,YQ==,YQ==,YQ==",
					   "{SCRAM-SHA-256}0,YQ==,YQ==,YQ==", "{CRYPT}$y$x" };
	_cleanup_(scram_keys_free) struct scram_keys keys = { 0 };
	_cleanup_(str_free) struct str hash = STR_EMPTY;

	(void)unused;
	assert_int_equal(password_check(VIEW("pencil"), PENCIL, NULL), 1);
	assert_int_equal(password_check(VIEW("pencils"), PENCIL, NULL), 0);
	assert_int_equal(password_scram_keys(PENCIL, SCRAM_SHA_256, VIEW("salt"), &keys, NULL), 0);
	assert_int_equal(keys.iterations, 4096);
	assert_string_equal(str_cstr(&keys.salt), "W22ZaJ0SNY7soEsUEjb6gQ==");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			password_scram_keys(bad[i], SCRAM_SHA_256, VIEW("salt"), &keys, NULL),
			-EINVAL);
	assert_int_equal(
		password_scram_keys("{PLAIN}pencil", SCRAM_SHA_256, VIEW("salt"), &keys, NULL), 0);
	assert_int_equal(password_hash(VIEW("pencil"), "scram-sha-256", &hash, NULL), 0);
	assert_int_equal(password_check(VIEW("pencil"), str_cstr(&hash), NULL), 1);
	assert_int_equal(password_check(VIEW("Pencil"), str_cstr(&hash), NULL), 0);
	assert_int_equal(password_hash(VIEW("b\xc3\xa4r"), "SCRAM-SHA-256", &hash, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram),
		cmocka_unit_test(known_schemes),
		cmocka_unit_test(weak_schemes),
		cmocka_unit_test(costly_schemes),
		cmocka_unit_test(old_schemes),
		cmocka_unit_test(never_matches),
		cmocka_unit_test(too_long_password),
		cmocka_unit_test(made_hashes),
		cmocka_unit_test(two_hashes_differ),
		cmocka_unit_test(not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

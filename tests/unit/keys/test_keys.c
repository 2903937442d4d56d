/* keys: which keys are read for whom, and what it signs with them. */
#include "../conf_folder.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/encode.h"
#include "base/io.h"
#include "certificate.h"
#include "keys.h"

enum { MAIN, SUBMISSION, CLIENT, UNUSED, IDENTITIES };
static struct identity identities[IDENTITIES];
static char names[IDENTITIES][TLS_KEY_NAME_SIZE];

static struct view name_of(int which)
{
	return view_make(names[which], TLS_KEY_NAME_SIZE);
}

static int load(const char *main_cf, const char *master_cf, struct error *err)
{
	conf_folder_load(main_cf, master_cf);
	return keys_load(conf_folder, err);
}

/* ---- which ---- */

static const char master_cf[] = "smtp inet n - - - - smtpd\n"
				"submission inet n - - - - smtpd\n"
				" -o smtpd_tls_cert_file=$here/1\n"
				"other inet n - - - - smtpd\n"
				" -o smtpd_tls_cert_file=$here/nonexistent\n"
				" -o smtpd_tls_security_level=none\n"
				"smtp unix - - - - - smtp\n";

static void test_which(void **state)
{
	_cleanup_(str_free) struct str main_cf = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)state;
	str_printf(&main_cf,
		   "myhostname = a.test\nhere = %s\nsmtpd_tls_security_level = may\n"
		   "smtpd_tls_cert_file = $here/0\nsmtp_tls_security_level = may\n"
		   "smtp_tls_chain_files = $here/2\nlmtp_tls_chain_files = $here/3\n",
		   conf_folder);
	if (load(main_cf.data, master_cf, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(keys_count(), 3);
	assert_non_null(keys_find(name_of(MAIN), KEY_FOR_SERVERS));
	assert_null(keys_find(name_of(MAIN), KEY_FOR_CLIENTS));
	assert_non_null(keys_find(name_of(SUBMISSION), KEY_FOR_SERVERS));
	assert_non_null(keys_find(name_of(CLIENT), KEY_FOR_CLIENTS));
	assert_null(keys_find(name_of(CLIENT), KEY_FOR_SERVERS));
	assert_null(keys_find(name_of(UNUSED), KEY_FOR_CLIENTS));
	assert_null(keys_find(view_first(name_of(MAIN), 31), KEY_FOR_SERVERS));
	keys_unload();
	/* A service without its certificate will not start; one without its key must not. */
	assert_int_equal(load(main_cf.data,
			      "smtp inet n - - - - smtpd\n -o smtpd_tls_cert_file=/nonexistent\n",
			      &err),
			 0);
	assert_int_equal(keys_count(), 0);
	keys_unload();
	assert_true(load(main_cf.data,
			 "smtp inet n - - - - smtpd\n -o smtpd_tls_key_file=/nonexistent\n",
			 &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent"));
	keys_unload();
	assert_true(load(main_cf.data,
			 "smtp inet n - - - - smtpd\n -o smtpd_tls_key_file=$here/1\n", &err) < 0);
	assert_non_null(strstr(err.text, "not that of the certificate"));
	keys_unload();
}

/* ---- what ---- */

static void verify_input(struct str *input, const char *side)
{
	str_truncate(input, 0);
	for (int i = 0; i < 64; i++)
		str_append_byte(input, ' ');
	str_printf(input, "TLS 1.3, %s CertificateVerify", side);
	str_append_byte(input, '\0');
	str_append(input, VIEW("0123456789abcdef0123456789abcdef"));
}

static bool is_signed(int which, struct view input, struct view signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL,
					 identities[which].key) == 1 &&
		    EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
				     (const unsigned char *)input.data, input.len) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

static void refused(int why, unsigned use, struct view name, unsigned scheme, struct view input)
{
	_cleanup_(str_free) struct str signature = STR_EMPTY;

	assert_int_equal(keys_signature(use, name, scheme, input, &signature), 1 + why);
	assert_int_equal(signature.len, 0);
}

static void test_what(void **state)
{
	_cleanup_(str_free) struct str main_cf = STR_EMPTY, signature = STR_EMPTY,
				       input = STR_EMPTY;
	_cleanup_free_ char *large = mem_new_bytes(TLS_SIGN_INPUT_MAX + 1);
	struct error err = ERROR_NONE;

	(void)state;
	str_printf(&main_cf,
		   "myhostname = a.test\nhere = %s\nsmtpd_tls_security_level = may\n"
		   "smtpd_tls_cert_file = $here/0\nsmtp_tls_security_level = may\n"
		   "smtp_tls_chain_files = $here/2\n",
		   conf_folder);
	assert_int_equal(load(main_cf.data, master_cf, &err), 0);
	verify_input(&input, "server");
	assert_int_equal(keys_signature(KEY_FOR_SERVERS, name_of(MAIN), 0x0403, str_view(&input),
					&signature),
			 0);
	assert_true(is_signed(MAIN, str_view(&input), str_view(&signature)));
	refused(KEY_UNKNOWN, KEY_FOR_SERVERS, name_of(UNUSED), 0x0403, str_view(&input));
	refused(KEY_UNKNOWN, KEY_FOR_CLIENTS, name_of(MAIN), 0x0403, str_view(&input));
	refused(KEY_SCHEME, KEY_FOR_SERVERS, name_of(MAIN), 0x0804, str_view(&input)); /* of RSA */
	refused(KEY_SCHEME, KEY_FOR_SERVERS, name_of(MAIN), 0x0203, str_view(&input)); /* SHA-1 */
	/* What is not signed in a handshake, or not on this side of it. */
	refused(KEY_INPUT, KEY_FOR_CLIENTS, name_of(CLIENT), 0x0403, str_view(&input));
	refused(KEY_INPUT, KEY_FOR_SERVERS, name_of(MAIN), 0x0403,
		VIEW("0123456789abcdef0123456789abcdef"));
	refused(KEY_INPUT, KEY_FOR_SERVERS, name_of(MAIN), 0x0403, VIEW_NONE);
	memset(large, 1, TLS_SIGN_INPUT_MAX + 1);
	refused(KEY_INPUT, KEY_FOR_CLIENTS, name_of(CLIENT), 0x0403,
		view_make(large, TLS_SIGN_INPUT_MAX + 1));
	verify_input(&input, "client");
	refused(KEY_INPUT, KEY_FOR_SERVERS, name_of(MAIN), 0x0403, str_view(&input));
	str_truncate(&signature, 0);
	assert_int_equal(keys_signature(KEY_FOR_CLIENTS, name_of(CLIENT), 0x0403, str_view(&input),
					&signature),
			 0);
	assert_true(is_signed(CLIENT, str_view(&input), str_view(&signature)));
	keys_unload();
}

/* ---- certificates by the client's name ---- */

static const char *sni_of(const char *maps, const char *name, struct view *chain)
{
	int r = sni_find(view_of(maps), view_of(name), chain);

	return r == 1 ? "found" : r == 0 ? "none" : r == -EIO ? "broken" : "?";
}

static void read_identity(int which, struct str *text)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_printf(&path, "%s/%d", conf_folder, which);
	if (io_read_file(str_cstr(&path), 100000, text, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_names(void **state)
{
	_cleanup_(str_free) struct str main_cf = STR_EMPTY, maps = STR_EMPTY, text = STR_EMPTY,
				       stored = STR_EMPTY, file = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view chain;

	(void)state;
	read_identity(UNUSED, &text);
	base64_encode(&stored, str_view(&text));
	str_printf(&file, "late.test %s/0\nstored.test %.*s\n", conf_folder,
		   VIEW_ARG(str_view(&stored)));
	conf_folder_write("sni", str_cstr(&file));
	str_printf(&maps,
		   "inline:{ { one.test = %s/1 } { .wild.test = %s/2 } { bad.test = /nonexistent } "
		   "{ late.test = %s/1 } } texthash:%s/sni",
		   conf_folder, conf_folder, conf_folder, conf_folder);
	str_printf(&main_cf,
		   "myhostname = a.test\nsmtpd_tls_security_level = may\n"
		   "smtpd_tls_cert_file = %s/0\ntls_server_sni_maps = %s\n",
		   conf_folder, maps.data);
	if (load(main_cf.data,
		 "smtp inet n - - - - smtpd\nx inet n - - - - smtpd\n"
		 " -o tls_server_sni_maps=hash:/nonexistent\n",
		 &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(sni_of(maps.data, "one.test", &chain), "found");
	assert_string_equal(sni_of(maps.data, "ONE.Test", &chain), "found");
	assert_string_equal(sni_of(maps.data, "two.one.test", &chain), "none");
	assert_string_equal(sni_of(maps.data, "a.b.wild.test", &chain), "found");
	assert_string_equal(sni_of(maps.data, "wild.test", &chain), "none");
	assert_string_equal(sni_of(maps.data, ".wild.test", &chain), "none");
	assert_string_equal(sni_of(maps.data, "", &chain), "none");
	assert_string_equal(sni_of(maps.data, "bad.test", &chain), "broken");
	assert_string_equal(sni_of("inline:{ { one.test = x } }", "one.test", &chain), "none");
	assert_string_equal(sni_of("hash:/nonexistent", "one.test", &chain), "broken");
	assert_string_equal(sni_of(maps.data, "late.test", &chain), "found");
	assert_non_null(keys_find(name_of(SUBMISSION), KEY_FOR_SERVERS));
	assert_non_null(keys_find(name_of(CLIENT), KEY_FOR_SERVERS));
	assert_non_null(keys_find(name_of(UNUSED), KEY_FOR_SERVERS));
	assert_null(keys_find(name_of(UNUSED), KEY_FOR_CLIENTS));
	/* The certificate of the file, and of its key nothing. */
	assert_string_equal(sni_of(maps.data, "stored.test", &chain), "found");
	size_t cert = view_find(str_view(&text), VIEW("-----BEGIN CERT"));
	size_t at = view_find(chain, VIEW("-----BEGIN CERT"));

	assert_true(view_eq(view_from(str_view(&text), cert), view_from(chain, at)));
	assert_true(view_eq(view_first(chain, at),
			    VIEW("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")));
	keys_unload();
}

/* ---- files ---- */

static int set_up(void **state)
{
	if (conf_folder_make(state) < 0)
		return -1;
	for (int i = 0; i < IDENTITIES; i++) {
		unsigned char *der = NULL;
		char path[100];
		int len;

		identities[i] = identity_make("key", "DNS:a.test", NULL, false);
		snprintf(path, sizeof(path), "%s/%d", conf_folder, i);
		identity_write(&identities[i], path, true, true);
		len = i2d_PUBKEY(identities[i].key, &der);
		SHA256(der, (size_t)len, (unsigned char *)names[i]);
		OPENSSL_free(der);
	}
	return 0;
}

static int tear_down(void **state)
{
	for (int i = 0; i < IDENTITIES; i++)
		identity_free(&identities[i]);
	return conf_folder_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which),
		cmocka_unit_test(test_what),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

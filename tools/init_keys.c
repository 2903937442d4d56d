/* Certificates and the DKIM key, made with OpenSSL. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "tools/init.h"

#define DAY	86400L
#define CA_DAYS 3650
/* Some clients refuse one that is good for more than 825 days: with the day before and both ends. */
#define LEAF_DAYS 823
#define DKIM_BITS 2048

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}
static void free_certificate(X509 **certificate)
{
	X509_free(*certificate);
}
static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

struct kind {
	const char *name; /* common name */
	long days;
	const char *constraints, *usage, *extended_usage; /* extensions, or NULL */
	const char *names;				  /* subjectAltName, or NULL */
};

static int extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	int good;

	if (value == NULL)
		return 1;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	good = extension != NULL && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return good;
}

static int set_serial(X509 *certificate)
{
	unsigned char bytes[16];
	BIGNUM *number;
	int good;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] &= 0x7f; /* positive */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	good = number != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return good;
}

/* A certificate for `key`, signed by the issuer's; its own issuer if that is NULL. */
static X509 *certify(EVP_PKEY *key, const struct kind *kind, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *c = X509_new();
	X509_NAME *name = c != NULL ? X509_get_subject_name(c) : NULL;
	X509 *by = issuer != NULL ? issuer : c;

	if (c != NULL && X509_set_version(c, 2) && set_serial(c) &&
	    X509_gmtime_adj(X509_getm_notBefore(c), -DAY) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(c), kind->days * DAY) != NULL &&
	    X509_set_pubkey(c, key) &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)kind->name,
				       -1, -1, 0) &&
	    X509_set_issuer_name(c, X509_get_subject_name(by)) &&
	    extend(c, by, NID_basic_constraints, kind->constraints) &&
	    extend(c, by, NID_key_usage, kind->usage) &&
	    extend(c, by, NID_ext_key_usage, kind->extended_usage) &&
	    extend(c, by, NID_subject_key_identifier, "hash") &&
	    extend(c, by, NID_authority_key_identifier, "keyid") &&
	    extend(c, by, NID_subject_alt_name, kind->names) &&
	    X509_sign(c, issuer_key, EVP_sha256()) > 0)
		return c;
	X509_free(c);
	return NULL;
}

/* ---- files ---- */

static int write_bio(const struct init *init, const char *name, BIO *bio, mode_t mode,
		     struct error *err)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return init_write(init, name, view_make(data, (size_t)len), mode, err);
}

static int write_key(const struct init *init, const char *name, EVP_PKEY *key, struct error *err)
{
	_cleanup_(free_bio) BIO *bio = BIO_new(BIO_s_secmem());

	if (bio == NULL || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return error_set(err, -EIO, "OpenSSL could not write %s", name);
	return write_bio(init, name, bio, 0600, err);
}

/* One certificate, or the server's with the one that signed it. */
static int write_certificates(const struct init *init, const char *name, X509 *first, X509 *second,
			      struct error *err)
{
	_cleanup_(free_bio) BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || !PEM_write_bio_X509(bio, first) ||
	    (second != NULL && !PEM_write_bio_X509(bio, second)))
		return error_set(err, -EIO, "OpenSSL could not write %s", name);
	return write_bio(init, name, bio, 0644, err);
}

static int make_certificates(const struct init *init, struct error *err)
{
	_cleanup_(str_free) struct str ca_name = STR_EMPTY, names = STR_EMPTY;
	_cleanup_(free_key) EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	_cleanup_(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
	int r;

	/* Different from one instance to the next: clients tell authorities apart by name. */
	str_printf(&ca_name, "%.40s mail CA %08x", init->domain, (unsigned)time(NULL));
	str_printf(&names, "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", init->host);

	const struct kind ca = { .name = ca_name.data,
				 .days = CA_DAYS,
				 .constraints = "critical,CA:TRUE,pathlen:0",
				 .usage = "critical,keyCertSign,cRLSign" };
	/* A common name has 64 bytes at most; clients look at the alternative names. */
	const struct kind leaf = { .name = strlen(init->host) <= 64 ? init->host : "mail server",
				   .days = LEAF_DAYS,
				   .constraints = "critical,CA:FALSE",
				   .usage = "critical,digitalSignature",
				   .extended_usage = "serverAuth,clientAuth",
				   .names = names.data };
	_cleanup_(free_certificate) X509 *ca_certificate =
		ca_key != NULL ? certify(ca_key, &ca, NULL, ca_key) : NULL;
	_cleanup_(free_certificate) X509 *certificate =
		ca_certificate != NULL && key != NULL ? certify(key, &leaf, ca_certificate, ca_key)
						      : NULL;

	if (certificate == NULL)
		return error_set(err, -EIO, "OpenSSL could not make the certificates");
	r = write_key(init, "conf/tls/ca.key", ca_key, err);
	if (r == 0)
		r = write_certificates(init, "conf/tls/ca.pem", ca_certificate, NULL, err);
	if (r == 0)
		r = write_key(init, "conf/tls/server.key", key, err);
	return r < 0 ? r
		     : write_certificates(init, "conf/tls/server.pem", certificate, ca_certificate,
					  err);
}

static int make_dkim_key(struct init *init, struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, row = STR_EMPTY;
	_cleanup_(free_key) EVP_PKEY *key = EVP_RSA_gen(DKIM_BITS);
	unsigned char *der = NULL;
	int len = key != NULL ? i2d_PUBKEY(key, &der) : -1;

	if (len < 0)
		return error_set(err, -EIO, "OpenSSL could not make the DKIM key");
	str_append_cstr(&init->dkim_record, "v=DKIM1; k=rsa; p=");
	base64_encode(&init->dkim_record, view_make(der, (size_t)len));
	OPENSSL_free(der);
	str_printf(&name, "conf/dkim/%s.%s.key", INIT_DKIM_SELECTOR, init->domain);
	int r = write_key(init, name.data, key, err);

	if (r < 0)
		return r;
	/* It signs once posta dkim check has seen its record. */
	str_printf(&row, "# pending %s.%s %s:%s:%s/%s\n", INIT_DKIM_SELECTOR, init->domain,
		   init->domain, INIT_DKIM_SELECTOR, init->directory, name.data);
	return init_write(init, "conf/dkim/keys", str_view(&row), 0644, err);
}

int init_keys(struct init *init, struct error *err)
{
	int r = make_certificates(init, err);

	return r < 0 ? r : make_dkim_key(init, err);
}

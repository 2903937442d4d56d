/*
 * Certificates and private keys from PEM files. A program that only has certificates (another one
 * signs for it) never decodes a key that stands in the same file, and wipes what it has read.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tls/internal.h"

/* A chain has a few kilobytes. */
#define PEM_FILE_MAX 1048576

void identity_clear(struct tls_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	sk_X509_pop_free(id->chain, X509_free);
	*id = (struct tls_identity){ 0 };
}

/* ---- a file ---- */

/* All of it in *text, which the caller wipes. */
static int pem_read_file(const char *path, struct str *text, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", path);
	if (st.st_size > PEM_FILE_MAX)
		return error_set(err, -EFBIG, "%s: too large for certificates and keys", path);
	/* Room at once: a string that grows would leave copies of the key. */
	str_reserve(text, (size_t)st.st_size + 1);
	r = io_pread_all(fd, text->data, (size_t)st.st_size, 0);
	if (r < 0)
		return error_set(err, r, "read %s: %s", path, strerror(-r));
	str_grow(text, (size_t)st.st_size);
	return 0;
}

struct pem_block {
	struct view type, text; /* "CERTIFICATE"; with its BEGIN and END lines */
};

/* The next block. 1, 0 at the end, or -EINVAL: it has no end. */
static int pem_next(struct view *rest, struct pem_block *block)
{
	const struct view begin = VIEW("-----BEGIN "), end = VIEW("-----END ");
	size_t at, type_end, stop;

	for (;;) {
		at = view_find(*rest, begin);
		if (at == VIEW_NOT_FOUND)
			return 0;
		if (at == 0 || rest->data[at - 1] == '\n')
			break;
		*rest = view_from(*rest, at + begin.len);
	}
	*rest = view_from(*rest, at);
	block->type = view_from(*rest, begin.len);
	type_end = view_find(block->type, VIEW("-----"));
	stop = view_find(*rest, end);
	if (type_end == VIEW_NOT_FOUND || stop == VIEW_NOT_FOUND)
		return -EINVAL;
	block->type = view_first(block->type, type_end);
	stop += MIN(view_find_byte(view_from(*rest, stop), '\n'), rest->len - stop);
	stop = MIN(stop + 1, rest->len);
	block->text = view_first(*rest, stop);
	*rest = view_from(*rest, stop);
	return 1;
}

static bool pem_is_key(const struct pem_block *block)
{
	return view_ends(block->type, VIEW("PRIVATE KEY"));
}

static bool pem_is_certificate(const struct pem_block *block)
{
	return view_is(block->type, PEM_STRING_X509) || view_is(block->type, PEM_STRING_X509_OLD);
}

static int identity_no_passphrase(char *buffer, int size, int writing, void *unused)
{
	(void)buffer, (void)size, (void)writing, (void)unused;
	return 0;
}

static int pem_decode_key(const struct pem_block *block, EVP_PKEY **key, const char *path,
			  struct error *err)
{
	BIO *text;

	/* The old way to encrypt a key is told by a header line. */
	if (view_is(block->type, PEM_STRING_PKCS8) ||
	    view_find(block->text, VIEW("ENCRYPTED")) != VIEW_NOT_FOUND)
		return error_set(err, -EINVAL, "%s: the private key needs a passphrase", path);
	text = BIO_new_mem_buf(block->text.data, (int)block->text.len);
	if (text == NULL)
		mem_exhausted();
	*key = PEM_read_bio_PrivateKey(text, NULL, identity_no_passphrase, NULL);
	BIO_free(text);
	return *key ? 0 : tls_failed(err, "read the private key in", path);
}

static int pem_decode_certificate(const struct pem_block *block, X509 **cert, const char *path,
				  struct error *err)
{
	BIO *text = BIO_new_mem_buf(block->text.data, (int)block->text.len);

	if (text == NULL)
		mem_exhausted();
	*cert = PEM_read_bio_X509(text, NULL, NULL, NULL);
	BIO_free(text);
	return *cert ? 0 : tls_failed(err, "read a certificate in", path);
}

static void identity_add_certificate(struct tls_identity *id, X509 *cert)
{
	if (id->cert == NULL) {
		id->cert = cert;
		return;
	}
	if (id->chain == NULL)
		id->chain = sk_X509_new_null();
	if (id->chain == NULL || !sk_X509_push(id->chain, cert))
		mem_exhausted();
}

/* ---- keys and certificates in a row (smtpd_tls_chain_files) ---- */

struct reading {
	struct tls_identity id; /* being collected */
	bool with_keys;
	identity_taker *take;
	void *argument;
};

/* Gives on what is complete. */
static int reading_give(struct reading *reading, const char *path, struct error *err)
{
	int r = 0;

	if (reading->id.has_key && reading->id.cert == NULL)
		r = error_set(err, -EINVAL, "%s: a private key without a certificate", path);
	else if (reading->id.has_key)
		r = reading->take(reading->argument, &reading->id, path, err);
	identity_clear(&reading->id);
	return r;
}

/* What is neither key nor certificate (parameters) is passed over. */
static int reading_add(struct reading *reading, const struct pem_block *block, const char *path,
		       struct error *err)
{
	X509 *cert;
	int r;

	if (pem_is_key(block)) {
		r = reading_give(reading, path, err);
		reading->id.has_key = true;
		if (r == 0 && reading->with_keys)
			r = pem_decode_key(block, &reading->id.key, path, err);
		return r;
	}
	if (!pem_is_certificate(block))
		return 0;
	if (!reading->id.has_key)
		return error_set(err, -EINVAL, "%s: a certificate that no private key precedes",
				 path);
	r = pem_decode_certificate(block, &cert, path, err);
	if (r == 0)
		identity_add_certificate(&reading->id, cert);
	return r;
}

static int reading_of_text(struct reading *reading, struct view text, const char *path,
			   struct error *err)
{
	struct pem_block block;
	int r;

	while ((r = pem_next(&text, &block)) > 0) {
		r = reading_add(reading, &block, path, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? error_set(err, r, "%s: a BEGIN line without an END", path) : 0;
}

static int identities_of_chain_files(struct reading *reading, const char *files, struct error *err)
{
	struct view rest = view_of(files), word;
	int r = 0;

	while (r == 0 && view_next_word(&rest, " ,\t\r\n", &word)) {
		_cleanup_free_ char *path = mem_strndup(word.data, word.len);
		_cleanup_(str_free) struct str text = STR_EMPTY;

		r = pem_read_file(path, &text, err);
		if (r == 0)
			r = reading_of_text(reading, str_view(&text), path, err);
		mem_wipe(text.data, text.len);
	}
	return r == 0 ? reading_give(reading, files, err) : r;
}

/* ---- a certificate and its key, in one file or two ---- */

static int reading_of_certificates(struct reading *reading, struct view text, const char *path,
				   struct error *err)
{
	struct pem_block block;
	X509 *cert;
	int r;

	while ((r = pem_next(&text, &block)) > 0) {
		if (!pem_is_certificate(&block))
			continue;
		r = pem_decode_certificate(&block, &cert, path, err);
		if (r < 0)
			return r;
		identity_add_certificate(&reading->id, cert);
	}
	if (r < 0)
		return error_set(err, r, "%s: a BEGIN line without an END", path);
	return reading->id.cert ? 0 : error_set(err, -EINVAL, "%s: no certificate in it", path);
}

static int reading_of_key(struct reading *reading, struct view text, const char *path,
			  struct error *err)
{
	struct pem_block block;

	while (pem_next(&text, &block) > 0)
		if (pem_is_key(&block))
			return pem_decode_key(&block, &reading->id.key, path, err);
	return error_set(err, -EINVAL, "read the private key %s: there is none in it", path);
}

static int identity_of_pair(struct reading *reading, const char *cert_file, const char *key_file,
			    struct error *err)
{
	_cleanup_(str_free) struct str certs = STR_EMPTY, key = STR_EMPTY;
	int r = pem_read_file(cert_file, &certs, err);

	if (key_file == NULL)
		key_file = cert_file;
	if (r == 0)
		r = reading_of_certificates(reading, str_view(&certs), cert_file, err);
	mem_wipe(certs.data, certs.len);
	if (r == 0 && reading->with_keys) {
		r = pem_read_file(key_file, &key, err);
		if (r == 0)
			r = reading_of_key(reading, str_view(&key), key_file, err);
		mem_wipe(key.data, key.len);
	}
	reading->id.has_key = true;
	if (r < 0) {
		identity_clear(&reading->id);
		return r;
	}
	return reading_give(reading, cert_file, err);
}

/* ---- both ---- */

int identities_read(const struct tls_options *options, bool with_keys, identity_taker *take,
		    void *argument, struct error *err)
{
	struct reading reading = { .with_keys = with_keys, .take = take, .argument = argument };
	int r = 0;

	ERR_clear_error();
	if (options->chain_files != NULL)
		r = identities_of_chain_files(&reading, options->chain_files, err);
	else if (options->cert_file != NULL)
		r = identity_of_pair(&reading, options->cert_file, options->key_file, err);
	if (r == 0 && options->chain_files == NULL && options->ec_cert_file != NULL)
		r = identity_of_pair(&reading, options->ec_cert_file, options->ec_key_file, err);
	identity_clear(&reading.id);
	ERR_clear_error();
	return r;
}

int identities_read_text(struct view text, const char *name, bool with_keys, identity_taker *take,
			 void *argument, struct error *err)
{
	struct reading reading = { .with_keys = with_keys, .take = take, .argument = argument };
	int r;

	ERR_clear_error();
	r = reading_of_text(&reading, text, name, err);
	if (r == 0)
		r = reading_give(&reading, name, err);
	identity_clear(&reading.id);
	ERR_clear_error();
	return r;
}

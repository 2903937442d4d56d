/* Salted and plain digests as LDAP directories and older mail servers store them (RFC 2307). */
#include "user/internal.h"

#include <errno.h>
#include <openssl/evp.h>

#include "base/encode.h"
#include "base/mem.h"

#define SALT_MAX 256

int password_check_digest(const char *algorithm, bool salted, struct view encoded,
			  struct view password, struct error *err)
{
	_cleanup_(str_free) struct str stored = STR_EMPTY;
	unsigned char digest[EVP_MAX_MD_SIZE];
	const EVP_MD *md = EVP_get_digestbyname(algorithm);
	unsigned len = 0;

	/* Hexadecimal is told by its length: no base64 of a digest alone is as long. With a salt one may be. */
	bool is_hex = md != NULL && !salted && encoded.len == 2 * (size_t)EVP_MD_get_size(md);

	if (md == NULL ||
	    (is_hex ? hex_decode(&stored, encoded) : base64_decode(&stored, encoded)) < 0)
		return error_set(err, -EINVAL, "the stored password is no base64 of a %s digest",
				 algorithm);

	size_t size = (size_t)EVP_MD_get_size(md);

	if (stored.len < size || stored.len > size + SALT_MAX || (!salted && stored.len != size) ||
	    (salted && stored.len == size))
		return error_set(err, -EINVAL, "the stored %s digest has a wrong length",
				 algorithm);

	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL)
		mem_exhausted();

	bool ok = EVP_DigestInit_ex(context, md, NULL) == 1 &&
		  EVP_DigestUpdate(context, password.data, password.len) == 1 &&
		  EVP_DigestUpdate(context, stored.data + size, stored.len - size) == 1 &&
		  EVP_DigestFinal_ex(context, digest, &len) == 1;

	EVP_MD_CTX_free(context);
	if (!ok)
		return error_set(err, -EINVAL, "cannot compute a %s digest", algorithm);

	bool equal = secret_equal(view_make(digest, len), view_make(stored.data, size));

	mem_wipe(digest, sizeof(digest));
	return equal ? 1 : 0;
}

/*
 * MACs, for marks that come back to us one day and are believed then: return paths of SRS, and the
 * mark of what a content filter has from us. Each purpose has secrets and a hash of its own, so that
 * a MAC made for one is worth nothing for the other. What is marked, the caller knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "keys.h"
#include "table/table.h"

#define SECRET_FILE_MAX ((size_t)65536)
#define SECRETS_MAX	8  /* in one file: those of before are still known */
#define SECRET_SIZE	32 /* random bytes, where we make it */

static struct {
	struct str secrets[SECRETS_MAX];
	size_t count;
} macs[MAC_PURPOSES];

/* A random one, whole in its place or not at all; somebody else may do the same now. */
static int secret_make(const char *path, struct error *err)
{
	_cleanup_(str_wipe) struct str text = STR_EMPTY;
	_cleanup_(str_free) struct str beside = STR_EMPTY, folder = STR_EMPTY;
	char bytes[SECRET_SIZE];
	_cleanup_fd_ int fd = -1;
	int r;

	random_bytes(bytes, sizeof(bytes));
	base64_encode(&text, view_make(bytes, sizeof(bytes)));
	explicit_bzero(bytes, sizeof(bytes));
	str_append_byte(&text, '\n');
	str_printf(&beside, "%s.%d", path, (int)getpid());
	fd = open(str_cstr(&beside), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "make the secret %s", path);
	r = io_write_all(fd, text.data, text.len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && link(str_cstr(&beside), path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(str_cstr(&beside));
	/* Marks that it has made are out before long. */
	io_folder_of(path, &folder);
	if (r == 0)
		r = io_sync_directory(str_cstr(&folder));
	return r < 0 ? error_code(err, r, "make the secret %s", path) : 0;
}

/*
 * The folder may be another user's, who could lead us elsewhere: no links, and what was opened is what
 * is looked at.
 */
static int secret_take(const char *path, struct str *text, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "read the secret %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IROTH | S_IWOTH)) ||
	    (uint64_t)st.st_size > SECRET_FILE_MAX)
		return error_set(err, -EACCES,
				 "%s: not a file of secrets, or others may read or write it "
				 "(chmod o-rw)",
				 path);
	n = pread(fd, str_reserve(text, (size_t)st.st_size + 1), (size_t)st.st_size, 0);
	if (n < 0)
		return error_errno(err, "read the secret %s", path);
	str_grow(text, (size_t)n);
	return 0;
}

static int secret_read(unsigned purpose, const char *path, struct error *err)
{
	_cleanup_(str_wipe) struct str text = STR_EMPTY;
	struct view rest, line;
	struct stat st;
	int r = 0;

	if (lstat(path, &st) < 0 && errno == ENOENT)
		r = secret_make(path, err);
	if (r == 0)
		r = secret_take(path, &text, err);
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		line = view_trim(line);
		if (line.len > 0 && macs[purpose].count < SECRETS_MAX)
			str_append(&macs[purpose].secrets[macs[purpose].count++], line);
	}
	if (r == 0 && macs[purpose].count == 0)
		r = error_set(err, -EINVAL, "%s: there is no secret in it", path);
	return r;
}

static int mac_make(unsigned purpose, struct view secret, struct view text, struct str *out)
{
	const EVP_MD *digest = purpose == MAC_SRS ? EVP_sha1() : EVP_sha256();
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (HMAC(digest, secret.data, (int)secret.len, (const unsigned char *)text.data, text.len,
		 mac, &size) == NULL)
		return -EIO;
	str_append(out, view_make((const char *)mac, size));
	return 0;
}

int mac_load(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, tried = STR_EMPTY;
	struct error problem = ERROR_NONE;

	str_printf(&path, "%s/mail_secret", param.data_directory);
	if (secret_read(MAC_PASSAGE, str_cstr(&path), &problem) < 0)
		log_warning("what a content filter brings back is not known again: %s",
			    problem.text);
	/* OpenSSL reads what it wants to read. */
	(void)mac_make(MAC_SRS, VIEW("x"), VIEW("x"), &tried);
	(void)mac_make(MAC_PASSAGE, VIEW("x"), VIEW("x"), &tried);
	if (param.srs_domain[0] == '\0')
		return 0;
	if (secret_read(MAC_SRS, param.srs_secret_file, err) < 0) {
		error_prefix(err, "srs_secret_file");
		return -EINVAL;
	}
	return table_watch_files((const char *const[]){ param.srs_secret_file }, 1, err);
}

int mac_answer(struct ipc *ipc, const struct msg_mac *m)
{
	_cleanup_(str_free) struct str all = STR_EMPTY;
	int r = 0;

	if (m->purpose >= MAC_PURPOSES || macs[m->purpose].count == 0)
		return ipc_send(ipc, key_refused, .why = KEY_UNKNOWN);
	for (size_t i = 0; r == 0 && i < macs[m->purpose].count; i++)
		r = mac_make(m->purpose, str_view(&macs[m->purpose].secrets[i]), m->text, &all);
	if (r < 0) {
		log_error("OpenSSL could not make a MAC");
		return ipc_send(ipc, key_refused, .why = KEY_FAILED);
	}
	return ipc_send(ipc, mac_is, .macs = str_view(&all));
}

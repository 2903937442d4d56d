/* The files of DKIM keys: read, written, and new keys made. */
#include "tools/dkim_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "mailauth/signing_table.h"
#include "tools/tool.h"

#define DKIM_RSA_BITS 2048
#define DKIM_FILE_MAX ((size_t)1024 * 1024)
#define PENDING	      "# pending "
#define RETIRED	      "# retired "

static void dkim_path(const char *name, struct str *path)
{
	str_printf(path, "%s/dkim/%s", tool_directory(), name);
}

void dkim_keys_sources(struct str *key_table, struct str *signing_table)
{
	str_append_cstr(key_table, "file:");
	dkim_path("keys", key_table);
	str_append_cstr(signing_table, "refile:");
	dkim_path("signing", signing_table);
}

/* ---- reading ---- */

static bool dkim_read_entry(struct view line, struct dkim_entry *entry)
{
	struct view name = VIEW_NONE, date = VIEW_NONE, domain = VIEW_NONE, selector = VIEW_NONE;

	*entry = (struct dkim_entry){ .state = DKIM_ACTIVE };
	if (view_starts(line, VIEW(PENDING))) {
		entry->state = DKIM_PENDING;
		line = view_from(line, strlen(PENDING));
	} else if (view_starts(line, VIEW(RETIRED))) {
		entry->state = DKIM_RETIRED;
		line = view_from(line, strlen(RETIRED));
		if (!view_next_word(&line, " ", &date) || date.len >= sizeof(entry->date))
			return false;
		memcpy(entry->date, date.data, date.len);
	} else if (line.len > 0 && line.data[0] == '#') {
		return false;
	}
	view_next_word(&line, " \t", &name);
	line = view_trim(line);
	if (name.len == 0 || !view_next(&line, ':', &domain) || !view_next(&line, ':', &selector) ||
	    line.len == 0 || line.data[0] != '/')
		return false;
	entry->name = mem_strndup(name.data, name.len);
	entry->domain = mem_strndup(domain.data, domain.len);
	entry->selector = mem_strndup(selector.data, selector.len);
	entry->path = mem_strndup(line.data, line.len);
	return true;
}

static struct dkim_entry *dkim_keys_add(struct dkim_keys *keys)
{
	array_grow(keys->entries, keys->count);
	return &keys->entries[keys->count++];
}

int dkim_keys_read(struct dkim_keys *keys, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct view rest, line;
	int r;

	*keys = (struct dkim_keys){ 0 };
	dkim_path("keys", &path);
	if (access(str_cstr(&path), F_OK) < 0 && errno == ENOENT)
		return 0;
	r = io_read_file(str_cstr(&path), DKIM_FILE_MAX, &text, err);
	rest = str_view(&text);
	while (r == 0 && rest.len > 0 && view_next(&rest, '\n', &line)) {
		struct dkim_entry entry;

		if (dkim_read_entry(view_trim(line), &entry))
			*dkim_keys_add(keys) = entry;
		else
			str_printf(&keys->others, "%.*s\n", VIEW_ARG(line));
	}
	return r;
}

void dkim_keys_free(struct dkim_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		free(keys->entries[i].name);
		free(keys->entries[i].domain);
		free(keys->entries[i].selector);
		free(keys->entries[i].path);
	}
	free(keys->entries);
	str_free(&keys->others);
	*keys = (struct dkim_keys){ 0 };
}

/* ---- making ---- */

static int dkim_write_key(const char *path, EVP_PKEY *key, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = io_stream(fd, "w");
	bool good;

	if (file == NULL)
		return error_errno(err, "create %s", path);
	good = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	       fflush(file) == 0 && fsync(fd) == 0;
	good = fclose(file) == 0 && good;
	return good ? 0 : error_set(err, -EIO, "%s cannot be written", path);
}

int dkim_keys_make(struct dkim_keys *keys, struct view domain, struct view selector,
		   enum signature_algorithm algorithm, struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, path = STR_EMPTY, file = STR_EMPTY;
	struct dkim_entry *entry;
	EVP_PKEY *key;
	int r;

	str_printf(&name, "%.*s.%.*s", VIEW_ARG(selector), VIEW_ARG(domain));
	for (size_t i = 0; i < keys->count; i++)
		if (view_is_nocase(str_view(&name), keys->entries[i].name))
			return error_set(err, -EEXIST, "there is a key %s already",
					 str_cstr(&name));
	str_printf(&file, "%s.key", str_cstr(&name));
	dkim_path(str_cstr(&file), &path);
	key = algorithm == ALGORITHM_RSA_SHA256 ? EVP_RSA_gen(DKIM_RSA_BITS)
						: EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (key == NULL)
		return error_set(err, -EIO, "OpenSSL could not make a key");
	r = dkim_write_key(str_cstr(&path), key, err);
	EVP_PKEY_free(key);
	if (r < 0)
		return r;
	entry = dkim_keys_add(keys);
	*entry = (struct dkim_entry){
		.state = DKIM_PENDING,
		.name = str_take(&name),
		.domain = mem_strndup(domain.data, domain.len),
		.selector = mem_strndup(selector.data, selector.len),
		.path = str_take(&path),
	};
	return 0;
}

struct private_key *dkim_entry_key(const struct dkim_entry *entry, struct error *err)
{
	_cleanup_(str_wipe) struct str pem = STR_EMPTY;
	struct private_key *key = NULL;

	if (io_read_file(entry->path, DKIM_FILE_MAX, &pem, err) == 0)
		key = private_key_read(str_view(&pem), err);
	return key;
}

void dkim_entry_owner(const struct dkim_entry *entry, struct str *out)
{
	str_printf(out, "%s._domainkey.%s", entry->selector, entry->domain);
}

/* ---- writing ---- */

/* The rows that are not about keys of ours, and one for each key in use. */
static int dkim_write_signing(const struct dkim_keys *keys, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, old = STR_EMPTY;
	struct view rest, line;

	dkim_path("signing", &path);
	if (access(str_cstr(&path), F_OK) == 0 &&
	    io_read_file(str_cstr(&path), DKIM_FILE_MAX, &old, err) < 0)
		return -EIO;
	rest = str_view(&old);
	while (rest.len > 0 && view_next(&rest, '\n', &line)) {
		struct view left = line, word = VIEW_NONE;
		bool ours = false;

		view_next_word(&left, " \t", &word);
		view_next_word(&left, " \t:", &word);
		for (size_t i = 0; i < keys->count; i++)
			ours = ours || view_is(word, keys->entries[i].name);
		if (!ours)
			str_printf(&text, "%.*s\n", VIEW_ARG(line));
	}
	for (size_t i = 0; i < keys->count; i++)
		if (keys->entries[i].state == DKIM_ACTIVE)
			str_printf(&text, "*@%s %s\n", keys->entries[i].domain,
				   keys->entries[i].name);
	return io_replace_file(str_cstr(&path), str_view(&text), 0644, err);
}

int dkim_keys_write(const struct dkim_keys *keys, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	int r;

	str_append(&text, str_view(&keys->others));
	for (size_t i = 0; i < keys->count; i++) {
		const struct dkim_entry *e = &keys->entries[i];

		if (e->state == DKIM_PENDING)
			str_append_cstr(&text, PENDING);
		else if (e->state == DKIM_RETIRED)
			str_printf(&text, RETIRED "%s ", e->date);
		str_printf(&text, "%s %s:%s:%s\n", e->name, e->domain, e->selector, e->path);
	}
	dkim_path("keys", &path);
	/* First the keys: a row of the signing table must find its key. */
	r = io_replace_file(str_cstr(&path), str_view(&text), 0644, err);
	return r < 0 ? r : dkim_write_signing(keys, err);
}

/*
 * Passwords that were right a moment ago. A good hash costs tens of milliseconds of a processor,
 * and clients of IMAP and POP3 log in again and again. An entry holds no password but a digest,
 * keyed with bytes that exist in this process only, of the stored hash and the whole password: it
 * is worth nothing elsewhere, and dies when the stored hash changes. Failures are never kept.
 */
#include "auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"

#define ENTRIES_MAX 20000
#define DIGEST_SIZE 32

struct entry {
	struct list link; /* oldest first */
	char *user;
	msec_t expires;
	unsigned char digest[DIGEST_SIZE];
};

static struct {
	struct map *by_user;
	struct list order;
	unsigned char key[DIGEST_SIZE];
} cache;

static void open_cache(void)
{
	if (cache.by_user != NULL)
		return;
	cache.by_user = map_new();
	list_init(&cache.order);
	random_bytes(cache.key, sizeof(cache.key));
}

static void digest_of(const char *stored, struct view password, unsigned char digest[DIGEST_SIZE])
{
	_cleanup_(str_free) struct str both = STR_EMPTY;
	unsigned len = DIGEST_SIZE;

	/* The NUL between them belongs to neither. */
	str_append(&both, view_make(stored, strlen(stored) + 1));
	str_append(&both, password);
	if (HMAC(EVP_sha256(), cache.key, (int)sizeof(cache.key), (unsigned char *)both.data,
		 both.len, digest, &len) == NULL)
		mem_exhausted();
	mem_wipe(both.data, both.size);
}

static void cache_forget(struct entry *entry)
{
	map_remove(cache.by_user, view_of(entry->user));
	list_remove(&entry->link);
	mem_wipe(entry->digest, sizeof(entry->digest));
	free(entry->user);
	free(entry);
}

bool cache_knows(const char *user, const char *stored, struct view password)
{
	unsigned char digest[DIGEST_SIZE];
	struct entry *entry;

	open_cache();
	entry = map_get(cache.by_user, view_of(user));
	if (entry == NULL)
		return false;
	if (entry->expires <= clock_now()) {
		cache_forget(entry);
		return false;
	}
	digest_of(stored, password, digest);
	return secret_equal(view_make(digest, sizeof(digest)),
			    view_make(entry->digest, sizeof(entry->digest)));
}

void cache_remember(const char *user, const char *stored, struct view password)
{
	struct entry *entry;

	if (param.auth_cache_time == 0)
		return;
	open_cache();
	entry = map_get(cache.by_user, view_of(user));
	if (entry != NULL)
		cache_forget(entry);
	while ((entry = LIST_FIRST(&cache.order, struct entry, link)) != NULL &&
	       (entry->expires <= clock_now() || map_count(cache.by_user) >= ENTRIES_MAX))
		cache_forget(entry);
	entry = mem_new(struct entry);
	entry->user = mem_strdup(user);
	entry->expires = clock_after(param.auth_cache_time);
	digest_of(stored, password, entry->digest);
	map_put(cache.by_user, view_of(user), entry);
	list_push_back(&cache.order, &entry->link);
}

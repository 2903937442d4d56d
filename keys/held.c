/* The keys that there are, each once, with what it is for. Where they come from is load.c's and sni.c's matter. */
#include "base/map.h"
#include "base/mem.h"
#include "keys.h"

struct held_key {
	struct tls_key *key;
	unsigned uses;
};

static struct map *held; /* TLS_KEY_NAME_SIZE bytes to struct held_key */

void keys_hold(struct tls_key *key, unsigned use)
{
	struct held_key *known;

	if (held == NULL)
		held = map_new();
	known = map_get(held, tls_key_name(key));

	if (known != NULL) {
		known->uses |= use;
		tls_key_free(key);
		return;
	}
	known = mem_new(struct held_key);
	known->key = key;
	known->uses = use;
	map_put(held, tls_key_name(key), known);
}

void keys_drop(void)
{
	if (held == NULL)
		return;
	map_for_each (held, i) {
		struct held_key *known = map_value_at(held, i);

		tls_key_free(known->key);
		free(known);
	}
	map_free(TAKE(held));
}

size_t keys_count(void)
{
	return held != NULL ? map_count(held) : 0;
}

const struct tls_key *keys_find(struct view name, unsigned use)
{
	const struct held_key *known =
		held != NULL && name.len == TLS_KEY_NAME_SIZE ? map_get(held, name) : NULL;

	return known != NULL && known->uses & use ? known->key : NULL;
}

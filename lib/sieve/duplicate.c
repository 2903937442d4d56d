/*
 * The test of duplicates (RFC 7352): whether a message with this id has been there. What is to be
 * remembered is an action, so that a script that fails remembers nothing. And by what a message is
 * known that has been redirected.
 */
#include <nettle/sha2.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mail/header.h"
#include "sieve/compose.h"
#include "sieve/run.h"
#include "sieve/words.h"

#define SECONDS_DEFAULT ((uint64_t)7 * 86400)
#define SECONDS_MAX	((uint64_t)30 * 86400)

/* False: there is no id to go by, and then it is no duplicate. */
static bool duplicate_id(struct sieve_run *run, const struct sieve_node *node, struct str *id)
{
	const struct sieve_argument *value = NULL;
	_cleanup_(str_free) struct str name = STR_EMPTY, text = STR_EMPTY;
	struct header_field field;

	if (sieve_tag(node, "uniqueid", &value) != NULL) {
		sieve_string(run, value, id);
		return id->len > 0;
	}
	if (sieve_tag(node, "header", &value) != NULL)
		sieve_string(run, value, &name);
	else
		str_append_cstr(&name, "Message-ID");
	if (!header_find(run->header, str_cstr(&name), &field))
		return false;
	header_unfold(&text, field.body);
	str_append(id, view_trim(str_view(&text)));
	return id->len > 0;
}

/* `kind` with its NUL. */
static void duplicate_key(struct view kind, struct view handle, struct view id, struct str *key)
{
	uint8_t digest[SIEVE_KEY_LENGTH / 2];
	struct sha256_ctx sha256;

	sha256_init(&sha256);
	sha256_update(&sha256, kind.len, (const uint8_t *)kind.data);
	sha256_update(&sha256, handle.len, (const uint8_t *)handle.data);
	sha256_update(&sha256, 1, (const uint8_t *)"");
	sha256_update(&sha256, id.len, (const uint8_t *)id.data);
	sha256_digest(&sha256, sizeof(digest), digest);
	hex_encode(key, view_make(digest, sizeof(digest)));
}

bool sieve_test_duplicate(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_host *host = run->message->host;
	const struct sieve_argument *value = NULL;
	_cleanup_(str_free) struct str id = STR_EMPTY, handle = STR_EMPTY, key = STR_EMPTY;
	uint64_t seconds = SECONDS_DEFAULT;
	bool seen, last = sieve_tag(node, "last", NULL) != NULL;

	if (sieve_tag(node, "handle", &value) != NULL)
		sieve_string(run, value, &handle);
	if (sieve_tag(node, "seconds", &value) != NULL)
		seconds = MIN(value->number, SECONDS_MAX);
	if (!duplicate_id(run, node, &id))
		return false;
	duplicate_key(VIEW("duplicate\0"), str_view(&handle), str_view(&id), &key);
	seen = host != NULL && host->was_seen != NULL &&
	       host->was_seen(run->message->argument, str_view(&key));
	if (!seen || last)
		sieve_remember(run, str_view(&key), seconds);
	return seen;
}

bool sieve_redirect_key(const struct sieve_message *message, struct view address, struct str *key)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, lower = STR_EMPTY;
	struct header_field field;
	struct view id;

	if (!header_find(sieve_message_header(message), "Message-ID", &field))
		return false;
	header_unfold(&text, field.body);
	id = view_trim(str_view(&text));
	str_append_lower(&lower, address);
	duplicate_key(VIEW("redirect\0"), str_view(&lower), id, key);
	return id.len > 0;
}

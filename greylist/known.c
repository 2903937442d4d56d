/*
 * What is known of a client, a sender and a recipient, and how long that counts. Each record is one
 * number: when the three were first seen together, or how often a network came again as it was asked to.
 */
#include "greylist.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"

#define NETWORK_BYTES_4 3 /* /24 */
#define NETWORK_BYTES_6 8 /* /64 */

static int64_t greylist_seconds(msec_t duration)
{
	return duration / 1000;
}

/* The network of a client, as bytes; what is no address is a network of its own. */
static void network_append(struct str *key, struct view client)
{
	_cleanup_free_ char *text = mem_strndup(client.data, client.len);
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) == 1)
		str_append(key, view_make((const char *)address, NETWORK_BYTES_4));
	else if (inet_pton(AF_INET6, text, address) == 1)
		str_append(key, view_make((const char *)address, NETWORK_BYTES_6));
	else
		str_append(key, client);
}

static void three_key(struct str *key, const struct greylist_question *q)
{
	str_append_cstr(key, "three:");
	network_append(key, q->client);
	str_append_byte(key, '\0');
	str_append_lower(key, q->sender);
	str_append_byte(key, '\0');
	str_append_lower(key, q->recipient);
}

static void network_key(struct str *key, struct view client)
{
	str_append_cstr(key, "network:");
	network_append(key, client);
}

static void correspondent_key(struct str *key, struct view address)
{
	str_append_cstr(key, "correspondent:");
	str_append_lower(key, address);
}

/* False: there is none, or one that cannot be read. */
static bool number_get(struct cache_file *cache, const struct str *key, int64_t now,
		       uint32_t *number)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	return cache_file_get(cache, str_view(key), now, &value, NULL) &&
	       view_parse_u32(str_view(&value), UINT32_MAX, number) == 0;
}

static void number_put(struct cache_file *cache, const struct str *key, uint32_t number,
		       int64_t now, int64_t lifetime)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	str_printf(&value, "%u", number);
	cache_file_put(cache, str_view(key), str_view(&value), now, now + lifetime);
}

/* ---- networks that came again ---- */

static bool network_is_known(struct cache_file *cache, const struct str *key, int64_t now)
{
	uint32_t count = 0;

	if (param.greylist_allow_after == 0 || !number_get(cache, key, now, &count) ||
	    count < (uint32_t)param.greylist_allow_after)
		return false;
	number_put(cache, key, count, now, greylist_seconds(param.greylist_lifetime));
	return true;
}

static void network_count(struct cache_file *cache, const struct str *key, int64_t now)
{
	uint32_t count = 0;

	number_get(cache, key, now, &count);
	number_put(cache, key, count < UINT32_MAX ? count + 1 : count, now,
		   greylist_seconds(param.greylist_lifetime));
}

/* ---- the question ---- */

/* 0 in a record of the three: they came again in time. */
#define CAME_AGAIN 0

int64_t greylist_look(struct cache_file *cache, const struct greylist_question *question,
		      int64_t now)
{
	_cleanup_(str_free) struct str three = STR_EMPTY, network = STR_EMPTY, known = STR_EMPTY;
	int64_t delay = greylist_seconds(param.greylist_delay), waited;
	uint32_t first = 0;

	correspondent_key(&known, question->sender);
	network_key(&network, question->client);
	if ((question->sender.len > 0 && number_get(cache, &known, now, &first)) ||
	    network_is_known(cache, &network, now))
		return 0;
	three_key(&three, question);
	if (!number_get(cache, &three, now, &first)) {
		number_put(cache, &three, (uint32_t)now, now,
			   greylist_seconds(param.greylist_retry_window) + delay);
		return delay;
	}
	waited = now - (int64_t)first;
	/* A clock that has gone back makes nobody wait for longer. */
	if (first != CAME_AGAIN && waited >= 0 && waited < delay)
		return delay - waited;
	if (first != CAME_AGAIN)
		network_count(cache, &network, now);
	number_put(cache, &three, CAME_AGAIN, now, greylist_seconds(param.greylist_lifetime));
	return 0;
}

void greylist_note_correspondent(struct cache_file *cache, struct view address, int64_t now)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	correspondent_key(&key, address);
	number_put(cache, &key, 1, now, greylist_seconds(param.greylist_correspondent_lifetime));
}

/* When users last logged in. It says nothing of who they are, and may forget. */
#include "uses.h"

#include "base/mem.h"
#include "cache/cache.h"
#include "conf/conf.h"

#define USE_WRITE_PAUSE 60				/* seconds between two notes of one user */
#define USE_KEPT	((int64_t)10 * 366 * 24 * 3600) /* seconds */
#define SWEEP_AT_MOST	1000

static struct cache_file *cache;

int uses_prepare(struct error *err)
{
	return cache_file_open_map("auth_last_logins", param.auth_last_logins,
				   (uint64_t)param.auth_last_logins_limit, &cache, err);
}

void uses_sweep(void *unused)
{
	(void)unused;
	while (cache != NULL) {
		cache_file_pause(cache);
		cache_file_sweep(cache, clock_wall(), SWEEP_AT_MOST);
	}
}

void uses_retire(void)
{
	cache_file_close(TAKE(cache));
}

void use_free(struct use *use)
{
	str_free(&use->service);
	str_free(&use->address);
}

static void use_key(struct view user, struct view app_password, struct str *key)
{
	str_append_lower(key, user);
	str_append_byte(key, '\n');
	str_append(key, app_password);
}

/* "seconds service address" */
static void use_write(const struct attempt *attempt, struct view user, struct view app_password)
{
	_cleanup_(use_free) struct use last = { .time = 0 };
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	int64_t now = clock_wall();

	uses_find(user, app_password, &last);
	if (last.time <= now && now - last.time < USE_WRITE_PAUSE &&
	    view_eq(str_view(&last.service), str_view(&attempt->service)) &&
	    view_eq(str_view(&last.address), str_view(&attempt->client_address)))
		return;
	use_key(user, app_password, &key);
	str_printf(&value, "%lld ", (long long)now);
	str_append(&value, str_view(&attempt->service));
	str_append_byte(&value, ' ');
	str_append(&value, view_first(str_view(&attempt->client_address), 64));
	(void)cache_file_put(cache, str_view(&key), str_view(&value), now, now + USE_KEPT);
}

void uses_note(const struct attempt *attempt, struct view user, struct view app_password)
{
	use_write(attempt, user, VIEW_NONE);
	if (app_password.len > 0)
		use_write(attempt, user, app_password);
}

void uses_find(struct view user, struct view app_password, struct use *use)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	struct view rest, time = VIEW_NONE, word = VIEW_NONE;
	uint64_t seconds;

	use_key(user, app_password, &key);
	if (!cache_file_get(cache, str_view(&key), clock_wall(), &value, NULL))
		return;
	rest = str_view(&value);
	if (!view_next(&rest, ' ', &time) || view_parse_u64(time, INT64_MAX, &seconds) < 0)
		return;
	use->time = (int64_t)seconds;
	if (view_next(&rest, ' ', &word))
		str_append(&use->service, word);
	if (view_next(&rest, ' ', &word))
		str_append(&use->address, word);
}

/*
 * Penalties of failed logins: three bounded tables, of addresses, of accounts, and of pairs of
 * both. Time is looked at when somebody asks; nothing runs by itself.
 */
#include "logins.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/prefix.h"
#include "conf/conf.h"

struct record {
	struct list link; /* in the order of its table, the one used last at the end */
	char *key;
	unsigned failures;
	msec_t counted;	    /* failures are as of this time */
	msec_t next;	    /* no check begins before that */
	msec_t known_until; /* of a pair: it has logged in */
	bool was_held;	    /* has been logged */
};

struct records {
	struct map *by_key;
	struct list order, known; /* known pairs are the last to make room */
};

static struct {
	struct records addresses, accounts, pairs;
} logins;

/* ---- records ---- */

static void record_drop(struct records *records, struct record *record)
{
	map_remove(records->by_key, view_of(record->key));
	list_remove(&record->link);
	free(record->key);
	free(record);
}

static void records_open(struct records *records)
{
	/* Opened anew: as if nobody had ever come. */
	while (records->by_key != NULL && map_count(records->by_key) > 0)
		record_drop(records, !list_is_empty(&records->order)
					     ? LIST_FIRST(&records->order, struct record, link)
					     : LIST_FIRST(&records->known, struct record, link));
	map_free(records->by_key);
	records->by_key = map_new();
	list_init(&records->order);
	list_init(&records->known);
}

void logins_open(void)
{
	records_open(&logins.addresses);
	records_open(&logins.accounts);
	records_open(&logins.pairs);
}

static void record_touch(struct records *records, struct record *record)
{
	list_remove(&record->link);
	list_push_back(record->known_until > 0 ? &records->known : &records->order, &record->link);
}

/* Forgets what is long enough ago. */
static void record_forgive(struct record *record, msec_t now)
{
	msec_t times = (now - record->counted) / LOGINS_FORGIVE;

	if (record->failures == 0 || times <= 0)
		return;
	record->counted += times * LOGINS_FORGIVE;
	record->failures -= (unsigned)MIN(times, (msec_t)record->failures);
	if (record->failures < LOGINS_HELD)
		record->was_held = false;
}

static struct record *record_find(struct records *records, struct view key, msec_t now)
{
	struct record *record = map_get(records->by_key, key);

	if (record == NULL)
		return NULL;
	record_forgive(record, now);
	if (record->known_until > 0 && record->known_until <= now)
		record->known_until = 0;
	if (record->failures == 0 && record->next <= now && record->known_until == 0) {
		record_drop(records, record);
		return NULL;
	}
	record_touch(records, record);
	return record;
}

static struct record *record_get(struct records *records, struct view key, msec_t now)
{
	struct record *record = record_find(records, key, now);

	if (record != NULL)
		return record;
	while (map_count(records->by_key) >= LOGINS_MAX) {
		struct record *oldest = LIST_FIRST(&records->order, struct record, link);

		if (oldest == NULL)
			oldest = LIST_FIRST(&records->known, struct record, link);
		record_drop(records, oldest);
	}
	record = mem_new(struct record);
	record->key = mem_strndup(key.data, key.len);
	record->counted = now;
	map_put(records->by_key, key, record);
	list_push_back(&records->order, &record->link);
	return record;
}

static msec_t record_delay(const struct record *record)
{
	msec_t delay = param.auth_failure_delay;

	if (record->failures == 0)
		return 0;
	for (unsigned i = 1; i < record->failures && delay < param.auth_failure_delay_max; i++)
		delay *= 2;
	return MIN(delay, MAX(param.auth_failure_delay, param.auth_failure_delay_max));
}

static void record_fail(struct record *record, const char *what, msec_t now)
{
	if (record->failures == 0)
		record->counted = now;
	record->failures++;
	record->next = MAX(record->next, now + record_delay(record));
	if (record->failures < LOGINS_HELD || record->was_held)
		return;
	record->was_held = true;

	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_append_printable(&name, view_of(record->key));
	log_warning("logins held: %s %s, %u failures, %lld ms before each further check", what,
		    str_cstr(&name), record->failures, (long long)record_delay(record));
}

/* ---- keys ---- */

struct login_keys {
	struct str address, account, pair;
};

static void login_keys_free(struct login_keys *keys)
{
	str_free(&keys->address);
	str_free(&keys->account);
	str_free(&keys->pair);
}

/* An account and an address have no NUL byte within: it would end the copy of the key. */
static void login_keys_make(struct login_keys *keys, struct view client, struct view account)
{
	client = view_first(client, MIN(view_find_byte(client, '\0'), client.len));
	account = view_first(account, MIN(view_find_byte(account, '\0'), account.len));
	address_prefix(client, PREFIX_V4_HOST, PREFIX_V6_CLIENT, &keys->address);
	str_append_lower(&keys->account, account);
	str_append(&keys->pair, str_view(&keys->address));
	str_append_byte(&keys->pair, ' ');
	str_append(&keys->pair, str_view(&keys->account));
}

/* ---- what auth asks and tells ---- */

void logins_ask(struct view client, struct view account, struct login_turn *turn)
{
	_cleanup_(login_keys_free) struct login_keys keys = { .address = STR_EMPTY };
	struct record *a, *b, *pair;
	msec_t now = clock_now(), start = now;
	bool known;

	login_keys_make(&keys, client, account);
	a = record_find(&logins.addresses, str_view(&keys.address), now);
	b = record_find(&logins.accounts, str_view(&keys.account), now);
	pair = record_find(&logins.pairs, str_view(&keys.pair), now);
	known = pair != NULL && pair->known_until > 0;
	if (known)
		b = NULL;
	if (a != NULL)
		start = MAX(start, a->next);
	if (b != NULL)
		start = MAX(start, b->next);
	*turn = (struct login_turn){
		.wait = start - now,
		.failures = a != NULL ? a->failures : 0,
		.refused = start - now > LOGINS_WAIT_MAX,
		/* Half of the time is over: it is to be made longer. */
		.tell = !known || pair->failures > 0 || pair->known_until - now < LOGINS_KNOWN / 2,
	};
	if (turn->refused)
		return;
	if (a != NULL)
		a->next = start + record_delay(a);
	if (b != NULL)
		b->next = start + record_delay(b);
}

static void login_failed(const struct login_keys *keys, msec_t now)
{
	struct record *pair = record_get(&logins.pairs, str_view(&keys->pair), now);

	if (pair->failures++ == 0)
		pair->counted = now;
	record_fail(record_get(&logins.addresses, str_view(&keys->address), now), "address", now);
	/*
	 * Who has logged in before mistypes at the cost of his address only, and so does who names no
	 * account, as with a token of OAuth: else all of those would wait for one.
	 */
	if (pair->known_until == 0 && keys->account.len > 0)
		record_fail(record_get(&logins.accounts, str_view(&keys->account), now), "account",
			    now);
}

static void record_pardon(struct record *record, unsigned failures, msec_t now)
{
	if (record == NULL)
		return;
	record->failures -= MIN(record->failures, failures);
	if (record->failures == 0)
		record->next = now;
}

static void login_succeeded(const struct login_keys *keys, msec_t now)
{
	struct record *pair = record_get(&logins.pairs, str_view(&keys->pair), now);

	record_pardon(record_find(&logins.addresses, str_view(&keys->address), now), pair->failures,
		      now);
	record_pardon(record_find(&logins.accounts, str_view(&keys->account), now), pair->failures,
		      now);
	pair->failures = 0;
	pair->known_until = now + LOGINS_KNOWN;
	record_touch(&logins.pairs, pair);
}

void logins_end(struct view client, struct view account, bool right)
{
	_cleanup_(login_keys_free) struct login_keys keys = { .address = STR_EMPTY };

	login_keys_make(&keys, client, account);
	if (right)
		login_succeeded(&keys, clock_now());
	else
		login_failed(&keys, clock_now());
}

/* ---- who is held ---- */

static void records_held(struct records *records, bool is_account, struct login_held *held,
			 size_t *count, size_t max, struct str *names)
{
	msec_t now = clock_now();

	list_for_each (&records->order, struct record, link, record) {
		record_forgive(record, now);
		if (record->failures < LOGINS_HELD)
			continue;
		if (*count == max)
			return;
		held[(*count)++] = (struct login_held){
			.is_account = is_account,
			/* An offset until all names stand where they stay. */
			.name = { NULL, strlen(record->key) },
			.failures = record->failures,
			.wait = record_delay(record),
		};
		str_append_cstr(names, record->key);
	}
}

size_t logins_held(struct login_held *held, size_t max, struct str *names)
{
	size_t count = 0, at = 0;

	records_held(&logins.addresses, false, held, &count, max, names);
	records_held(&logins.accounts, true, held, &count, max, names);
	for (size_t i = 0; i < count; i++) {
		held[i].name.data = names->data + at;
		at += held[i].name.len;
	}
	return count;
}

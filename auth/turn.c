/*
 * Whose turn it is: few checks at a time for one client, one after its first failures, and none
 * before the wait that anvil has set for its address and for the account. The wait comes before
 * the check, so it is the same whether the password is right and whether the client stays.
 */
#include <errno.h>

#include "auth.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/prefix.h"
#include "conf/conf.h"
#include "services/clients.h"

#define CHECKS_MAX  4  /* at one time for one client */
#define WAITERS_MAX 64 /* for their turn, of one client; more are refused at once */
#define PLACE_TIME  ((msec_t)60 * 1000)
/* How finely one that waits notices that the program is to stop. */
#define SLICE 500

/* A client with checks that run or wait; gone with the last of them. */
struct client {
	struct str key;
	unsigned users, running, limit;
	struct waitlist places;
};

struct turn {
	struct client *client;
	struct str address, account;
	bool tell;
};

static struct map *clients;

/*
 * Who has logged in to an account from a client without failures need not be asked for again at
 * each login: all failures pass through here, so none of them is missed. `clean` has the pairs, with
 * the time until which that is so, `dirty` the clients that have failed since.
 */
#define CLEAN_MAX  ((size_t)20000)
#define CLEAN_TIME ((msec_t)60 * 1000)

static struct {
	struct map *clean, *dirty;
} memory;

static void memory_clear(struct map **map)
{
	map_free(*map);
	*map = map_new();
}

static void memory_key(const struct turn *turn, struct str *key)
{
	str_append(key, str_view(&turn->client->key));
	str_append_byte(key, ' ');
	str_append(key, str_view(&turn->account));
}

static bool memory_is_clean(const struct turn *turn)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	if (memory.clean == NULL || map_get(memory.dirty, str_view(&turn->client->key)) != NULL)
		return false;
	memory_key(turn, &key);
	return (msec_t)(intptr_t)map_get(memory.clean, str_view(&key)) > clock_now();
}

static void memory_learn(const struct turn *turn)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	if (memory.clean == NULL) {
		memory.clean = map_new();
		memory.dirty = map_new();
	}
	if (map_count(memory.clean) >= CLEAN_MAX)
		memory_clear(&memory.clean);
	map_remove(memory.dirty, str_view(&turn->client->key));
	memory_key(turn, &key);
	map_put(memory.clean, str_view(&key), (void *)(intptr_t)clock_after(CLEAN_TIME));
}

static void memory_forget(const struct turn *turn)
{
	if (memory.clean == NULL)
		return;
	if (map_count(memory.dirty) >= CLEAN_MAX) {
		memory_clear(&memory.clean);
		memory_clear(&memory.dirty);
	}
	map_put(memory.dirty, str_view(&turn->client->key), &memory);
}

static struct client *client_enter(struct view address)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct client *client;

	if (clients == NULL)
		clients = map_new();
	address_prefix(address, PREFIX_V4_HOST, PREFIX_V6_CLIENT, &key);
	client = map_get(clients, str_view(&key));
	if (client == NULL) {
		client = mem_new(struct client);
		str_append(&client->key, str_view(&key));
		client->limit = CHECKS_MAX;
		WAITLIST_INIT(&client->places);
		map_put(clients, str_view(&key), client);
	}
	client->users++;
	return client;
}

static void client_leave(struct client *client)
{
	if (--client->users > 0) {
		wake_one(&client->places);
		return;
	}
	map_remove(clients, str_view(&client->key));
	str_free(&client->key);
	free(client);
}

/* 0 in place, or -EBUSY. */
static int client_wait_for_place(struct client *client, struct error *why)
{
	msec_t deadline = clock_after(PLACE_TIME);

	if (client->users > WAITERS_MAX)
		return error_set(why, -EBUSY, "too many attempts of this client at one time");
	while (client->running >= client->limit)
		if (wait_on(&client->places, deadline) < 0)
			return error_set(why, -EBUSY,
					 "this client's earlier attempts take too long");
	client->running++;
	return 0;
}

/* -ESHUTDOWN: the program is to stop before that. */
static int turn_wait(msec_t time)
{
	msec_t end = clock_after(time);

	for (msec_t left = time; left > 0; left = end - clock_now()) {
		if (task_is_shutting_down())
			return -ESHUTDOWN;
		task_sleep(MIN(left, SLICE));
	}
	return 0;
}

/* Without anvil nobody knows of earlier failures: then each check waits as after one. */
static int turn_ask(struct turn *turn, struct error *why)
{
	struct anvil_turn answer = { .wait = param.auth_failure_delay, .failures = 1 };

	if (memory_is_clean(turn))
		return 0;
	(void)anvil_login_ask(str_view(&turn->address), str_view(&turn->account), &answer);
	turn->client->limit = answer.failures > 0 ? 1 : CHECKS_MAX;
	turn->tell = answer.tell;
	if (answer.failures == 0 && answer.wait == 0 && !answer.refused && !answer.tell)
		memory_learn(turn);
	if (answer.refused)
		return error_set(why, -EBUSY, "too many failures of this client or account");
	if (turn_wait(answer.wait) < 0)
		return error_set(why, -ESHUTDOWN, "the server stops");
	return 0;
}

void turn_account_of(struct view name, struct str *account)
{
	struct view user, master;

	/* Failures of a master user are its own, whoever it wants to be. */
	if (master_split(name, &user, &master)) {
		str_append_cstr(account, param.auth_master_user_separator);
		str_append_lower(account, view_first(master, MIN(master.len, USER_NAME_MAX)));
		return;
	}
	str_append_lower(account, view_first(name, MIN(name.len, USER_NAME_MAX)));
	if (name.len > 0 && param.auth_default_realm[0] != '\0' &&
	    view_find_byte(name, '@') == VIEW_NOT_FOUND)
		str_printf(account, "@%s", param.auth_default_realm);
	if (account->len > IPC_ADDRESS_MAX)
		str_truncate(account, IPC_ADDRESS_MAX);
}

static void turn_free(struct turn *turn)
{
	client_leave(turn->client);
	str_free(&turn->address);
	str_free(&turn->account);
	free(turn);
}

struct turn *turn_take(struct view client, struct view name, struct error *why)
{
	struct turn *turn = mem_new(struct turn);

	turn_account_of(name, &turn->account);
	/* Other software may not say where its client is: then it does not wait for another account's failures. */
	str_append(&turn->address, client.len > 0 ? client : str_view(&turn->account));
	turn->client = client_enter(str_view(&turn->address));
	if (client_wait_for_place(turn->client, why) < 0) {
		turn_free(turn);
		return NULL;
	}
	if (turn_ask(turn, why) < 0) {
		turn->client->running--;
		turn_free(turn);
		return NULL;
	}
	return turn;
}

void turn_end(struct turn *turn, enum verdict verdict)
{
	if (turn == NULL)
		return;
	/* Told before the next one's turn, which is to know it. */
	if (verdict == LOGIN_WRONG || (verdict == LOGIN_RIGHT && turn->tell))
		(void)anvil_login_end(str_view(&turn->address), str_view(&turn->account),
				      verdict == LOGIN_RIGHT);
	if (verdict == LOGIN_WRONG) {
		memory_forget(turn);
		turn->client->limit = 1;
	}
	turn->client->running--;
	turn_free(turn);
}

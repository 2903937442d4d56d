/* What is remembered of clients by address: failures, and checks that run. */
#include "auth.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"

#define CLIENTS_MAX    20000
#define CHECKS_MAX     4 /* at one time for one client */
#define ENTER_TIMEOUT  ((msec_t)60 * 1000)
#define FAILURE_MEMORY ((msec_t)10 * 60 * 1000) /* a client without failures for so long is new */

struct client {
	struct list link; /* least recently used first */
	char key[64];
	unsigned failures;
	unsigned users; /* running checks and those who wait for a place */
	unsigned running;
	msec_t last;
	struct waitlist places;
};

static struct {
	struct map *by_key;
	struct list order;
} clients;

/* An IPv6 host has a /64 for itself, so that is what counts as one client. */
static void make_key(struct view address, char key[64])
{
	struct in6_addr v6;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)MIN(address.len, sizeof(text) - 1),
		 address.data ? address.data : "");
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		memset(&v6.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &v6, text, sizeof(text));
	}
	memcpy(key, text, sizeof(text));
}

static void client_forget(struct client *client)
{
	map_remove(clients.by_key, view_of(client->key));
	list_remove(&client->link);
	free(client);
}

/* Makes room; a client that is in use is passed over. */
static void forget_some(void)
{
	struct client *oldest;

	while ((oldest = LIST_FIRST(&clients.order, struct client, link)) != NULL &&
	       oldest->users == 0 &&
	       (clock_now() - oldest->last > FAILURE_MEMORY ||
		map_count(clients.by_key) >= CLIENTS_MAX))
		client_forget(oldest);
}

static struct client *client_look_for(struct view address)
{
	struct client *client;
	char key[64] = "";

	if (clients.by_key == NULL) {
		clients.by_key = map_new();
		list_init(&clients.order);
	}
	make_key(address, key);
	client = map_get(clients.by_key, view_of(key));
	if (client == NULL) {
		forget_some();
		client = mem_new(struct client);
		memcpy(client->key, key, sizeof(client->key));
		WAITLIST_INIT(&client->places);
		list_init(&client->link);
		map_put(clients.by_key, view_of(key), client);
	} else if (clock_now() - client->last > FAILURE_MEMORY) {
		client->failures = 0;
	}
	client->last = clock_now();
	list_remove(&client->link);
	list_push_back(&clients.order, &client->link);
	return client;
}

struct client *client_enter(struct view address)
{
	struct client *client = client_look_for(address);
	msec_t deadline = clock_after(ENTER_TIMEOUT);

	client->users++;
	while (client->running >= CHECKS_MAX) {
		if (wait_on(&client->places, deadline) < 0) {
			client->users--;
			wake_one(&client->places); /* a place may just have been offered */
			return NULL;
		}
	}
	client->running++;
	return client;
}

void client_leave(struct client *client)
{
	client->running--;
	client->users--;
	wake_one(&client->places);
}

msec_t client_failed(struct view address)
{
	struct client *client = client_look_for(address);
	msec_t delay = param.auth_failure_delay;

	for (unsigned i = 0; i < client->failures && delay < param.auth_failure_delay_max; i++)
		delay *= 2;
	client->failures++;
	return MIN(delay, MAX(param.auth_failure_delay, param.auth_failure_delay_max));
}

/*
 * Which connection gives way when there are too many. Members are kept by network, each network's in
 * the order in which they came; ending one only ends its input, the rest is its task's affair.
 */
#include "daemon/spare.h"

#include <sys/socket.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

struct spare_network {
	struct str name;
	struct list members; /* oldest first */
	size_t count;
	size_t idle; /* of these: may be ended */
};

static struct {
	struct map *networks; /* NULL before the first */
	unsigned long last_number;
} spares;

static struct spare_network *spare_network_of(struct view name)
{
	struct spare_network *network;

	if (spares.networks == NULL)
		spares.networks = map_new();
	network = map_get(spares.networks, name);
	if (network == NULL) {
		network = mem_new(struct spare_network);
		str_append(&network->name, name);
		list_init(&network->members);
		map_put_borrowed(spares.networks, str_view(&network->name), network);
	}
	return network;
}

static bool spare_is_idle(const struct spare *spare)
{
	return !spare->busy && !spare->gives_way;
}

void spare_add(struct spare *spare, int fd, struct view network)
{
	spare->network = spare_network_of(network);
	spare->number = ++spares.last_number;
	spare->fd = fd;
	spare->network->count++;
	spare->network->idle += spare_is_idle(spare);
	list_push_back(&spare->network->members, &spare->link);
}

void spare_remove(struct spare *spare)
{
	struct spare_network *network = TAKE(spare->network);

	if (network == NULL)
		return;
	list_remove(&spare->link);
	network->idle -= spare_is_idle(spare);
	if (--network->count > 0)
		return;
	map_remove(spares.networks, str_view(&network->name));
	str_free(&network->name);
	free(network);
}

void spare_set_busy(struct spare *spare, bool busy)
{
	bool was_idle = spare_is_idle(spare);

	spare->busy = busy;
	if (spare->network != NULL)
		spare->network->idle += (size_t)spare_is_idle(spare) - (size_t)was_idle;
}

static struct spare *spare_oldest(struct spare_network *network)
{
	list_for_each (&network->members, struct spare, link, spare)
		if (spare_is_idle(spare))
			return spare;
	return NULL;
}

static bool spare_end(struct spare *spare)
{
	if (spare == NULL)
		return false;
	spare->gives_way = true;
	spare->network->idle--;
	shutdown(spare->fd, SHUT_RD);
	return true;
}

bool spare_end_one(void)
{
	struct spare *found = NULL;
	size_t most = 1;

	if (spares.networks == NULL)
		return false;
	map_for_each (spares.networks, i) {
		struct spare_network *network = map_value_at(spares.networks, i);
		struct spare *oldest;

		if (network->idle < most)
			continue;
		oldest = spare_oldest(network);
		if (network->idle > most || found == NULL || oldest->number < found->number)
			found = oldest;
		most = network->idle;
	}
	return spare_end(found);
}

bool spare_end_of(struct view network)
{
	struct spare_network *found =
		spares.networks != NULL ? map_get(spares.networks, network) : NULL;

	return found != NULL && spare_end(spare_oldest(found));
}

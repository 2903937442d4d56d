/*
 * Accounts and their sleepers: from the moment a user's process is tired until each connection has gone to the
 * next one, or has ended. What wakes them without their client: watching.c.
 */
#include "session/sleepers.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "session/internal.h"
#include "session/watching.h"

/* So many connections are on their way to processes at a time where much happens at once. */
#define ARRIVING_MAX 32
/* Somebody who logs in waits so long for the user's other connections. */
#define WAKE_TIME ((msec_t)5 * 1000)
#define NOT_NOW	  VIEW("The mailbox is not available now, please log in again later")
#define BY_ADMIN  VIEW("Ended by the administrator")

/* A process of imapd that keeps sleepers. */
struct channel {
	struct list link; /* in sleepers.channels */
	struct ipc *ipc;
	struct task_lock sending;
	struct map *members; /* struct sleeper by number */
	size_t room, used;   /* used: with what is promised to account_begin */
	unsigned references;
	bool gone;
};

/* Both in memory that no child has (apart.c). */
struct account {
	enum { GATHERING, ASLEEP, WAKING, ENDING } state;
	struct list members;
	struct list due; /* in sleepers.due */
	struct channel *channel;
	struct watches *watches;
	size_t promised;  /* connections that may still come from the process */
	size_t returning; /* on their way to the next one */
	bool disturbed;	  /* while they were gathered */
	unsigned references;
	size_t size;
	char user[];
};

struct sleeper {
	struct list link; /* in account->members */
	struct account *account;
	uint64_t number;
	int64_t since;
	bool secured;
	uint8_t flags;
	size_t session_len, address_len, state_len, size;
	char text[]; /* session, address, state */
};

/* What imapd has given back. */
struct returning {
	struct sleeper *sleeper;
	struct str tag;
	uint32_t quiet;
	int connection;
};

static struct {
	int (*hand)(const char *user, const struct arrival *arrival);
	struct map *accounts; /* by user */
	struct list channels;
	struct list due; /* accounts that something has happened to */
	struct waitlist due_came;
	struct waitlist changed; /* an account has come to its end, or a connection to a process */
	size_t count;		 /* of all channels' used */
	size_t arriving;
	uint64_t last_number;
	bool is_open, full_noted;
} sleepers;

static void account_disturb(struct account *account);

/* ---- channels ---- */

static void channel_release(struct channel *channel)
{
	if (--channel->references == 0) {
		map_free(channel->members);
		free(channel);
	}
}

static void channel_use(struct channel *channel, ssize_t change)
{
	channel->used += (size_t)change;
	sleepers.count += (size_t)change;
	/* A parent that is replaced stays for those that sleep, and for nothing else. */
	if (channel->used == 0 && daemon_is_retiring() && !channel->gone) {
		channel->gone = true;
		task_forget_fd(ipc_fd(channel->ipc));
	}
}

#define channel_send(channel, name, ...)                                                           \
	channel_send_message((channel), MSG_##name, &(const struct msg_##name){ __VA_ARGS__ })

static int channel_send_message(struct channel *channel, enum message_type type, const void *fields)
{
	int r = -EPIPE;

	channel->references++;
	task_lock(&channel->sending);
	if (!channel->gone)
		r = ipc_send_message(channel->ipc, type, fields);
	if (r == 0)
		r = ipc_flush(channel->ipc);
	task_unlock(&channel->sending);
	channel_release(channel);
	return r;
}

/* The one that has most room. */
static struct channel *channel_choose(size_t connections)
{
	struct channel *best = NULL;

	list_for_each (&sleepers.channels, struct channel, link, channel)
		if (!channel->gone && channel->used + connections <= channel->room &&
		    (best == NULL || channel->room - channel->used > best->room - best->used))
			best = channel;
	return best;
}

/* ---- accounts ---- */

static void account_release(struct account *account)
{
	if (--account->references > 0)
		return;
	channel_release(account->channel);
	apart_free(account, account->size);
	daemon_work_end();
}

/* It is known as long as anybody of it sleeps or is on the way. */
static void account_look_for_end(struct account *account)
{
	if (!list_is_empty(&account->members) || account->returning > 0 || account->promised > 0 ||
	    account->state == GATHERING)
		return;
	if (map_get(sleepers.accounts, view_of(account->user)) != account)
		return;
	map_remove(sleepers.accounts, view_of(account->user));
	watches_end(TAKE(account->watches));
	list_remove(&account->due);
	wake_all(&sleepers.changed);
	account_release(account);
}

static void account_watched(void *argument)
{
	account_disturb(argument);
}

struct account *account_begin(const char *user, const char *mail, uid_t owner, struct view folders,
			      size_t connections)
{
	size_t size = sizeof(struct account) + strlen(user) + 1;
	struct channel *channel = channel_choose(connections);
	struct account *account;

	if (connections == 0 || map_get(sleepers.accounts, view_of(user)) != NULL ||
	    task_is_shutting_down())
		return NULL;
	if (sleepers.count + connections > (uint64_t)param.imap_hibernate_connection_limit)
		channel = NULL;
	if (channel == NULL && !sleepers.full_noted && !list_is_empty(&sleepers.channels))
		log_info("%zu connections sleep: others keep their processes", sleepers.count);
	sleepers.full_noted = channel == NULL;
	if (channel == NULL)
		return NULL;
	account = apart_new(size);
	account->watches = watches_begin(mail, owner, folders, account_watched, account);
	if (account->watches == NULL) {
		apart_free(account, size);
		return NULL;
	}
	account->state = GATHERING;
	account->size = size;
	list_init(&account->members);
	list_init(&account->due);
	memcpy(account->user, user, strlen(user));
	account->channel = channel;
	channel->references++;
	account->promised = connections;
	channel_use(channel, (ssize_t)connections);
	account->references = 2; /* the map's and the caller's */
	map_put_borrowed(sleepers.accounts, view_of(account->user), account);
	daemon_work_begin();
	return account;
}

/* ---- one that sleeps ---- */

static struct view sleeper_session(const struct sleeper *sleeper)
{
	return view_make(sleeper->text, sleeper->session_len);
}

static struct view sleeper_address(const struct sleeper *sleeper)
{
	return view_make(sleeper->text + sleeper->session_len, sleeper->address_len);
}

static struct view sleeper_state(const struct sleeper *sleeper)
{
	return view_make(sleeper->text + sleeper->session_len + sleeper->address_len,
			 sleeper->state_len);
}

static struct view sleeper_key(const struct sleeper *sleeper)
{
	return view_make((const char *)&sleeper->number, sizeof(sleeper->number));
}

static struct sleeper *sleeper_new(struct account *account, const struct arrival *arrival)
{
	size_t size = sizeof(struct sleeper) + arrival->session.len + arrival->address.len +
		      arrival->state.len;
	struct sleeper *sleeper = apart_new(size);
	char *at = sleeper->text;

	sleeper->account = account;
	sleeper->size = size;
	sleeper->number = ++sleepers.last_number;
	sleeper->since = arrival->since;
	sleeper->secured = arrival->secured;
	sleeper->session_len = arrival->session.len;
	sleeper->address_len = arrival->address.len;
	sleeper->state_len = arrival->state.len;
	memcpy(at, arrival->session.data, arrival->session.len);
	at += arrival->session.len;
	memcpy(at, arrival->address.data, arrival->address.len);
	at += arrival->address.len;
	memcpy(at, arrival->state.data, arrival->state.len);
	list_push_back(&account->members, &sleeper->link);
	map_put_borrowed(account->channel->members, sleeper_key(sleeper), sleeper);
	account->references++;
	return sleeper;
}

/* imapd does not have it any more. */
static void sleeper_take_out(struct sleeper *sleeper)
{
	map_remove(sleeper->account->channel->members, sleeper_key(sleeper));
	list_remove(&sleeper->link);
	channel_use(sleeper->account->channel, -1);
}

static void sleeper_free(struct sleeper *sleeper)
{
	struct account *account = sleeper->account;

	apart_free(sleeper, sleeper->size);
	account_look_for_end(account);
	account_release(account);
}

static void sleeper_over(struct sleeper *sleeper)
{
	log_info("disconnected: user=<%s>, rip=%.*s, asleep", sleeper->account->user,
		 VIEW_ARG(sleeper_address(sleeper)));
	sleeper_take_out(sleeper);
	sleeper_free(sleeper);
}

static struct sleeper *sleeper_find(const struct channel *channel, uint64_t number)
{
	return map_get(channel->members, view_make((const char *)&number, sizeof(number)));
}

/* ---- falling asleep ---- */

void account_take(struct account *account, const struct arrival *arrival, uint8_t flags)
{
	struct channel *channel = account->channel;
	struct sleeper *sleeper;
	uint64_t number;
	int r;

	if (channel->gone || account->promised == 0) {
		log_info("disconnected: user=<%s>, rip=%.*s: nobody keeps it", account->user,
			 VIEW_ARG(arrival->address));
		return;
	}
	account->promised--;
	sleeper = sleeper_new(account, arrival);
	sleeper->flags = flags;
	number = sleeper->number;
	r = channel_send(channel, sleep_keep, .number = number, .tag = arrival->tag, .flags = flags,
			 .quiet = arrival->quiet, .connection = arrival->connection);
	if (r == 0 && account->state == ENDING)
		r = channel_send(channel, sleep_end, .number = number, .text = BY_ADMIN);
	/* Meanwhile it may have come back already. */
	sleeper = sleeper_find(channel, number);
	if (r < 0 && sleeper != NULL)
		sleeper_over(sleeper);
}

void account_settle(struct account *account)
{
	channel_use(account->channel, -(ssize_t)account->promised);
	account->promised = 0;
	if (account->state == GATHERING)
		account->state = ASLEEP;
	if (account->disturbed)
		account_disturb(account);
	account_look_for_end(account);
	account_release(account);
}

/* ---- waking up ---- */

/* Something has happened. */
static void account_disturb(struct account *account)
{
	if (account->state == GATHERING)
		account->disturbed = true;
	if (account->state != ASLEEP)
		return;
	account->state = WAKING;
	list_remove(&account->due);
	list_push_back(&sleepers.due, &account->due);
	wake_all(&sleepers.due_came);
}

/* The numbers first: while one is sent, others come and go. */
static uint64_t *account_numbers(const struct account *account, struct view address, size_t *count)
{
	uint64_t *numbers = NULL;

	*count = 0;
	list_for_each (&account->members, struct sleeper, link, sleeper) {
		if (address.len > 0 && !view_eq(sleeper_address(sleeper), address))
			continue;
		array_grow(numbers, *count);
		numbers[(*count)++] = sleeper->number;
	}
	return numbers;
}

/* All are asked for. They come back as imapd answers (channel_hear). */
static void account_call(struct account *account)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t count;
	int r = 0;

	account->references++;
	watches_end(TAKE(account->watches));
	numbers = account_numbers(account, VIEW_NONE, &count);
	for (size_t i = 0; i < count && r == 0; i++)
		r = channel_send(account->channel, sleep_want, .number = numbers[i]);
	account_release(account);
}

static void wake_those_due(void *unused)
{
	(void)unused;
	for (;;) {
		struct account *account = LIST_FIRST(&sleepers.due, struct account, due);

		if (account == NULL) {
			wait_on(&sleepers.due_came, MSEC_FOREVER);
		} else if (sleepers.arriving >= ARRIVING_MAX) {
			wait_on(&sleepers.changed, MSEC_FOREVER);
		} else {
			list_remove(&account->due);
			account_call(account);
		}
	}
}

static void returning_free(struct returning *back)
{
	close(back->connection);
	str_free(&back->tag);
	free(back);
}

/* A task of its own: a process may have to be started. */
static void hand_back(void *argument)
{
	struct returning *back = argument;
	struct sleeper *sleeper = back->sleeper;
	struct account *account = sleeper->account;
	struct arrival arrival = {
		.session = sleeper_session(sleeper),
		.tag = str_view(&back->tag),
		.address = sleeper_address(sleeper),
		.state = sleeper_state(sleeper),
		.since = sleeper->since,
		.quiet = back->quiet,
		.secured = sleeper->secured,
		.connection = back->connection,
	};
	int r = account->state == ENDING ? -ECANCELED : sleepers.hand(account->user, &arrival);

	if (r < 0) {
		log_info("disconnected: user=<%s>, rip=%.*s, asleep: %s", account->user,
			 VIEW_ARG(arrival.address), strerror(-r));
		channel_send(account->channel, sleep_end, .number = sleeper->number,
			     .text = r == -ECANCELED ? BY_ADMIN : NOT_NOW, .flags = sleeper->flags,
			     .connection = back->connection);
	}
	returning_free(back);
	account->returning--;
	sleepers.arriving--;
	sleeper_free(sleeper);
	wake_all(&sleepers.changed);
}

static void sleeper_return(struct sleeper *sleeper, const struct msg_sleep_return *m)
{
	struct returning *back = mem_new(struct returning);
	struct account *account = sleeper->account;

	back->sleeper = sleeper;
	back->connection = m->connection;
	back->quiet = m->quiet;
	str_append(&back->tag, m->tag);
	sleeper_take_out(sleeper);
	account->returning++;
	sleepers.arriving++;
	/* If its client has woken it: the others as well. */
	account_disturb(account);
	task_spawn("hand back", hand_back, back);
}

void sleepers_wake(const char *user)
{
	msec_t deadline = clock_after(WAKE_TIME);
	struct account *account = map_get(sleepers.accounts, view_of(user));

	if (account == NULL)
		return;
	account_disturb(account);
	while (map_get(sleepers.accounts, view_of(user)) != NULL)
		if (wait_on(&sleepers.changed, deadline) < 0)
			return;
}

/* ---- imapd ---- */

static int channel_hear(struct channel *channel, struct message *m)
{
	struct sleeper *sleeper;

	switch (m->type) {
	case MSG_sleep_offer:
		channel->room = m->sleep_offer.room;
		return 0;
	case MSG_sleep_return:
		sleeper = sleeper_find(channel, m->sleep_return.number);
		/* It may have been ended at just this moment. */
		if (sleeper != NULL && m->sleep_return.connection >= 0)
			sleeper_return(sleeper, &m->sleep_return);
		else
			message_close_fd(m);
		return 0;
	case MSG_sleep_over:
		sleeper = sleeper_find(channel, m->sleep_over.number);
		if (sleeper != NULL)
			sleeper_over(sleeper);
		return 0;
	default:
		message_close_fd(m);
		log_error("unexpected message %s", message_name(m->type));
		return -EBADMSG;
	}
}

/* imapd is gone, and so are the clients. */
static void channel_end(struct channel *channel)
{
	channel->gone = true;
	list_remove(&channel->link);
	for (;;) {
		size_t first = map_next_index(channel->members, 0);

		if (first == SIZE_MAX)
			break;
		sleeper_over(map_value_at(channel->members, first));
	}
	/* Whoever is sending there must be through before the connection is freed. */
	task_lock(&channel->sending);
	channel->ipc = NULL;
	task_unlock(&channel->sending);
	channel_release(channel);
}

void sleepers_serve(struct ipc *ipc, uint32_t room)
{
	struct channel *channel = mem_new(struct channel);
	struct message m;

	channel->ipc = ipc;
	channel->room = room;
	channel->members = map_new();
	channel->references = 1;
	WAITLIST_INIT(&channel->sending.waiting);
	list_push_back(&sleepers.channels, &channel->link);
	ipc_set_timeout(ipc, MSEC_FOREVER);
	while (!channel->gone && ipc_receive(ipc, &m) == 0)
		if (channel_hear(channel, &m) < 0)
			break;
	channel_end(channel);
}

static void tell_of_replacement(void *argument)
{
	struct channel *channel = argument;

	(void)channel_send(channel, sleep_retire);
	channel_use(channel, 0);
	channel_release(channel);
}

void sleepers_retire(void)
{
	if (!sleepers.is_open)
		return;
	list_for_each (&sleepers.channels, struct channel, link, channel) {
		channel->references++;
		task_spawn("retire", tell_of_replacement, channel);
	}
}

/* ---- for the administrator ---- */

void sleepers_each(void (*each)(void *argument, const struct sleeper_view *sleeper), void *argument)
{
	map_for_each (sleepers.accounts, i) {
		struct account *account = map_value_at(sleepers.accounts, i);

		list_for_each (&account->members, struct sleeper, link, sleeper)
			each(argument, &(struct sleeper_view){ view_of(account->user),
							       sleeper_address(sleeper),
							       sleeper_session(sleeper),
							       sleeper->since, sleeper->secured });
	}
}

static uint32_t account_kick(struct account *account, struct view address)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t count;

	if (address.len == 0)
		account->state = ENDING;
	numbers = account_numbers(account, address, &count);
	for (size_t i = 0; i < count; i++)
		(void)channel_send(account->channel, sleep_end, .number = numbers[i],
				   .text = BY_ADMIN);
	account_look_for_end(account);
	return (uint32_t)count;
}

uint32_t sleepers_kick(struct view who)
{
	struct account **all = NULL, *account = map_get(sleepers.accounts, who);
	uint32_t count = 0;
	size_t found = 0;

	if (account != NULL) {
		account->references++;
		count = account_kick(account, VIEW_NONE);
		account_release(account);
		return count;
	}
	map_for_each (sleepers.accounts, i) {
		array_grow(all, found);
		all[found] = map_value_at(sleepers.accounts, i);
		all[found++]->references++;
	}
	for (size_t i = 0; i < found; i++) {
		count += account_kick(all[i], who);
		account_release(all[i]);
	}
	free(all);
	return count;
}

void sleepers_open(int (*hand)(const char *user, const struct arrival *arrival))
{
	if (sleepers.is_open)
		return;
	sleepers.is_open = true;
	sleepers.hand = hand;
	sleepers.accounts = map_new();
	list_init(&sleepers.channels);
	list_init(&sleepers.due);
	WAITLIST_INIT(&sleepers.due_came);
	WAITLIST_INIT(&sleepers.changed);
	task_spawn("wake", wake_those_due, NULL);
}

void sleepers_forget(void)
{
	sleepers.accounts = NULL;
	list_init(&sleepers.channels);
	list_init(&sleepers.due);
	sleepers.is_open = false;
}

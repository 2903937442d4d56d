/*
 * Connections to a service that are kept between questions. One that has died meanwhile is
 * replaced without a word.
 */
#include <errno.h>

#include "base/mem.h"
#include "ipc/internal.h"
#include "task/task.h"

struct ipc_pool {
	char *service;
	size_t idle_count, idle_max;
	msec_t timeout;	   /* 0: as any connection */
	struct ipc **idle; /* the one used last is at the end and is taken first */
};

struct ipc_pool *ipc_pool_new(const char *service, size_t idle_max)
{
	struct ipc_pool *pool = mem_new(struct ipc_pool);

	pool->service = mem_strdup(service);
	pool->idle_max = idle_max;
	pool->idle = mem_new_array(struct ipc *, idle_max);
	return pool;
}

void ipc_pool_free(struct ipc_pool *pool)
{
	if (pool == NULL)
		return;
	while (pool->idle_count > 0)
		ipc_free(pool->idle[--pool->idle_count]);
	free(pool->idle);
	free(pool->service);
	free(pool);
}

void ipc_pool_set_timeout(struct ipc_pool *pool, msec_t timeout)
{
	pool->timeout = timeout;
}

struct ipc_pool *ipc_pool_once(struct ipc_pool **kept, const char *service, size_t idle_max,
			       msec_t timeout)
{
	if (*kept == NULL) {
		*kept = ipc_pool_new(service, idle_max);
		ipc_pool_set_timeout(*kept, timeout);
	}
	return *kept;
}

bool ipc_is_alive(const struct ipc *ipc)
{
	char byte;

	return task_is_drained(ipc->fd) ||
	       (recv(ipc->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

struct ipc *ipc_pool_get(struct ipc_pool *pool, msec_t deadline)
{
	while (pool->idle_count > 0) {
		struct ipc *ipc = pool->idle[--pool->idle_count];

		if (ipc_is_alive(ipc))
			return ipc;
		ipc_free(ipc);
	}

	struct ipc *ipc = ipc_connect(pool->service, deadline);

	if (ipc != NULL && pool->timeout > 0)
		ipc_set_timeout(ipc, pool->timeout);
	return ipc;
}

void ipc_pool_put(struct ipc_pool *pool, struct ipc *ipc, bool healthy)
{
	if (ipc == NULL)
		return;
	if (healthy)
		healthy = ipc->broken == 0 && ipc_flush(ipc) == 0 && ipc->in_len == 0 &&
			  ipc->came < 0;
	if (!healthy || pool->idle_count == pool->idle_max) {
		ipc_free(ipc);
		return;
	}
	ipc_release_input(ipc);
	ipc->was_kept = true;
	pool->idle[pool->idle_count++] = ipc;
}

/* 0; -ENODATA: closed before an answer; or another errno. */
static int pool_ask_once(struct ipc *ipc, struct message *answer, enum message_type type,
			 const void *fields)
{
	int r = ipc_send_message(ipc, type, fields);

	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return r;
	r = ipc_receive(ipc, answer);
	return r == -EPIPE ? -ENODATA : r;
}

int ipc_exchange_message(struct ipc_pool *pool, msec_t deadline, struct ipc **ipc,
			 struct message *answer, enum message_type type, const void *fields)
{
	uint8_t ignored;

	return ipc_exchange_again(pool, deadline, ipc, answer, type, fields, &ignored);
}

int ipc_exchange_again(struct ipc_pool *pool, msec_t deadline, struct ipc **ipc,
		       struct message *answer, enum message_type type, const void *fields,
		       uint8_t *again)
{
	for (;; *again = 1) {
		*ipc = ipc_pool_get(pool, deadline);
		if (*ipc == NULL)
			return -errno;

		int r = pool_ask_once(*ipc, answer, type, fields);
		bool was_kept = (*ipc)->was_kept;

		if (r == 0)
			return 0;
		ipc_free(*ipc);
		*ipc = NULL;
		/* Each turn takes a kept connection away, so this comes to an end. */
		if (r != -ENODATA || !was_kept)
			return r;
	}
}

bool ipc_was_kept(const struct ipc *ipc)
{
	return ipc->was_kept;
}

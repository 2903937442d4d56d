/* The caller's side of proxymap: questions to tables that are other people's servers. */
#include <errno.h>

#include "conf/conf.h"
#include "services/clients.h"
#include "task/task.h"

#define PROXYMAP_CONNECT_TIME ((msec_t)10000)
#define PROXYMAP_IDLE_MAX     20
/* Beyond what proxymap itself waits for a server. */
#define PROXYMAP_PATIENCE ((msec_t)30000)

int proxymap_ask(struct view table, struct view key, struct str *value, struct error *err)
{
	static struct ipc_pool *pool;
	struct ipc *ipc;
	struct message m;

	/* A tool that looks at a mailbox, say. */
	if (task_count() == 0)
		return error_set(err, -EAGAIN, "only running programs can ask this table");

	int r = ipc_exchange(ipc_pool_once(&pool, "private/proxymap", PROXYMAP_IDLE_MAX,
					   param.table_server_timeout + PROXYMAP_PATIENCE),
			     clock_after(PROXYMAP_CONNECT_TIME), &ipc, &m, table_ask,
			     .table = table, .key = key);

	if (r < 0)
		return error_set(err, r, "proxymap does not answer: %s", strerror(-r));
	if (m.type != MSG_table_answered || m.table_answered.outcome > TABLE_FAILED) {
		r = error_set(err, -EBADMSG, "proxymap's answer makes no sense");
	} else if (m.table_answered.outcome == TABLE_FAILED) {
		r = error_set(err, -EAGAIN, "%.*s", VIEW_ARG(m.table_answered.reason));
	} else {
		r = m.table_answered.outcome == TABLE_FOUND;
		if (r > 0)
			str_append(value, m.table_answered.value);
	}
	ipc_pool_put(pool, ipc, r != -EBADMSG);
	return r;
}

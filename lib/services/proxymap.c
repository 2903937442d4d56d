/* The caller's side of proxymap: questions to tables that are other people's servers. */
#include <errno.h>

#include "conf/conf.h"
#include "services/clients.h"
#include "task/task.h"

#define PROXYMAP_CONNECT_TIME ((msec_t)10000)
#define PROXYMAP_IDLE_MAX     20
/* Beyond what proxymap itself waits for a server. */
#define PROXYMAP_PATIENCE ((msec_t)30000)

static struct ipc_pool *proxymap_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/proxymap", PROXYMAP_IDLE_MAX,
			     param.table_server_timeout + PROXYMAP_PATIENCE);
}

/* What came: 1 with the value appended (NULL: it is not wanted), 0, or a negative errno. */
static int proxymap_take(struct ipc *ipc, const struct message *m, struct str *value,
			 struct error *err)
{
	int r;

	if (m->type != MSG_table_answered || m->table_answered.outcome > TABLE_FAILED) {
		r = error_set(err, -EBADMSG, "proxymap's answer makes no sense");
	} else if (m->table_answered.outcome == TABLE_FAILED) {
		r = error_set(err, -EAGAIN, "%.*s", VIEW_ARG(m->table_answered.reason));
	} else {
		r = m->table_answered.outcome == TABLE_FOUND;
		if (r > 0 && value != NULL)
			str_append(value, m->table_answered.value);
	}
	ipc_pool_put(proxymap_pool(), ipc, r != -EBADMSG);
	return r;
}

static int proxymap_absent(int r, struct error *err)
{
	return error_set(err, r, "proxymap does not answer: %s", strerror(-r));
}

int proxymap_ask(struct view table, struct view key, struct str *value, struct error *err)
{
	struct ipc *ipc;
	struct message m;
	int r;

	/* A tool that looks at a mailbox, say. */
	if (task_count() == 0)
		return error_set(err, -EAGAIN, "only running programs can ask this table");
	r = ipc_exchange(proxymap_pool(), clock_after(PROXYMAP_CONNECT_TIME), &ipc, &m, table_ask,
			 .table = table, .key = key);
	return r < 0 ? proxymap_absent(r, err) : proxymap_take(ipc, &m, value, err);
}

int proxymap_verify(struct view table, struct view key, struct view password, struct error *err)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(proxymap_pool(), clock_after(PROXYMAP_CONNECT_TIME), &ipc, &m,
			     table_verify, .table = table, .key = key, .password = password);

	return r < 0 ? proxymap_absent(r, err) : proxymap_take(ipc, &m, NULL, err);
}

/* The caller's side of oauth: whose is this token? */
#include <errno.h>

#include "conf/conf.h"
#include "services/clients.h"

#define OAUTH_CONNECT_TIME ((msec_t)10000)
#define OAUTH_IDLE_MAX	   8
/* Beyond what oauth itself waits for a server: once for keys, once more for those that it lacked. */
#define OAUTH_PATIENCE ((msec_t)20000)

static struct ipc_pool *oauth_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/oauth", OAUTH_IDLE_MAX,
			     2 * param.oauth_timeout + OAUTH_PATIENCE);
}

int token_ask(struct view token, struct str *user, struct error *err)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(oauth_pool(), clock_after(OAUTH_CONNECT_TIME), &ipc, &m, token_ask,
			     .token = token);

	if (r < 0)
		return error_set(err, r, "oauth does not answer: %s", strerror(-r));
	if (m.type != MSG_token_judged || m.token_judged.outcome > TOKEN_FAILED) {
		message_close_fd(&m);
		ipc_pool_put(oauth_pool(), ipc, false);
		return error_set(err, -EBADMSG, "oauth's answer makes no sense");
	}
	error_set(err, 0, "%.*s", VIEW_ARG(m.token_judged.reason));
	r = m.token_judged.outcome == TOKEN_RIGHT   ? 1
	    : m.token_judged.outcome == TOKEN_WRONG ? 0
						    : -EAGAIN;
	if (r > 0)
		str_set(user, m.token_judged.user);
	ipc_pool_put(oauth_pool(), ipc, true);
	return r;
}

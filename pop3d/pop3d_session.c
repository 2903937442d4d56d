/* pop3d-session: the mailbox side of POP3, one process for each logged-in user. See session.h. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "session.h"
#include "store/autoexpunge.h"
#include "user/user.h"

/* The store of the user whose process this is. */
static struct store *store;
static const char *store_user;
static struct autoexpunge *autoexpunge;

/* Opened by the first connection, so that an error is told to the client that meets it. */
static void pop3_connection_serve(struct stream *io, const struct session_client *client)
{
	struct store_options options = STORE_DEFAULTS;
	struct error err = ERROR_NONE;
	int r = 0;

	options.index_limit = (uint64_t)param.mailbox_index_limit;
	options.tombstone_time = param.mailbox_tombstone_time / 1000;
	if (store == NULL) {
		r = store_open(client->user->maildir, &options, &store, &err);
		if (r == 0)
			autoexpunge_quietly(store, autoexpunge, client->user->name);
		store_user = client->user->name;
	}
	if (r < 0) {
		log_error("user=<%s>: %s", client->user->name, err.text);
		(void)stream_printf(io, "-ERR [SYS/TEMP] The mailbox cannot be opened now.\r\n");
		(void)stream_flush(io);
		return;
	}
	pop3_session_serve(io, client, store);
}

static void pop3_connection_refuse(struct stream *io, const struct session_client *client)
{
	(void)client;
	(void)stream_printf(io, "-ERR [IN-USE] Too many connections of this user.\r\n");
}

static void pop3_close_store(void)
{
	if (store != NULL)
		autoexpunge_quietly(store, autoexpunge, store_user);
	store_close(TAKE(store));
}

static msec_t pop3_idle_exit(void)
{
	return param.pop3_session_idle_exit;
}

static int64_t pop3_connections_max(void)
{
	return param.mail_max_userip_connections;
}

static const struct session_program session_program = {
	.service = "pop3",
	.calls = CALLS_FILES_READ | CALLS_FILES_WRITE,
	.serve = pop3_connection_serve,
	.refuse = pop3_connection_refuse,
	.close = pop3_close_store,
	.idle_exit = pop3_idle_exit,
	.connections_max = pop3_connections_max,
};

static int maildrop_program_prepare(struct error *err)
{
	int r;

	autoexpunge = autoexpunge_parse(view_of(param.mailbox_autoexpunge), err);
	if (autoexpunge == NULL) {
		error_prefix(err, "mailbox_autoexpunge");
		return -EINVAL;
	}
	r = users_open(err);
	return r < 0 ? r : daemon_confine_prepare(session_program.calls, err);
}

static void pop3_parent_serve_ipc(struct ipc *ipc)
{
	session_serve_ipc(ipc, &session_program);
}

static const struct daemon_program program = {
	.name = "pop3d-session",
	.prepare = maildrop_program_prepare,
	.start = session_start,
	.serve_ipc = pop3_parent_serve_ipc,
	.retire = session_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

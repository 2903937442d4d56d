/* imapd-session: the mailbox side of IMAP, one process for each logged-in user. See session.h. */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "hibernate.h"
#include "session/session.h"
#include "store/autoexpunge.h"
#include "user/user.h"

/* The store of the user whose process this is. */
static struct store *store;
static const char *store_user;
static struct autoexpunge *autoexpunge;

struct default_folder {
	struct view name;
	unsigned use;
	bool found;
};

static int look_for_default(void *argument, const struct folder_info *folder)
{
	struct default_folder *wanted = argument;

	wanted->found |= folder->exists && (view_eq_nocase(folder->name, wanted->name) ||
					    (folder->special_use & wanted->use) != 0);
	return wanted->found;
}

/* mailbox_default_folders, once in the life of this process. A full disk keeps nobody from reading. */
static void make_default_folders(void)
{
	static bool made;
	struct view rest = view_of(param.mailbox_default_folders), word;

	while (!made && view_next_word(&rest, ", \t\r\n", &word)) {
		struct default_folder wanted = { word, store_name_special_use(word), false };
		struct error err = ERROR_NONE;

		if (store_list(store, look_for_default, &wanted) < 0 || wanted.found)
			continue;
		if (store_create(store, word, 0, &err) < 0)
			log_warning("mailbox_default_folders: %.*s: %s", VIEW_ARG(word), err.text);
		else
			(void)store_subscribe(store, word, true, NULL);
	}
	made = true;
}

/* Opened by the first connection, so that an error is told to the client that meets it. */
static void imap_connection_serve(struct stream *io, const struct session_client *client)
{
	struct error err = ERROR_NONE;
	struct store_options options = STORE_DEFAULTS;
	int r = 0;

	options.index_limit = (uint64_t)param.mailbox_index_limit;
	options.tombstone_time = param.mailbox_tombstone_time / 1000;
	options.packs = strcmp(param.mailbox_compress, "zstd") == 0;
	if (store == NULL) {
		r = store_open(client->user->maildir, &options, &store, &err);
		if (r == 0)
			imap_quota_open(client->user, store);
		if (r == 0)
			autoexpunge_quietly(store, autoexpunge, client->user->name);
		store_user = client->user->name;
	}
	if (r < 0) {
		log_error("user=<%s>: %s", client->user->name, err.text);
		stream_printf(io, "%.*s NO [UNAVAILABLE] The mailbox cannot be opened now.\r\n",
			      VIEW_ARG(client->tag));
		stream_flush(io);
		return;
	}
	make_default_folders();
	stream_set_timeout(io, param.imap_idle_timeout);
	imap_session_serve(io, client, store);
}

static void new_mail(struct view folder)
{
	(void)folder; /* each connection looks at the folder that it has selected */
	imap_sessions_wake(NULL);
}

static void imap_close_store(void)
{
	if (store != NULL)
		autoexpunge_quietly(store, autoexpunge, store_user);
	store_close(TAKE(store));
}

static msec_t imap_idle_exit(void)
{
	return param.imap_session_idle_exit;
}

static int64_t imap_connections_max(void)
{
	return param.mail_max_userip_connections;
}

static void imap_connection_refuse(struct stream *io, const struct session_client *client)
{
	stream_printf(io, "%.*s NO [LIMIT] Too many connections from your address.\r\n",
		      VIEW_ARG(client->tag));
	stream_flush(io);
}

static bool imap_connection_give_way(struct stream *io)
{
	return imap_session_give_way(io);
}

static msec_t imap_sleep_after(void)
{
	return param.imap_hibernate_timeout;
}

static int imap_connection_lay_down(struct stream *io, struct session_bed *bed)
{
	return imap_session_lay_down(io, bed);
}

static const struct session_program session_program = {
	.service = "imap",
	.calls = CALLS_FILES_READ | CALLS_FILES_WRITE | CALLS_WATCH,
	.serve = imap_connection_serve,
	.refuse = imap_connection_refuse,
	.new_mail = new_mail,
	.close = imap_close_store,
	.idle_exit = imap_idle_exit,
	.connections_max = imap_connections_max,
	.give_way = imap_connection_give_way,
	.sleep_after = imap_sleep_after,
	.resting_since = imap_sessions_resting,
	.tidy_up = imap_sessions_tidy_up,
	.lay_down = imap_connection_lay_down,
};

static int session_program_prepare(struct error *err)
{
	int r = imap_namespace_prepare(err);

	autoexpunge = r == 0 ? autoexpunge_parse(view_of(param.mailbox_autoexpunge), err) : NULL;
	if (r == 0 && autoexpunge == NULL) {
		error_prefix(err, "mailbox_autoexpunge");
		r = -EINVAL;
	}
	if (r == 0)
		r = users_open(err);
	return r < 0 ? r : daemon_confine_prepare(session_program.calls, err);
}

static void imap_parent_serve_ipc(struct ipc *ipc)
{
	session_serve_ipc(ipc, &session_program);
}

static const struct daemon_program program = {
	.name = "imapd-session",
	.prepare = session_program_prepare,
	.start = session_start,
	.serve_ipc = imap_parent_serve_ipc,
	.retire = session_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

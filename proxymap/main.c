/*
 * proxymap: asks tables that are other people's servers, so that no other program connects to those
 * or reads what they say. It decides nothing.
 */
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "database.h"
#include "memcache.h"
#include "permit.h"
#include "server.h"
#include "table/server.h"
#include "table/system.h"
#include "table/table.h"

/* Who alone learns hashes, and may try passwords without the wait after a wrong one. */
static uid_t auth_uid;

static int auth_uid_find(struct error *err)
{
	const struct passwd *user;

	/* There is one user for all then. */
	auth_uid = geteuid();
	if (!daemon_running_as_root())
		return 0;
	user = getpwnam(param.auth_owner);
	if (user == NULL)
		return error_set(err, -EINVAL, "there is no user %s on this system",
				 param.auth_owner);
	auth_uid = user->pw_uid;
	return 0;
}

static bool peer_is_auth(const struct ipc *ipc)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;

	return ipc_peer(ipc, &pid, &uid, &gid) == 0 && (uid == 0 || uid == auth_uid);
}

/* 0, or why this client may not ask this table. */
static int proxymap_permit(const struct ipc *ipc, struct view table, bool for_auth,
			   struct error *err)
{
	if (!permit_has(table))
		return error_set(err, -EACCES, "nothing permits this table (proxy_read_maps)");
	if (for_auth && !peer_is_auth(ipc))
		return error_set(err, -EPERM, "passwords are for auth alone");
	return 0;
}

static int answer_table(struct ipc *ipc, const struct msg_table_ask *question)
{
	_cleanup_(str_free) struct str table = STR_EMPTY, key = STR_EMPTY;
	_cleanup_(str_wipe) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	/* Asking waits; the message is valid until the connection is used again. */
	str_append(&table, question->table);
	str_append(&key, question->key);
	if (table_is_system(str_view(&table))) { /* what anybody may know */
		r = table_ask_system(str_view(&table), str_view(&key), &value, &err);
	} else if (table_is_memcache(str_view(&table))) {
		r = proxymap_permit(ipc, str_view(&table), false, &err);
		if (r == 0)
			r = memcache_ask(str_view(&table), str_view(&key), &value, &err);
	} else if (!table_is_database(str_view(&table))) {
		r = server_ask(str_view(&table), str_view(&key), &value, &err);
	} else {
		r = proxymap_permit(ipc, str_view(&table), table_has_passwords(str_view(&table)),
				    &err);
		if (r == 0)
			r = database_ask(str_view(&table), str_view(&key), &value, &err);
	}
	if (r < 0)
		log_warning("%s: %s", str_cstr(&table), err.text);
	if (r >= 0 && value.len > IPC_FRAME_MAX) {
		log_warning("%s: a value of %zu bytes is too long", str_cstr(&table), value.len);
		error_set(&err, r = -EFBIG, "the value is too long");
	}
	return ipc_send(ipc, table_answered,
			.outcome = r < 0    ? TABLE_FAILED
				   : r == 0 ? TABLE_NOT_FOUND
					    : TABLE_FOUND,
			.value = r > 0 ? str_view(&value) : VIEW_NONE,
			.reason = r < 0 ? view_of(err.text) : VIEW_NONE);
}

/* For auth alone: the password of a user, to whom a directory is asked to listen. */
static int answer_password(struct ipc *ipc, const struct msg_table_verify *question)
{
	_cleanup_(str_free) struct str table = STR_EMPTY, key = STR_EMPTY;
	_cleanup_(str_wipe) struct str password = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	str_append(&table, question->table);
	str_append(&key, question->key);
	str_append(&password, question->password);
	mem_wipe((void *)(uintptr_t)question->password.data, question->password.len);
	r = proxymap_permit(ipc, str_view(&table), true, &err);
	if (r == 0)
		r = database_verify(str_view(&table), str_view(&key), str_view(&password), &err);
	if (r < 0)
		log_warning("%s: %s", str_cstr(&table), err.text);
	return ipc_send(ipc, table_answered,
			.outcome = r < 0    ? TABLE_FAILED
				   : r == 0 ? TABLE_NOT_FOUND
					    : TABLE_FOUND,
			.reason = r < 0 ? view_of(err.text) : VIEW_NONE);
}

static int proxymap_answer(struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_table_ask:
		return answer_table(ipc, &m->table_ask);
	case MSG_table_verify:
		return answer_password(ipc, &m->table_verify);
	default:
		log_warning("a client sent %s, which is no question", message_name(m->type));
		message_close_fd(m);
		return -EBADMSG;
	}
}

static void proxymap_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		/* Settings are read anew by a successor; this one is still answered. */
		if (table_any_changed())
			daemon_retire();
		if (proxymap_answer(ipc, &m) < 0 || ipc_flush(ipc) < 0)
			return;
	}
}

static void database_add_if(struct view name)
{
	if (table_is_database(name) && permit_has(name))
		database_add(name);
}

/* The program's state: why the last one's files cannot be watched. */
static struct error memcache_error;
static int memcache_result;

static void memcache_add_if(struct view name)
{
	if (memcache_result == 0 && table_is_memcache(name) && permit_has(name))
		memcache_result = memcache_add(name, &memcache_error);
}

/* Looking up the system's users reads files. */
static void system_table_add_if(struct view name)
{
	if (table_is_system(name))
		daemon_add_calls(CALLS_FILES_READ);
}

/* What they need of this program, and the files that it is replaced for. */
static int databases_open(struct error *err)
{
	size_t count;
	const char *const *files = database_files(&count);

	if (databases_exist()) {
		int r = auth_uid_find(err);

		if (r < 0)
			return r;
		daemon_add_calls(CALLS_FILES_READ);
	}
	return count > 0 ? table_watch_files(files, count, err) : 0;
}

static int proxymap_prepare(struct error *err)
{
	int r = permit_load(err);

	if (r == 0) {
		permit_each(memcache_add_if); /* whose backup may be a database */
		permit_each(database_add_if);
		permit_each(system_table_add_if);
		r = databases_open(err);
	}
	if (r == 0 && memcache_result < 0)
		return error_set(err, memcache_result, "%s", memcache_error.text);
	return r;
}

static const struct daemon_program program = {
	.name = "proxymap",
	.prepare = proxymap_prepare,
	.serve_ipc = proxymap_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

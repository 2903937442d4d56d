/*
 * The table of programs and users, and who may say what to whom. It decides; lib/daemon and master
 * act on it.
 */
#include "daemon/programs.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"

/* PEER names up to 15 messages without their prefix. */
#define NAMED(...)                                                                                 \
	NAMED_(__VA_ARGS__, none, none, none, none, none, none, none, none, none, none, none,      \
	       none, none, none, none)
#define NAMED_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, ...)                                   \
	{                                                                                          \
		MSG_##a, MSG_##b, MSG_##c, MSG_##d, MSG_##e, MSG_##f, MSG_##g, MSG_##h, MSG_##i,   \
			MSG_##j, MSG_##k, MSG_##l, MSG_##m, MSG_##n, MSG_##o, MSG_none             \
	}

/* clang-format off */
static const struct program programs[] = {
#define USER(id, parameter, doc)
#define PROGRAM(name_, user_, root_, calls_, count_, wave_, doc_)                                  \
	{ .name = name_, .user = DAEMON_##user_, .root = DAEMON_ROOT_##root_, .calls = calls_,     \
	  .count = PROGRAM_##count_, .wave = WAVE_##wave_, .doc = doc_,                            \
	  .peers = (const struct program_peer[]){
#define PEER(socket_, client_, ...)                                                                \
		{ SOCKET_##socket_, client_, NAMED(__VA_ARGS__) },
#define END                                                                                        \
		{ .client = NULL } } },
#include "daemon/programs.def"
#undef USER
#undef PROGRAM
#undef PEER
#undef END
};

static const struct {
	const char *parameter, *doc;
	size_t offset; /* in `param` */
} users[] = {
#define USER(id, parameter_, doc_) { #parameter_, doc_, offsetof(struct params, parameter_) },
#define PROGRAM(name, user, root, calls, count, wave, doc)
#define PEER(socket, client, ...)
#define END
#include "daemon/programs.def"
#undef USER
#undef PROGRAM
#undef PEER
#undef END
};
/* clang-format on */

static struct {
	bool as_root;
	uid_t self, uids[DAEMON_USERS];
} known;

const struct program *program_at(size_t n)
{
	return n < ARRAY_SIZE(programs) ? &programs[n] : NULL;
}

const struct program *program_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (strcmp(programs[i].name, name) == 0)
			return &programs[i];
	return NULL;
}

/* ---- users ---- */

const char *program_user_name(enum daemon_user user)
{
	if (user >= DAEMON_USERS)
		return "root";
	return *(char *const *)(const void *)((const char *)&param + users[user].offset);
}

const char *program_user_parameter(enum daemon_user user)
{
	return users[user].parameter;
}

const char *program_user_default(enum daemon_user user)
{
	return param_find(view_of(users[user].parameter))->value;
}

const char *program_user_doc(enum daemon_user user)
{
	return users[user].doc;
}

int program_users_find(bool as_root, struct error *err)
{
	known.as_root = as_root;
	known.self = geteuid();
	for (enum daemon_user user = 0; as_root && user < DAEMON_USERS; user++) {
		const char *name = program_user_name(user);
		const struct passwd *entry = getpwnam(name);

		if (entry == NULL)
			return error_set(err, -EINVAL,
					 "%s: there is no user %s on this system (posta start adds "
					 "it if that is the default)",
					 users[user].parameter, name);
		if (entry->pw_uid == 0 || entry->pw_gid == 0)
			return error_set(err, -EPERM, "%s: user %s has the rights of root",
					 users[user].parameter, name);
		known.uids[user] = entry->pw_uid;
	}
	return 0;
}

/* ---- who may say what ---- */

static bool peer_is(const struct program_peer *peer, uid_t uid)
{
	const struct program *client;

	if (uid == 0 || (!known.as_root && uid == known.self) ||
	    strcmp(peer->client, PEER_ANYBODY) == 0)
		return true;
	client = program_find(peer->client);
	return known.as_root && client != NULL && client->user != DAEMON_PRIVILEGED &&
	       known.uids[client->user] == uid;
}

bool program_admits(const struct program *server, const char *socket_name, uid_t uid,
		    struct message_set *may_send)
{
	enum program_socket kind =
		view_starts(view_of(socket_name), VIEW("public/")) ? SOCKET_PUBLIC : SOCKET_PRIVATE;
	bool any = false;

	*may_send = (struct message_set){ 0 };
	/* Nobody can say who it is. */
	if (uid == (uid_t)-1)
		return false;
	for (const struct program_peer *peer = server->peers; peer->client != NULL; peer++) {
		if (peer->socket != kind || !peer_is(peer, uid))
			continue;
		for (size_t i = 0; peer->messages[i] != MSG_none; i++)
			message_set_add(may_send, peer->messages[i]);
		any = true;
	}
	return any;
}

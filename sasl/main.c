/*
 * Our users for other software: Postfix, Exim, XMPP servers and whatever asks a server of Dovecot's authentication
 * protocol. Who may ask is looked at here; auth answers.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "client.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "table/table.h"

#define USERS_MAX 100

static struct {
	uid_t items[USERS_MAX];
	size_t count;
} users;

static int sasl_prepare(struct error *err)
{
	struct view rest = view_of(param.sasl_client_users), word;

	while (conf_next_element(&rest, &word)) {
		_cleanup_free_ char *name = mem_strndup(word.data, word.len);
		const struct passwd *found = getpwnam(name);
		uint32_t number;

		/* A number may be a user's of a container. */
		if (found != NULL)
			number = found->pw_uid;
		else if (view_parse_u32(word, UINT32_MAX - 1, &number) < 0)
			return error_set(err, -ENOENT, "sasl_client_users: there is no user %s",
					 name);
		if (users.count == USERS_MAX)
			return error_set(err, -E2BIG, "sasl_client_users: at most %d users",
					 USERS_MAX);
		users.items[users.count++] = number;
	}
	return 0;
}

/* Root could become each of them. */
static bool is_user_permitted(uid_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < users.count; i++)
		if (users.items[i] == uid)
			return true;
	return false;
}

static void sasl_serve_client(struct stream *io, const struct peer *peer)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	char text[80];

	if (peer->address.ss_family != AF_UNIX) {
		if (networks_have(view_of(param.sasl_client_networks), view_of(peer->text)))
			sasl_serve(io, peer->text);
		else
			log_warning("%s may not ask: sasl_client_networks", peer->text);
		return;
	}
	if (getsockopt(stream_fd(io), SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	    is_user_permitted(who.uid)) {
		snprintf(text, sizeof(text), "uid %u", (unsigned)who.uid);
		sasl_serve(io, text);
	} else {
		log_warning("uid %u may not ask: sasl_client_users", (unsigned)who.uid);
	}
}

static const struct daemon_program program = {
	.name = "sasl",
	.prepare = sasl_prepare,
	.serve_client = sasl_serve_client,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

/*
 * The servers that are tables, and the connections to them: kept between questions, one question at
 * a time on each; table_server_timeout is for connecting, asking and the whole answer. A server that is slow three times in a row is left alone for a while.
 */
#ifndef PROXYMAP_SERVER_H
#define PROXYMAP_SERVER_H

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "table/server.h"

#define SERVER_IDLE_TIME       ((msec_t)10000) /* an older connection is not used again */
#define SERVER_IDLE_MAX	       20	       /* connections that are kept to one server */
#define SERVER_QUESTIONS_MAX   200	       /* that one server is asked at a time */
#define SERVER_SILENCES_MAX    3
#define SERVER_SILENCE_PENALTY ((msec_t)10000)

/*
 * One that others ask in a protocol of theirs, under a name of its own; server_talk says what it is asked, with
 * `timeout` instead of table_server_timeout, and has the answer as server_ask.
 */
struct server;
struct server *server_new(struct view name, struct view endpoint, enum table_protocol protocol);
int server_talk(struct server *server, struct view question, msec_t timeout, struct str *value,
		struct error *err);

/*
 * Asks; waits. 1 with the value appended, 0: the server says that there is none, negative errno
 * with a reason: nobody knows.
 */
int server_ask(struct view table, struct view key, struct str *value, struct error *err);
void servers_close(void);

#endif

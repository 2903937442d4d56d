/*
 * What servers of tables say: one netstring (socketmap_table(5)), one line (tcp_table(5)), or as
 * memcached does (reply_memcache.c). An
 * answer that is not just that is no answer: -EBADMSG, and the connection is not used again.
 */
#ifndef PROXYMAP_REPLY_H
#define PROXYMAP_REPLY_H

#include "base/str.h"
#include "ipc/ipc.h"
#include "table/server.h"

#define SOCKETMAP_REPLY_MAX 100000 /* as Postfix's socketmap_max_reply_size */
#define TCP_TABLE_LINE_MAX  4096   /* tcp_table(5), with the line feed */

struct table_reply {
	struct str bytes; /* as far as it has come */
	bool has_length;  /* netstring: bytes holds the content */
	size_t length;
	bool has_value;	  /* memcached: what ends the answer is still to come */
	uint8_t outcome;  /* TABLE_... */
	struct str value; /* TABLE_FOUND: without control characters */
	struct str text;  /* TABLE_FAILED: what the server says about it, made printable */
};
/* Takes bytes; *used tells how many of them. 1: the answer is whole, 0: more must come, -EBADMSG. */
int table_reply_feed(struct table_reply *reply, enum table_protocol protocol, struct view bytes,
		     size_t *used);
int memcache_reply_feed(struct table_reply *reply, struct view bytes, size_t *used);
void table_reply_free(struct table_reply *reply);

/* Appends the question. -EMSGSIZE: the protocol has no room for it. */
int table_question_append(struct str *out, const struct table_server *server, struct view key);

#endif

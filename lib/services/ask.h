/*
 * A question to a service that has one answer, of one type, with numbers alone (its texts end with the
 * exchange). Waits.
 *
 *	r = service_ask(pool, CONNECT_TIME, &m, done, anvil_full, .user = user);
 */
#ifndef SERVICES_ASK_H
#define SERVICES_ASK_H

#include "ipc/ipc.h"

/* 0 with the answer in *answer, -EBADMSG where it is another than `expected`, or another negative errno. */
int service_ask_message(struct ipc_pool *pool, msec_t connect_time, struct message *answer,
			enum message_type expected, enum message_type type, const void *fields);
#define service_ask(pool, connect_time, answer, expected, name, ...)                               \
	service_ask_message((pool), (connect_time), (answer), MSG_##expected, MSG_##name,          \
			    &(const struct msg_##name){ __VA_ARGS__ })

#endif

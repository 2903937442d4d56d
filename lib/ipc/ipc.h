/*
 * Typed messages between programs over UNIX stream sockets, with descriptors.
 *
 * A message on the wire: length of what follows (u32, network order), type (u16), then its fields
 * in the order of messages.def; integers in network order, text as u32 length and bytes. The
 * reader checks every length against the field's limit, that nothing is left over, and that just
 * the descriptors came that the type has. A malformed message ends the connection: -EBADMSG,
 * logged and counted once, here.
 *
 *	struct message m;
 *	r = ipc_send(ipc, rcpt, .address = address, .notify = NOTIFY_NEVER);
 *	r = ipc_receive(ipc, &m);		m.type == MSG_verdict: m.verdict.code ...
 *	r = ipc_expect(ipc, MSG_done, &m);	anything else is -EBADMSG
 *
 * One exchange at a time on a connection. Several messages may be sent before the answers are
 * read (they are buffered and flushed before a receive). Views in a received message are valid
 * until the next receive. A received descriptor belongs to the caller (m.deliver.file ...), who
 * takes or closes it; ipc_receive on the same message structure does not close it.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/view.h"

/* RFC 5321 4.5.3.1: a path has 256 octets; room for quoting, UTF-8 and delimiters. */
#define IPC_ADDRESS_MAX  1024
#define IPC_HOST_MAX     512
#define IPC_NAME_MAX     64
#define IPC_STATUS_MAX   32
#define IPC_TEXT_MAX     4096
#define IPC_QUEUE_ID_MAX 64
#define IPC_FRAME_MAX    65536
#define IPC_SASL_MAX     16384
#define IPC_COOKIE_MAX   64
#define IPC_RDATA_MAX    16384
#define IPC_TAG_MAX      256

enum message_type {
	MSG_none,
#define MESSAGE(name) MSG_##name,
#define TEXT(field, max)
#define U8(field)
#define U32(field)
#define U64(field)
#define I64(field)
#define FD(field)
#define END(name)
#include "ipc/messages.def"
#undef MESSAGE
#undef TEXT
#undef U8
#undef U32
#undef U64
#undef I64
#undef FD
#undef END
	MSG_COUNT
};

/* struct msg_mail, struct msg_rcpt, ... An FD field left out (0) means none. */
#define MESSAGE(name)    struct msg_##name {
#define TEXT(field, max) struct view field;
#define U8(field)        uint8_t field;
#define U32(field)       uint32_t field;
#define U64(field)       uint64_t field;
#define I64(field)       int64_t field;
#define FD(field)        int field;
#define END(name)                                                                                  \
	char end_;                                                                                 \
	}                                                                                          \
	;
#include "ipc/messages.def"
#undef MESSAGE
#undef END

struct message {
	enum message_type type;
	union {
#define MESSAGE(name) struct msg_##name name;
#define END(name)
#undef TEXT
#undef U8
#undef U32
#undef U64
#undef I64
#undef FD
#define TEXT(field, max)
#define U8(field)
#define U32(field)
#define U64(field)
#define I64(field)
#define FD(field)
#include "ipc/messages.def"
#undef MESSAGE
#undef TEXT
#undef U8
#undef U32
#undef U64
#undef I64
#undef FD
#undef END
	};
};

/* Values of small fields. */
enum { MAIL_FLAG_SMTPUTF8 = 1, MAIL_FLAG_REMOTE = 2 /* not ours: headers are not completed */,
       MAIL_FLAG_INTERNAL = 4 /* a report or a forward of the suite itself */,
       MAIL_FLAG_NO_MAPPING = 8 /* receive_override_options no_address_mappings */ };
enum { BODY_7BIT, BODY_8BITMIME };
enum { RET_UNSET, RET_FULL, RET_HDRS };
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum outcome { OUTCOME_PENDING, OUTCOME_DELIVERED, OUTCOME_DEFERRED, OUTCOME_FAILED,
	       OUTCOME_RELAYED /* delivered to a server without DSN */,
	       OUTCOME_EXPANDED /* became other recipients */ };
enum { DESTINATION_OK, DESTINATION_UNREACHABLE };
enum { REPORT_FAILURE, REPORT_DELAY, REPORT_SUCCESS };
enum { QUEUE_STATE_INCOMING, QUEUE_STATE_ACTIVE, QUEUE_STATE_DEFERRED, QUEUE_STATE_HOLD };
enum { QUEUE_ACT_FLUSH, QUEUE_ACT_HOLD, QUEUE_ACT_RELEASE, QUEUE_ACT_DELETE, QUEUE_ACT_REQUEUE,
       QUEUE_ACT_EXPIRE };
enum { AUTH_FAIL_CREDENTIALS, AUTH_FAIL_TEMPORARY, AUTH_FAIL_MECHANISM, AUTH_FAIL_DISABLED,
       AUTH_FAIL_PROTOCOL };
enum { RESOLVE_OK, RESOLVE_NODATA, RESOLVE_NXDOMAIN, RESOLVE_TEMPORARY, RESOLVE_BOGUS };
enum { ANVIL_CONNECT, ANVIL_DISCONNECT, ANVIL_MAIL, ANVIL_RCPT, ANVIL_AUTH, ANVIL_TLS };
enum { MAILBOX_SYSTEM_USER, MAILBOX_VIRTUAL_USER };
enum { PROGRAM_COMMAND, PROGRAM_FILE };
enum { SOURCE_ALIAS, SOURCE_FORWARD };

struct ipc;

/* Takes a connected UNIX stream socket. */
struct ipc *ipc_new(int fd);
/*
 * Connects to a service's socket: "private/cleanup", below the queue directory (inside the chroot
 * or not: the path was fixed by ipc_set_root at start). NULL with errno: -ECONNREFUSED, -ENOENT
 * while the service is being started again are retried until the deadline.
 */
struct ipc *ipc_connect(const char *service, msec_t deadline);
void ipc_set_root(const char *directory);
void ipc_free(struct ipc *ipc);
void ipc_freep(struct ipc **ipc);
int ipc_fd(const struct ipc *ipc);
/* Longest wait for one message or for the peer to take one; ipc_timeout at first. */
void ipc_set_timeout(struct ipc *ipc, msec_t timeout);
/* Who is at the other end (SO_PEERCRED at connect time). */
int ipc_peer(const struct ipc *ipc, pid_t *pid, uid_t *uid, gid_t *gid);

/* Buffered; 0 or a negative errno. A field over its limit is -EMSGSIZE: the sender's bug. */
int ipc_send_message(struct ipc *ipc, enum message_type type, const void *fields);
#define ipc_send(ipc, name, ...)                                                                   \
	ipc_send_message((ipc), MSG_##name, &(const struct msg_##name){ __VA_ARGS__ })
int ipc_flush(struct ipc *ipc);
/* 0; -ENODATA: the peer closed between messages; -EBADMSG; -ETIMEDOUT; -ESHUTDOWN; others. */
int ipc_receive(struct ipc *ipc, struct message *m);
int ipc_expect(struct ipc *ipc, enum message_type type, struct message *m);
const char *message_name(enum message_type type);
/* Closes the descriptor that a message carries, if it has one that was not taken (set to -1). */
void message_close_fd(struct message *m);

/*
 * Kept connections to one service, for exchanges of the form "send, then receive": takes an idle
 * connection or makes one. A kept connection that turns out to be closed by the other side before
 * its answer began (a retired process) is replaced once by a new one: `ipc_pool_get` never gives
 * a connection whose peer has already closed it.
 */
struct ipc_pool;
struct ipc_pool *ipc_pool_new(const char *service, size_t idle_max);
struct ipc *ipc_pool_get(struct ipc_pool *pool, msec_t deadline);
/* healthy: the exchange ended cleanly and the connection may be used again. */
void ipc_pool_put(struct ipc_pool *pool, struct ipc *ipc, bool healthy);

#endif

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
 *
 * A server waits for the first message of each exchange with ipc_next_request, so that a program
 * that retires can close its kept connections where nothing is lost:
 *
 *	while (ipc_next_request(ipc, &m) == 0)
 *		if (answer(ipc, &m) < 0)
 *			break;
 *
 * and its clients ask with ipc_exchange, which goes to the replacement when that happens:
 *
 *	r = ipc_exchange(pool, deadline, &ipc, &m, resolve, .name = name, .type = DNS_MX);
 *	...				further ipc_receive(ipc, &m), if the answer has more
 *	ipc_pool_put(pool, ipc, r == 0);
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/str.h"

struct sockaddr_un;

/* RFC 5321 4.5.3.1: a path has 256 octets; room for quoting, UTF-8 and delimiters. */
#define IPC_ADDRESS_MAX	 1024
#define IPC_HOST_MAX	 512
#define IPC_NAME_MAX	 64
#define IPC_STATUS_MAX	 32
#define IPC_TEXT_MAX	 4096
#define IPC_QUEUE_ID_MAX 64
#define IPC_FRAME_MAX	 65536
#define IPC_SASL_MAX	 16384
#define IPC_COOKIE_MAX	 64
#define IPC_CHANNEL_MAX	 64
#define IPC_RDATA_MAX	 16384
#define IPC_TAG_MAX	 256
#define IPC_STATE_MAX	 49152 /* of a session that sleeps; COMPRESS takes up to 32 KiB of it */
/* As lib/tls/sign.h has them: TLS_KEY_NAME_SIZE, TLS_SIGN_INPUT_MAX, TLS_SIGNATURE_MAX. */
#define IPC_KEY_NAME_MAX  32
#define IPC_SIGN_MAX	  32768
#define IPC_SIGNATURE_MAX 1024
#define IPC_CHAIN_MAX	  60000 /* certificates */
#define IPC_DIGEST_MAX	  32
#define IPC_CONTENT_MAX	  16384 /* of a mail; what is larger stays in its file */

/* clang-format off */
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

/* clang-format on */

/* Values of small fields. */
enum {
	MAIL_FLAG_SMTPUTF8 = 1,
	MAIL_FLAG_REMOTE = 2 /* not ours: headers are not completed */,
	MAIL_FLAG_INTERNAL = 4 /* a report or a forward of the suite itself */,
	MAIL_FLAG_NO_MAPPING = 8 /* receive_override_options no_address_mappings */,
	MAIL_FLAG_HOLD = 16 /* to be put on hold: HOLD of an access map */,
	MAIL_FLAG_NO_CHECKS = 32 /* receive_override_options no_header_body_checks */,
	MAIL_FLAG_SHOW_LOGIN = 64 /* smtpd_sasl_authenticated_header */,
	MAIL_FLAG_PROBE = 128 /* of verify: it ends with the answer to its recipient */
};
/* What internal_mail_filter_classes calls it. */
enum { INTERNAL_OTHER, INTERNAL_BOUNCE, INTERNAL_NOTIFY };
enum { BODY_7BIT, BODY_8BITMIME };
enum { RET_UNSET, RET_FULL, RET_HDRS };
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum outcome_kind {
	OUTCOME_PENDING,
	OUTCOME_DELIVERED,
	OUTCOME_DEFERRED,
	OUTCOME_FAILED,
	OUTCOME_RELAYED /* delivered to a server without DSN */,
	OUTCOME_EXPANDED /* became other recipients */
};
enum { DESTINATION_OK, DESTINATION_UNREACHABLE };
enum { REPORT_FAILURE, REPORT_DELAY, REPORT_SUCCESS };
enum { QUEUE_STATE_INCOMING, QUEUE_STATE_ACTIVE, QUEUE_STATE_DEFERRED, QUEUE_STATE_HOLD };
enum {
	QUEUE_ACT_FLUSH,
	QUEUE_ACT_HOLD,
	QUEUE_ACT_RELEASE,
	QUEUE_ACT_DELETE,
	QUEUE_ACT_REQUEUE,
	QUEUE_ACT_EXPIRE
};
enum {
	AUTH_FAIL_CREDENTIALS,
	AUTH_FAIL_TEMPORARY,
	AUTH_FAIL_MECHANISM,
	AUTH_FAIL_DISABLED,
	AUTH_FAIL_PROTOCOL
};
enum { TOKEN_RIGHT, TOKEN_WRONG, TOKEN_FAILED };
enum { KEY_UNKNOWN, KEY_SCHEME, KEY_INPUT, KEY_FAILED };
enum { MAC_SRS, MAC_PASSAGE, MAC_PURPOSES };
enum { RESOLVE_OK, RESOLVE_NODATA, RESOLVE_NXDOMAIN, RESOLVE_TEMPORARY, RESOLVE_BOGUS };
enum { ANVIL_CONNECT, ANVIL_DISCONNECT, ANVIL_MAIL, ANVIL_RCPT, ANVIL_AUTH, ANVIL_TLS };
enum { ANVIL_SENDER_FREE, ANVIL_SENDER_STOPS, ANVIL_SENDER_STOPPED };
enum {
	VERIFY_UNKNOWN /* a probe is under way */,
	VERIFY_DELIVERABLE,
	VERIFY_DEFERRED,
	VERIFY_UNDELIVERABLE
};
enum { MAILBOX_SYSTEM_USER, MAILBOX_VIRTUAL_USER };
enum { TABLE_NOT_FOUND, TABLE_FOUND, TABLE_FAILED };
enum { MILTER_WANTS_HEADER = 1, MILTER_WANTS_BODY = 2, MILTER_WANTS_END = 4 };
enum {
	MILTER_EDIT_ADD_HEADER,
	MILTER_EDIT_INSERT_HEADER,
	MILTER_EDIT_CHANGE_HEADER,
	MILTER_EDIT_SENDER,
	MILTER_EDIT_ADD_RECIPIENT,
	MILTER_EDIT_DELETE_RECIPIENT,
	MILTER_EDIT_BODY,
};
enum {
	SLEEPER_COMPRESSED = 1, /* COMPRESS=DEFLATE is on */
	SLEEPER_OPAQUE = 2 /* whatever its client says is for the user's process */,
};
enum { PROGRAM_COMMAND, PROGRAM_FILE };
enum { SOURCE_ALIAS, SOURCE_FORWARD };
enum { STORE_MAILDIR, STORE_MBOX };
enum { SIEVE_MAIL_REDIRECT, SIEVE_MAIL_ANSWER, SIEVE_MAIL_KINDS };

/* Kinds of messages, as a set. */
struct message_set {
	uint64_t bits[4];
};
_Static_assert(MSG_COUNT <= 256, "a message_set has room for all messages");

static inline void message_set_add(struct message_set *set, enum message_type type)
{
	set->bits[type / 64] |= UINT64_C(1) << (type % 64);
}

static inline bool message_set_has(const struct message_set *set, enum message_type type)
{
	return set->bits[type / 64] & (UINT64_C(1) << (type % 64));
}

struct ipc;

/* Takes a connected UNIX stream socket. */
struct ipc *ipc_new(int fd);
/* From now on ipc_connect does not wait for a service that is not there: for tools. */
void ipc_be_impatient(void);
/*
 * Connects to a service's socket: "private/cleanup", below the queue directory (inside the chroot
 * or not: the path was fixed by ipc_set_root at start). NULL with errno set: ECONNREFUSED and
 * ENOENT, while the service is being started again, are retried until the deadline.
 */
struct ipc *ipc_connect(const char *service, msec_t deadline);
/* "" in a chroot, else the queue directory. Call it before the program is confined. */
void ipc_set_root(const char *directory);
/* The address of a service's socket, also where the queue directory's path is too long for one. */
int ipc_socket_address(const char *service, struct sockaddr_un *address);
/* "public/showq": the socket that the connection was accepted on or made to; "" if unknown. */
const char *ipc_socket_name(const struct ipc *ipc);
void ipc_set_socket_name(struct ipc *ipc, const char *name);
void ipc_free(struct ipc *ipc);
void ipc_freep(struct ipc **ipc);
int ipc_fd(const struct ipc *ipc);
/* Between two exchanges: still connected, and nothing has come that nobody asked for. */
bool ipc_is_alive(const struct ipc *ipc);
/* Longest wait for one message or for the peer to take one; ipc_set_default_timeout at first. */
void ipc_set_timeout(struct ipc *ipc, msec_t timeout);
/* For connections made from now on; lib/daemon sets ipc_timeout. */
void ipc_set_default_timeout(msec_t timeout);
/* From now on no other task runs while a message cannot be sent at once: for the last words of a process. */
void ipc_block(struct ipc *ipc);
/*
 * Receiving goes on while the program shuts down, no -ESHUTDOWN: so at first for connections that
 * this program made (it waits for answers), and not for those that it accepted.
 */
void ipc_finish_first(struct ipc *ipc, bool finish_first);
/*
 * The peer may send these messages only. Another one is not read: it is logged, answered by verdict
 * 550 5.7.1, and ends the connection with -EACCES.
 */
void ipc_limit(struct ipc *ipc, const struct message_set *may_send);
/* Logs that a peer was refused: a line a second at most, which says how many there were. */
void ipc_log_refusal(const struct ipc *ipc, const char *what);
/* Who is at the other end (SO_PEERCRED at connect time). */
int ipc_peer(const struct ipc *ipc, pid_t *pid, uid_t *uid, gid_t *gid);

/*
 * A message with a descriptor is sent at once, so that the descriptor may be closed. On a corked
 * connection it waits for those that follow, until the next flush or receive; till then the
 * descriptor must stay open.
 */
void ipc_cork(struct ipc *ipc);
/* Buffered; 0 or a negative errno. A field over its limit is -EMSGSIZE: the sender's bug. */
int ipc_send_message(struct ipc *ipc, enum message_type type, const void *fields);
#define ipc_send(ipc, name, ...)                                                                   \
	ipc_send_message((ipc), MSG_##name, &(const struct msg_##name){ __VA_ARGS__ })
int ipc_flush(struct ipc *ipc);
/*
 * Messages without descriptors may be packed beforehand, in a worker thread too, and sent together:
 *	ipc_pack(&bytes, queue_item, .queue_id = id, ...); ... ipc_send_bytes(ipc, str_view(&bytes));
 * Both return 0 or a negative errno, as above.
 */
int ipc_pack_message(struct str *out, enum message_type type, const void *fields);
#define ipc_pack(out, name, ...)                                                                   \
	ipc_pack_message((out), MSG_##name, &(const struct msg_##name){ __VA_ARGS__ })
int ipc_send_bytes(struct ipc *ipc, struct view bytes);
/* 0; -ENODATA: the peer closed between messages; -EBADMSG; -ETIMEDOUT; -ESHUTDOWN; others. */
int ipc_receive(struct ipc *ipc, struct message *m);
int ipc_expect(struct ipc *ipc, enum message_type type, struct message *m);
/*
 * Servers: the first message of the next exchange. Beyond ipc_receive: -ENODATA also when this
 * program retires. The connection is then to be closed; a request that came at this very moment
 * is dropped with it, and the client asks the replacement.
 */
int ipc_next_request(struct ipc *ipc, struct message *m);
/* For lib/daemon: whether the program retires, asked before each request is handed out. */
void ipc_set_retire_check(bool (*is_retiring)(void));
/* For lib/daemon: ends a wait in ipc_next_request, so that the question above is asked. */
void ipc_wake_idle(struct ipc *ipc);
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
/* It came from a pool and had been used before: its peer may be gone without a word. */
bool ipc_was_kept(const struct ipc *ipc);
/* For connections made from now on; else ipc_set_default_timeout holds. */
void ipc_pool_set_timeout(struct ipc_pool *pool, msec_t timeout);
/* For the client half of a service: what `kept` points to, made at the first call. */
struct ipc_pool *ipc_pool_once(struct ipc_pool **kept, const char *service, size_t idle_max,
			       msec_t timeout);
/* healthy: the exchange ended cleanly and the connection may be used again. NULL is allowed. */
void ipc_pool_put(struct ipc_pool *pool, struct ipc *ipc, bool healthy);
void ipc_pool_free(struct ipc_pool *pool);
/*
 * Takes a connection, sends one message and receives the first answer; once more on a new
 * connection if a kept one was closed before its answer began. The deadline is for connecting.
 * 0 with *ipc to go on with and to give back; or a negative errno, *ipc is NULL then.
 */
int ipc_exchange_message(struct ipc_pool *pool, msec_t deadline, struct ipc **ipc,
			 struct message *answer, enum message_type type, const void *fields);
/*
 * The same for a request that the one that is gone may have done: *again, a field of the message,
 * is set before it is sent once more.
 */
int ipc_exchange_again(struct ipc_pool *pool, msec_t deadline, struct ipc **ipc,
		       struct message *answer, enum message_type type, const void *fields,
		       uint8_t *again);
#define ipc_exchange(pool, deadline, ipc, answer, name, ...)                                       \
	ipc_exchange_message((pool), (deadline), (ipc), (answer), MSG_##name,                      \
			     &(const struct msg_##name){ __VA_ARGS__ })

#endif

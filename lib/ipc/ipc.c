/*
 * The sending half of a connection between programs, and its life. What arrives is read in
 * receive.c.
 */
#include "ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "ipc/content.h"
#include "ipc/internal.h"
#include "task/task.h"

static msec_t default_timeout = 3600 * 1000;

void ipc_set_default_timeout(msec_t timeout)
{
	default_timeout = timeout;
}

struct ipc *ipc_new(int fd)
{
	struct ipc *ipc = mem_new(struct ipc);
	socklen_t len = sizeof(ipc->peer);

	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	task_forget_fd(fd);
	ipc->fd = fd;
	ipc->timeout = default_timeout;
	ipc->came = ipc->out_fd = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ipc->peer, &len) < 0)
		ipc->peer.uid = (uid_t)-1;
	return ipc;
}

void ipc_free(struct ipc *ipc)
{
	if (ipc == NULL)
		return;
	task_forget_fd(ipc->fd);
	close(ipc->fd);
	if (ipc->came >= 0)
		close(ipc->came);
	str_free(&ipc->out);
	ipc_free_input(ipc);
	free(ipc);
}

void ipc_freep(struct ipc **ipc)
{
	ipc_free(*ipc);
}

int ipc_fd(const struct ipc *ipc)
{
	return ipc->fd;
}

void ipc_set_timeout(struct ipc *ipc, msec_t timeout)
{
	ipc->timeout = timeout;
}

void ipc_finish_first(struct ipc *ipc, bool finish_first)
{
	ipc->finish_first = finish_first;
}

void ipc_block(struct ipc *ipc)
{
	ipc->blocks = true;
}

int ipc_peer(const struct ipc *ipc, pid_t *pid, uid_t *uid, gid_t *gid)
{
	if (ipc->peer.uid == (uid_t)-1)
		return -ENOTCONN;
	*pid = ipc->peer.pid;
	*uid = ipc->peer.uid;
	*gid = ipc->peer.gid;
	return 0;
}

const char *ipc_socket_name(const struct ipc *ipc)
{
	return ipc->socket_name;
}

void ipc_set_socket_name(struct ipc *ipc, const char *name)
{
	snprintf(ipc->socket_name, sizeof(ipc->socket_name), "%s", name);
}

void ipc_limit(struct ipc *ipc, const struct message_set *may_send)
{
	ipc->is_limited = true;
	ipc->may_send = *may_send;
}

/* Any local user can be refused as often as they like; the log has better things to hold. */
#define REFUSAL_PAUSE 1000

void ipc_log_refusal(const struct ipc *ipc, const char *what)
{
	static unsigned unsaid;
	static msec_t next;

	metric_add(METRIC_protocol_errors, 1);
	unsaid++;
	if (clock_now() < next)
		return;
	log_warning("refused: process %d (uid %d) may not %s on %s%s", (int)ipc->peer.pid,
		    (int)ipc->peer.uid, what, ipc->socket_name[0] ? ipc->socket_name : "a socket",
		    unsaid > 1 ? "; others since the last such line" : "");
	next = clock_after(REFUSAL_PAUSE);
	unsaid = 0;
}

int ipc_fail(struct ipc *ipc, int code)
{
	if (code == -EBADMSG && ipc->broken == 0) {
		metric_add(METRIC_protocol_errors, 1);
		log_error("malformed message from process %d (uid %d) on %s: connection closed",
			  (int)ipc->peer.pid, (int)ipc->peer.uid,
			  ipc->socket_name[0] ? ipc->socket_name : "a socket");
	}
	ipc->broken = code;
	return code;
}

/* ---- sending ---- */

static void attach_fd(struct msghdr *header, void *control, size_t size, int fd)
{
	header->msg_control = control;
	header->msg_controllen = size;

	struct cmsghdr *c = CMSG_FIRSTHDR(header);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

/* Takes `sent` bytes off the front of a list of buffers. */
static void frame_advance(struct msghdr *header, size_t sent)
{
	while (header->msg_iovlen > 0 && sent >= header->msg_iov->iov_len) {
		sent -= header->msg_iov->iov_len;
		header->msg_iov++;
		header->msg_iovlen--;
	}
	if (header->msg_iovlen > 0) {
		header->msg_iov->iov_base = (char *)header->msg_iov->iov_base + sent;
		header->msg_iov->iov_len -= sent;
	}
}

static int wait_for_room(const struct ipc *ipc, msec_t deadline)
{
	struct pollfd fd = { .fd = ipc->fd, .events = POLLOUT };
	msec_t left = deadline - clock_now();

	if (!ipc->blocks)
		return task_wait_writable(ipc->fd, deadline);
	return poll(&fd, 1, (int)MIN(MAX(left, (msec_t)0), (msec_t)INT_MAX)) > 0 ? 0 : -ETIMEDOUT;
}

/* Sends all of it; the descriptor goes with the first byte. */
static int send_all(struct ipc *ipc, struct iovec *parts, size_t count, int fd)
{
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = count };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	msec_t deadline = clock_after(ipc->timeout);

	if (ipc->broken < 0)
		return ipc->broken;
	/* What we have logged stands in the log before what others log because of this. */
	log_flush();
	if (fd >= 0)
		attach_fd(&header, control.bytes, sizeof(control.bytes), fd);
	frame_advance(&header, 0);
	while (header.msg_iovlen > 0) {
		ssize_t n = sendmsg(ipc->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			frame_advance(&header, (size_t)n);
			header.msg_control = NULL;
			header.msg_controllen = 0;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;

		int r = wait_for_room(ipc, deadline);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What carries what a client sent as a password, or of one user what is not for the next. */
static bool is_secret(enum message_type type)
{
	return type == MSG_auth_begin || type == MSG_auth_response || type == MSG_table_verify ||
	       type == MSG_token_ask || type == MSG_session_join;
}

/* All is sent. */
static void ipc_release_output(struct ipc *ipc)
{
	if (ipc->out_is_secret)
		str_wipe(&ipc->out);
	else
		str_free(&ipc->out);
	ipc->out_is_secret = false;
}

int ipc_flush(struct ipc *ipc)
{
	struct iovec all = { ipc->out.data, ipc->out.len };
	int r;

	if (ipc->out.len == 0)
		return ipc->broken;
	r = send_all(ipc, &all, 1, ipc->out_fd);
	ipc->out_fd = -1;
	ipc_release_output(ipc);
	return r;
}

void ipc_cork(struct ipc *ipc)
{
	ipc->corked = true;
}

int ipc_pack_message(struct str *out, enum message_type type, const void *fields)
{
	struct packed packed = { .out = out, .flat = true };

	return message_pack(&packed, type, fields);
}

int ipc_send_bytes(struct ipc *ipc, struct view bytes)
{
	struct iovec all = { (void *)(uintptr_t)bytes.data, bytes.len };
	int r = ipc_flush(ipc);

	return r < 0 ? r : send_all(ipc, &all, 1, -1);
}

/* Sends what is packed, with the pieces that were not copied in their places. */
static int send_packed(struct ipc *ipc, struct packed *packed)
{
	struct iovec parts[2 * PACK_PIECES_MAX + 1];
	size_t count = 0, done = 0;
	int r;

	for (size_t i = 0; i < packed->count; i++) {
		parts[count++] =
			(struct iovec){ ipc->out.data + done, packed->pieces[i].at - done };
		parts[count++] = (struct iovec){ (void *)(uintptr_t)packed->pieces[i].text.data,
						 packed->pieces[i].text.len };
		done = packed->pieces[i].at;
	}
	parts[count++] = (struct iovec){ ipc->out.data + done, ipc->out.len - done };
	r = send_all(ipc, parts, count, packed->fd >= 0 ? packed->fd : ipc->out_fd);
	ipc->out_fd = -1;
	ipc_release_output(ipc);
	return r;
}

static bool carries_fd(enum message_type type, const void *fields)
{
	const struct field *f = message_fields(type);

	for (; f != NULL && f->kind != FIELD_END; f++)
		if (f->kind == FIELD_FD &&
		    *(const int *)(const void *)((const char *)fields + f->offset) > 0)
			return true;
	return false;
}

int ipc_send_message(struct ipc *ipc, enum message_type type, const void *fields)
{
	struct packed packed = { .out = &ipc->out };
	int r;

	if (ipc->broken < 0)
		return ipc->broken;
	/* The descriptor must arrive with the message's first byte, so nothing goes before it. */
	if (carries_fd(type, fields)) {
		r = ipc_flush(ipc);
		if (r < 0)
			return r;
	}
	if (is_secret(type)) {
		/* In one piece: growing would leave copies. */
		str_reserve(&ipc->out, message_body_max(type));
		ipc->out_is_secret = true;
	}
	r = message_pack(&packed, type, fields);
	if (r < 0) {
		log_error("message %s cannot be sent: a field is too long", message_name(type));
		return r;
	}
	if (packed.count == 0 && packed.fd >= 0 && ipc->corked) {
		ipc->out_fd = packed.fd;
		return 0;
	}
	if (packed.count > 0 || packed.fd >= 0)
		return send_packed(ipc, &packed);
	return ipc->out.len >= IPC_BUFFER_SIZE ? ipc_flush(ipc) : 0;
}

int content_take(int *file, uint64_t offset, uint64_t size, struct view bytes,
		 struct io_source *source)
{
	*source = (struct io_source){ .file = TAKE_FD(*file), .offset = offset, .size = size };
	if (source->file >= 0)
		return offset <= INT64_MAX && size <= INT64_MAX - offset ? 0 : -EBADMSG;
	source->bytes = bytes.len > 0 ? bytes.data : "";
	return bytes.len == size ? 0 : -EBADMSG;
}

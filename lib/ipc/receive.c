/*
 * The receiving half of a connection between programs. A peer that sends what it may not send is
 * cut off here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/internal.h"
#include "task/task.h"

static bool (*retire_check)(void);

void ipc_set_retire_check(bool (*is_retiring)(void))
{
	retire_check = is_retiring;
}

void ipc_free_input(struct ipc *ipc)
{
	if (ipc->in_size == MEM_BLOCK_SIZE)
		mem_block_give(ipc->in);
	else
		free(ipc->in);
	ipc->in = NULL;
}

void ipc_release_input(struct ipc *ipc)
{
	if (ipc->in_len > 0)
		return;
	ipc_free_input(ipc);
	ipc->in_start = ipc->in_size = 0;
}

/* Room for `needed` bytes in one piece from in_start on, and then some for what follows. */
static void frame_make_room(struct ipc *ipc, size_t needed)
{
	size_t size = needed <= MEM_BLOCK_SIZE / 2 ? MEM_BLOCK_SIZE : needed + IPC_BUFFER_SIZE;

	if (ipc->in_size - ipc->in_start >= needed && ipc->in != NULL)
		return;
	if (ipc->in_size >= size) {
		memmove(ipc->in, ipc->in + ipc->in_start, ipc->in_len);
	} else {
		char *larger =
			size == MEM_BLOCK_SIZE ? mem_block_take() : mem_resize(NULL, size, 1);

		if (ipc->in_len > 0)
			memcpy(larger, ipc->in + ipc->in_start, ipc->in_len);
		ipc_free_input(ipc);
		ipc->in = larger;
		ipc->in_size = size;
	}
	ipc->in_start = 0;
}

/* Keeps the one descriptor that may come; any more are closed. 0 or -EBADMSG. */
static int take_descriptors(struct ipc *ipc, struct msghdr *header)
{
	int r = header->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)c + at, sizeof(fd));
			if (ipc->came < 0) {
				ipc->came = fd;
				continue;
			}
			close(fd);
			r = -EBADMSG;
		}
	}
	return r;
}

/* One read of at most `want` bytes. Bytes, 0 at the end, -EAGAIN, or another errno. */
static ssize_t socket_read_some(struct ipc *ipc, size_t want)
{
	struct iovec to = { ipc->in + ipc->in_start + ipc->in_len, want };
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header = { .msg_iov = &to,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	if (task_is_drained(ipc->fd))
		return -EAGAIN;
	do
		n = recvmsg(ipc->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (take_descriptors(ipc, &header) < 0)
		return -EBADMSG;
	/* A descriptor ends a read early. */
	if (n > 0 && (size_t)n < want && header.msg_controllen == 0)
		task_note_drained(ipc->fd);
	ipc->in_len += (size_t)n;
	return n;
}

static int wait_for_input(struct ipc *ipc, msec_t deadline)
{
	ipc_release_input(ipc);
	return task_wait_news(ipc->fd, !ipc->finish_first, deadline);
}

/*
 * Reads until `needed` bytes are buffered. While a descriptor has come whose message is not
 * complete, no byte beyond that message is read: another descriptor could come with it, and
 * nobody could say which is whose.
 */
static int frame_fill(struct ipc *ipc, size_t needed, msec_t deadline)
{
	while (ipc->in_len < needed) {
		frame_make_room(ipc, needed);

		size_t want = ipc->came >= 0 ? needed - ipc->in_len
					     : ipc->in_size - ipc->in_start - ipc->in_len;
		ssize_t n = socket_read_some(ipc, want);

		if (n == -EAGAIN) {
			int r = wait_for_input(ipc, deadline);

			if (r < 0)
				return r;
		} else if (n == -ECONNRESET && ipc->in_len == 0) {
			return -ENODATA; /* it closed with our request unread */
		} else if (n == 0) {
			return ipc->in_len > 0 || ipc->came >= 0 ? -EBADMSG : -ENODATA;
		} else if (n < 0) {
			return (int)n;
		}
	}
	return 0;
}

static int frame_read_head(struct ipc *ipc, msec_t deadline, enum message_type *type, size_t *body)
{
	uint32_t len;
	uint16_t number;
	int r = frame_fill(ipc, IPC_HEAD_SIZE, deadline);

	if (r < 0)
		return r;
	memcpy(&len, ipc->in + ipc->in_start, sizeof(len));
	memcpy(&number, ipc->in + ipc->in_start + sizeof(len), sizeof(number));
	len = ntohl(len);
	number = ntohs(number);
	if (number == MSG_none || number >= MSG_COUNT || len < sizeof(number) ||
	    len - sizeof(number) > message_body_max(number))
		return -EBADMSG;
	*type = number;
	*body = len - sizeof(number);
	return 0;
}

static int message_refuse(struct ipc *ipc, enum message_type type)
{
	char what[80];

	snprintf(what, sizeof(what), "send %s", message_name(type));
	ipc_log_refusal(ipc, what);
	if (ipc_send(ipc, verdict, .code = 550, .status = VIEW("5.7.1"),
		     .text = VIEW("not permitted")) == 0)
		(void)ipc_flush(ipc);
	return -EACCES;
}

static int read_message(struct ipc *ipc, struct message *m)
{
	msec_t deadline = clock_after(ipc->timeout);
	enum message_type type;
	size_t body;
	int r = frame_read_head(ipc, deadline, &type, &body);

	if (r == 0 && ipc->is_limited && !message_set_has(&ipc->may_send, type))
		r = message_refuse(ipc, type);
	if (r == 0)
		r = frame_fill(ipc, IPC_HEAD_SIZE + body, deadline);
	if (r < 0)
		return r;
	r = message_unpack(type, view_make(ipc->in + ipc->in_start + IPC_HEAD_SIZE, body),
			   &ipc->came, m);
	if (r < 0)
		return r;
	/* Views into the buffer stay valid until the next call moves or frees it. */
	ipc->in_start += IPC_HEAD_SIZE + body;
	ipc->in_len -= IPC_HEAD_SIZE + body;
	if (ipc->in_len == 0 && ipc->came >= 0) {
		message_close_fd(m);
		return -EBADMSG;
	}
	return 0;
}

/* Waits may be ended without harm to the connection; all else is the end of it. */
static bool is_harmless(int code)
{
	return code == -ETIMEDOUT || code == -ESHUTDOWN || code == -ECANCELED;
}

int ipc_receive(struct ipc *ipc, struct message *m)
{
	int r;

	m->type = MSG_none;
	if (ipc->broken < 0)
		return ipc->broken;
	r = ipc_flush(ipc);
	/* A peer that is gone may have left its answer. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return ipc_fail(ipc, r);
	r = read_message(ipc, m);
	if (r < 0 && !is_harmless(r))
		ipc_fail(ipc, r);
	return r;
}

int ipc_expect(struct ipc *ipc, enum message_type type, struct message *m)
{
	int r = ipc_receive(ipc, m);

	if (r < 0 || m->type == type)
		return r;
	message_close_fd(m);
	return ipc_fail(ipc, -EBADMSG);
}

int ipc_next_request(struct ipc *ipc, struct message *m)
{
	int r;

	if (retire_check != NULL && retire_check()) {
		ipc_flush(ipc);
		m->type = MSG_none;
		return -ENODATA;
	}
	ipc->waits_idle = true;
	r = ipc_receive(ipc, m);
	ipc->waits_idle = false;
	if (r == -ECANCELED)
		return -ENODATA;
	if (r == 0 && retire_check != NULL && retire_check()) {
		message_close_fd(m);
		return -ENODATA;
	}
	return r;
}

void ipc_wake_idle(struct ipc *ipc)
{
	if (ipc->waits_idle && ipc->in_len == 0)
		task_forget_fd(ipc->fd);
}

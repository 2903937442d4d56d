/* A message on its way to cleanup. One kept connection carries one message after another. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/clients.h"

/* cleanup may just be in the middle of being replaced. */
#define CONNECT_TIME ((msec_t)10000)
#define IDLE_MAX     50
#define SERVICES_MAX 4

struct submission {
	struct ipc_pool *pool;
	struct ipc *ipc;
	char queue_id[IPC_QUEUE_ID_MAX + 1];
};

/* The pool of a service; made at its first use and kept for good. */
static struct ipc_pool *pool_of(const char *service)
{
	static struct {
		const char *service;
		struct ipc_pool *pool;
	} pools[SERVICES_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		if (pools[i].service == NULL) {
			pools[i].service = mem_strdup(service);
			pools[i].pool = ipc_pool_new(service, IDLE_MAX);
		}
		if (view_is(view_of(service), pools[i].service))
			return pools[i].pool;
	}
	log_fatal("more than %d submission services", SERVICES_MAX);
}

static void set_refusal(struct str *refusal, const struct msg_verdict *verdict)
{
	str_clear(refusal);
	str_printf(refusal, "%u %.*s %.*s", verdict->code, VIEW_ARG(verdict->status),
		   VIEW_ARG(verdict->text));
}

/* The end of a message's exchange. */
static void finish(struct submission *s, bool healthy)
{
	ipc_pool_put(s->pool, s->ipc, healthy);
	free(s);
}

struct submission *submission_begin(const char *service, const struct msg_mail *mail,
				    struct str *refusal)
{
	struct ipc_pool *pool = pool_of(service);
	struct message answer;
	struct ipc *ipc;
	int r = ipc_exchange_message(pool, clock_after(CONNECT_TIME), &ipc, &answer, MSG_mail,
				     mail);

	if (r < 0) {
		log_warning("no answer from %s: %s", service, strerror(-r));
		str_set(refusal, VIEW("451 4.3.0 Error: queue file write error"));
		return NULL;
	}
	if (answer.type == MSG_opened) {
		struct submission *s = mem_new(struct submission);

		s->pool = pool;
		s->ipc = ipc;
		memcpy(s->queue_id, answer.opened.queue_id.data, answer.opened.queue_id.len);
		return s;
	}
	if (answer.type == MSG_verdict) {
		set_refusal(refusal, &answer.verdict);
	} else {
		log_warning("unexpected %s from %s", message_name(answer.type), service);
		message_close_fd(&answer);
		str_set(refusal, VIEW("451 4.3.0 Error: queue file write error"));
	}
	ipc_pool_put(pool, ipc, answer.type == MSG_verdict);
	return NULL;
}

const char *submission_queue_id(const struct submission *s)
{
	return s->queue_id;
}

int submission_rcpt(struct submission *s, struct view address, struct view orcpt, uint8_t notify,
		    struct str *refusal)
{
	struct message answer;
	int r = ipc_send(s->ipc, rcpt, .address = address, .orcpt = orcpt, .notify = notify);

	if (r == 0)
		r = ipc_receive(s->ipc, &answer);
	if (r < 0)
		return r;
	if (answer.type == MSG_done)
		return 0;
	if (answer.type != MSG_verdict) {
		message_close_fd(&answer);
		return -EBADMSG;
	}
	set_refusal(refusal, &answer.verdict);
	return -EACCES;
}

int submission_data(struct submission *s, struct view bytes)
{
	while (bytes.len > 0) {
		struct view piece = view_first(bytes, IPC_FRAME_MAX);
		int r = ipc_send(s->ipc, data, .bytes = piece);

		if (r < 0)
			return r;
		bytes = view_from(bytes, piece.len);
	}
	return 0;
}

int submission_commit(struct submission *s, struct submission_verdict *verdict)
{
	struct message answer;
	int r = ipc_send(s->ipc, data_end);

	if (r == 0)
		r = ipc_expect(s->ipc, MSG_verdict, &answer);
	if (r == 0) {
		verdict->code = answer.verdict.code;
		str_set(&verdict->status, answer.verdict.status);
		str_set(&verdict->text, answer.verdict.text);
	}
	finish(s, r == 0);
	return r;
}

void submission_abort(struct submission *s)
{
	struct message answer;

	if (s == NULL)
		return;
	int r = ipc_send(s->ipc, abort);

	if (r == 0)
		r = ipc_expect(s->ipc, MSG_done, &answer);
	finish(s, r == 0);
}

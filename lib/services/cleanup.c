/* A message on its way to cleanup. One kept connection carries one message after another. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/pack.h"
#include "services/clients.h"

/* cleanup may just be in the middle of being replaced. */
#define CONNECT_TIME ((msec_t)10000)
#define IDLE_MAX     50
#define SERVICES_MAX 4

struct submission {
	struct ipc_pool *pool;
	struct ipc *ipc; /* NULL: nothing was sent yet */
	struct str buffer;
	int channel; /* to milters, or -1; kept until the answer */
	int failed;
};

/* The pool of a service; made at its first use and kept for good. */
static struct ipc_pool *cleanup_pool_of(const char *service)
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

/* Sends what has come together. It is kept: a kept connection may turn out to be dead. */
static int submission_start(struct submission *s)
{
	for (;;) {
		s->ipc = ipc_pool_get(s->pool, clock_after(CONNECT_TIME));
		if (s->ipc == NULL)
			return -errno;

		int r = s->channel >= 0 ? ipc_send(s->ipc, filtered, .channel = s->channel) : 0;

		if (r == 0)
			r = ipc_send_bytes(s->ipc, str_view(&s->buffer));

		if (r == 0)
			return 0;
		bool was_kept = ipc_was_kept(s->ipc);

		ipc_free(TAKE(s->ipc));
		/* Each turn takes a kept connection away, so this comes to an end. */
		if (!was_kept || (r != -EPIPE && r != -ECONNRESET))
			return r;
	}
}

static int submission_add(struct submission *s, enum message_type type, const void *fields)
{
	struct packed packed = { .out = &s->buffer, .flat = true };

	if (s->failed < 0)
		return s->failed;
	if (s->ipc != NULL) {
		s->failed = ipc_send_message(s->ipc, type, fields);
		return s->failed;
	}
	s->failed = message_pack(&packed, type, fields);
	if (s->failed == 0 && s->buffer.len > SUBMISSION_BUFFER) {
		s->failed = submission_start(s);
		str_free(&s->buffer);
	}
	return s->failed;
}

struct submission *submission_begin(const char *service, const struct msg_mail *mail)
{
	struct submission *s = mem_new(struct submission);

	s->pool = cleanup_pool_of(service);
	s->channel = -1;
	submission_add(s, MSG_mail, mail);
	return s;
}

void submission_filtered(struct submission *s, int channel)
{
	s->channel = channel;
}

int submission_rcpt(struct submission *s, struct view address, struct view orcpt, uint8_t notify)
{
	return submission_forward_rcpt(s, address, VIEW_NONE, orcpt, notify);
}

int submission_forward_rcpt(struct submission *s, struct view address, struct view original,
			    struct view orcpt, uint8_t notify)
{
	return submission_add(s, MSG_rcpt,
			      &(struct msg_rcpt){ .address = address,
						  .orcpt = orcpt,
						  .notify = notify,
						  .original = original });
}

int submission_data(struct submission *s, struct view bytes)
{
	int r = s->failed;

	while (r == 0 && bytes.len > 0) {
		struct view piece = view_first(bytes, IPC_FRAME_MAX);

		r = submission_add(s, MSG_data, &(struct msg_data){ .bytes = piece });
		bytes = view_from(bytes, piece.len);
	}
	return r;
}

int submission_late(struct submission *s, const struct msg_late *late)
{
	return submission_add(s, MSG_late, late);
}

void submission_verdict_free(struct submission_verdict *verdict)
{
	str_free(&verdict->status);
	str_free(&verdict->text);
	str_free(&verdict->queue_id);
}

static void submission_finish(struct submission *s, bool healthy)
{
	ipc_pool_put(s->pool, s->ipc, healthy);
	mem_closep(&s->channel);
	str_free(&s->buffer);
	free(s);
}

/* Sends what there is, if nothing was sent yet, and takes the answer. */
static int submission_conclude(struct submission *s, struct message *answer)
{
	bool is_whole = s->ipc == NULL;

	for (;;) {
		int r = is_whole ? submission_start(s) : 0;

		if (r == 0)
			r = ipc_expect(s->ipc, MSG_verdict, answer);
		/*
		 * The kept connection of a cleanup that was replaced: once more on another. Had that
		 * cleanup taken the message it would have said so.
		 */
		if (!is_whole || s->ipc == NULL || !ipc_was_kept(s->ipc) ||
		    (r != -ENODATA && r != -EPIPE))
			return r;
		ipc_free(TAKE(s->ipc));
	}
}

int submission_commit(struct submission *s, struct submission_verdict *verdict)
{
	struct message answer;
	int r = submission_add(s, MSG_data_end, &(struct msg_data_end){ 0 });

	if (r == 0)
		r = submission_conclude(s, &answer);
	if (r == 0) {
		verdict->code = answer.verdict.code;
		str_set(&verdict->status, answer.verdict.status);
		str_set(&verdict->text, answer.verdict.text);
		str_set(&verdict->queue_id, answer.verdict.queue_id);
	}
	submission_finish(s, r == 0);
	return r;
}

void submission_abort(struct submission *s)
{
	struct message answer;
	int r = -ENODATA;

	if (s == NULL)
		return;
	if (s->ipc != NULL && s->failed == 0) {
		r = ipc_send(s->ipc, abort);
		if (r == 0)
			r = ipc_expect(s->ipc, MSG_done, &answer);
	}
	submission_finish(s, r == 0);
}

uint8_t submission_override_flags(void)
{
	return (uint8_t)((conf_overrides("no_address_mappings") ? MAIL_FLAG_NO_MAPPING : 0) |
			 (conf_overrides("no_header_body_checks") ? MAIL_FLAG_NO_CHECKS : 0));
}

/*
 * What all deliveries of local-deliver have in common: the header lines in front, a child to do it,
 * and its result on the way back.
 */
#include "deliver.h"

#include <errno.h>
#include <nettle/sha2.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/commands.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "table/tokens.h"

#define QUEUE_ID_PART_MAX 32  /* of a file name */
#define PLACE_LOGGED	  200 /* bytes of a path or command in the log */

bool deliver_is_clean(struct view text)
{
	return !view_has_control(text);
}

void deliver_add_headers(struct str *headers, struct view sender, struct view original,
			 struct view recipient, unsigned flags)
{
	if (flags & PIPE_RETURN_PATH) {
		str_append(headers, VIEW("Return-Path: <"));
		address_quote(headers, sender);
		str_append(headers, VIEW(">\r\n"));
	}
	if (flags & PIPE_ORIGINAL && original.len > 0 && param.enable_original_recipient) {
		str_append(headers, VIEW("X-Original-To: "));
		address_quote(headers, original);
		str_append(headers, VIEW("\r\n"));
	}
	if (flags & PIPE_DELIVERED) {
		str_append(headers, VIEW("Delivered-To: "));
		address_quote(headers, recipient);
		str_append(headers, VIEW("\r\n"));
	}
}

void deliver_identity(struct str *identity, struct view queue_id, struct view recipient,
		      struct view original)
{
	struct sha256_ctx sha256;
	uint8_t digest[8];

	for (size_t i = 0; i < queue_id.len; i++)
		if (!ascii_is_alnum(queue_id.data[i]))
			return;
	if (queue_id.len == 0 || queue_id.len > QUEUE_ID_PART_MAX)
		return;
	sha256_init(&sha256);
	sha256_update(&sha256, recipient.len, (const uint8_t *)recipient.data);
	sha256_update(&sha256, 1, (const uint8_t *)"");
	sha256_update(&sha256, original.len, (const uint8_t *)original.data);
	sha256_digest(&sha256, sizeof(digest), digest);
	str_append(identity, queue_id);
	str_append_byte(identity, 'R');
	for (size_t i = 0; i < sizeof(digest); i++)
		str_printf(identity, "%02x", digest[i]);
}

unsigned deliver_delivered_to(const char *what)
{
	return token_list_has(param.prepend_delivered_header, what) ? PIPE_DELIVERED : 0;
}

void deliver_note(const struct ipc *ipc, const struct deliver_work *work, const char *came_to)
{
	_cleanup_(str_free) struct str place = STR_EMPTY;
	pid_t pid = 0;
	uid_t uid = 0;
	gid_t gid;

	(void)ipc_peer(ipc, &pid, &uid, &gid);
	str_append_printable(&place, view_first(work->place, PLACE_LOGGED));
	log_info("%.*s%s%s %s, user=%s, uid=%u, asked by process %d of uid %u: %s",
		 VIEW_ARG(work->queue_id), work->queue_id.len > 0 ? ": " : "", work->kind,
		 str_cstr(&place), work->target->name, (unsigned)work->target->uid, (int)pid,
		 (unsigned)uid, came_to);
}

static const char *work_word(uint8_t outcome)
{
	return outcome == OUTCOME_DELIVERED ? "done"
	       : outcome == OUTCOME_FAILED  ? "failed"
					    : "put off";
}

/* Answers beyond those that redirect: of vacation and notify. */
#define ANSWERS_MAX 8

static bool mail_is_allowed(const struct msg_sieve_mail *mail, unsigned *redirects,
			    unsigned *answers)
{
	struct view local, domain;

	address_split(mail->recipient, &local, &domain);
	if (local.len == 0 || domain.len == 0 || !deliver_is_clean(mail->recipient))
		return false;
	if (mail->kind == SIEVE_MAIL_REDIRECT)
		return ++*redirects <= param.sieve_max_redirects;
	return mail->kind == SIEVE_MAIL_ANSWER && ++*answers <= ANSWERS_MAX;
}

static int deliver_pass_mails(struct ipc *ipc, struct worker *worker, struct message *m)
{
	unsigned redirects = 0, answers = 0;
	int r = ipc_receive(worker_ipc(worker), m);

	while (r == 0 && m->type == MSG_sieve_mail) {
		r = mail_is_allowed(&m->sieve_mail, &redirects, &answers)
			    ? ipc_send_message(ipc, MSG_sieve_mail, &m->sieve_mail)
			    : -EBADMSG;
		message_close_fd(m);
		if (r == 0)
			r = ipc_receive(worker_ipc(worker), m);
	}
	return r;
}

int deliver_pass_result(struct ipc *ipc, struct worker *worker, int r,
			const struct deliver_work *work)
{
	struct message m = { .type = MSG_none };
	int sent;

	if (r == 0)
		r = deliver_pass_mails(ipc, worker, &m);
	if (r == 0 && m.type != MSG_result) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	if (r < 0) {
		deliver_note(ipc, work, "not known, its process failed");
		worker_give_back(worker, false);
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0",
				    "the delivering process failed: %s", strerror(-r));
	}
	deliver_note(ipc, work, work_word(m.result.outcome));
	m.result.remote = work->in_mailbox && (m.result.outcome == OUTCOME_DELIVERED ||
					       m.result.cause == CAUSE_FULL)
				  ? view_of(work->target->name)
				  : VIEW_NONE;
	if (m.result.outcome == OUTCOME_DELIVERED && work->done.len > 0)
		m.result.diagnostic = view_first(work->done, IPC_TEXT_MAX);
	sent = ipc_send_message(ipc, MSG_result, &m.result);
	worker_give_back(worker, true);
	return sent;
}

struct worker *deliver_take_worker(struct ipc *ipc, enum worker_kind kind,
				   const struct target *target, struct answer *answer, int *sent)
{
	struct error err = ERROR_NONE;
	struct worker *worker = worker_take(kind, target, &err);

	if (worker != NULL)
		return worker;
	answer_warn(answer, "%s", err.text);
	answer_set(answer, OUTCOME_DEFERRED, "4.3.2", "%s", err.text);
	*sent = answer_send(ipc, answer);
	return NULL;
}

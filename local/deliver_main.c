/*
 * local-deliver's requests: each is looked up and checked here, and then done by a child that has
 * become the user. This process itself touches nothing of a user's.
 */
#include "deliver.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/content.h"
#include "mail/address.h"
#include "pipes.h"
#include "table/tokens.h"
#include "user/user.h"

static int deliver_prepare(struct error *err)
{
	int r = launcher_start(err);

	if (r == 0)
		r = target_prepare(err);
	if (r == 0)
		r = check_prepare(err);
	if (r == 0)
		r = pipes_prepare(err);
	if (r == 0)
		r = junk_prepare(err);
	if (r == 0)
		r = daemon_confine_prepare(STORE_CALLS, err);
	return r;
}

/* ---- requests ---- */

static int deliver_to_mailbox(struct ipc *ipc, struct msg_mailbox_deliver *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str headers = STR_EMPTY, identity = STR_EMPTY;
	struct worker *worker;
	int r = 0;

	if (CONTENT_TAKEN(m, &content) < 0 || !deliver_is_clean(m->sender) ||
	    !deliver_is_clean(m->original) || !deliver_is_clean(m->recipient) ||
	    !deliver_is_clean(m->folder) || !deliver_is_clean(m->user) ||
	    !deliver_is_clean(m->extension) || !deliver_is_clean(m->client_address) ||
	    !deliver_is_clean(m->client_name))
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	if (target_of_mailbox(m, &target, &answer) < 0)
		return answer_send(ipc, &answer);
	if (m->probe) {
		answer_set(&answer, OUTCOME_DELIVERED, "2.0.0", "delivers to %s",
			   target.command != NULL ? "command" : "mailbox");
		return answer_send(ipc, &answer);
	}
	if (target.quota != NULL && strlen(target.quota) > IPC_TEXT_MAX)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.5",
				    "mail system configuration error (quota: too many rules)");
	if (target.command != NULL)
		return deliver_to_mailbox_command(ipc, m, &target, &answer, &content);
	deliver_add_headers(&headers, m->sender, m->original, m->recipient,
			    HEADERS_ALWAYS | PIPE_DELIVERED);
	deliver_identity(&identity, m->queue_id, m->recipient, m->original);
	worker = deliver_take_worker(ipc, WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	r = ipc_send(worker_ipc(worker), work_store, .format = target.format,
		     .path = str_view(&target.path), .folder = m->folder, .released = m->released,
		     .headers = str_view(&headers), .sender = m->sender,
		     .scripts = param.sieve_scripts && m->folder.len == 0,
		     .recipient = m->recipient, .original = m->original,
		     .home = view_of(target.home), .client_address = m->client_address,
		     .client_name = m->client_name, .limit = (uint64_t)target.limit,
		     .quota = view_of(target.quota != NULL ? target.quota : ""),
		     .identity = str_view(&identity), .arrival = m->arrival, .again = m->again,
		     CONTENT_SENT(&content));
	return deliver_pass_result(
		ipc, worker, r,
		&(const struct deliver_work){
			.queue_id = m->queue_id,
			.target = &target,
			.kind = target.format == STORE_MAILDIR ? "maildir" : "mbox",
			.place = str_view(&target.path),
			.in_mailbox = true,
		});
}

/* What scripts wanted sent for a delivery is on its way: the user's process notes it. */
static int deliver_note_sent(struct ipc *ipc, const struct msg_sieve_sent *m)
{
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str identity = STR_EMPTY;
	const struct msg_mailbox_deliver mailbox = { .user = m->user, .kind = m->kind };
	struct worker *worker;
	int r = 0;

	if (!deliver_is_clean(m->original) || !deliver_is_clean(m->recipient) ||
	    !deliver_is_clean(m->user) || m->sent >= SIEVE_MAIL_KINDS)
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	deliver_identity(&identity, m->queue_id, m->recipient, m->original);
	if (target_of_mailbox(&mailbox, &target, &answer) < 0)
		return answer_send(ipc, &answer);
	worker = deliver_take_worker(ipc, WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	r = ipc_send(worker_ipc(worker), work_sent, .sent = m->sent, .path = str_view(&target.path),
		     .identity = str_view(&identity), .arrival = m->arrival);
	return deliver_pass_result(ipc, worker, r,
				   &(const struct deliver_work){ .queue_id = m->queue_id,
								 .target = &target,
								 .kind = "sieve",
								 .place = VIEW("sent") });
}

static int deliver_to_program(struct ipc *ipc, struct msg_program_deliver *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str headers = STR_EMPTY, check = STR_EMPTY;
	_cleanup_(str_free) struct str identity = STR_EMPTY;
	struct worker *worker;
	int r = 0;

	if (CONTENT_TAKEN(m, &content) < 0 || !deliver_is_clean(m->sender) ||
	    !deliver_is_clean(m->original) || !deliver_is_clean(m->recipient) ||
	    !deliver_is_clean(m->extension) || !deliver_is_clean(m->target))
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	if (target_check_program(m, &target, &check, &answer) < 0)
		return answer_send(ipc, &answer);
	if (m->kind == PROGRAM_COMMAND)
		return deliver_to_command(ipc, m, &target, str_view(&check), &answer, &content);
	deliver_add_headers(&headers, m->sender, m->original, m->recipient,
			    HEADERS_ALWAYS | deliver_delivered_to("file"));
	deliver_identity(&identity, m->queue_id, m->recipient, m->original);
	worker = deliver_take_worker(ipc, WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	r = ipc_send(worker_ipc(worker), work_store, .format = target.format,
		     .path = str_view(&target.path), .check = str_view(&check), .target = m->target,
		     .headers = str_view(&headers), .sender = m->sender,
		     .limit = (uint64_t)target.limit, .identity = str_view(&identity),
		     .arrival = m->arrival, .again = m->again, CONTENT_SENT(&content));
	return deliver_pass_result(ipc, worker, r,
				   &(const struct deliver_work){ .queue_id = m->queue_id,
								 .target = &target,
								 .kind = "file",
								 .place = m->target });
}

static int deliver_read_source(struct ipc *ipc, const struct msg_source_read *m)
{
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str paths = STR_EMPTY;
	struct worker *worker;
	struct message found;
	int r = 0;

	if (!deliver_is_clean(m->extension) || !deliver_is_clean(m->via))
		return -EBADMSG;
	if (check_source(m, &target, &paths, &answer) < 0) {
		/* A user who does not exist has no file; the delivery will say so. */
		if (answer.outcome.kind == OUTCOME_FAILED && m->source == SOURCE_FORWARD)
			return ipc_send(ipc, source_file, .found = 0);
		return answer_send(ipc, &answer);
	}
	worker = deliver_take_worker(ipc, WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	r = ipc_send(worker_ipc(worker), work_open, .paths = str_view(&paths));
	if (r == 0)
		r = ipc_receive(worker_ipc(worker), &found);
	if (r < 0 || found.type != MSG_source_file) {
		/* A result goes on as it is, anything else as a failure. */
		if (r == 0 && found.type == MSG_result) {
			r = ipc_send_message(ipc, MSG_result, &found.result);
			worker_give_back(worker, true);
			return r;
		}
		if (r == 0)
			message_close_fd(&found);
		worker_give_back(worker, false);
		answer_set(&answer, OUTCOME_DEFERRED, "4.3.0", "the reading process failed");
		return answer_send(ipc, &answer);
	}
	r = ipc_send_message(ipc, MSG_source_file, &found.source_file);
	message_close_fd(&found);
	worker_give_back(worker, true);
	return r;
}

/* ---- serving ---- */

static int deliver_answer_request(struct ipc *ipc, struct message *m)
{
	target_refresh();
	check_refresh();
	switch (m->type) {
	case MSG_mailbox_deliver:
		return deliver_to_mailbox(ipc, &m->mailbox_deliver);
	case MSG_program_deliver:
		return deliver_to_program(ipc, &m->program_deliver);
	case MSG_pipe_deliver:
		return deliver_to_pipe(ipc, &m->pipe_deliver);
	case MSG_spawn_command:
		return deliver_spawn(ipc, &m->spawn_command);
	case MSG_sieve_sent:
		return deliver_note_sent(ipc, &m->sieve_sent);
	case MSG_source_read:
		return deliver_read_source(ipc, &m->source_read);
	default:
		message_close_fd(m);
		return -EBADMSG;
	}
}

static void deliver_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		int r = deliver_answer_request(ipc, &m);

		if (r == 0)
			r = ipc_flush(ipc);
		if (r < 0) {
			log_warning("request %s ended: %s", message_name(m.type), strerror(-r));
			return;
		}
	}
}

static const struct daemon_program program = {
	.name = "local-deliver",
	.prepare = deliver_prepare,
	.start = workers_start,
	.serve_ipc = deliver_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}

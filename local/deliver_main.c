/* local-deliver's parent: the only part of delivery with rights. It reads no mail. */
#include "deliver.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/content.h"
#include "mail/address.h"
#include "table/tokens.h"
#include "user/user.h"

#define PLACE_LOGGED 200 /* bytes of a path or command in the log */

void deliver_answer_free(struct answer *answer)
{
	str_free(&answer->text);
	str_free(&answer->user);
}

int answer_set(struct answer *answer, uint8_t outcome, const char *status, const char *format, ...)
{
	va_list args;

	answer->outcome = outcome;
	answer->status = status;
	str_clear(&answer->text);
	va_start(args, format);
	str_vprintf(&answer->text, format, args);
	va_end(args);
	return -1;
}

void answer_warn(const struct answer *answer, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	log_warning("%.*s%s%s", VIEW_ARG(answer->queue_id), answer->queue_id.len > 0 ? ": " : "",
		    str_cstr(&text));
}

void target_free(struct target *target)
{
	free(target->name);
	free(target->home);
	str_free(&target->path);
}

static int deliver_prepare(struct error *err)
{
	int r = launcher_start(err);

	if (r == 0)
		r = target_prepare(err);
	if (r == 0)
		r = check_prepare(err);
	if (r == 0)
		r = daemon_confine_prepare(STORE_CALLS, err);
	return r;
}

/* ---- requests ---- */

static int deliver_send_answer(struct ipc *ipc, const struct answer *answer)
{
	return ipc_send(ipc, result, .outcome = answer->outcome, .status = view_of(answer->status),
			.remote = view_first(str_view(&answer->user), IPC_HOST_MAX),
			.diagnostic = view_first(str_view(&answer->text), IPC_TEXT_MAX));
}

/* These become header lines, environment and lines of an mbox file. */
static bool is_clean(struct view text)
{
	return !view_has_control(text);
}

static void add_headers(struct str *headers, struct view sender, struct view original,
			struct view recipient, bool delivered_to)
{
	str_append(headers, VIEW("Return-Path: <"));
	address_quote(headers, sender);
	str_append(headers, VIEW(">\r\n"));
	if (original.len > 0) {
		str_append(headers, VIEW("X-Original-To: "));
		address_quote(headers, original);
		str_append(headers, VIEW("\r\n"));
	}
	if (delivered_to) {
		str_append(headers, VIEW("Delivered-To: "));
		address_quote(headers, recipient);
		str_append(headers, VIEW("\r\n"));
	}
}

/* A delivery under way: of which message, as whom, to what. */
struct delivery {
	struct view queue_id;
	const struct target *target;
	const char *kind;
	struct view place; /* a path, or a command */
	bool in_mailbox;
};

/*
 * Every delivery leaves a line here, whoever asked for it: `local` is not the only program of its
 * user, and the queue's own lines come from those who ask.
 */
static void delivery_note(const struct ipc *ipc, const struct delivery *d, const char *came_to)
{
	_cleanup_(str_free) struct str place = STR_EMPTY;
	pid_t pid = 0;
	uid_t uid = 0;
	gid_t gid;

	(void)ipc_peer(ipc, &pid, &uid, &gid);
	str_append_printable(&place, view_first(d->place, PLACE_LOGGED));
	log_info("%.*s%s%s %s, user=%s, uid=%u, asked by process %d of uid %u: %s",
		 VIEW_ARG(d->queue_id), d->queue_id.len > 0 ? ": " : "", d->kind, str_cstr(&place),
		 d->target->name, (unsigned)d->target->uid, (int)pid, (unsigned)uid, came_to);
}

static const char *outcome_word(uint8_t outcome)
{
	return outcome == OUTCOME_DELIVERED ? "done"
	       : outcome == OUTCOME_FAILED  ? "failed"
					    : "put off";
}

/* The child's result becomes ours, with the user's name beside it where mail is in a mailbox. */
static int pass_result(struct ipc *ipc, struct worker *worker, int r, const struct delivery *d)
{
	struct message m = { .type = MSG_none };
	int sent;

	if (r == 0)
		r = ipc_receive(worker_ipc(worker), &m);
	if (r == 0 && m.type != MSG_result) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	if (r < 0) {
		_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;

		answer_set(&answer, OUTCOME_DEFERRED, "4.3.0", "the delivering process failed: %s",
			   strerror(-r));
		delivery_note(ipc, d, "not known, its process failed");
		worker_give_back(worker, false);
		return deliver_send_answer(ipc, &answer);
	}
	delivery_note(ipc, d, outcome_word(m.result.outcome));
	m.result.remote = d->in_mailbox && m.result.outcome == OUTCOME_DELIVERED
				  ? view_of(d->target->name)
				  : VIEW_NONE;
	sent = ipc_send_message(ipc, MSG_result, &m.result);
	worker_give_back(worker, true);
	return sent;
}

static struct worker *take_worker(struct ipc *ipc, enum worker_kind kind,
				  const struct target *target, struct answer *answer, int *sent)
{
	struct error err = ERROR_NONE;
	struct worker *worker = worker_take(kind, target, &err);

	if (worker != NULL)
		return worker;
	answer_warn(answer, "%s", err.text);
	answer_set(answer, OUTCOME_DEFERRED, "4.3.2", "%s", err.text);
	*sent = deliver_send_answer(ipc, answer);
	return NULL;
}

static int deliver_to_mailbox(struct ipc *ipc, struct msg_mailbox_deliver *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str headers = STR_EMPTY;
	struct worker *worker;
	int r = 0;

	if (CONTENT_TAKEN(m, &content) < 0 || !is_clean(m->sender) || !is_clean(m->original) ||
	    !is_clean(m->recipient) || !is_clean(m->folder))
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	if (target_of_mailbox(m, &target, &answer) < 0)
		return deliver_send_answer(ipc, &answer);
	add_headers(&headers, m->sender, m->original, m->recipient, true);
	worker = take_worker(ipc, WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	r = ipc_send(worker_ipc(worker), work_store, .format = target.format,
		     .path = str_view(&target.path), .folder = m->folder,
		     .headers = str_view(&headers), .sender = m->sender,
		     .limit = (uint64_t)target.limit, CONTENT_SENT(&content));
	return pass_result(ipc, worker, r,
			   &(const struct delivery){
				   .queue_id = m->queue_id,
				   .target = &target,
				   .kind = target.format == STORE_MAILDIR ? "maildir" : "mbox",
				   .place = str_view(&target.path),
				   .in_mailbox = true,
			   });
}

static int deliver_to_program(struct ipc *ipc, struct msg_program_deliver *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str headers = STR_EMPTY, check = STR_EMPTY;
	_cleanup_(str_free) struct str environment = STR_EMPTY, directory = STR_EMPTY;
	bool command = m->kind == PROGRAM_COMMAND;
	struct worker *worker;
	int r = 0;

	if (CONTENT_TAKEN(m, &content) < 0 || !is_clean(m->sender) || !is_clean(m->original) ||
	    !is_clean(m->recipient) || !is_clean(m->extension) || !is_clean(m->target))
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	if (target_check_program(m, &target, &check, &answer) < 0)
		return deliver_send_answer(ipc, &answer);
	add_headers(&headers, m->sender, m->original, m->recipient,
		    token_list_has(param.prepend_delivered_header, command ? "command" : "file"));
	worker = take_worker(ipc, command ? WORKER_RUN : WORKER_STORE, &target, &answer, &r);
	if (worker == NULL)
		return r;
	if (command) {
		check_environment(m, &target, &environment);
		check_directory(m, &target, &directory);
		r = ipc_send(worker_ipc(worker), work_run, .command = m->target,
			     .check = str_view(&check), .directory = str_view(&directory),
			     .environment = str_view(&environment), .headers = str_view(&headers),
			     .sender = m->sender, CONTENT_SENT(&content));
	} else {
		r = ipc_send(worker_ipc(worker), work_store, .format = target.format,
			     .path = str_view(&target.path), .check = str_view(&check),
			     .target = m->target, .headers = str_view(&headers),
			     .sender = m->sender, .limit = (uint64_t)target.limit,
			     CONTENT_SENT(&content));
	}
	return pass_result(ipc, worker, r,
			   &(const struct delivery){
				   .queue_id = m->queue_id,
				   .target = &target,
				   .kind = command ? "command" : "file",
				   .place = m->target,
			   });
}

static int deliver_read_source(struct ipc *ipc, const struct msg_source_read *m)
{
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(str_free) struct str paths = STR_EMPTY;
	struct worker *worker;
	struct message found;
	int r = 0;

	if (!is_clean(m->extension) || !is_clean(m->via))
		return -EBADMSG;
	if (check_source(m, &target, &paths, &answer) < 0) {
		/* A user who does not exist has no file; the delivery will say so. */
		if (answer.outcome == OUTCOME_FAILED && m->source == SOURCE_FORWARD)
			return ipc_send(ipc, source_file, .found = 0);
		return deliver_send_answer(ipc, &answer);
	}
	worker = take_worker(ipc, WORKER_STORE, &target, &answer, &r);
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
		return deliver_send_answer(ipc, &answer);
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

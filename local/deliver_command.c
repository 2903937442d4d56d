/*
 * Requests that end in a command: of an alias or .forward, mailbox_command, and the services of
 * pipe and spawn. Each is looked up and checked here; a child that has become the user runs it.
 */
#include "deliver.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "pipes.h"

/* What a child is asked to run. */
struct command_work {
	enum worker_kind kind;
	struct view command, check, sender;
	struct str argv, headers, environment, directory;
	bool must_enter;
	unsigned flags;
	struct view eol;
	msec_t limit;
	struct str done; /* what is said of a success */
};
#define COMMAND_WORK_INIT                                                                          \
	((struct command_work){ .kind = WORKER_RUN,                                                \
				.flags = PIPE_FROM,                                                \
				.eol = VIEW("\n"),                                                 \
				.limit = param.command_time_limit })

static void command_work_free(struct command_work *work)
{
	str_free(&work->argv);
	str_free(&work->headers);
	str_free(&work->environment);
	str_free(&work->directory);
	str_free(&work->done);
}

/* Beyond the limit, which the child keeps: writing, and what kill may take. */
#define CHILD_TIMEOUT ((msec_t)300 * 1000)

static msec_t child_timeout(msec_t limit)
{
	return limit > 0 ? limit + CHILD_TIMEOUT : MSEC_FOREVER;
}

static int command_run(struct ipc *ipc, const struct target *target, struct answer *answer,
		       const struct command_work *work, const struct io_source *content)
{
	int r = 0;
	struct worker *worker = deliver_take_worker(ipc, work->kind, target, answer, &r);

	if (worker == NULL)
		return r;
	ipc_set_timeout(worker_ipc(worker), child_timeout(work->limit));
	r = ipc_send(worker_ipc(worker), work_run, .command = work->command,
		     .argv = str_view(&work->argv), .check = work->check,
		     .directory = str_view(&work->directory), .must_enter = work->must_enter,
		     .flags = work->flags, .eol = work->eol, .time_limit = (uint64_t)work->limit,
		     .environment = str_view(&work->environment),
		     .headers = str_view(&work->headers), .sender = work->sender,
		     CONTENT_SENT(content));
	return deliver_pass_result(ipc, worker, r,
				   &(const struct deliver_work){
					   .queue_id = answer->queue_id,
					   .target = target,
					   .kind = work->kind == WORKER_PIPE ? "pipe" : "command",
					   .place = work->command,
					   .done = str_view(&work->done),
				   });
}

/* local(8)'s commands: directory, environment, local_command_shell. */
static void command_of_user(struct command_work *work, const struct target *target,
			    const struct command_addresses *addresses)
{
	struct view shell = view_of(param.local_command_shell), word;

	check_environment(addresses, target, &work->environment);
	check_directory(addresses, target, &work->directory);
	work->must_enter = param.command_execution_directory[0] != '\0';
	work->sender = addresses->sender;
	str_printf(&work->done, "delivered to command: %.*s", VIEW_ARG(work->command));
	if (!view_next_word(&shell, " \t", &word))
		return;
	do {
		str_append(&work->argv, word);
		str_append_byte(&work->argv, '\0');
	} while (view_next_word(&shell, " \t", &word));
	str_append(&work->argv, work->command);
	str_append_byte(&work->argv, '\0');
}

int deliver_to_command(struct ipc *ipc, const struct msg_program_deliver *m,
		       const struct target *target, struct view check, struct answer *answer,
		       const struct io_source *content)
{
	_cleanup_(command_work_free) struct command_work work = COMMAND_WORK_INIT;
	const struct command_addresses addresses = {
		m->sender,	m->recipient,	m->original,	    m->extension, m->client_address,
		m->client_name, m->client_helo, m->client_protocol, m->login
	};

	work.command = m->target;
	work.check = check;
	deliver_add_headers(&work.headers, m->sender, m->original, m->recipient,
			    HEADERS_ALWAYS | deliver_delivered_to("command"));
	command_of_user(&work, target, &addresses);
	return command_run(ipc, target, answer, &work, content);
}

int deliver_to_mailbox_command(struct ipc *ipc, const struct msg_mailbox_deliver *m,
			       const struct target *target, struct answer *answer,
			       const struct io_source *content)
{
	_cleanup_(command_work_free) struct command_work work = COMMAND_WORK_INIT;
	const struct command_addresses addresses = {
		m->sender,	m->recipient,	m->original,	    m->extension, m->client_address,
		m->client_name, m->client_helo, m->client_protocol, m->login
	};

	work.command = view_of(target->command);
	deliver_add_headers(&work.headers, m->sender, m->original, m->recipient,
			    HEADERS_ALWAYS | deliver_delivered_to("command"));
	command_of_user(&work, target, &addresses);
	return command_run(ipc, target, answer, &work, content);
}

/* ---- pipe ---- */

/* All of a request that becomes arguments, header lines or environment. */
static bool pipe_request_is_clean(const struct msg_pipe_deliver *m)
{
	struct view rest = m->recipients, address, original;
	size_t count = 0;

	while (pipe_next_recipient(&rest, &address, &original)) {
		if (!deliver_is_clean(address) || !deliver_is_clean(original) || address.len == 0 ||
		    address.len > IPC_ADDRESS_MAX || original.len > IPC_ADDRESS_MAX)
			return false;
		count++;
	}
	return count > 0 && deliver_is_clean(m->queue_id) && deliver_is_clean(m->sender) &&
	       deliver_is_clean(m->nexthop) && deliver_is_clean(m->envid) &&
	       deliver_is_clean(m->client_address) && deliver_is_clean(m->client_name) &&
	       deliver_is_clean(m->client_helo) && deliver_is_clean(m->client_protocol) &&
	       deliver_is_clean(m->login);
}

/* The words as people know the command, in one line. */
static void command_describe(const struct command_work *work, struct str *text)
{
	struct view rest = view_first(str_view(&work->argv), work->argv.len - 1), word;

	while (view_next(&rest, '\0', &word)) {
		if (text->len > 0)
			str_append_byte(text, ' ');
		str_append_printable(text, word);
	}
	str_truncate(text, MIN(text->len, (size_t)IPC_HOST_MAX));
}

static void command_of_line(struct command_work *work, const struct pipe_line *line,
			    const struct msg_pipe_deliver *m, const struct str *sender)
{
	const struct service_command *command = &line->command;
	struct view rest = m->recipients, address, original;

	work->kind = WORKER_PIPE;
	work->flags = command->flags;
	work->eol = str_view(&command->eol);
	work->sender = view_of(pipe_sender(command, sender));
	work->limit = pipe_time_limit(line);
	work->must_enter = command->directory != NULL;
	str_append_cstr(&work->directory, work->must_enter ? command->directory : "/");
	pipe_environment(&work->environment);
	if (pipe_next_recipient(&rest, &address, &original))
		deliver_add_headers(&work->headers, work->sender, original, address,
				    command->flags);
}

int deliver_to_pipe(struct ipc *ipc, struct msg_pipe_deliver *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	_cleanup_(command_work_free) struct command_work work = COMMAND_WORK_INIT;
	_cleanup_(str_free) struct str sender = STR_EMPTY, text = STR_EMPTY;
	const struct pipe_line *line = pipe_line_find("pipe", m->service, SERVICE_UNIX);
	struct error err = ERROR_NONE;

	if (CONTENT_TAKEN(m, &content) < 0 || line == NULL || !pipe_request_is_clean(m))
		return -EBADMSG;
	answer.queue_id = m->queue_id;
	if (target_of_pipe(line, &target, &answer) < 0)
		return answer_send(ipc, &answer);
	str_append(&sender, m->sender);
	if (pipe_expand(&line->command, m, &work.argv, &err) < 0 || work.argv.len == 0) {
		answer_warn(&answer, "service %s: %s", line->service->name, err.text);
		answer_set(&answer, OUTCOME_DEFERRED, "4.3.5", "%s", err.text);
		return answer_send(ipc, &answer);
	}
	command_of_line(&work, line, m, &sender);
	command_describe(&work, &text);
	work.command = str_view(&text);
	return command_run(ipc, &target, &answer, &work, &content);
}

/* ---- spawn ---- */

/* Whoever asked is told what went wrong with it; a command that ran has said all itself. */
static int spawn_answer(struct ipc *ipc, const struct answer *answer)
{
	if (answer->outcome.kind == OUTCOME_DELIVERED)
		return ipc_send(ipc, done);
	return ipc_send(ipc, verdict, .code = 451, .status = view_of(answer->outcome.status),
			.text = str_view(&answer->outcome.text));
}

static int spawn_run(struct ipc *ipc, const struct pipe_line *line, const struct target *target,
		     int connection, struct answer *answer)
{
	_cleanup_(str_free) struct str argv = STR_EMPTY, environment = STR_EMPTY;
	msec_t limit = pipe_time_limit(line);
	struct error err = ERROR_NONE;
	struct worker *worker = worker_take(WORKER_SPAWN, target, &err);
	const char *word;
	struct message m;
	int r;

	if (worker == NULL) {
		answer_set(answer, OUTCOME_DEFERRED, "4.3.2", "%s", err.text);
		return spawn_answer(ipc, answer);
	}
	for (size_t i = 0; (word = service_command_argument(&line->command, i)) != NULL; i++) {
		str_append_cstr(&argv, word);
		str_append_byte(&argv, '\0');
	}
	pipe_environment(&environment);
	ipc_set_timeout(worker_ipc(worker), child_timeout(limit));
	r = ipc_send(worker_ipc(worker), work_spawn, .argv = str_view(&argv),
		     .environment = str_view(&environment), .time_limit = (uint64_t)limit,
		     .connection = connection);
	if (r == 0)
		r = ipc_expect(worker_ipc(worker), MSG_result, &m);
	if (r == 0)
		answer_set(answer, m.result.outcome, "4.3.0", "%.*s",
			   VIEW_ARG(m.result.diagnostic));
	else
		answer_set(answer, OUTCOME_DEFERRED, "4.3.0", "its process failed: %s",
			   strerror(-r));
	deliver_note(ipc,
		     &(const struct deliver_work){
			     .target = target,
			     .kind = "spawn",
			     .place = view_of(service_command_argument(&line->command, 0)) },
		     r == 0 ? "ended" : "not known, its process failed");
	worker_give_back(worker, r == 0);
	return spawn_answer(ipc, answer);
}

int deliver_spawn(struct ipc *ipc, struct msg_spawn_command *m)
{
	_cleanup_fd_ int connection = TAKE_FD(m->connection);
	_cleanup_(target_free) struct target target = { .limit = 0 };
	_cleanup_(deliver_answer_free) struct answer answer = ANSWER_INIT;
	const struct pipe_line *line =
		pipe_line_find("spawn", m->service, m->inet ? SERVICE_INET : SERVICE_UNIX);

	if (connection < 0 || line == NULL)
		return -EBADMSG;
	if (target_of_pipe(line, &target, &answer) < 0)
		return spawn_answer(ipc, &answer);
	return spawn_run(ipc, line, &target, connection, &answer);
}

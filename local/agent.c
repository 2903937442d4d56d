/* The conversation with local-deliver, who acts as the users. */
#include "local.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "services/clients.h"
#include "table/tokens.h"

#define IDLE_MAX	64
#define CONNECT_TIME	((msec_t)30 * 1000)
#define BEYOND_COMMANDS ((msec_t)300 * 1000) /* waiting for a place, writing the message */

static struct ipc_pool *deliver_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/local-deliver", IDLE_MAX,
			     param.command_time_limit + BEYOND_COMMANDS);
}

static void say_unavailable(struct outcome *outcome, int code)
{
	outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
		    "local-deliver does not answer: %s", strerror(-code));
}

static bool is_outcome(uint8_t outcome)
{
	return outcome == OUTCOME_DELIVERED || outcome == OUTCOME_DEFERRED ||
	       outcome == OUTCOME_FAILED;
}

static void agent_take_result(const struct msg_result *m, struct outcome *outcome)
{
	outcome->kind = is_outcome(m->outcome) ? m->outcome : OUTCOME_DEFERRED;
	memcpy(outcome->status, "4.3.0", sizeof("4.3.0"));
	if (m->status.len > 0 && m->status.len < sizeof(outcome->status)) {
		memcpy(outcome->status, m->status.data, m->status.len);
		outcome->status[m->status.len] = '\0';
	}
	outcome->cause =
		m->cause == CAUSE_NO_USER || m->cause == CAUSE_FULL ? m->cause : CAUSE_OTHER;
	str_set(&outcome->text, m->diagnostic);
	/* The user's canonical name stands there when the message is in a mailbox, or that is full. */
	if (m->remote.len > 0 &&
	    (outcome->kind == OUTCOME_DELIVERED || outcome->cause == CAUSE_FULL))
		signal_mailbox(m->remote, outcome->cause == CAUSE_FULL);
}

/* The answer to a delivery. */
static void delivery_finish(struct ipc *ipc, struct message *m, int r, struct outcome *outcome)
{
	if (r < 0) {
		say_unavailable(outcome, r);
	} else if (m->type == MSG_result) {
		agent_take_result(&m->result, outcome);
	} else {
		message_close_fd(m);
		r = -EBADMSG;
		say_unavailable(outcome, r);
	}
	ipc_pool_put(deliver_pool(), ipc, r == 0);
}

/* In front of the result. */
static int agent_take_mails(struct ipc *ipc, struct message *m, struct mails *mails)
{
	int r = 0;

	while (r == 0 && m->type == MSG_sieve_mail) {
		r = mails_take(mails, &m->sieve_mail);
		message_close_fd(m);
		if (r == 0)
			r = ipc_receive(ipc, m);
	}
	return r;
}

void agent_mailbox(const struct job *job, struct view user, uint8_t kind, struct mails *mails,
		   struct outcome *outcome)
{
	const struct delivery *d = job->d;
	struct msg_mailbox_deliver request = { .queue_id = str_view(&d->queue_id),
					       .user = user,
					       .kind = kind,
					       .released = d->released,
					       .extension = job->extension,
					       .sender = str_view(&d->sender),
					       .recipient = str_view(&job->recipient->address),
					       .original = str_view(&job->recipient->original),
					       .client_address = str_view(&d->client_address),
					       .client_name = str_view(&d->client_name),
					       .client_helo = str_view(&d->client_helo),
					       .client_protocol = str_view(&d->client_protocol),
					       .login = str_view(&d->login),
					       .arrival = d->arrival,
					       .probe = d->probe,
					       .again = d->again,
					       CONTENT_SENT(&d->content) };
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange_again(deliver_pool(), clock_after(CONNECT_TIME), &ipc, &m,
				   MSG_mailbox_deliver, &request, &request.again);

	if (r == 0)
		r = agent_take_mails(ipc, &m, mails);
	delivery_finish(ipc, &m, r, outcome);
}

void agent_sent(const struct job *job, struct view user, uint8_t kind, uint8_t sent,
		struct outcome *outcome)
{
	const struct delivery *d = job->d;
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(deliver_pool(), clock_after(CONNECT_TIME), &ipc, &m, sieve_sent,
			     .sent = sent, .queue_id = str_view(&d->queue_id), .user = user,
			     .kind = kind, .recipient = str_view(&job->recipient->address),
			     .original = str_view(&job->recipient->original),
			     .arrival = d->arrival);

	delivery_finish(ipc, &m, r, outcome);
}

void agent_program(const struct job *job, const struct action *action, struct outcome *outcome)
{
	const struct delivery *d = job->d;
	struct msg_program_deliver request = {
		.queue_id = str_view(&d->queue_id),
		.kind = action->kind == ACTION_COMMAND ? PROGRAM_COMMAND : PROGRAM_FILE,
		.source = action->forward ? SOURCE_FORWARD : SOURCE_ALIAS,
		.owner = view_of(action->owner),
		.via = view_of(action->via),
		.target = view_of(action->text),
		.extension = job->extension,
		.sender = str_view(&job->sender),
		.recipient = str_view(&job->recipient->address),
		.original = str_view(&job->recipient->original),
		.client_address = str_view(&d->client_address),
		.client_name = str_view(&d->client_name),
		.client_helo = str_view(&d->client_helo),
		.client_protocol = str_view(&d->client_protocol),
		.login = str_view(&d->login),
		.arrival = d->arrival,
		.again = d->again,
		CONTENT_SENT(&d->content)
	};
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange_again(deliver_pool(), clock_after(CONNECT_TIME), &ipc, &m,
				   MSG_program_deliver, &request, &request.again);

	delivery_finish(ipc, &m, r, outcome);
}

/* Takes the descriptor that came. */
static int agent_read_source(struct msg_source_file *m, const char *name, struct str *text,
			     struct outcome *outcome)
{
	_cleanup_fd_ int fd = TAKE_FD(m->file);
	struct error err = ERROR_NONE;

	if (!m->found)
		return 0;
	if (fd < 0 || token_source_read(fd, text, &err) < 0) {
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "read %s: %s", name,
			    err.text);
		return -EIO;
	}
	return 1;
}

int agent_source(const struct job *job, uint8_t source, const char *owner, const char *via,
		 struct str *text, struct outcome *outcome)
{
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(deliver_pool(), clock_after(CONNECT_TIME), &ipc, &m, source_read,
			     .source = source, .owner = view_of(owner), .via = view_of(via),
			     .extension = job->extension);

	if (r < 0) {
		say_unavailable(outcome, r);
		return r;
	}
	if (m.type == MSG_source_file) {
		r = agent_read_source(&m.source_file, via != NULL ? via : "the forwarding file",
				      text, outcome);
		ipc_pool_put(deliver_pool(), ipc, true);
		return r;
	}
	delivery_finish(ipc, &m, 0, outcome);
	return -EAGAIN;
}

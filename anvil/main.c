/*
 * The program that counts for all others. It starts the services; what senders.c and screened.c keep
 * outlives it, and nothing else.
 */
#include <errno.h>

#include "anvil.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "logins.h"
#include "screened.h"
#include "senders.h"
#include "task/task.h"

static void counts_sweep_task(void *unused)
{
	(void)unused;
	while (!daemon_is_retiring()) {
		task_sleep(param.anvil_rate_time_unit);
		counts_sweep();
	}
}

static void anvil_start(void)
{
	task_spawn("sweep", counts_sweep_task, NULL);
}

static int anvil_prepare(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error problem = ERROR_NONE;

	(void)err;
	str_printf(&path, "%s/senders", param.data_directory);
	if (senders_open(str_cstr(&path), &problem) < 0)
		log_warning("what accounts send is not kept over a restart: %s", problem.text);
	/* Without it postscreen's tests are made each time. */
	if (screened_open(&problem) < 0)
		log_warning("which clients postscreen has let pass is not kept: %s", problem.text);
	counts_open();
	logins_open();
	watch_open();
	full_open();
	return 0;
}

static int answer_event(struct ipc *ipc, struct reporter *reporter, const struct msg_anvil_event *e)
{
	uint32_t connections, rate;

	counts_event(reporter, e->kind, e->service, e->client, &connections, &rate);
	return ipc_send(ipc, anvil_counts, .connections = connections, .rate = rate);
}

/* ---- logins ---- */

static int answer_login(struct ipc *ipc, const struct msg_anvil_login *m)
{
	struct login_turn turn;

	logins_ask(m->client, m->account, &turn);
	return ipc_send(ipc, anvil_turn, .wait = (uint32_t)MIN(turn.wait, (msec_t)UINT32_MAX),
			.failures = turn.failures, .refused = turn.refused, .tell = turn.tell);
}

static int answer_login_end(struct ipc *ipc, const struct msg_anvil_login_end *m)
{
	logins_end(m->client, m->account, m->right != 0);
	return ipc_send(ipc, done);
}

#define HELD_MAX 1000 /* shown at once */

static int answer_held_list(struct ipc *ipc)
{
	_cleanup_free_ struct login_held *held = mem_new_array(struct login_held, HELD_MAX);
	_cleanup_(str_free) struct str names = STR_EMPTY;
	size_t count = logins_held(held, HELD_MAX, &names);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = ipc_send(ipc, anvil_held, .is_account = held[i].is_account,
			     .name = held[i].name, .failures = held[i].failures,
			     .wait = (uint32_t)held[i].wait);
	return r < 0 ? r : ipc_send(ipc, done);
}

/* ---- senders ---- */

static int sender_answer(struct ipc *ipc, const struct senders_answer *answer)
{
	static const uint8_t states[] = { [SENDERS_FREE] = ANVIL_SENDER_FREE,
					  [SENDERS_STOPS] = ANVIL_SENDER_STOPS,
					  [SENDERS_STOPPED] = ANVIL_SENDER_STOPPED };

	return ipc_send(ipc, anvil_sender, .state = states[answer->state],
			.reason = view_of(answer->reason != NULL ? answer->reason : ""));
}

static int answer_sent(struct ipc *ipc, const struct msg_anvil_sent *m)
{
	struct senders_answer answer;

	if (m->messages == 0 && m->recipients.len == 0)
		senders_look(m->account, &answer);
	else
		senders_count(m->account, m->messages, m->recipients, clock_wall(), &answer);
	return sender_answer(ipc, &answer);
}

static int answer_bounced(struct ipc *ipc, const struct msg_anvil_bounced *m)
{
	struct senders_answer answer;

	senders_bounce(m->account, m->recipients, clock_wall(), &answer);
	return sender_answer(ipc, &answer);
}

static int answer_sender_release(struct ipc *ipc, const struct msg_anvil_sender_release *m)
{
	struct senders_answer answer;

	senders_look(m->account, &answer);
	senders_release(m->account);
	return sender_answer(ipc, &answer);
}

static int answer_sender_list(struct ipc *ipc)
{
	struct senders_answer answer;
	struct view account;
	int64_t since;
	size_t place = 0;
	int r = 0;

	/* A send may wait; the table has no order that could change under it. */
	while (r == 0 && (account = senders_next_stopped(&place, &answer, &since)).len > 0)
		r = ipc_send(ipc, anvil_sender_stopped, .account = account,
			     .reason = view_of(answer.reason), .since = since);
	return r < 0 ? r : ipc_send(ipc, done);
}

static int event_answer(struct ipc *ipc, struct reporter *reporter, struct message *m)
{
	switch (m->type) {
	case MSG_anvil_event:
		return answer_event(ipc, reporter, &m->anvil_event);
	case MSG_anvil_login:
		return answer_login(ipc, &m->anvil_login);
	case MSG_anvil_login_end:
		return answer_login_end(ipc, &m->anvil_login_end);
	case MSG_anvil_held_list:
		return answer_held_list(ipc);
	case MSG_anvil_sent:
		return answer_sent(ipc, &m->anvil_sent);
	case MSG_anvil_bounced:
		return answer_bounced(ipc, &m->anvil_bounced);
	case MSG_anvil_sender_release:
		return answer_sender_release(ipc, &m->anvil_sender_release);
	case MSG_anvil_sender_list:
		return answer_sender_list(ipc);
	case MSG_anvil_full:
		full_note(m->anvil_full.user);
		return ipc_send(ipc, done);
	case MSG_anvil_full_ask:
		return ipc_send(ipc, anvil_full_is,
				.full = full_is(m->anvil_full_ask.address) ||
					full_is(m->anvil_full_ask.login),
				.any = full_any());
	case MSG_screen_ask:
		return screened_answer(ipc, &m->screen_ask);
	case MSG_screen_passed:
		return screened_keep(ipc, &m->screen_passed);
	case MSG_anvil_new_mail:
		/* What was delivered had room. */
		full_forget(m->anvil_new_mail.user);
		watch_signal(m->anvil_new_mail.user, m->anvil_new_mail.folder);
		return ipc_send(ipc, done);
	case MSG_anvil_watch:
		watch_serve(ipc, m->anvil_watch.user);
		return -ENODATA;
	default:
		message_close_fd(m);
		log_error("unexpected message %s", message_name(m->type));
		return -EBADMSG;
	}
}

static void anvil_serve_ipc(struct ipc *ipc)
{
	struct message m;
	pid_t pid = 0;
	uid_t uid;
	gid_t gid;

	if (ipc_peer(ipc, &pid, &uid, &gid) < 0)
		return;

	struct reporter *reporter = reporter_enter(pid);

	while (ipc_next_request(ipc, &m) == 0)
		if (event_answer(ipc, reporter, &m) < 0)
			break;
	reporter_leave(reporter);
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "anvil",
		.prepare = anvil_prepare,
		.start = anvil_start,
		.serve_ipc = anvil_serve_ipc,
		.retire = screened_close,
	};

	return daemon_main(argc, argv, &program);
}

/*
 * What others ask of qmgr: cleanup announces messages; showq, and the administrator's tool itself,
 * list and act on them. Whom showq serves is its own affair: what is not everybody's is done here
 * for root and the queue's owner only.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"

/* Whoever asks is given so long to take the answer. */
#define QUESTION_TIMEOUT ((msec_t)60000)
/* So long a request waits for the queue to be read after the start. */
#define START_TIME ((msec_t)5000)
/* Between two of so many messages the others have a turn. */
#define YIELD_EVERY 50

static int control_request_refuse(struct ipc *ipc, uint32_t code, const char *status,
				  const char *text)
{
	return ipc_send(ipc, verdict, .code = code, .status = view_of(status),
			.text = view_of(text));
}

/* Root, and the user that the queue belongs to. */
static bool is_administrator(const struct ipc *ipc)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;

	return ipc_peer(ipc, &pid, &uid, &gid) == 0 && (uid == 0 || uid == geteuid());
}

/* After 451 the client asks again soon; that does not help while messages are left on disk. */
static int refuse_incomplete(struct ipc *ipc, const char *missing)
{
	return control_request_refuse(ipc, scan_is_first() ? 451 : 450, "4.3.2", missing);
}

/* "There is no such message" would be a lie while not all are known. */
static int control_refuse_unknown(struct ipc *ipc)
{
	const char *missing = scan_what_is_missing();

	return missing != NULL
		       ? refuse_incomplete(ipc, missing)
		       : control_request_refuse(ipc, 550, "5.3.0", "there is no such message");
}

/* ---- acting ---- */

static bool is_in_states(const struct queued *m, uint8_t states)
{
	return states == 0 || (states & (1u << message_queue_state(m))) != 0;
}

/* What "all" means for each action. */
static bool action_concerns(const struct queued *m, uint8_t action)
{
	switch (action) {
	case QUEUE_ACT_FLUSH:
		return m->state == MESSAGE_WAITING;
	case QUEUE_ACT_HOLD:
		return m->state != MESSAGE_HELD;
	case QUEUE_ACT_RELEASE:
		return m->state == MESSAGE_HELD;
	default:
		return true;
	}
}

static uint64_t act_on_all(uint8_t action, struct view site, uint8_t states)
{
	uint64_t acted = 0;
	size_t count;
	_cleanup_free_ struct queue_id *ids = message_ids(&count);

	for (size_t i = 0; i < count && !qmgr.retiring; i++) {
		struct queued *m = message_find(view_of(ids[i].text));

		if (m != NULL && action_concerns(m, action) && is_in_states(m, states) &&
		    (site.len == 0 || act_goes_to(m, site)) && act_on(m, action) == 0)
			acted++;
		if (i % YIELD_EVERY == YIELD_EVERY - 1)
			task_yield();
	}
	return acted;
}

static int control_act_on(struct ipc *ipc, const struct msg_queue_act *act)
{
	_cleanup_(str_free) struct str site = STR_EMPTY;
	uint64_t acted = 0;

	/* To try again is what showq may ask for. */
	if (act->action != QUEUE_ACT_FLUSH && !is_administrator(ipc))
		return control_request_refuse(ipc, 550, "5.7.1",
					      "you may not do this to the queue");
	/* What another qmgr may be at is not ours to change. */
	if (!qmgr.may_start || qmgr.retiring)
		return control_request_refuse(ipc, 451, "4.3.2",
					      "the queue manager is being replaced");
	if (act->action > QUEUE_ACT_EXPIRE)
		return control_request_refuse(ipc, 501, "5.5.4", "unknown action");
	if (act->action == QUEUE_ACT_FLUSH)
		act_revive_all();
	if (act->queue_id.len > 0) {
		struct queued *m = scan_find(act->queue_id);

		if (m == NULL && scan_what_is_missing() != NULL)
			return control_refuse_unknown(ipc);
		acted = m != NULL && is_in_states(m, act->states) && act_on(m, act->action) == 0;
	} else if (scan_is_first()) {
		return control_request_refuse(ipc, 451, "4.3.2", "the queue is still being read");
	} else {
		str_set(&site, act->site);
		acted = act_on_all(act->action, str_view(&site), act->states);
	}
	return ipc_send(ipc, queue_acted, .count = acted);
}

static int open_message(struct ipc *ipc, struct view id)
{
	struct queue_file *f;

	if (!is_administrator(ipc))
		return control_request_refuse(ipc, 550, "5.7.1", "you may not read this message");
	const struct queued *m = scan_find(id);

	if (m == NULL || queue_file_open(qmgr.queue, id, &m->place, 0, &f, NULL) < 0)
		return control_refuse_unknown(ipc);
	int fd = queue_file_fd(f);
	int r = fd < 0 ? control_request_refuse(ipc, 451, "4.3.0",
						"the message cannot be opened now")
		       : ipc_send(ipc, queue_opened, .file = fd);

	queue_file_close(f);
	return r;
}

/* The request's views end with the first wait. */
static int control_list(struct ipc *ipc, const struct msg_queue_page *request)
{
	char id[QUEUE_ID_LENGTH_MAX] = "", after[QUEUE_ID_LENGTH_MAX] = "";
	struct msg_queue_page copy = *request;

	if ((copy.queue_id.len > 0 && !queue_id_is_valid(copy.queue_id)) ||
	    (copy.after.len > 0 && !queue_id_is_valid(copy.after)))
		return control_request_refuse(ipc, 501, "5.5.4", "no queue id");
	queue_id_copy(id, copy.queue_id);
	queue_id_copy(after, copy.after);
	copy.queue_id = view_of(id);
	copy.after = view_of(after);
	return list_page(ipc, &copy);
}

/* ---- cleanup ---- */

static int take_announcement(struct ipc *ipc, const struct msg_queued *queued)
{
	struct view id = queued->queue_id;
	const struct queue_place place = { .segment = queued->segment,
					   .size = queued->size,
					   .offset = queued->offset };

	if (!queue_id_is_valid(id) || place.offset > INT64_MAX / 2)
		return -EBADMSG;
	/* Told twice, or found by a scan before: known. */
	if (message_find(id) == NULL) {
		struct queued *m = message_add(id, &place, clock_wall_usec(), true);

		if (m != NULL)
			m->announced = !queued->again;
		work_wake();
	}
	return ipc_send(ipc, done);
}

/* ---- both ---- */

/* *segment: of the journal, that this connection's messages came to be in. */
static int control_announced(struct ipc *ipc, const struct msg_queued *queued, uint32_t *segment)
{
	uint32_t now = queued->segment;
	int r = take_announcement(ipc, queued);

	/* The one before is full, and will be free when its messages have gone. */
	if (r == 0 && *segment != 0 && now != *segment)
		scan_journal_soon();
	*segment = now;
	return r;
}

static int qmgr_control_answer(struct ipc *ipc, struct message *m, uint32_t *segment)
{
	if (m->type == MSG_queued)
		return control_announced(ipc, &m->queued, segment);
	if (m->type == MSG_await)
		return await_serve(ipc, &m->await);
	scan_wait_first(clock_after(START_TIME));
	switch (m->type) {
	case MSG_queue_page:
		return control_list(ipc, &m->queue_page);
	case MSG_queue_act:
		return control_act_on(ipc, &m->queue_act);
	case MSG_queue_open:
		return open_message(ipc, m->queue_open.queue_id);
	default:
		message_close_fd(m);
		return -EBADMSG;
	}
}

void control_serve(struct ipc *ipc)
{
	bool may_announce = true;
	uint32_t segment = 0;
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		if (m.type != MSG_queued) {
			may_announce = false;
			ipc_set_timeout(ipc, QUESTION_TIMEOUT);
		}
		if (qmgr_control_answer(ipc, &m, &segment) < 0 ||
		    (!may_announce && ipc_flush(ipc) < 0))
			break;
	}
	/* A cleanup may have died with something still to tell. */
	if (may_announce && !qmgr.retiring)
		scan_soon();
}

/* The two sockets: cleanup announces messages on one, `posta queue` lists and acts on the other. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "queue/permit.h"

#define ADMIN_TIMEOUT ((msec_t)60000)
/* So long a request waits for the queue to be read after the start. */
#define START_TIME ((msec_t)5000)
/* Between two of so many messages the others have a turn. */
#define YIELD_EVERY 50

static struct permit *mailq_users, *flush_users;

int control_prepare(struct error *err)
{
	mailq_users = permit_open("authorized_mailq_users", param.authorized_mailq_users, err);
	flush_users = permit_open("authorized_flush_users", param.authorized_flush_users, err);
	return mailq_users && flush_users ? 0 : -EINVAL;
}

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

static bool may(const struct ipc *ipc, const struct permit *permit)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;

	return is_administrator(ipc) ||
	       (ipc_peer(ipc, &pid, &uid, &gid) == 0 && permit_ask(permit, uid, NULL) > 0);
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

/* A message that is on disk only, for want of room, becomes known first. */
static struct mail *queue_id_find(struct view id)
{
	struct mail *m = message_find(id);
	struct queue_file *f;

	if (m != NULL || !queue_id_is_valid(id))
		return m;
	if (queue_file_open(qmgr.queue, id, NULL, 0, &f, NULL) < 0)
		return NULL;
	m = message_add(id, &QUEUE_OWN_FILE, MAX(queue_file_next_attempt(f) * 1000000, 1), false);
	if (m != NULL && (queue_file_flags(f) & QUEUE_FLAG_HOLD))
		message_hold(m);
	queue_file_close(f);
	return m;
}

/* ---- listing ---- */

static int queue_list_answer(struct ipc *ipc, struct view id)
{
	if (!may(ipc, mailq_users))
		return control_request_refuse(ipc, 550, "5.7.1", "you may not list the queue");
	size_t count = 0;
	_cleanup_free_ struct message_id *ids = NULL;

	if (id.len == 0) {
		ids = message_ids(&count);
	} else if (queue_id_find(id) != NULL) {
		ids = mem_new(struct message_id);
		snprintf(ids->text, sizeof(ids->text), "%.*s", VIEW_ARG(id));
		count = 1;
	}
	const char *missing = count == 1 && id.len > 0 ? NULL : scan_what_is_missing();
	int r = list_messages(ipc, ids, count);

	if (r < 0)
		return r;
	return missing != NULL ? refuse_incomplete(ipc, missing) : ipc_send(ipc, done);
}

/* ---- acting ---- */

/* What "all" means for each action. */
static bool concerns(const struct mail *m, uint8_t action)
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

static uint64_t act_on_all(uint8_t action, struct view site)
{
	uint64_t acted = 0;
	size_t count;
	_cleanup_free_ struct message_id *ids = message_ids(&count);

	for (size_t i = 0; i < count && !qmgr.retiring; i++) {
		struct mail *m = message_find(view_of(ids[i].text));

		if (m != NULL && concerns(m, action) &&
		    (site.len == 0 || control_goes_to(m, site)) && control_act(m, action) == 0)
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

	if (!(act->action == QUEUE_ACT_FLUSH ? may(ipc, flush_users) : is_administrator(ipc)))
		return control_request_refuse(ipc, 550, "5.7.1",
					      "you may not do this to the queue");
	/* What another qmgr may be at is not ours to change. */
	if (!qmgr.may_start || qmgr.retiring)
		return control_request_refuse(ipc, 451, "4.3.2",
					      "the queue manager is being replaced");
	if (act->action > QUEUE_ACT_EXPIRE)
		return control_request_refuse(ipc, 501, "5.5.4", "unknown action");
	if (act->action == QUEUE_ACT_FLUSH)
		control_revive_all();
	if (act->queue_id.len > 0) {
		struct mail *m = queue_id_find(act->queue_id);

		if (m == NULL && scan_what_is_missing() != NULL)
			return control_refuse_unknown(ipc);
		acted = m != NULL && control_act(m, act->action) == 0;
	} else if (scan_is_first()) {
		return control_request_refuse(ipc, 451, "4.3.2", "the queue is still being read");
	} else {
		str_set(&site, act->site);
		acted = act_on_all(act->action, str_view(&site));
	}
	return ipc_send(ipc, queue_acted, .count = acted);
}

static int open_message(struct ipc *ipc, struct view id)
{
	struct queue_file *f;

	if (!is_administrator(ipc))
		return control_request_refuse(ipc, 550, "5.7.1", "you may not read this message");
	const struct mail *m = queue_id_find(id);

	if (m == NULL || queue_file_open(qmgr.queue, id, &m->place, 0, &f, NULL) < 0)
		return control_refuse_unknown(ipc);
	int fd = queue_file_fd(f);
	int r = fd < 0 ? control_request_refuse(ipc, 451, "4.3.0",
						"the message cannot be opened now")
		       : ipc_send(ipc, queue_opened, .file = fd);

	queue_file_close(f);
	return r;
}

static void serve_administrator(struct ipc *ipc)
{
	struct message m;
	int r = 0;

	ipc_set_timeout(ipc, ADMIN_TIMEOUT);
	while (r == 0) {
		r = ipc_next_request(ipc, &m);
		if (r < 0)
			return;
		scan_wait_first(clock_after(START_TIME));
		switch (m.type) {
		case MSG_queue_list:
			r = queue_list_answer(ipc, m.queue_list.queue_id);
			break;
		case MSG_queue_act:
			r = control_act_on(ipc, &m.queue_act);
			break;
		case MSG_queue_open:
			r = open_message(ipc, m.queue_open.queue_id);
			break;
		default:
			message_close_fd(&m);
			r = -EBADMSG;
		}
		if (r == 0)
			r = ipc_flush(ipc);
	}
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
		message_add(id, &place, clock_wall_usec(), true);
		activate_wake();
	}
	return ipc_send(ipc, done);
}

static void serve_cleanup(struct ipc *ipc)
{
	struct message m;
	uint32_t segment = 0;
	int r = 0;

	while (r == 0) {
		r = ipc_next_request(ipc, &m);
		if (r == 0 && m.type == MSG_queued) {
			r = take_announcement(ipc, &m.queued);
			/* The one before is full, and will be free when its messages have gone. */
			if (segment != 0 && m.queued.segment != segment)
				scan_journal_soon();
			segment = m.queued.segment;
		} else if (r == 0) {
			message_close_fd(&m);
			r = -EBADMSG;
		}
	}
	/* It may have died with something still to tell. */
	if (!qmgr.retiring)
		scan_soon();
}

void control_serve(struct ipc *ipc)
{
	if (view_starts(view_of(ipc_socket_name(ipc)), VIEW("public/")))
		serve_administrator(ipc);
	else
		serve_cleanup(ipc);
}

/*
 * showq: shows the queue to anybody who may look at it, and passes on that it be tried again. It has
 * no rights: it asks the queue manager, for all its clients together over one connection and one
 * page at a time, and only for a client that has taken the page before.
 */
#include <errno.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "queue/permit.h"
#include "queue/queue.h"

/* Requests that are answered at one time: of one user, and of all. Root's are beyond count. */
#define SEATS_FOR_USER 8
#define SEATS_FOR_ALL  64
/* So long a request waits for its turn, and a client may take to read a piece of its answer. */
#define CLIENT_TIME  ((msec_t)30000)
#define CONNECT_TIME ((msec_t)5000)
#define ANSWER_TIME  ((msec_t)600000)

static struct permit *mailq_users, *flush_users;

/* ---- turns ---- */

struct seat {
	struct list link; /* in seats.taken */
	uid_t uid;
};
static struct {
	struct list taken;
	struct waitlist free;
} seats;

static bool seat_is_free(uid_t uid)
{
	size_t all = 0, own = 0;

	if (uid == 0)
		return true;
	list_for_each (&seats.taken, struct seat, link, seat) {
		all += seat->uid != 0;
		own += seat->uid == uid;
	}
	return all < SEATS_FOR_ALL && own < SEATS_FOR_USER;
}

/* 0, or a negative errno: the others have not got up in time. */
static int seat_take(struct seat *seat, uid_t uid)
{
	msec_t deadline = clock_after(CLIENT_TIME);

	while (!seat_is_free(uid)) {
		int r = wait_on(&seats.free, deadline);

		if (r < 0)
			return r;
	}
	seat->uid = uid;
	list_push_back(&seats.taken, &seat->link);
	return 0;
}

static void seat_leave(struct seat *seat)
{
	list_remove(&seat->link);
	wake_all(&seats.free);
}

/* ---- the queue manager ---- */

static struct {
	struct ipc_pool *pool;
	bool busy;
	struct waitlist idle;
} manager;

/* One exchange at a time. The answer's views are valid until manager_leave. */
static int manager_ask(struct ipc **ipc, struct message *answer, enum message_type type,
		       const void *fields)
{
	while (manager.busy)
		wait_on(&manager.idle, MSEC_FOREVER);
	manager.busy = true;
	return ipc_exchange_message(manager.pool, clock_after(CONNECT_TIME), ipc, answer, type,
				    fields);
}

static void manager_leave(struct ipc *ipc, bool healthy)
{
	ipc_pool_put(manager.pool, ipc, healthy);
	manager.busy = false;
	wake_one(&manager.idle);
}

/* ---- requests ---- */

static int client_refuse(struct ipc *client, uint32_t code, const char *status, struct view text)
{
	return ipc_send(client, verdict, .code = code, .status = view_of(status), .text = text);
}

static int client_refuse_unanswered(struct ipc *client)
{
	return client_refuse(client, 451, "4.3.2", VIEW("the queue manager does not answer"));
}

/* Root, the queue's owner where that is who we are too, and those who are on the list. */
static bool client_may(uid_t uid, const struct permit *permit)
{
	return uid == 0 || uid == geteuid() || permit_ask(permit, uid, NULL) > 0;
}

struct listing {
	char id[QUEUE_ID_LENGTH_MAX], after[QUEUE_ID_LENGTH_MAX];
	struct msg_queue_page next;
	struct str bytes; /* the page */
};

/* Takes over what the answer says. 1: there is more; 0; or -EBADMSG. */
static int listing_take(struct listing *l, const struct msg_queue_listed *page)
{
	if (page->more && !queue_id_is_valid(page->after))
		return -EBADMSG;
	str_set(&l->bytes, page->bytes);
	queue_id_copy(l->after, page->after);
	l->next = (struct msg_queue_page){ .queue_id = view_of(l->id),
					   .after = view_of(l->after),
					   .within = page->within,
					   .offset = page->offset,
					   .index = page->index };
	return page->more;
}

/* One page, and what to ask for next. 1: there is more, 0: that was all; negative: it is over. */
static int listing_page(struct ipc *client, struct listing *l)
{
	_cleanup_(str_free) struct str missing = STR_EMPTY;
	struct ipc *ipc = NULL;
	struct message m;
	uint32_t code = 451;
	int r = manager_ask(&ipc, &m, MSG_queue_page, &l->next);

	str_clear(&l->bytes);
	if (r == 0 && m.type == MSG_queue_listed) {
		code = m.queue_listed.code;
		str_set(&missing, m.queue_listed.missing);
		r = listing_take(l, &m.queue_listed);
	} else if (r == 0 && m.type == MSG_verdict) {
		code = m.verdict.code;
		str_set(&missing, m.verdict.text);
	} else if (r == 0) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	manager_leave(ipc, r >= 0);
	if (r < 0) {
		log_warning("the queue manager does not answer: %s", strerror(-r));
		return MIN(client_refuse_unanswered(client), 0);
	}
	/* Here the client is waited for, with nothing of qmgr's in hand. */
	int e = l->bytes.len > 0 ? ipc_send_bytes(client, str_view(&l->bytes)) : 0;

	if (e == 0)
		e = r > 0	  ? ipc_flush(client)
		    : code == 250 ? ipc_send(client, done)
				  : client_refuse(client, code, "4.3.2", str_view(&missing));
	return e < 0 ? e : r;
}

static int serve_list(struct ipc *client, uid_t uid, struct view id)
{
	struct listing l = { .bytes = STR_EMPTY };
	int r;

	if (!client_may(uid, mailq_users))
		return client_refuse(client, 550, "5.7.1", VIEW("you may not list the queue"));
	if (id.len > 0 && !queue_id_is_valid(id))
		return client_refuse(client, 501, "5.5.4", VIEW("no queue id"));
	queue_id_copy(l.id, id);
	l.next.queue_id = view_of(l.id);
	do
		r = listing_page(client, &l);
	while (r > 0);
	str_free(&l.bytes);
	return r;
}

static int serve_flush(struct ipc *client, uid_t uid, const struct msg_queue_act *act)
{
	struct ipc *ipc = NULL;
	struct message m;
	int r;

	if (act->action != QUEUE_ACT_FLUSH || !client_may(uid, flush_users))
		return client_refuse(client, 550, "5.7.1",
				     VIEW("you may not do this to the queue"));
	r = manager_ask(&ipc, &m, MSG_queue_act, act);
	if (r == 0 && m.type == MSG_queue_acted)
		r = ipc_send(client, queue_acted, .count = m.queue_acted.count);
	else if (r == 0 && m.type == MSG_verdict)
		r = ipc_send_message(client, MSG_verdict, &m.verdict);
	else
		r = client_refuse_unanswered(client);
	manager_leave(ipc, true);
	return r;
}

static int serve_request(struct ipc *client, uid_t uid, struct message *m)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, site = STR_EMPTY;
	struct seat seat;
	int r;

	/* The views end where we wait. */
	if (m->type == MSG_queue_list)
		str_set(&id, m->queue_list.queue_id);
	if (m->type == MSG_queue_act) {
		str_set(&id, m->queue_act.queue_id);
		str_set(&site, m->queue_act.site);
	}
	if (m->type == MSG_queue_open)
		return client_refuse(client, 550, "5.7.1", VIEW("you may not read this message"));
	if (m->type != MSG_queue_list && m->type != MSG_queue_act) {
		message_close_fd(m);
		return -EBADMSG;
	}
	r = seat_take(&seat, uid);
	if (r < 0)
		return client_refuse(client, 451, "4.3.2", VIEW("too many ask at this time"));
	if (m->type == MSG_queue_list)
		r = serve_list(client, uid, str_view(&id));
	else
		r = serve_flush(client, uid,
				&(struct msg_queue_act){ .action = m->queue_act.action,
							 .queue_id = str_view(&id),
							 .site = str_view(&site),
							 .states = m->queue_act.states });
	if (r == 0)
		r = ipc_flush(client);
	seat_leave(&seat);
	return r;
}

static void showq_serve(struct ipc *client)
{
	struct message m;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (ipc_peer(client, &pid, &uid, &gid) < 0)
		return;
	ipc_set_timeout(client, CLIENT_TIME);
	while (ipc_next_request(client, &m) == 0)
		if (serve_request(client, uid, &m) < 0)
			return;
}

/* ---- the program ---- */

static int showq_prepare(struct error *err)
{
	mailq_users = permit_open("authorized_mailq_users", param.authorized_mailq_users, err);
	flush_users = permit_open("authorized_flush_users", param.authorized_flush_users, err);
	return mailq_users && flush_users ? 0 : -EINVAL;
}

static void showq_start(void)
{
	list_init(&seats.taken);
	WAITLIST_INIT(&seats.free);
	WAITLIST_INIT(&manager.idle);
	manager.pool = ipc_pool_new("private/qmgr", 1);
	ipc_pool_set_timeout(manager.pool, ANSWER_TIME);
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "showq",
		.prepare = showq_prepare,
		.start = showq_start,
		.serve_ipc = showq_serve,
	};

	return daemon_main(argc, argv, &program);
}

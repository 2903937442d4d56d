/* The parent that makes a process for each user: who logs in, who is logged in, who is sent away. It reads no mail and no command. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "session/children.h"

#define TEMPORARY "The mailbox is not available now, please try again later"
/* A process that is about to sleep, and does not, is not waited for longer: its user may have stopped it. */
#define KICK_TIME ((msec_t)10 * 1000)

/* What a line of that has, packed: lengths of user, address and number. */
struct session_line {
	size_t length[3];
	int64_t since;
	bool secured;
};

static const char *parent_service;

/* As user_find_as. auth has looked at it too; who becomes the user does not take its word for it. */
static int parent_find_user(struct view name, struct user *user, struct error *err)
{
	int r = user_find_as(name, view_of(parent_service), user, err);

	if (r == 1 && user->system && daemon_running_as_root() &&
	    (int64_t)user->uid < param.first_valid_uid) {
		user_free(user);
		r = error_set(err, -EPERM, "the uid is below first_valid_uid");
	}
	return r;
}

/* A connection that slept; what its user may now is looked up again. */
static int parent_hand(const char *name, const struct arrival *arrival)
{
	struct error err = ERROR_NONE;
	struct user user;
	int r = parent_find_user(view_of(name), &user, &err);

	if (r <= 0) {
		log_error("user=<%s>: %s", name, r == 0 ? "not found any more" : err.text);
		return r < 0 ? r : -ENOENT;
	}
	if (user_flag(&user, "nologin") || !user_allows_client(&user, arrival->address))
		r = -EACCES;
	else
		r = hand_to_child(&user, arrival);
	user_free(&user);
	return r;
}

static void parent_set_up(const struct session_program *program)
{
	parent_service = program->service;
	children_open(program);
	sleepers_open(parent_hand);
}

/* Whom the cookie stands for. 0 with the user, or a negative errno with the answer's reason. */
static int identify(const struct session_program *program, const struct msg_session *session,
		    struct user *user, struct str *number, uint8_t *why)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = auth_redeem(session->cookie, view_of(program->service), &name, number);

	*why = r == -EACCES ? AUTH_FAIL_CREDENTIALS : AUTH_FAIL_TEMPORARY;
	if (r < 0) {
		log_error("login from %.*s: cookie %s", VIEW_ARG(session->client_address),
			  r == -EACCES ? "refused by auth" : "could not be checked");
		return r;
	}
	r = parent_find_user(str_view(&name), user, &err);
	if (r == 1)
		return 0;
	log_error("user=<%s>: %s", str_cstr(&name), r == 0 ? "not found any more" : err.text);
	return r < 0 ? r : -ENOENT;
}

static int serve_session(struct ipc *ipc, const struct session_program *program,
			 struct msg_session *session)
{
	_cleanup_(str_free) struct str number = STR_EMPTY;
	struct user user;
	uint8_t why;
	int r = identify(program, session, &user, &number, &why);

	if (r == 0) {
		struct arrival arrival = {
			.session = str_view(&number),
			.tag = session->tag,
			.input = session->input,
			.address = session->client_address,
			.since = clock_wall(),
			.secured = session->secured != 0,
			.connection = session->connection,
		};

		r = hand_to_child(&user, &arrival);
		user_free(&user);
	}
	if (session->connection >= 0)
		close(TAKE_FD(session->connection));
	if (r < 0)
		return ipc_send(ipc, auth_failed, .why = why, .text = VIEW(TEMPORARY));
	metric_add(METRIC_logins, 1);
	return ipc_send(ipc, done);
}

/* ---- who is logged in, and who is sent away ---- */

struct session_listing {
	struct session_line *lines;
	size_t count;
	struct str text;
};

static void listing_add(void *argument, const struct sleeper_view *one)
{
	struct session_listing *listing = argument;

	array_grow(listing->lines, listing->count);
	listing->lines[listing->count++] = (struct session_line){
		{ one->user.len, one->address.len, one->session.len },
		one->since,
		one->secured,
	};
	str_append(&listing->text, one->user);
	str_append(&listing->text, one->address);
	str_append(&listing->text, one->session);
}

/*
 * Packed before anything is sent: while this waits, children come and go. The numbers of a list
 * of logins are bounded by the memory of the children that have them, and by how many may sleep.
 */
static void listing_fill(struct session_listing *listing)
{
	list_for_each (&children_all, struct child, link, child)
		list_for_each (&child->entries, struct entry, link, entry)
			listing_add(listing,
				    &(struct sleeper_view){ view_of(child->user),
							    str_view(&entry->address),
							    str_view(&entry->session), entry->since,
							    entry->secured });
	sleepers_each(listing_add, listing);
}

static int answer_list(struct ipc *ipc)
{
	struct session_listing listing = { 0 };
	size_t at = 0;
	int r = 0;

	listing_fill(&listing);
	for (size_t i = 0; i < listing.count && r == 0; i++) {
		const struct session_line *line = &listing.lines[i];
		struct view parts[3];

		for (size_t part = 0; part < 3; part++) {
			parts[part] = view_make(listing.text.data + at, line->length[part]);
			at += line->length[part];
		}
		r = ipc_send(ipc, session_entry, .user = parts[0], .client_address = parts[1],
			     .session = parts[2], .since = line->since, .secured = line->secured);
	}
	free(listing.lines);
	str_free(&listing.text);
	return r < 0 ? r : ipc_send(ipc, done);
}

/* All of a user's at once: their clients are told good-bye. The number of them. */
static uint32_t kick_user(struct child *child)
{
	uint32_t count = (uint32_t)entry_count(child);

	if (child->pid > 0)
		kill(child->pid, SIGTERM);
	return count;
}

static uint32_t kick_address(struct child *child, struct view address)
{
	_cleanup_(str_free) struct str numbers = STR_EMPTY;
	msec_t deadline = clock_after(KICK_TIME);
	struct view rest, number;
	uint32_t count = 0;

	list_for_each (&child->entries, struct entry, link, entry)
		if (view_eq(str_view(&entry->address), address))
			str_printf(&numbers, "%s ", str_cstr(&entry->session));
	rest = str_view(&numbers);
	/* One that is about to leave would not read it any more; then they sleep, or are known here again. */
	while (rest.len > 0 && child->state == RESTING && wait_on(&child->changed, deadline) == 0)
		;
	task_lock(&child->sending);
	while (view_next_word(&rest, " ", &number))
		if (ipc_send(child->join, session_end, .session = number) == 0)
			count++;
	(void)ipc_flush(child->join);
	task_unlock(&child->sending);
	return count;
}

static int answer_kick(struct ipc *ipc, struct view who)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct child **found = NULL;
	size_t matching = 0;
	uint32_t count = 0;

	str_append_lower(&name, who);
	list_for_each (&children_all, struct child, link, child) {
		if (strcmp(child->user, str_cstr(&name)) == 0) {
			count += kick_user(child);
			continue;
		}
		/* Kept while the others are told, which waits. */
		child->references++;
		found = mem_resize(found, matching + 1, sizeof(struct child *));
		found[matching++] = child;
	}
	for (size_t i = 0; i < matching; i++) {
		count += kick_address(found[i], str_view(&name));
		child_release(found[i]);
	}
	free(found);
	count += sleepers_kick(str_view(&name));
	if (count > 0)
		log_info("%u sessions of %s ended by the administrator", count, str_cstr(&name));
	return ipc_send(ipc, session_kicked, .count = count);
}

static int answer_session(struct ipc *ipc, const struct session_program *program, struct message *m)
{
	switch (m->type) {
	case MSG_session_list:
		return answer_list(ipc);
	case MSG_session_kick:
		return answer_kick(ipc, m->session_kick.who);
	case MSG_session:
		if (m->session.connection >= 0)
			return serve_session(ipc, program, &m->session);
		break;
	case MSG_sleep_offer:
		if (program->lay_down == NULL)
			break;
		sleepers_serve(ipc, m->sleep_offer.room);
		return -ENODATA;
	default:
		break;
	}
	log_error("unexpected message %s", message_name(m->type));
	message_close_fd(m);
	return -EBADMSG;
}

void session_serve_ipc(struct ipc *ipc, const struct session_program *program)
{
	struct message m;

	parent_set_up(program);
	while (ipc_next_request(ipc, &m) == 0)
		if (answer_session(ipc, program, &m) < 0 || ipc_flush(ipc) < 0)
			return;
}

void session_start(void)
{
	children_start();
}

/*
 * Children live on until their clients have gone: each counts as work of this process, which stays to
 * pass on the order to stop.
 */
void session_retire(void)
{
	list_for_each (&children_all, struct child, link, child)
		if (child->state == READY)
			log_debug("the session process of %s stays for its clients", child->user);
	sleepers_retire();
}

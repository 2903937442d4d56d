/* The loop of one connection: read a command, find it, call it, tell what changed. */
#include "session.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "conf/conf.h"
#include "context.h"
#include "fetch.h"
#include "hibernate.h"
#include "notify.h"

/* ---- the loop ---- */

/* Reads the name after UID, if there is that prefix. NULL: answered with BAD by the caller. */
static int session_read_command(struct imap_session *s, const struct imap_command **command)
{
	struct view name;
	int r = imap_command_begin(s->parser);

	*command = NULL;
	s->uid = false;
	if (r < 0)
		return r;
	name = imap_command_name(s->parser);
	if (view_is(name, "UID")) {
		s->uid = true;
		r = imap_space(s->parser);
		if (r == 0)
			r = imap_atom(s->parser, &name);
		if (r < 0)
			return r;
	}
	*command = imap_command_find(name);
	return 0;
}

static int run_command(struct imap_session *s, const struct imap_command *command)
{
	unsigned state = s->mailbox != NULL ? STATE_SELECTED : STATE_AUTHENTICATED;

	if (command == NULL || (s->uid && !command->may_be_uid))
		return imap_bad(s, "Unknown command.");
	if (!(command->states & state))
		return imap_bad(s, "Select a mailbox first.");
	if (s->uidonly && !s->uid && command->may_be_uid &&
	    command->handle != imap_command_expunge && command->handle != imap_command_esearch)
		return imap_bad(s, "[UIDREQUIRED] Only the UID form is allowed.");
	imap_own_begin(s);
	s->removes = command->handle == imap_command_expunge ||
		     command->handle == imap_command_move ||
		     command->handle == imap_command_replace;
	s->expunge_allowed = command->expunge_allowed || (s->uid && command->may_be_uid);

	int r = command->handle(s);

	/* Not of flags. */
	if (command->changes && command->expunge_allowed)
		imap_quota_look(s->store);
	if (command->changes)
		imap_sessions_wake(s);
	return r;
}

/*
 * What files owe to the index can wait, and the more of it comes together the less it costs: until the
 * client is quiet, or has been busy for too long.
 */
#define SETTLE_QUIET  100
#define SETTLE_LATEST 2000
/* Between rounds of file work when a client has gone, for the user's other connections. */
#define SETTLE_PAUSE 20

static void settle_when_quiet(struct imap_session *s)
{
	msec_t quiet = SETTLE_QUIET;

	if (!store_owes(s->store)) {
		s->settle_at = 0;
		return;
	}
	if (s->settle_at == 0)
		s->settle_at = clock_after(SETTLE_LATEST);
	if (clock_now() >= s->settle_at) {
		s->settle_at = 0;
		store_settle(s->store, STORE_SETTLE_BATCH);
		return;
	}
	while (stream_wait(s->io, clock_after(quiet)) == -ETIMEDOUT) {
		if (store_settle(s->store, STORE_SETTLE_BATCH) <= 0)
			return;
		quiet = 1;
	}
}

/* The client has gone, or need not wait for this. */
static void settle_all(struct imap_session *s)
{
	if (!store_owes(s->store))
		return;
	shutdown(stream_fd(s->io), SHUT_WR);
	while (store_settle(s->store, STORE_SETTLE_BATCH) > 0)
		task_sleep(SETTLE_PAUSE);
}

/* NOTIFY: the client hears of changes also when it says nothing. */
static int listen_for_command(struct imap_session *s)
{
	struct listening l = { .s = s, .expunges = s->telling.at_once };
	int told, r;

	imap_listen_begin(&l);
	r = stream_wait(s->io, clock_after(param.imap_idle_timeout));
	told = imap_listen_end(&l);
	return told < 0 ? told : r;
}

/*
 * The answer of a command is held back after what changed: handlers write the tagged line
 * through imap_ok and its kin, which send the changes first.
 */
static int imap_session_command(struct imap_session *s)
{
	const struct imap_command *command;
	int r = imap_await_client(s, IMAP_SILENT);

	/* What happened while it slept is told with a command that may not renumber yet. */
	if (r == 0 && s->slept.len > 0) {
		r = imap_restore(s);
		if (r == 0)
			r = imap_send_changes(s, false);
	}
	if (r < 0)
		return r;
	r = session_read_command(s, &command);
	s->expunge_allowed = true;
	if (r == 0)
		r = run_command(s, command);
	if (r == -EBADMSG || r == -EMSGSIZE)
		r = imap_bad(s, "%s.", imap_parser_problem(s->parser));
	if (r == IMAP_DONE)
		r = imap_command_skip(s->parser);
	/* After the answer, so that the client need not wait for it. */
	if (r == IMAP_DONE && stream_buffered(s->io).len == 0) {
		r = stream_flush(s->io);
		if (r == 0)
			settle_when_quiet(s);
		if (r == 0 && notify_is_listening(s))
			r = listen_for_command(s);
	}
	return r;
}

static void imap_session_goodbye(struct imap_session *s, int why)
{
	if (s->gives_way)
		stream_printf(s->io, "* BYE [LIMIT] Too many connections from your address.\r\n");
	else if (why == -ESHUTDOWN)
		stream_printf(s->io, "* BYE Server shutting down.\r\n");
	else if (why == -ETIMEDOUT)
		stream_printf(s->io, "* BYE Disconnected for inactivity.\r\n");
	else if (why == -ESTALE)
		stream_printf(s->io, "* BYE The selected mailbox was deleted.\r\n");
	stream_flush(s->io);
	log_info("disconnected: user=<%s>, rip=%.*s, in=%llu, out=%llu%s%s", s->client->user->name,
		 VIEW_ARG(s->client->address),
		 (unsigned long long)(s->before.in + stream_bytes_in(s->io)),
		 (unsigned long long)(s->before.out + stream_bytes_out(s->io)),
		 why < 0 && why != -ENODATA ? ": " : "",
		 why < 0 && why != -ENODATA ? strerror(-why) : "");
}

static int tell_after(struct imap_session *s, const struct mailbox_changes *changes)
{
	int r = contexts_after(s, changes);

	return r == 0 ? notify_new_messages(s) : r;
}

static const struct change_hooks change_hooks = { contexts_before, tell_after, notify_look };

/* The greeting of one that has logged in, or where the other process was. */
static int imap_session_begin(struct imap_session *s)
{
	int r;

	if (s->client->state.len == 0)
		return stream_printf(s->io, "%.*s OK [CAPABILITY %s] Logged in.\r\n",
				     VIEW_ARG(s->client->tag), s->capabilities);
	r = imap_wake_up(s);
	if (r == 0 && s->client->tag.len > 0)
		r = imap_idle_resume(s, s->client->tag);
	return r;
}

void imap_session_serve(struct stream *io, const struct session_client *client, struct store *store)
{
	struct opened_message message = { 0 };
	struct str capabilities = STR_EMPTY;
	struct imap_session s = { .io = io, .client = client, .store = store, .message = &message };
	struct imap_limits limits = { .line = (size_t)param.imap_max_line_length,
				      .command = (size_t)param.imap_max_line_length * 2,
				      .literal_plus = true };
	int r;

	imap_sessions_join(&s);
	imap_commit_begin(&s);
	s.parser = imap_parser_new(io, &limits);
	s.hooks = &change_hooks;
	imap_append_capabilities(&capabilities);
	s.capabilities = str_cstr(&capabilities);
	r = imap_session_begin(&s);
	while (r == IMAP_DONE)
		r = imap_session_command(&s);
	imap_session_goodbye(&s, r == IMAP_LOGOUT ? 0 : r);
	imap_commit_end(&s);
	imap_close_mailbox(&s);
	notify_free(s.notify);
	imap_own_begin(&s);
	imap_parser_free(s.parser);
	str_free(&capabilities);
	str_free(&s.slept);
	settle_all(&s);
	list_remove(&s.link);
}

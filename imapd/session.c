/* The loop of one connection: read a command, find it, call it, tell what changed. */
#include "session.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "conf/conf.h"
#include "fetch.h"

const char imap_capabilities[] = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN "
				 "UIDPLUS UNSELECT MOVE SPECIAL-USE "
				 "LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH WITHIN";

/* All connections of this user; there are few. */
static struct list sessions = { &sessions, &sessions };

void imap_session_new_mail(void)
{
	list_for_each (&sessions, struct imap_session, link, s) {
		s->mail_came = true;
		wake_all(&s->new_mail);
	}
}

void imap_close_mailbox(struct imap_session *s)
{
	opened_message_close(s->message);
	mailbox_close(TAKE(s->mailbox));
}

/* ---- commands that need no file of their own ---- */

static int session_command_capability(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	r = stream_printf(s->io, "* CAPABILITY %s\r\n", imap_capabilities);
	return r < 0 ? r : imap_ok(s, "Capability completed.");
}

static int session_command_noop(struct imap_session *s)
{
	int r = imap_end(s->parser);

	return r < 0 ? r : imap_ok(s, "NOOP completed.");
}

static int session_command_logout(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	/* Nothing more is told of it. */
	imap_close_mailbox(s);
	r = stream_printf(s->io, "* BYE Logging out\r\n");
	if (r == 0)
		r = imap_ok(s, "Logout completed.");
	return r < 0 ? r : IMAP_LOGOUT;
}

/* RFC 2971; whatever the client says of itself is skipped. */
static int session_command_id(struct imap_session *s)
{
	int r = stream_printf(s->io, "* ID (\"name\" \"%s\")\r\n", param.mail_name);

	return r < 0 ? r : imap_ok(s, "ID completed.");
}

/* RFC 5161: nothing that is there needs to be enabled; names that are unknown are passed over. */
static int command_enable(struct imap_session *s)
{
	struct view name;
	int r;

	do {
		r = imap_space(s->parser);
		if (r == 0)
			r = imap_atom(s->parser, &name);
		if (r < 0)
			return r;
	} while (!imap_at_end(s->parser));
	r = imap_end(s->parser);
	if (r == 0)
		r = stream_printf(s->io, "* ENABLED\r\n");
	return r < 0 ? r : imap_ok(s, "Enabled.");
}

static int command_login(struct imap_session *s)
{
	return imap_bad(s, "Already logged in.");
}

const struct imap_command imap_commands[] = {
	{ "CAPABILITY", STATE_ANY, false, true, session_command_capability },
	{ "NOOP", STATE_ANY, false, true, session_command_noop },
	{ "LOGOUT", STATE_ANY, false, false, session_command_logout },
	{ "ID", STATE_ANY, false, true, session_command_id },
	{ "ENABLE", STATE_ANY, false, true, command_enable },
	{ "LOGIN", STATE_ANY, false, true, command_login },
	{ "AUTHENTICATE", STATE_ANY, false, true, command_login },
	{ "STARTTLS", STATE_ANY, false, true, command_login },
	{ "SELECT", STATE_ANY, false, true, imap_command_select },
	{ "EXAMINE", STATE_ANY, false, true, imap_command_examine },
	{ "CREATE", STATE_ANY, false, true, imap_command_create },
	{ "DELETE", STATE_ANY, false, true, imap_command_delete },
	{ "RENAME", STATE_ANY, false, true, imap_command_rename },
	{ "SUBSCRIBE", STATE_ANY, false, true, imap_command_subscribe },
	{ "UNSUBSCRIBE", STATE_ANY, false, true, imap_command_unsubscribe },
	{ "LIST", STATE_ANY, false, true, imap_command_list },
	{ "XLIST", STATE_ANY, false, true, imap_command_list },
	{ "LSUB", STATE_ANY, false, true, imap_command_lsub },
	{ "NAMESPACE", STATE_ANY, false, true, imap_command_namespace },
	{ "STATUS", STATE_ANY, false, true, imap_command_status },
	{ "APPEND", STATE_ANY, false, true, imap_command_append },
	{ "IDLE", STATE_ANY, false, true, imap_command_idle },
	{ "CHECK", STATE_SELECTED, false, true, session_command_noop },
	{ "CLOSE", STATE_SELECTED, false, true, imap_command_close },
	{ "UNSELECT", STATE_SELECTED, false, true, imap_command_unselect },
	{ "EXPUNGE", STATE_SELECTED, true, true, imap_command_expunge },
	{ "SEARCH", STATE_SELECTED, true, false, imap_command_search },
	{ "FETCH", STATE_SELECTED, true, false, imap_command_fetch },
	{ "STORE", STATE_SELECTED, true, false, imap_command_store },
	{ "COPY", STATE_SELECTED, true, true, imap_command_copy },
	{ "MOVE", STATE_SELECTED, true, true, imap_command_move },
};
const size_t imap_command_count = ARRAY_SIZE(imap_commands);

/* ---- the loop ---- */

static const struct imap_command *find_command(struct view name)
{
	for (size_t i = 0; i < imap_command_count; i++)
		if (view_is_nocase(name, imap_commands[i].name))
			return &imap_commands[i];
	return NULL;
}

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
	*command = find_command(name);
	return 0;
}

static int run_command(struct imap_session *s, const struct imap_command *command)
{
	unsigned state = s->mailbox != NULL ? STATE_SELECTED : STATE_AUTHENTICATED;

	if (command == NULL || (s->uid && !command->may_be_uid))
		return imap_bad(s, "Unknown command.");
	if (!(command->states & state))
		return imap_bad(s, "Select a mailbox first.");
	s->expunge_allowed = command->expunge_allowed || (s->uid && command->may_be_uid);
	return command->handle(s);
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

/*
 * The answer of a command is held back after what changed: handlers write the tagged line
 * through imap_ok and its kin, which send the changes first.
 */
static int imap_session_command(struct imap_session *s)
{
	const struct imap_command *command;
	int r = session_read_command(s, &command);

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
	}
	return r;
}

static void imap_session_goodbye(struct imap_session *s, int why)
{
	if (why == -ESHUTDOWN)
		stream_printf(s->io, "* BYE Server shutting down.\r\n");
	else if (why == -ETIMEDOUT)
		stream_printf(s->io, "* BYE Disconnected for inactivity.\r\n");
	else if (why == -ESTALE)
		stream_printf(s->io, "* BYE The selected mailbox was deleted.\r\n");
	stream_flush(s->io);
	log_info("disconnected: user=<%s>, rip=%.*s, in=%llu, out=%llu%s%s", s->client->user->name,
		 VIEW_ARG(s->client->address), (unsigned long long)stream_bytes_in(s->io),
		 (unsigned long long)stream_bytes_out(s->io),
		 why < 0 && why != -ENODATA ? ": " : "",
		 why < 0 && why != -ENODATA ? strerror(-why) : "");
}

void imap_session_serve(struct stream *io, const struct session_client *client, struct store *store)
{
	struct opened_message message = { 0 };
	struct imap_session s = { .io = io, .client = client, .store = store, .message = &message };
	struct imap_limits limits = { .line = (size_t)param.imap_max_line_length,
				      .command = (size_t)param.imap_max_line_length * 2,
				      .literal_plus = true };
	int r;

	WAITLIST_INIT(&s.new_mail);
	list_push_back(&sessions, &s.link);
	s.parser = imap_parser_new(io, &limits);
	r = stream_printf(io, "%.*s OK [CAPABILITY %s] Logged in.\r\n", VIEW_ARG(client->tag),
			  imap_capabilities);
	while (r == IMAP_DONE)
		r = imap_session_command(&s);
	imap_session_goodbye(&s, r == IMAP_LOGOUT ? 0 : r);
	imap_close_mailbox(&s);
	imap_parser_free(s.parser);
	settle_all(&s);
	list_remove(&s.link);
}

/* A ManageSieve session after login: one command after the other until one side has enough. */
#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

static int managesieve_session_command(struct managesieve *m)
{
	const struct managesieve_command *command;
	int r = managesieve_begin(&m->parser), skipped;

	if (r < 0) {
		r = managesieve_syntax(m, r);
	} else {
		command = managesieve_command_find(m->parser.name);
		if (command != NULL) {
			r = command->handle(m);
		} else {
			r = managesieve_no(m, NULL, VIEW("Unknown command."));
			r = r < 0 ? r : MANAGESIEVE_BAD;
		}
	}
	if (r < 0 || r == MANAGESIEVE_LEAVE)
		return r;
	skipped = managesieve_skip(&m->parser);
	return skipped < 0 ? managesieve_syntax(m, skipped) : r;
}

static int managesieve_session_converse(struct managesieve *m)
{
	int r = MANAGESIEVE_GO_ON;

	while (r != MANAGESIEVE_LEAVE) {
		r = managesieve_session_command(m);
		if (r < 0)
			return r;
		if (r == MANAGESIEVE_BAD &&
		    ++m->bad_commands >= (unsigned)param.managesieve_bad_commands_max) {
			(void)managesieve_answer(m->parser.io, "BYE", NULL,
						 VIEW("Too many invalid commands."));
			return -EPROTO;
		}
	}
	return 0;
}

static int managesieve_greet(struct managesieve *m)
{
	_cleanup_(str_free) struct str code = STR_EMPTY;
	struct view last_word = m->client->tag;
	int r;

	if (last_word.len > 0) {
		str_append(&code, VIEW("SASL "));
		managesieve_append_string(&code, last_word);
	}
	r = managesieve_answer(m->parser.io, "OK", last_word.len > 0 ? str_cstr(&code) : NULL,
			       VIEW("Logged in."));
	return r < 0 ? r : 0;
}

static const char *managesieve_reason(int why)
{
	return why == 0		   ? "Logged out"
	       : why == -ENODATA   ? "Connection closed"
	       : why == -ETIMEDOUT ? "Inactivity"
	       : why == -EPROTO	   ? "Too many invalid commands"
	       : why == -ESHUTDOWN ? "Server shutting down"
				   : strerror(-why);
}

void managesieve_session_serve(struct stream *io, const struct session_client *client)
{
	struct managesieve m = { .client = client,
				 .maildir = client->user->maildir,
				 .parser = { .io = io } };
	int r;

	stream_set_timeout(io, param.managesieve_timeout);
	r = managesieve_greet(&m);
	if (r == 0)
		r = managesieve_session_converse(&m);
	if (r == -ESHUTDOWN)
		(void)managesieve_answer(io, "BYE", "TRYLATER", VIEW("Server shutting down."));
	else if (r == -ETIMEDOUT)
		(void)managesieve_answer(io, "BYE", NULL, VIEW("Disconnected for inactivity."));
	(void)stream_flush(io);
	log_info("%s: user=<%s>, rip=%.*s, stored=%u, deleted=%u", managesieve_reason(r),
		 client->user->name, VIEW_ARG(client->address), m.stored, m.removed);
	managesieve_parser_end(&m.parser);
}
